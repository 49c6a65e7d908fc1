//! What the server does, and how it deviates from the protocol when asked to.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::server::ack::ErrorHeaders;
use crate::server::fault::FaultScript;
use crate::server::log::Request;

/// Settings of a [`Server`](crate::Server). The default is strict MC-BUP on a free loopback port,
/// with the current folder as root.
#[derive(Clone)]
pub struct Config {
    /// Folder that uploads land in and that GET and HEAD serve. It must exist.
    pub root: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Replaces an existing file. Off: it is refused with [`conflict_status`](Self::conflict_status).
    pub overwrite: bool,
    /// Makes missing folders. Off: an upload into one is refused with 404.
    pub create_dirs: bool,
    /// Folder for sessions, made when missing; `.bitsup-server` inside the root by default.
    /// It is never served, and no upload can write to it.
    pub state_dir: Option<PathBuf>,
    /// Takes an overlapping fragment, keeps its new tail and answers 200 (as Learn describes).
    /// Off: any start other than the wanted one is answered 416.
    pub overlap: bool,
    /// When a complete file appears at its place.
    pub publish: Publish,
    /// Which of the two spellings of the error header an error carries.
    pub error_headers: ErrorHeaders,
    /// Sends `BITS-Session-Id` in every successful Ack, as MC-BUP says. Off: in the
    /// Create-Session Ack only, as IIS does.
    pub session_id_in_acks: bool,
    /// Status for an existing file: 403 (MC-BUP) or 409 (Learn).
    pub conflict_status: u16,
    /// User and password that every request must show with Basic authentication.
    pub basic_auth: Option<(String, String)>,
    /// Speaks TLS with this certificate and key.
    pub tls: Option<TlsFiles>,
    /// Value of `BITS-Host-Id` in Create-Session Acks.
    pub host_id: Option<String>,
    /// Value of `BITS-Host-Id-Fallback-Timeout`, in seconds; sent with a host id only.
    pub host_id_fallback: Option<u64>,
    /// Upload-reply mode: what produces the reply once the last byte is there.
    pub reply: Option<Reply>,
    /// Time that a reply command may run before the last fragment is answered 408.
    pub reply_timeout: Duration,
    /// Places the uploaded file at its URL in upload-reply mode too.
    pub reply_keeps_upload: bool,
    /// Largest body of one fragment in bytes. Over it: [`oversize_status`](Self::oversize_status).
    pub max_fragment: Option<u64>,
    /// Status for too large a fragment: 413, or 404 without BITS headers as IIS answers.
    pub oversize_status: u16,
    /// Largest file in bytes. Over it: 500 with 0x80200020.
    pub max_upload: Option<u64>,
    /// Time after which an idle session is forgotten.
    pub session_timeout: Duration,
    /// Time without a byte, between requests or inside a body, after which a connection is closed.
    pub idle_timeout: Duration,
    /// Keeps what arrived of a body that was cut.
    pub keep_partial: bool,
    /// Largest number of open sessions; over it Create-Session is answered 503.
    pub max_sessions: usize,
    /// Flushes data and state to the disk before each Ack, so that they survive a power cut too.
    pub sync: bool,
    /// A broken server: stores every fragment at the end of what it has, wherever the fragment
    /// says it belongs, and answers 200.
    pub appends_blindly: bool,
    /// A broken server: a session is known on the connection that created it only.
    pub session_bound_to_connection: bool,
    /// Faults to act out.
    pub fault: Option<FaultScript>,
    /// Called after each request was answered or dropped, on a thread of the server.
    pub on_request: Option<RequestCallback>,
}

/// Type of [`Config::on_request`].
pub type RequestCallback = Arc<dyn Fn(&Request) + Send + Sync>;

/// When a complete file appears at its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Publish {
    /// At Close-Session, as MC-BUP says.
    #[default]
    AtClose,
    /// With the last fragment, as Learn says.
    AtLastFragment,
}

/// PEM files for TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain, the server's own first.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// What produces the reply of an upload-reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Program and arguments. The paths of the uploaded file and of the reply file that it may
    /// write are added to the arguments; an exit code other than 0 is an application error.
    Command(Vec<String>),
    /// An absolute URL, named to the client as it is.
    StaticUrl(String),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            root: PathBuf::from("."),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            overwrite: false,
            create_dirs: false,
            state_dir: None,
            overlap: false,
            publish: Publish::AtClose,
            error_headers: ErrorHeaders::Both,
            session_id_in_acks: true,
            conflict_status: 403,
            basic_auth: None,
            tls: None,
            host_id: None,
            host_id_fallback: None,
            reply: None,
            reply_timeout: Duration::from_mins(5),
            reply_keeps_upload: true,
            max_fragment: None,
            oversize_status: 413,
            max_upload: None,
            session_timeout: Duration::from_hours(14 * 24),
            idle_timeout: Duration::from_mins(2),
            keep_partial: true,
            max_sessions: 10_000,
            sync: false,
            appends_blindly: false,
            session_bound_to_connection: false,
            fault: None,
            on_request: None,
        }
    }
}

/// Written by hand: neither the password nor the callback can be printed.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("root", &self.root)
            .field("listen", &self.listen)
            .field("state_dir", &self.state_dir)
            .field("basic_auth", &self.basic_auth.as_ref().map(|(user, _)| user))
            .field("tls", &self.tls)
            .field("reply", &self.reply)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// What is wrong with these settings, in one line.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !matches!(self.conflict_status, 403 | 409) {
            return Err(format!("conflict_status is 403 or 409, not {}", self.conflict_status));
        }
        if !matches!(self.oversize_status, 404 | 413) {
            return Err(format!("oversize_status is 413 or 404, not {}", self.oversize_status));
        }
        match &self.reply {
            Some(Reply::Command(words)) if words.is_empty() => {
                return Err("the reply command is empty".into());
            }
            // The limit is the protocol's: MC-BUP §2.2.1.2.
            Some(Reply::StaticUrl(url)) if url.len() > 2200 || !is_header_text(url) => {
                return Err("the reply URL is longer than 2200 characters or has characters that no header may have".into());
            }
            _ => {}
        }
        match &self.host_id {
            Some(host) if host.is_empty() || host.len() > 300 || !is_header_text(host) => {
                Err(format!("not a host name for BITS-Host-Id: {host:?}"))
            }
            _ => Ok(()),
        }
    }
}

fn is_header_text(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_password() {
        let config =
            Config { basic_auth: Some(("user".into(), "secret".into())), ..Config::default() };
        let text = format!("{config:?}");
        assert!(text.contains("user") && !text.contains("secret"), "{text}");
    }

    #[test]
    fn odd_settings_are_named() {
        let bad = [
            Config { conflict_status: 404, ..Config::default() },
            Config { oversize_status: 500, ..Config::default() },
            Config { reply: Some(Reply::Command(Vec::new())), ..Config::default() },
            Config { reply: Some(Reply::StaticUrl("x".repeat(2201))), ..Config::default() },
            Config { host_id: Some("a\r\nb".into()), ..Config::default() },
        ];
        for config in bad {
            assert!(config.check().is_err(), "{config:?}");
        }
        assert_eq!(Config::default().check(), Ok(()));
    }
}

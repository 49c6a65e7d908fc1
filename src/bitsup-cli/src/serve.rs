//! `bitsup serve`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bitsup::{ErrorKind, Secret};
use bitsup_server::replay::{Replay, Transcript};
use bitsup_server::{Config, ErrorHeaders, Publish, Reply, Request, Server, StartError, TlsFiles};
use clap::{Args, ValueEnum};

use crate::failure::CommandFailure;
use crate::signals::Listener;
use crate::{format, values};

/// Run a BITS server for development, demonstration and tests
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bitsup serve --root /tmp/incoming --listen 127.0.0.1:8080 --overwrite"
)]
pub(crate) struct ServeArgs {
    /// Store uploads in this existing folder
    #[arg(long, value_name = "DIR", required_unless_present = "replay")]
    root: Option<PathBuf>,
    /// Listen on this address; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Replace existing files
    #[arg(long)]
    overwrite: bool,
    /// Create missing folders
    #[arg(long)]
    create_dirs: bool,
    /// Require this user
    #[arg(long, value_name = "NAME", requires = "password_file")]
    user: Option<String>,
    /// Require the password in FILE
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// Serve https with the certificate chain in FILE (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Inject the faults described in FILE
    #[arg(long, value_name = "FILE")]
    fault: Option<PathBuf>,
    /// Play back the transcript in FILE, which `bitsup upload --record` wrote; stores nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["root", "fault", "tls_cert", "user"])]
    replay: Option<PathBuf>,
    /// Create replies with COMMAND, split as by a shell and given the paths of upload and reply
    #[arg(long, value_name = "COMMAND", conflicts_with = "reply_url")]
    reply_command: Option<String>,
    /// Name URL as the reply to each upload
    #[arg(long, value_name = "URL", hide_short_help = true)]
    reply_url: Option<String>,
    /// How long the reply command may run
    #[arg(long, value_name = "TIME", value_parser = values::positive_time, hide_short_help = true)]
    reply_timeout: Option<Duration>,
    /// Do not place the file itself where a reply is made
    #[arg(long, hide_short_help = true)]
    reply_only: bool,
    /// The largest fragment; IIS takes 30000000 bytes
    #[arg(long, value_name = "SIZE", value_parser = values::positive_size)]
    max_fragment: Option<u64>,
    /// Status for too large a fragment: 413, or 404 as IIS answers
    #[arg(long, value_name = "STATUS", hide_short_help = true)]
    oversize_status: Option<u16>,
    /// The largest file
    #[arg(long, value_name = "SIZE", value_parser = values::positive_size)]
    max_upload: Option<u64>,
    /// The largest number of open sessions
    #[arg(long, value_name = "N", hide_short_help = true)]
    max_sessions: Option<usize>,
    /// Forget sessions that are idle for TIME [default: 14d]
    #[arg(long, value_name = "TIME", value_parser = values::positive_time, hide_short_help = true)]
    session_timeout: Option<Duration>,
    /// Close connections that are idle for TIME [default: 2m]
    #[arg(long, value_name = "TIME", value_parser = values::positive_time, hide_short_help = true)]
    idle_timeout: Option<Duration>,
    /// Keep sessions in DIR instead of the root's .bitsup-server
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    state_dir: Option<PathBuf>,
    /// Flush to the disk before each answer
    #[arg(long, hide_short_help = true)]
    sync: bool,
    /// Send clients to HOST (BITS-Host-Id)
    #[arg(long, value_name = "HOST", hide_short_help = true)]
    host_id: Option<String>,
    /// Let clients fall back after TIME (BITS-Host-Id-Fallback-Timeout)
    #[arg(long, value_name = "TIME", value_parser = values::time, requires = "host_id", hide_short_help = true)]
    host_id_fallback: Option<Duration>,
    /// Take overlapping fragments
    #[arg(long, hide_short_help = true)]
    overlap: bool,
    /// When a complete file appears
    #[arg(long, value_enum, default_value = "close", value_name = "WHEN", hide_short_help = true)]
    publish: When,
    /// Status for an existing file: 403 or 409
    #[arg(long, value_name = "STATUS", hide_short_help = true)]
    conflict_status: Option<u16>,
    /// Which error headers an error carries
    #[arg(long, value_enum, default_value = "both", value_name = "WHICH", hide_short_help = true)]
    error_headers: Headers,
    /// Send the session's id with the first answer only, as IIS does
    #[arg(long, hide_short_help = true)]
    session_id_once: bool,
    /// Discard the received part of an interrupted Fragment
    #[arg(long, hide_short_help = true)]
    discard_partial: bool,
    /// Break: append each fragment whatever its offset
    #[arg(long, hide_short_help = true)]
    append_blindly: bool,
    /// Break: know sessions on their first connection only
    #[arg(long, hide_short_help = true)]
    session_bound_to_connection: bool,
    /// Log no requests
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    /// At Close-Session
    Close,
    /// With the last fragment
    LastFragment,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Headers {
    /// BITS-Error-Code and BITS-Error
    Both,
    /// BITS-Error-Code
    Code,
    /// BITS-Error
    Error,
}

/// Serves until a signal comes.
pub(crate) fn run(args: ServeArgs) -> Result<u8, CommandFailure> {
    if let Some(path) = &args.replay {
        return replay(path, args.listen);
    }
    let config = config(args)?;
    let exposed = !config.listen.ip().is_loopback() && config.basic_auth.is_none();
    let server = Server::start(config).map_err(|error| failure(&error))?;
    let stopper = server.stopper();
    let _listener = Listener::start(move |_| stopper.stop()).map_err(|error| {
        CommandFailure::new(ErrorKind::Internal, format!("cannot listen for signals: {error}"))
    })?;
    if exposed {
        format::say(
            "bitsup: warning: anyone who can reach this address can upload: add --user and --password-file",
        );
    }
    // The reader may close the pipe once it has the address.
    let _ = format::print(&format!("listening on {}", server.url("/").trim_end_matches('/')));
    server.wait();
    server.stop();
    Ok(0)
}

/// Plays a transcript until it is over, the client goes another way, or a signal comes.
fn replay(path: &Path, listen: SocketAddr) -> Result<u8, CommandFailure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        CommandFailure::local(format_args!("cannot read {}", path.display()), &error)
    })?;
    let transcript = text
        .parse::<Transcript>()
        .map_err(|error| CommandFailure::usage(format!("{}: {error}", path.display())))?;
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopped);
    let listener = Listener::start(move |_| stop.store(true, Ordering::SeqCst));
    let _listener = listener.map_err(|error| {
        CommandFailure::new(ErrorKind::Internal, format!("cannot listen for signals: {error}"))
    })?;
    let replay = Replay::start(transcript, listen).map_err(|error| {
        CommandFailure::local(format_args!("cannot listen on {listen}"), &error)
    })?;
    let _ = format::print(&format!("listening on http://{}", replay.address()));
    let played = replay.wait(|| stopped.load(Ordering::SeqCst));
    // Lets the last answer go out.
    let is_over = played.left == 0;
    let end = replay.finish();
    if let Some(diverged) = end.diverged {
        return Err(CommandFailure::new(
            ErrorKind::Protocol,
            format!("the client diverged from the transcript: {diverged}"),
        ));
    }
    let word = if is_over { "played to the end" } else { "stopped" };
    format::say(&format!("{word}: {} exchanges, {} left", end.exchanges, end.left));
    Ok(0)
}

fn config(args: ServeArgs) -> Result<Config, CommandFailure> {
    let defaults = Config::default();
    let basic_auth = match (args.user, &args.password_file) {
        (Some(user), Some(file)) => Some((user, Secret::from_file(file)?.expose().to_owned())),
        _ => None,
    };
    let fault = args.fault.map(|path| {
        let text = std::fs::read_to_string(&path).map_err(|error| {
            CommandFailure::local(format_args!("cannot read {}", path.display()), &error)
        })?;
        text.parse().map_err(|error| CommandFailure::usage(format!("{}: {error}", path.display())))
    });
    let reply = match (args.reply_command, args.reply_url) {
        (Some(command), _) => {
            let words = shlex::split(&command)
                .ok_or_else(|| CommandFailure::usage("a quote in the reply command has no end"))?;
            Some(Reply::Command(words))
        }
        (None, url) => url.map(Reply::StaticUrl),
    };
    Ok(Config {
        // Without a replay the arguments have one.
        root: args.root.unwrap_or_default(),
        listen: args.listen,
        overwrite: args.overwrite,
        create_dirs: args.create_dirs,
        state_dir: args.state_dir,
        overlap: args.overlap,
        publish: match args.publish {
            When::Close => Publish::AtClose,
            When::LastFragment => Publish::AtLastFragment,
        },
        error_headers: match args.error_headers {
            Headers::Both => ErrorHeaders::Both,
            Headers::Code => ErrorHeaders::CodeOnly,
            Headers::Error => ErrorHeaders::ErrorOnly,
        },
        session_id_in_acks: !args.session_id_once,
        conflict_status: args.conflict_status.unwrap_or(defaults.conflict_status),
        basic_auth,
        tls: args.tls_cert.zip(args.tls_key).map(|(cert, key)| TlsFiles { cert, key }),
        host_id: args.host_id,
        host_id_fallback: args.host_id_fallback.map(|time| time.as_secs()),
        reply,
        reply_timeout: args.reply_timeout.unwrap_or(defaults.reply_timeout),
        reply_keeps_upload: !args.reply_only,
        max_fragment: args.max_fragment,
        oversize_status: args.oversize_status.unwrap_or(defaults.oversize_status),
        max_upload: args.max_upload,
        session_timeout: args.session_timeout.unwrap_or(defaults.session_timeout),
        idle_timeout: args.idle_timeout.unwrap_or(defaults.idle_timeout),
        keep_partial: !args.discard_partial,
        max_sessions: args.max_sessions.unwrap_or(defaults.max_sessions),
        sync: args.sync,
        appends_blindly: args.append_blindly,
        session_bound_to_connection: args.session_bound_to_connection,
        fault: fault.transpose()?,
        on_request: (!args.quiet).then(|| Arc::new(log_line) as bitsup_server::RequestCallback),
    })
}

fn failure(error: &StartError) -> CommandFailure {
    let kind = match error {
        StartError::Config(_) => ErrorKind::InvalidArgument,
        StartError::Threads(_) => ErrorKind::Internal,
        _ => ErrorKind::LocalFile,
    };
    CommandFailure::new(kind, error.to_string())
}

/// One line a request: what came, and what was answered. Neither query nor session id, which are secrets.
fn log_line(request: &Request) {
    let packet = request.packet_type().map_or(String::new(), |packet| format!(" {packet}"));
    let range = request.header("content-range").map_or(String::new(), |range| format!(" {range}"));
    let status = request.status.map_or("dropped".into(), |status| status.to_string());
    let target = format::without_query(&request.target);
    let line =
        format!("{} {target}{packet}{range}: {status}, {} bytes", request.method, request.body);
    format::say(&format!("{} {}", format::now(), format::printable(&line)));
}

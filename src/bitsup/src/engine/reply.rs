//! Fetching the reply of an upload-reply session.

use std::fmt;
use std::io::{self, Seek, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bitsup_proto::host::HostId;
use bitsup_proto::reply::{self, Get, Got, MAX_REDIRECTS};
use url::Url;

use super::task::{number, text};
use crate::destination::Destination;
use crate::error::{Error, ErrorKind};
use crate::options::{ReplyTo, UploadOptions};
use crate::transport::{Answer, Exchange, Scheme, Sink};

/// A reply on its way.
pub(crate) struct ReplyFetch {
    target: Arc<Mutex<Target>>,
    path: Option<PathBuf>,
    url: Option<Url>,
    from: u64,
    redirects: u32,
    /// The URL that a redirect leads to.
    redirected: Option<Url>,
    at_destination: bool,
}

/// Where the bytes go.
struct Target {
    kind: TargetKind,
    received: u64,
}

enum TargetKind {
    File(tempfile::NamedTempFile),
    Memory { bytes: Vec<u8>, limit: u64 },
}

impl ReplyFetch {
    /// Makes the place the reply goes to: beside the final file, so that it can be renamed.
    pub(crate) fn new(options: &UploadOptions) -> Result<Self, Error> {
        let (kind, path) = match &options.reply_to {
            ReplyTo::File(path) => {
                let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let folder = folder.unwrap_or_else(|| std::path::Path::new("."));
                let file = tempfile::Builder::new()
                    .prefix(".bitsup-reply-")
                    .tempfile_in(folder)
                    .map_err(|error| {
                        Error::local(
                            format_args!("cannot write the reply in {}", folder.display()),
                            &error,
                        )
                    })?;
                (TargetKind::File(file), Some(path.clone()))
            }
            ReplyTo::Memory(limit) => {
                (TargetKind::Memory { bytes: Vec::new(), limit: *limit }, None)
            }
            ReplyTo::Nowhere => (TargetKind::Memory { bytes: Vec::new(), limit: 0 }, None),
        };
        let target = Arc::new(Mutex::new(Target { kind, received: 0 }));
        Ok(Self {
            target,
            path,
            url: None,
            from: 0,
            redirects: 0,
            redirected: None,
            at_destination: false,
        })
    }

    /// Fills in where to go and what to ask for (MC-BUP §3.6.5.2.4.2).
    pub(crate) fn prepare(
        &mut self,
        get: &Get,
        destination: &Destination,
        host: Option<&HostId>,
        options: &UploadOptions,
        mut exchange: Exchange,
    ) -> Result<Exchange, Error> {
        let url = match self.redirected.take() {
            Some(url) => url,
            None => resolve(get, destination, host)?,
        };
        self.check(&url, destination)?;
        self.from = get.from;
        {
            let mut target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
            target
                .begin(if get.restart { 0 } else { get.from })
                .map_err(|error| Error::local("cannot write the reply", &error))?;
        }
        exchange.scheme = if url.scheme() == "https" { Scheme::Https } else { Scheme::Http };
        url.host_str().unwrap_or_default().trim_matches(['[', ']']).clone_into(&mut exchange.host);
        exchange.port = url.port_or_known_default().unwrap_or(80);
        exchange.target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        self.at_destination = exchange.port == destination.port
            && (url.scheme() == "https") == destination.https
            && (exchange.host.eq_ignore_ascii_case(&destination.host)
                || host.is_some_and(|host| {
                    exchange.host.eq_ignore_ascii_case(host.host())
                        && options.trusts(&destination.host, host.host())
                }));
        if !self.at_destination {
            // What the caller set for the destination is nobody else's business.
            exchange.headers.clear();
        }
        exchange.headers.push(("Accept-Encoding".into(), "identity".to_owned().into()));
        if get.from > 0 {
            let last = get.last.map(|last| last.to_string()).unwrap_or_default();
            exchange.headers.push(("Range".into(), format!("bytes={}-{last}", get.from).into()));
        }
        exchange.sink = Some(Box::new(ReplySink(Arc::clone(&self.target))));
        self.url = Some(url);
        Ok(exchange)
    }

    /// Whether the GET goes to the site of the upload, which alone may see credentials.
    pub(crate) fn is_at_destination(&self) -> bool {
        self.at_destination
    }

    /// Reads the answer; follows redirects by asking again.
    pub(crate) fn answered(
        &mut self,
        answer: &Answer,
        destination: &Destination,
    ) -> Result<Got, Error> {
        let received = {
            let target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
            target.received
        };
        if matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
            return self.redirect(answer, destination);
        }
        let content_length = number(answer, "Content-Length");
        let length = received.saturating_sub(self.from);
        Ok(Got {
            status: answer.status,
            length,
            content_length,
            range: text(answer, "Content-Range").and_then(content_range),
            last_modified: text(answer, "Last-Modified").map(str::to_owned),
            cut: content_length.is_some_and(|announced| length < announced),
        })
    }

    /// Puts the complete reply in its place.
    pub(crate) fn finish(self) -> Result<(Option<PathBuf>, Option<Vec<u8>>), Error> {
        let Ok(target) = Arc::try_unwrap(self.target) else {
            return Err(Error::new(ErrorKind::Internal, "the reply is still being written"));
        };
        let target = target.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (target.kind, self.path) {
            (TargetKind::File(file), Some(path)) => {
                let problem = |error: &io::Error| {
                    Error::local(
                        format_args!("cannot write the reply to {}", path.display()),
                        error,
                    )
                };
                file.as_file().sync_all().map_err(|error| problem(&error))?;
                file.persist(&path).map_err(|error| problem(&error.error))?;
                Ok((Some(path), None))
            }
            (TargetKind::Memory { bytes, .. }, _) => Ok((None, Some(bytes))),
            (TargetKind::File(_), None) => Ok((None, None)),
        }
    }

    fn redirect(&mut self, answer: &Answer, destination: &Destination) -> Result<Got, Error> {
        self.redirects += 1;
        if self.redirects > MAX_REDIRECTS {
            return Err(Error::new(
                ErrorKind::Refused,
                "the reply's URL redirects again and again",
            ));
        }
        let location = text(answer, "Location").map(reply::escape);
        let next = location.and_then(|location| self.url.as_ref()?.join(&location).ok());
        let next = next.ok_or_else(|| {
            Error::new(ErrorKind::Protocol, "the reply's URL redirects to nowhere")
        })?;
        self.check(&next, destination)?;
        self.redirected = Some(next);
        // An empty piece: the same part is asked for again, elsewhere.
        Ok(Got { status: 302, ..Got::default() })
    }

    /// http or https only, and never from https to http.
    fn check(&self, url: &Url, destination: &Destination) -> Result<(), Error> {
        let _ = self;
        match url.scheme() {
            "https" => Ok(()),
            "http" if !destination.https => Ok(()),
            "http" => Err(Error::new(
                ErrorKind::Protocol,
                "the reply's URL leads from https to http, where everybody on the way could read it",
            )),
            other => Err(Error::new(
                ErrorKind::Protocol,
                format!(
                    "the reply's URL has the scheme {other:?}: only http and https are followed"
                ),
            )),
        }
    }
}

/// The reply's URL against that of the upload, at the host the upload went to; or at the other one.
fn resolve(get: &Get, destination: &Destination, host: Option<&HostId>) -> Result<Url, Error> {
    let bad = || Error::new(ErrorKind::Protocol, "the reply's URL cannot be read");
    let mut base = Url::parse(&destination.full()).map_err(|_| bad())?;
    if let Some(host) = host.filter(|_| !get.other_host) {
        let name = if host.host().contains(':') {
            format!("[{}]", host.host())
        } else {
            host.host().to_owned()
        };
        base.set_host(Some(&name)).map_err(|_| bad())?;
        if let Some(port) = host.port() {
            base.set_port(Some(port)).map_err(|()| bad())?;
        }
    }
    base.join(&reply::escape(&get.url)).map_err(|_| bad())
}

/// What became of a reply that could not be stored.
pub(super) fn not_stored(error: &io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<TooLarge>()) {
        Some(too_large) => Error::new(ErrorKind::LimitReached, too_large.to_string()),
        None => Error::local("cannot write the reply", error),
    }
}

/// `bytes 0-9976/10240`.
fn content_range(text: &str) -> Option<(u64, u64, u64)> {
    let (unit, rest) = text.split_once(' ')?;
    let (range, total) = rest.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let numbers = (first.parse().ok()?, last.parse().ok()?, total.parse().ok()?);
    unit.eq_ignore_ascii_case("bytes").then_some(numbers)
}

impl Target {
    /// Throws away what comes behind `offset`.
    fn begin(&mut self, offset: u64) -> io::Result<()> {
        match &mut self.kind {
            TargetKind::File(file) => {
                file.as_file().set_len(offset)?;
                file.seek(io::SeekFrom::Start(offset))?;
            }
            TargetKind::Memory { bytes, .. } => {
                bytes.truncate(usize::try_from(offset).unwrap_or(usize::MAX));
            }
        }
        self.received = offset;
        Ok(())
    }
}

/// The reply does not fit into the memory that the caller allows.
#[derive(Debug)]
struct TooLarge(u64);

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the reply is larger than the {} bytes allowed", self.0)
    }
}

impl std::error::Error for TooLarge {}

struct ReplySink(Arc<Mutex<Target>>);

impl Sink for ReplySink {
    fn write(&mut self, piece: &[u8]) -> Result<(), io::Error> {
        let mut target = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        target.received = target.received.saturating_add(piece.len() as u64);
        let received = target.received;
        match &mut target.kind {
            TargetKind::File(file) => file.write_all(piece),
            TargetKind::Memory { limit, .. } if received > *limit => {
                Err(io::Error::other(TooLarge(*limit)))
            }
            TargetKind::Memory { bytes, .. } => {
                bytes.extend_from_slice(piece);
                Ok(())
            }
        }
    }
}

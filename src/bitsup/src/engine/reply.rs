//! Fetching the reply of an upload-reply session.

use std::fmt;
use std::io::{self, Seek, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bitsup_proto::Remark;
use bitsup_proto::host::HostId;
use bitsup_proto::reply::{self, Get, Got, MAX_REDIRECTS};
use url::Url;

use crate::destination::Destination;
use crate::error::{Error, ErrorKind};
use crate::options::{ReplyTo, UploadOptions};
use crate::output_file::OutputFile;
use crate::transport::{Answer, Exchange, Origin, Scheme, Sink};

/// A reply on its way.
pub(crate) struct ReplyFetch {
    target: Arc<Mutex<Target>>,
    file: Option<(PathBuf, OutputFile)>,
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
    /// More are not taken.
    limit: u64,
    pace: Pace,
}

enum TargetKind {
    File(tempfile::NamedTempFile),
    Memory(Vec<u8>),
}

/// Ends a reply that trickles: no other limit sees one answer that does not end.
struct Pace {
    limit: Duration,
    counted: u64,
    since: Instant,
}

/// What is left to do about a complete reply.
#[derive(Default)]
pub(crate) struct Stored {
    pub(crate) path: Option<PathBuf>,
    pub(crate) bytes: Option<Vec<u8>>,
    /// Writes it to what is no regular file, which may have to be waited for.
    pub(crate) write: Option<Box<dyn FnOnce() -> Result<(), Error> + Send>>,
}

/// Finds the place of a reply before anything is sent.
pub(crate) fn place(options: &UploadOptions) -> Result<Option<OutputFile>, Error> {
    let ReplyTo::File(path) = &options.reply_to else { return Ok(None) };
    let place = OutputFile::open(path);
    place.map(Some).map_err(|error| {
        Error::local(format_args!("cannot write the reply to {}", path.display()), &error)
    })
}

impl ReplyFetch {
    /// Makes what the reply is collected in: beside the final file, so that it can be renamed.
    pub(crate) fn new(options: &UploadOptions, place: Option<OutputFile>) -> Result<Self, Error> {
        let file = match (&options.reply_to, place) {
            (ReplyTo::File(path), Some(place)) => Some((path.clone(), place)),
            _ => None,
        };
        let (kind, limit) = match (&file, &options.reply_to) {
            (Some((path, place)), _) => {
                let spool = place.spool("reply").map_err(|error| unwritable(path, &error))?;
                (TargetKind::File(spool), options.reply_max_size)
            }
            (None, ReplyTo::Memory(limit)) => (TargetKind::Memory(Vec::new()), *limit),
            (None, _) => (TargetKind::Memory(Vec::new()), 0),
        };
        let pace = Pace { limit: options.give_up_after, counted: 0, since: Instant::now() };
        let target = Arc::new(Mutex::new(Target { kind, received: 0, limit, pace }));
        Ok(Self {
            target,
            file,
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
        check(&url, destination)?;
        self.from = get.from;
        {
            let mut target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
            target
                .begin(if get.restart { 0 } else { get.from })
                .map_err(|error| Error::local("cannot write the reply", &error))?;
        }
        let own = &destination.origin;
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let is_own = name.eq_ignore_ascii_case(&own.host);
        exchange.origin = Origin {
            scheme: if url.scheme() == "https" { Scheme::Https } else { Scheme::Http },
            host: name.to_owned(),
            zone: own.zone.clone().filter(|_| is_own),
            port: url.port_or_known_default().unwrap_or(80),
        };
        exchange.target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        self.at_destination = (exchange.origin.scheme, exchange.origin.port)
            == (own.scheme, own.port)
            && (is_own
                || host.is_some_and(|host| {
                    name.eq_ignore_ascii_case(host.host()) && options.trusts(&own.host, host.host())
                }));
        if !self.at_destination {
            // The caller's headers for the destination must not reach other hosts.
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
        remark: Option<&'static Remark>,
        destination: &Destination,
    ) -> Result<Got, Error> {
        let received = {
            let target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
            target.received
        };
        if matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
            return self.redirect(answer, destination);
        }
        let content_length = answer.headers.number("Content-Length");
        let length = received.saturating_sub(self.from);
        let chunked = answer.headers.text("Transfer-Encoding").is_some();
        Ok(Got {
            status: answer.status,
            length,
            content_length,
            range: answer.headers.text("Content-Range").and_then(content_range),
            last_modified: answer.headers.text("Last-Modified").map(str::to_owned),
            cut: content_length.is_some_and(|announced| length < announced),
            unmarked: content_length.is_none() && !chunked,
            remark,
        })
    }

    /// Puts the complete reply in its place, or says how to.
    pub(crate) fn finish(self) -> Result<Stored, Error> {
        /// The reader of a FIFO or a terminal may stop for this time.
        const PATIENCE: Duration = Duration::from_mins(5);
        let Ok(target) = Arc::try_unwrap(self.target) else {
            return Err(Error::new(ErrorKind::Internal, "the reply is still being written"));
        };
        let target = target.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut stored = Stored::default();
        match (target.kind, self.file) {
            (TargetKind::File(spool), Some((path, place))) => {
                stored.path = Some(path.clone());
                if place.is_regular() {
                    spool
                        .as_file()
                        .sync_all()
                        .and_then(|()| place.put(spool, &|| false))
                        .map_err(|error| unwritable(&path, &error))?;
                } else {
                    stored.write = Some(Box::new(move || {
                        let begun = Instant::now();
                        place
                            .put(spool, &|| begun.elapsed() > PATIENCE)
                            .map_err(|error| unwritable(&path, &error))
                    }));
                }
            }
            (TargetKind::Memory(bytes), _) => stored.bytes = Some(bytes),
            (TargetKind::File(_), None) => {}
        }
        Ok(stored)
    }

    fn redirect(&mut self, answer: &Answer, destination: &Destination) -> Result<Got, Error> {
        self.redirects += 1;
        if self.redirects > MAX_REDIRECTS {
            return Err(Error::new(ErrorKind::Refused, "the reply's URL redirects too often"));
        }
        let location = answer.headers.text("Location").map(reply::escape);
        if let Some(location) = &location {
            Origin::check_reference(location).map_err(bad)?;
        }
        let next = location.and_then(|location| self.url.as_ref()?.join(&location).ok());
        let next = next.ok_or_else(|| {
            Error::new(ErrorKind::Protocol, "the reply's URL redirects to nowhere")
        })?;
        check(&next, destination)?;
        self.redirected = Some(next);
        // An empty piece: the same part is asked for again, elsewhere.
        Ok(Got { status: 302, ..Got::default() })
    }
}

/// http or https only, and never from https to http.
fn check(url: &Url, destination: &Destination) -> Result<(), Error> {
    match url.scheme() {
        "https" => Ok(()),
        "http" if !destination.origin.is_https() => Ok(()),
        "http" => Err(Error::new(
            ErrorKind::Protocol,
            "the reply's URL leads from https to http, which is unencrypted",
        )),
        other => Err(Error::new(
            ErrorKind::Protocol,
            format!("the reply's URL has the scheme {other:?}: only http and https are followed"),
        )),
    }
}

/// The reply's URL against that of the upload, at the host the upload went to; or at the other one.
fn resolve(get: &Get, destination: &Destination, host: Option<&HostId>) -> Result<Url, Error> {
    let unreadable = || bad("it cannot be read");
    let at = destination.origin_at(host.filter(|_| !get.other_host));
    let base = format!("{}{}", Origin { zone: None, ..at }, destination.target);
    let base = Url::parse(&base).map_err(|_| unreadable())?;
    let reference = reply::escape(&get.url);
    Origin::check_reference(&reference).map_err(bad)?;
    base.join(&reference).map_err(|_| unreadable())
}

/// The server names a place that cannot be followed.
fn bad(what: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Protocol, format!("the reply's URL is refused: {what}"))
}

fn unwritable(path: &std::path::Path, error: &io::Error) -> Error {
    Error::local(format_args!("cannot write the reply to {}", path.display()), error)
}

/// What became of a reply that could not be stored.
pub(super) fn not_stored(error: &io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Refused>()) {
        Some(refused @ Refused::TooLarge(_)) => {
            Error::new(ErrorKind::LimitReached, refused.to_string())
        }
        Some(refused @ Refused::TooSlow(_)) => Error::new(ErrorKind::Timeout, refused.to_string()),
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
            TargetKind::Memory(bytes) => {
                bytes.truncate(usize::try_from(offset).unwrap_or(usize::MAX));
            }
        }
        self.received = offset;
        self.pace = Pace { counted: offset, since: Instant::now(), ..self.pace };
        Ok(())
    }

    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        self.received = self.received.saturating_add(piece.len() as u64);
        if self.received > self.limit {
            return Err(io::Error::other(Refused::TooLarge(self.limit)));
        }
        self.pace.check(self.received)?;
        match &mut self.kind {
            TargetKind::File(file) => file.write_all(piece),
            TargetKind::Memory(bytes) => {
                bytes.extend_from_slice(piece);
                Ok(())
            }
        }
    }
}

impl Pace {
    fn check(&mut self, received: u64) -> io::Result<()> {
        if received.saturating_sub(self.counted) >= reply::PROGRESS {
            (self.counted, self.since) = (received, Instant::now());
        } else if self.since.elapsed() > self.limit {
            return Err(io::Error::other(Refused::TooSlow(self.limit)));
        }
        Ok(())
    }
}

/// Why no more of a reply is taken.
#[derive(Debug)]
enum Refused {
    /// It has more bytes than the caller allows.
    TooLarge(u64),
    /// It makes no progress for so long.
    TooSlow(Duration),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(limit) => {
                write!(f, "the reply is larger than the {limit} bytes allowed")
            }
            Self::TooSlow(limit) => write!(
                f,
                "the reply is too slow: less than {} KiB in {} s",
                reply::PROGRESS / 1024,
                limit.as_secs()
            ),
        }
    }
}

impl std::error::Error for Refused {}

struct ReplySink(Arc<Mutex<Target>>);

impl Sink for ReplySink {
    fn write(&mut self, piece: &[u8]) -> Result<(), io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(piece)
    }
}

//! What a scripted peer does with one request.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// What a scripted peer does with one request: how much of the body it reads, what it sends, and
/// how the connection goes on. Without further words it reads the whole body, sends the
/// answer at once and keeps the connection.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) body: BodyReading,
    pub(super) pace: Option<(usize, Duration)>,
    pub(super) answer: Answer,
    pub(super) before: Vec<Step>,
    pub(super) after: Vec<Step>,
    pub(super) trickle: Option<Duration>,
    pub(super) end: End,
}

/// How much of the request's body is read before the answer goes out.
#[derive(Clone, Copy, Debug)]
pub(super) enum BodyReading {
    All,
    First(usize),
}

#[derive(Clone, Debug)]
pub(super) enum Answer {
    Nothing,
    Raw(Vec<u8>),
    Built { status_line: String, headers: Vec<(String, String)>, body: Vec<u8>, length: bool },
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    WaitFor(Latch),
}

/// How the connection goes on after the answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// Waits for the next request.
    Keep,
    /// Closes in good order (FIN).
    Close,
    /// Closes with a reset (RST).
    Reset,
    /// Answers no more and waits for the client to close.
    Hang,
}

impl Reply {
    /// `HTTP/1.1 200 OK` with `BITS-Packet-Type: Ack` and `Content-Length: 0`.
    #[must_use]
    pub fn ack() -> Self {
        Self::status(200, "OK").header("BITS-Packet-Type", "Ack")
    }

    /// An answer with this status, no header but `Content-Length` and no body.
    #[must_use]
    pub fn status(code: u16, reason: &str) -> Self {
        Self::new(Answer::Built {
            status_line: format!("HTTP/1.1 {code} {reason}"),
            headers: Vec::new(),
            body: Vec::new(),
            length: true,
        })
    }

    /// These bytes and nothing else.
    #[must_use]
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(Answer::Raw(bytes.into()))
    }

    /// Reads the request, answers nothing and waits for the client to close.
    #[must_use]
    pub fn hang() -> Self {
        Self { end: End::Hang, ..Self::new(Answer::Nothing) }
    }

    /// Reads the request, answers nothing and closes.
    #[must_use]
    pub fn close() -> Self {
        Self::new(Answer::Nothing).then_close()
    }

    /// Closes after this many bytes of the body without an answer.
    #[must_use]
    pub fn drop_after_body_bytes(count: usize) -> Self {
        Self::close().after_body_bytes(count)
    }

    /// Adds a header to an answer that is not raw.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Answer::Built { headers, .. } = &mut self.answer {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Sets the body of an answer that is not raw; `Content-Length` follows it.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        if let Answer::Built { body, .. } = &mut self.answer {
            *body = bytes.into();
        }
        self
    }

    /// Leaves `Content-Length` out.
    #[must_use]
    pub fn without_length(mut self) -> Self {
        if let Answer::Built { length, .. } = &mut self.answer {
            *length = false;
        }
        self
    }

    /// Says `HTTP/1.0` in the status line.
    #[must_use]
    pub fn http10(mut self) -> Self {
        if let Answer::Built { status_line, .. } = &mut self.answer {
            *status_line = status_line.replacen("HTTP/1.1", "HTTP/1.0", 1);
        }
        self
    }

    /// Waits before the answer.
    #[must_use]
    pub fn delayed(mut self, time: Duration) -> Self {
        self.before.push(Step::Wait(time));
        self
    }

    /// Holds the answer back until the test opens the latch.
    #[must_use]
    pub fn held(mut self, latch: &Latch) -> Self {
        self.before.push(Step::WaitFor(latch.clone()));
        self
    }

    /// Sends these bytes before the answer, for example an interim one.
    #[must_use]
    pub fn preceded_by(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.before.push(Step::Send(bytes.into()));
        self
    }

    /// Sends these bytes after the answer, in a segment of their own.
    #[must_use]
    pub fn followed_by(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.after.push(Step::Send(bytes.into()));
        self
    }

    /// Waits after what has been sent so far.
    #[must_use]
    pub fn pause(mut self, time: Duration) -> Self {
        self.after.push(Step::Wait(time));
        self
    }

    /// Sends the answer byte by byte with this pause after each.
    #[must_use]
    pub fn trickled(mut self, pause: Duration) -> Self {
        self.trickle = Some(pause);
        self
    }

    /// Answers when this many bytes of the body have been read; the rest stays unread.
    #[must_use]
    pub fn after_body_bytes(mut self, count: usize) -> Self {
        self.body = BodyReading::First(count);
        self
    }

    /// Answers before any byte of the body has been read.
    #[must_use]
    pub fn before_body(self) -> Self {
        self.after_body_bytes(0)
    }

    /// Reads the body in pieces of `size` bytes with a pause before each.
    #[must_use]
    pub fn reading(mut self, size: usize, pause: Duration) -> Self {
        self.pace = Some((size.max(1), pause));
        self
    }

    /// Closes in good order when all is sent.
    #[must_use]
    pub fn then_close(mut self) -> Self {
        self.end = End::Close;
        self
    }

    /// Ends with a reset when all is sent.
    #[must_use]
    pub fn then_reset(mut self) -> Self {
        self.end = End::Reset;
        self
    }

    /// Reads and answers nothing more when all is sent, and waits for the client to close.
    #[must_use]
    pub fn then_hang(mut self) -> Self {
        self.end = End::Hang;
        self
    }

    fn new(answer: Answer) -> Self {
        Self {
            body: BodyReading::All,
            pace: None,
            answer,
            before: Vec::new(),
            after: Vec::new(),
            trickle: None,
            end: End::Keep,
        }
    }
}

impl Answer {
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Raw(bytes) => bytes.clone(),
            Self::Built { status_line, headers, body, length } => {
                let mut lines = vec![status_line.clone()];
                lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
                if *length {
                    lines.push(format!("Content-Length: {}", body.len()));
                }
                let mut bytes = (lines.join("\r\n") + "\r\n\r\n").into_bytes();
                bytes.extend_from_slice(body);
                bytes
            }
        }
    }
}

/// Something a reply can wait for until the test opens it; clones are the same latch.
#[derive(Clone, Debug, Default)]
pub struct Latch {
    inner: Arc<(Mutex<bool>, Condvar)>,
}

impl Latch {
    /// A closed latch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens it for good.
    pub fn open(&self) {
        *self.inner.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.inner.1.notify_all();
    }

    /// Waits until it is open, at most `limit`; tells whether it is.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        let opened = self.inner.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (opened, _) = self
            .inner
            .1
            .wait_timeout_while(opened, limit, |opened| !*opened)
            .unwrap_or_else(PoisonError::into_inner);
        *opened
    }
}

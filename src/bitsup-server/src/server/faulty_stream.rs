//! The connection below the HTTP library, where an answer can be spoiled: pieces of it sent one
//! at a time, other bytes in its place, more bytes after it, a header less.

use std::future::Future as _;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Sleep;

use crate::server::session::Session;

/// What a request handler can do to its connection.
#[derive(Debug)]
pub(crate) struct Control {
    /// Number of the connection since the start of the server.
    pub(crate) number: u64,
    closing: Notify,
    spoil: Mutex<Option<Spoil>>,
    making: Mutex<Making>,
}

/// Whether the client can know the session that its latest request made.
///
/// One that it cannot know would only be left behind: its id is in that one answer.
#[derive(Debug, Default)]
enum Making {
    /// It can, or the request made none.
    #[default]
    Known,
    /// It cannot: the answer with the id is not sent, or was not read.
    Unread(Arc<Session>),
    /// The answer is sent.
    Sent(Arc<Session>),
    /// The connection has ended: nothing made now can be told of.
    Ended,
}

/// What becomes of the next answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spoil {
    /// Sent instead of the answer; the connection is closed after it.
    pub(crate) instead: Option<Vec<u8>>,
    /// Header names taken out, in any case.
    pub(crate) without: Vec<String>,
    /// Header lines put in, each with its line end.
    pub(crate) lines: String,
    pub(crate) version_10: bool,
    /// Bytes after the head of an answer (which has no body).
    pub(crate) stray: Vec<u8>,
    pub(crate) trickle: Option<(usize, Duration)>,
}

/// A stream that does as its [`Control`] says.
#[derive(Debug)]
pub(crate) struct FaultyStream<S> {
    inner: S,
    control: Arc<Control>,
    /// Head of the answer that is being spoiled, as far as it is known.
    head: Option<(Spoil, Vec<u8>)>,
    /// Spoiled bytes that are still to be sent.
    queue: Vec<u8>,
    trickle: Option<(usize, Duration)>,
    pause: Option<Pin<Box<Sleep>>>,
    close_after: bool,
}

impl Control {
    pub(crate) fn new(number: u64) -> Self {
        Self { number, closing: Notify::new(), spoil: Mutex::default(), making: Mutex::default() }
    }

    /// A request has come: the client has read the answers before it.
    pub(crate) fn asked(&self) {
        self.change(|making| match making {
            Making::Ended => Making::Ended,
            _ => Making::Known,
        });
    }

    /// A session was made, and its id is to be sent; false if the connection has ended already.
    pub(crate) fn made(&self, session: Arc<Session>) -> bool {
        let mut making = self.making();
        let open = !matches!(*making, Making::Ended);
        if open {
            *making = Making::Unread(session);
        }
        open
    }

    /// Bytes went to the peer.
    fn sent(&self) {
        self.change(|making| match making {
            Making::Unread(session) => Making::Sent(session),
            other => other,
        });
    }

    /// The peer's system has reset the connection, as it does for a program that ended with bytes
    /// unread. A front server may do so after it has passed them on: then its client is told that
    /// there is no such session, and makes another, before it has sent a byte.
    fn reset(&self) {
        self.change(|making| match making {
            Making::Sent(session) => Making::Unread(session),
            other => other,
        });
    }

    /// The connection has ended. Returns the session whose id the client cannot know.
    pub(crate) fn ended(&self) -> Option<Arc<Session>> {
        match mem::replace(&mut *self.making(), Making::Ended) {
            Making::Unread(session) => Some(session),
            Making::Known | Making::Sent(_) | Making::Ended => None,
        }
    }

    fn change(&self, step: impl FnOnce(Making) -> Making) {
        let mut making = self.making();
        *making = step(mem::take(&mut *making));
    }

    fn making(&self) -> MutexGuard<'_, Making> {
        // Each change is one assignment.
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection without another byte.
    pub(crate) fn close(&self) {
        self.closing.notify_one();
    }

    /// Waits for [`close`](Self::close).
    pub(crate) async fn closed(&self) {
        self.closing.notified().await;
    }

    pub(crate) fn spoil(&self, spoil: Spoil) {
        if spoil != Spoil::default() {
            *self.spoil.lock().unwrap_or_else(PoisonError::into_inner) = Some(spoil);
        }
    }

    fn take_spoil(&self) -> Option<Spoil> {
        self.spoil.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<S> FaultyStream<S> {
    pub(crate) fn new(inner: S, control: Arc<Control>) -> Self {
        Self {
            inner,
            control,
            head: None,
            queue: Vec::new(),
            trickle: None,
            pause: None,
            close_after: false,
        }
    }

    /// Takes bytes of the HTTP library; false if they go to the peer as they are.
    fn divert(&mut self, bytes: &[u8]) -> bool {
        if self.head.is_none()
            && let Some(spoil) = self.control.take_spoil()
        {
            self.head = Some((spoil, Vec::new()));
        }
        match self.head.take() {
            Some((spoil, mut head)) => {
                head.extend_from_slice(bytes);
                match head.windows(4).position(|window| window == b"\r\n\r\n") {
                    Some(end) => self.queue_spoiled(spoil, &head, end + 4),
                    None => self.head = Some((spoil, head)),
                }
                true
            }
            // What the other bytes took the place of.
            None => self.close_after,
        }
    }

    fn queue_spoiled(&mut self, spoil: Spoil, answer: &[u8], head_length: usize) {
        self.trickle = spoil.trickle;
        if let Some(instead) = spoil.instead {
            self.queue.extend_from_slice(&instead);
            self.close_after = true;
            return;
        }
        let (head, body) = answer.split_at(head_length.min(answer.len()));
        for (index, line) in head.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            if index == 0 && spoil.version_10 && line.starts_with(b"HTTP/1.1") {
                self.queue.extend_from_slice(b"HTTP/1.0");
                self.queue.extend_from_slice(&line[8..]);
            } else if line == b"\r\n" {
                self.queue.extend_from_slice(spoil.lines.as_bytes());
                self.queue.extend_from_slice(line);
            } else if !spoil
                .without
                .iter()
                .any(|without| without.as_bytes().eq_ignore_ascii_case(name))
            {
                self.queue.extend_from_slice(line);
            }
        }
        self.queue.extend_from_slice(&spoil.stray);
        self.queue.extend_from_slice(body);
    }
}

impl<S: AsyncWrite + Unpin> FaultyStream<S> {
    fn poll_queue(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.queue.is_empty() {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            let piece =
                self.trickle.map_or(self.queue.len(), |(bytes, _)| bytes.min(self.queue.len()));
            let sent = ready!(Pin::new(&mut self.inner).poll_write(context, &self.queue[..piece]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.control.sent();
            self.queue.drain(..sent);
            if let Some((_, time)) = self.trickle {
                ready!(Pin::new(&mut self.inner).poll_flush(context))?;
                self.pause = Some(Box::pin(tokio::time::sleep(time)));
            }
        }
        self.pause = None;
        if self.close_after {
            ready!(Pin::new(&mut self.inner).poll_flush(context))?;
            self.control.close();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FaultyStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        if let Poll::Ready(Err(error)) = &read
            && error.kind() == io::ErrorKind::ConnectionReset
        {
            self.control.reset();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FaultyStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Queued bytes go first, so the queue never holds more than one answer's head.
        ready!(self.poll_queue(context))?;
        if self.divert(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let sent = ready!(Pin::new(&mut self.inner).poll_write(context, bytes))?;
        self.control.sent();
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_queue(context))?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_queue(context))?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn sent(spoil: Spoil, writes: &[&[u8]]) -> Vec<u8> {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let control = Arc::new(Control::new(1));
        let mut wire = FaultyStream::new(ours, Arc::clone(&control));
        control.spoil(spoil);
        for bytes in writes {
            wire.write_all(bytes).await.expect("written");
        }
        wire.flush().await.expect("flushed");
        drop(wire);
        let mut seen = Vec::new();
        theirs.read_to_end(&mut seen).await.expect("read");
        seen
    }

    #[tokio::test]
    async fn an_answer_is_spoiled_once_even_in_pieces() {
        let spoil = Spoil {
            without: vec!["content-LENGTH".into()],
            lines: "C: d\r\n".into(),
            version_10: true,
            stray: b"??".to_vec(),
            ..Spoil::default()
        };
        let answer: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: b\r\n\r\n";
        let (start, end) = answer.split_at(answer.len() - 2);
        let seen = sent(spoil, &[start, end, answer]).await;
        let wanted = [b"HTTP/1.0 200 OK\r\nA: b\r\nC: d\r\n\r\n??", answer].concat();
        assert_eq!(String::from_utf8_lossy(&seen), String::from_utf8_lossy(&wanted));
    }

    #[tokio::test]
    async fn other_bytes_can_take_its_place() {
        let spoil = Spoil {
            instead: Some(b"garbage".to_vec()),
            trickle: Some((2, Duration::from_millis(1))),
            ..Spoil::default()
        };
        assert_eq!(sent(spoil, &[b"HTTP/1.1 200 OK\r\n\r\n"]).await, b"garbage");
    }

    #[tokio::test]
    async fn an_unspoiled_answer_passes() {
        assert_eq!(
            sent(Spoil::default(), &[b"HTTP/1.1 200 OK\r\n\r\n", b"body"]).await,
            b"HTTP/1.1 200 OK\r\n\r\nbody"
        );
    }
}

//! Bodies of requests: read with limits, written to disk in large pieces.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::task::JoinHandle;

use crate::server::session::Turn;

/// Bytes gathered for one write. Two such pieces are held a fragment, whatever its size.
const PIECE: usize = 1024 * 1024;
/// Bytes of an unwanted body that are read before the answer, so that a client that sends first
/// and reads then sees it; IIS's own limit for a request is below.
const MAX_DRAIN: u64 = 64 * 1024 * 1024;

/// The body of one request.
pub(crate) struct RequestBody {
    incoming: Incoming,
    /// Bytes read, shared with the log.
    read: Arc<AtomicU64>,
    patience: Duration,
    drop_after: Option<u64>,
    stall: Option<(Duration, u64)>,
    /// Part of a frame beyond the byte where a fault struck.
    rest: Option<Bytes>,
}

/// Why a body ended before its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The connection ended, or nothing came for too long.
    Lost,
    /// A newer packet of the same session is waiting.
    Superseded,
    /// The fault script says so.
    Scripted,
}

/// What became of a body: bytes stored, and why it ended early.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) bytes: u64,
    pub(crate) cut: Option<Cut>,
    pub(crate) failure: Option<io::Error>,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, read: Arc<AtomicU64>, patience: Duration) -> Self {
        Self { incoming, read, patience, drop_after: None, stall: None, rest: None }
    }

    /// Ends as cut after `bytes`, or at the end of the body if that is before.
    pub(crate) fn drop_after(&mut self, bytes: u64) {
        self.drop_after = Some(bytes);
    }

    /// Stops reading for `time` after `bytes`.
    pub(crate) fn stall(&mut self, time: Duration, bytes: u64) {
        self.stall = Some((time, bytes));
    }

    /// Whether any byte of it came in.
    pub(crate) fn was_read(&self) -> bool {
        self.read.load(Ordering::Relaxed) > 0
    }

    /// The next bytes; `None` at the end of the body.
    async fn next(&mut self) -> Result<Option<Bytes>, Cut> {
        let before = self.read.load(Ordering::Relaxed);
        if let Some((time, after)) = self.stall
            && before >= after
        {
            self.stall = None;
            tokio::time::sleep(time).await;
        }
        if self.drop_after.is_some_and(|after| before >= after) {
            return Err(Cut::Scripted);
        }
        let Some(mut bytes) = self.frame().await? else {
            return if self.drop_after.is_some() { Err(Cut::Scripted) } else { Ok(None) };
        };
        // A fault strikes at its byte, not at the end of the frame that has it.
        let strikes = [self.drop_after, self.stall.map(|(_, after)| after)];
        if let Some(strike) = strikes.into_iter().flatten().min() {
            let length = usize::try_from(strike - before).unwrap_or(usize::MAX);
            if bytes.len() > length {
                self.rest = Some(bytes.split_off(length));
            }
        }
        self.read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(Some(bytes))
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, Cut> {
        if let Some(rest) = self.rest.take() {
            return Ok(Some(rest));
        }
        loop {
            match tokio::time::timeout(self.patience, self.incoming.frame()).await {
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) | Err(_) => return Err(Cut::Lost),
            }
        }
    }

    /// Reads on without keeping anything. False if the body is too long for that.
    pub(crate) async fn drain(&mut self) -> Result<bool, Cut> {
        let mut drained = 0;
        while drained <= MAX_DRAIN {
            match self.next().await? {
                Some(bytes) => drained += bytes.len() as u64,
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Writes the body to `file` at `offset`, without its first `skip` bytes. While one piece
    /// is written the next one is read.
    pub(crate) async fn store(
        &mut self,
        file: File,
        offset: u64,
        mut skip: u64,
        mut turn: Turn,
    ) -> Stored {
        let mut writer = Writer { file: Arc::new(file), offset, stored: 0, writing: None };
        let mut piece = Vec::new();
        let cut = loop {
            let next = tokio::select! {
                next = self.next() => next,
                () = turn.superseded() => Err(Cut::Superseded),
            };
            let mut bytes = match next {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break None,
                Err(cut) => break Some(cut),
            };
            let skipped = skip.min(bytes.len() as u64);
            skip -= skipped;
            bytes = bytes.slice(skipped as usize..);
            if piece.len() + bytes.len() > PIECE
                && let Err(error) = writer.write(std::mem::take(&mut piece)).await
            {
                return writer.end(None, Some(error));
            }
            piece.reserve(if piece.is_empty() { bytes.len() } else { PIECE });
            piece.extend_from_slice(&bytes);
        };
        let failure = match writer.write(piece).await {
            Ok(()) => writer.wait().await.err(),
            Err(error) => Some(error),
        };
        writer.end(cut, failure)
    }
}

struct Writer {
    file: Arc<File>,
    offset: u64,
    stored: u64,
    writing: Option<JoinHandle<io::Result<u64>>>,
}

impl Writer {
    /// Waits for the piece before, then begins to write this one.
    async fn write(&mut self, piece: Vec<u8>) -> io::Result<()> {
        self.wait().await?;
        if !piece.is_empty() {
            let (file, at) = (Arc::clone(&self.file), self.offset + self.stored);
            self.writing = Some(tokio::task::spawn_blocking(move || write_at(&file, &piece, at)));
        }
        Ok(())
    }

    async fn wait(&mut self) -> io::Result<()> {
        if let Some(writing) = self.writing.take() {
            self.stored += writing.await.map_err(io::Error::other)??;
        }
        Ok(())
    }

    fn end(self, cut: Option<Cut>, failure: Option<io::Error>) -> Stored {
        Stored { bytes: self.stored, cut, failure }
    }
}

#[cfg(unix)]
fn write_at(file: &File, piece: &[u8], offset: u64) -> io::Result<u64> {
    use std::os::unix::fs::FileExt as _;
    file.write_all_at(piece, offset)?;
    Ok(piece.len() as u64)
}

//! Bodies of answers: none, a text, or part of a file read off the event loop.

use std::fs::File;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::task::JoinHandle;

/// Bytes of a file in memory at once.
const PIECE: usize = 256 * 1024;

/// Body of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    Text(Option<Bytes>),
    File(FilePart),
}

/// A range of a file.
#[derive(Debug)]
pub(crate) struct FilePart {
    file: Arc<File>,
    offset: u64,
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self::Text(None)
    }

    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        Self::Text(Some(text.into()).filter(|text| !text.is_empty()))
    }

    /// `length` bytes of `file` from `offset` on.
    pub(crate) fn file(file: File, offset: u64, length: u64) -> Self {
        Self::File(FilePart { file: Arc::new(file), offset, left: length, reading: None })
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::File(part) => {
                part.poll_piece(context).map(|piece| piece.map(|read| read.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::File(part) => part.left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Text(text) => text.as_ref().map_or(0, |text| text.len() as u64),
            Self::File(part) => part.left,
        })
    }
}

impl FilePart {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let (file, offset) = (&self.file, self.offset);
        let length = PIECE.min(usize::try_from(self.left).unwrap_or(PIECE));
        let reading = self.reading.get_or_insert_with(|| {
            let file = Arc::clone(file);
            tokio::task::spawn_blocking(move || read_at(&file, offset, length))
        });
        let read = ready!(Pin::new(reading).poll(context))
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        self.reading = None;
        match read {
            // The file has become shorter: the connection must end, or the client would wait.
            Ok(piece) if piece.is_empty() => {
                Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())))
            }
            Ok(piece) => {
                self.offset += piece.len() as u64;
                self.left -= piece.len() as u64;
                Poll::Ready(Some(Ok(piece)))
            }
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }
}

#[cfg(unix)]
fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Bytes> {
    use std::os::unix::fs::FileExt as _;
    let mut buffer = vec![0; length];
    let read = file.read_at(&mut buffer, offset)?;
    buffer.truncate(read);
    Ok(buffer.into())
}

//! What tests of the raw bytes share, on top of the peer.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use bitsup::{Client, Error, Event, Flow, Receipt, Source, UploadOptions};
use bitsup_server::scripted::{Reply, Request, Scripted};

use super::peer::{PATIENCE, Peer, Turn, ended, name, options, range, received};

/// [`options`] with changes.
pub(crate) fn with(change: impl FnOnce(&mut UploadOptions)) -> UploadOptions {
    let mut options = options();
    change(&mut options);
    options
}

/// The values of `Content-Range` of all Fragments, in order, without the unit.
pub(crate) fn ranges(raw: &Scripted) -> Vec<String> {
    let fragments = of_type(raw, "Fragment");
    let text = |request: &Request| request.header("Content-Range").replace("bytes ", "");
    fragments.iter().map(text).collect()
}

/// The values of `Content-Length` of all Fragments, in order.
pub(crate) fn lengths(raw: &Scripted) -> Vec<usize> {
    of_type(raw, "Fragment").iter().map(Request::content_length).collect()
}

/// All requests of that type, or method.
pub(crate) fn of_type(raw: &Scripted, packet: &str) -> Vec<Request> {
    raw.requests().into_iter().filter(|request| name(request) == packet).collect()
}

/// Types of packets in order, methods of what is no packet.
pub(crate) fn types(raw: &Scripted) -> Vec<String> {
    raw.requests().iter().map(name).collect()
}

/// Acknowledges all of a Fragment, wherever it belongs.
pub(crate) fn echo(request: &Request) -> Turn {
    let (_, end) = range(request).expect("a Fragment has a range");
    Turn::Answer(received(end))
}

/// A peer that answers the n-th Fragment (from 1) as told, and all of every other; but a probe,
/// one byte that it has, or ahead of one that it lacks, with the end of the last it acknowledged.
pub(crate) fn answering(mut tell: impl FnMut(usize) -> Option<Reply> + Send + 'static) -> Peer {
    let mut held = 0;
    Peer::start(move |call| match (call.packet, range(call.request)) {
        ("Fragment", Some((first, end))) => match tell(call.nth) {
            Some(reply) => Turn::Answer(reply),
            None if end - first == 1 && first != held => Turn::Answer(corrected(held)),
            None => {
                held = end;
                Turn::Answer(received(end))
            }
        },
        ("Close-Session" | "Cancel-Session", _) => Turn::Answer(Reply::ack()),
        _ => Turn::Serve,
    })
}

/// A peer that answers every packet of that type so, and all others by the book.
pub(crate) fn always(packet: &'static str, reply: Reply) -> Peer {
    Peer::start(
        move |call| {
            if call.packet == packet { Turn::Answer(reply.clone()) } else { Turn::Serve }
        },
    )
}

/// A peer that answers the first packet of that type so, and all others by the book.
pub(crate) fn once(packet: &'static str, reply: Reply) -> Peer {
    Peer::start(
        move |call| {
            if call.is(packet, 1) { Turn::Answer(reply.clone()) } else { Turn::Serve }
        },
    )
}

/// An offset for a Fragment that starts at the wrong place.
pub(crate) fn corrected(offset: u64) -> Reply {
    Reply::status(416, "Range").header("BITS-Received-Content-Range", &offset.to_string())
}

/// The bytes that went out as bodies, each at its place, as a server that believes every range
/// would hold them.
pub(crate) fn assembled(raw: &Scripted, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    for request in of_type(raw, "Fragment") {
        let (first, _) = range(&request).expect("a range");
        let first = usize::try_from(first).expect("small");
        bytes[first..first + request.body.len()].copy_from_slice(&request.body);
    }
    bytes
}

/// The result and all events of an upload.
pub(crate) fn watched(
    url: &str,
    source: Source,
    options: UploadOptions,
) -> (Result<Receipt, Error>, Vec<Event>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let (finished, last) = mpsc::channel();
    let seen = Arc::clone(&events);
    let client = Client::new().expect("client");
    let upload = client.upload(source, url).options(options).on_event(move |event| {
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
        if matches!(event, Event::Finished(_)) {
            // The test may have failed meanwhile.
            finished.send(()).ok();
        }
        Flow::Continue
    });
    let upload = upload.start().expect("started");
    let result = ended(&upload);
    last.recv_timeout(PATIENCE).expect("the last event");
    let events = events.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (result, events)
}

/// A time that is short, but not on a loaded machine.
pub(crate) fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A source of zeros.
pub(crate) struct Zeros;

impl bitsup::ReadAt for Zeros {
    fn read_at(&self, buffer: &mut [u8], _: u64) -> std::io::Result<usize> {
        buffer.fill(0);
        Ok(buffer.len())
    }

    fn may_block(&self) -> bool {
        false
    }
}

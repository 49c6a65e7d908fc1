//! Whole uploads against the server of this workspace.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::peer::{Peer, Turn, received};
use bitsup::{Client, Event, EventFilter, Flow, ReadAt, Source, UploadOptions, Wake};
use bitsup_server::scripted::Latch;
use bitsup_server::{Config, Server};

fn server() -> (tempfile::TempDir, Server) {
    let root = tempfile::tempdir().expect("root");
    let config = Config { root: root.path().to_owned(), ..Config::default() };
    (root, Server::start(config).expect("server"))
}

/// Bytes that differ wherever they are spliced.
fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

#[test]
fn files_of_every_size_arrive_byte_exact() {
    let (root, server) = server();
    let client = Client::new().expect("client");
    for size in [0, 1, 5119, 5120, 1 << 20, (1 << 20) + 1, 5_000_000] {
        let bytes = payload(size);
        let name = format!("{size}.bin");
        let url = server.url(&format!("/{name}"));
        let upload = client.upload(Source::bytes(bytes.clone()), &url).start().expect("started");
        let receipt = upload.wait().expect("uploaded");
        assert!(receipt.close_confirmed && receipt.verified);
        assert_eq!(std::fs::read(root.path().join(name)).expect("published"), bytes, "{size}");
    }
}

#[test]
fn a_file_is_read_from_disk_and_events_tell_the_packets() {
    let (root, server) = server();
    let file = tempfile::NamedTempFile::new().expect("file");
    let bytes = payload(3_000_000);
    std::fs::write(file.path(), &bytes).expect("written");
    let client = Client::new().expect("client");
    let packets = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&packets);
    let source = Source::path(file.path()).expect("source").named("x.bin");
    let mut options = UploadOptions::default();
    options.fragment_size = Some(2_000_000);
    let upload = client
        .upload(source, &server.url("/"))
        .options(options)
        .on_event(move |event| {
            if let Event::Packet(packet) = event {
                seen.lock().expect("lock").push(packet.packet.to_string());
            }
            Flow::Continue
        })
        .start()
        .expect("started");
    upload.wait().expect("uploaded");
    assert_eq!(std::fs::read(root.path().join("x.bin")).expect("published"), bytes);
    // The last events may still be on their way when the result is there.
    while packets.lock().expect("lock").last().is_none_or(|last| last != "Close-Session") {
        std::thread::yield_now();
    }
    let packets = packets.lock().expect("lock").clone();
    assert_eq!(packets, ["Create-Session", "Fragment", "Fragment", "Close-Session"]);
}

/// Bytes that are still being made while they are sent.
#[derive(Default)]
struct Growing {
    state: Mutex<(Vec<u8>, Option<Wake>)>,
}

impl Growing {
    fn grow(&self, bytes: &[u8]) {
        let mut state = self.state.lock().expect("lock");
        state.0.extend_from_slice(bytes);
        let wake = state.1.take();
        drop(state);
        if let Some(wake) = wake {
            wake();
        }
    }
}

struct Reader(Arc<Growing>);

impl ReadAt for Reader {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        let state = self.0.state.lock().expect("lock");
        let rest = &state.0[usize::try_from(offset).expect("small")..];
        if rest.is_empty() {
            return Err(std::io::ErrorKind::WouldBlock.into());
        }
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn when_ready(&self, offset: u64, wake: Wake) {
        let mut state = self.0.state.lock().expect("lock");
        if (state.0.len() as u64) > offset {
            drop(state);
            wake();
        } else {
            state.1 = Some(wake);
        }
    }
}

#[test]
fn bytes_that_are_still_being_made_hold_no_thread() {
    let (root, server) = server();
    let client = Client::new().expect("client");
    let bytes = payload(700_000);
    // More of them than the client has threads for reading.
    let sources: Vec<_> = (0..20).map(|_| Arc::new(Growing::default())).collect();
    let uploads: Vec<_> = sources
        .iter()
        .enumerate()
        .map(|(number, source)| {
            let source = Source::read_at(Reader(Arc::clone(source)), bytes.len() as u64);
            let url = server.url(&format!("/{number}"));
            client.upload(source, &url).start().expect("started")
        })
        .collect();
    for part in bytes.chunks(100_000) {
        sources.iter().rev().for_each(|source| source.grow(part));
        std::thread::yield_now();
    }
    for (number, upload) in uploads.iter().enumerate() {
        upload.wait().expect("uploaded");
        let file = root.path().join(number.to_string());
        assert_eq!(std::fs::read(file).expect("published"), bytes);
    }
}

#[test]
fn events_that_are_not_wanted_do_not_come() {
    let told = |filter: EventFilter| {
        let (_root, server) = server();
        let (sender, events) = std::sync::mpsc::channel();
        let client = Client::new().expect("client");
        let source = Source::bytes(payload(3000));
        let upload = client.upload(source, &server.url("/x.bin")).event_filter(filter);
        let upload = upload.on_event(move |event| {
            let _ = sender.send(event.clone());
            Flow::Continue
        });
        let upload = upload.start().expect("started");
        upload.wait().expect("uploaded");
        let mut seen = Vec::new();
        while !matches!(seen.last(), Some(Event::Finished(_))) {
            seen.push(events.recv_timeout(Duration::from_secs(60)).expect("the last event comes"));
        }
        let events = seen;
        let some = |is: fn(&Event) -> bool| events.iter().any(is);
        assert!(some(|event| matches!(event, Event::Notice(_))), "{events:?}");
        (
            some(|event| matches!(event, Event::Progress(_))),
            some(|event| matches!(event, Event::Packet(_))),
            some(|event| matches!(event, Event::Ack(_))),
        )
    };
    let all = EventFilter::default();
    assert_eq!(told(all), (true, true, true));
    assert_eq!(told(all.progress(false)), (false, true, true));
    assert_eq!(told(all.packets(false)), (true, false, false));
    assert_eq!(told(all.packets(false).progress(false)), (false, false, false));
}

#[test]
fn waiting_ends_after_the_callbacks() {
    let (_root, server) = server();
    let client = Client::new().expect("client");
    let told = Arc::new(AtomicBool::new(false));
    let tells = Arc::clone(&told);
    let upload = client.upload(Source::bytes(payload(3000)), &server.url("/x.bin"));
    let upload = upload.on_event(move |event| {
        if matches!(event, Event::Finished(_)) {
            // Long enough for a waiter that does not look.
            std::thread::sleep(Duration::from_millis(100));
            tells.store(true, Ordering::Relaxed);
        }
        Flow::Continue
    });
    upload.start().expect("started").wait().expect("uploaded");
    assert!(told.load(Ordering::Relaxed));
}

#[test]
fn more_events_can_be_wanted_while_an_upload_runs() {
    let latch = Latch::new();
    let held = latch.clone();
    let peer = Peer::start(move |call| match call {
        call if call.is("Fragment", 1) => Turn::After(received(1_000_000).held(&held)),
        _ => Turn::Serve,
    });
    let (sender, events) = std::sync::mpsc::channel();
    let client = Client::new().expect("client");
    let mut options = UploadOptions::default();
    options.fragment_size = Some(1_000_000);
    let upload = client.upload(Source::bytes(payload(3_000_000)), &peer.url()).options(options);
    let few = EventFilter::default().progress(false).packets(false);
    let upload = upload.event_filter(few).on_event(move |event| {
        let _ = sender.send(event.clone());
        Flow::Continue
    });
    let upload = upload.start().expect("started");
    peer.wait_for("Fragment", 1);
    upload.set_event_filter(EventFilter::default());
    latch.open();
    upload.wait().expect("uploaded");
    let seen: Vec<Event> = events.try_iter().collect();
    let has = |wanted: fn(&Event) -> bool| seen.iter().any(wanted);
    assert!(has(|event| matches!(event, Event::Ack(_))), "{seen:?}");
    assert!(has(|event| matches!(event, Event::Progress(_))), "{seen:?}");
}

/// A callback holds the thread that the other upload's callbacks wait for.
#[test]
fn a_callback_can_wait_for_another_upload() {
    let (_root, server) = server();
    let client = Client::new().expect("client");
    let start = |path: &str| {
        let upload = client.upload(Source::bytes(payload(3000)), &server.url(path));
        upload.on_event(|_| Flow::Continue)
    };
    let other = start("/other.bin").start().expect("started");
    let waits = start("/x.bin").on_event(move |event| {
        if matches!(event, Event::Finished(_)) {
            other.wait().expect("uploaded");
        }
        Flow::Continue
    });
    let upload = waits.start().expect("started");
    upload.wait().expect("uploaded");
}

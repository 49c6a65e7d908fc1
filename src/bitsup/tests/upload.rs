//! Whole uploads against the server of this workspace.

use std::sync::{Arc, Mutex};

use bitsup::{Client, Event, Flow, Source};
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
    let upload = client
        .upload(source, &server.url("/"))
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

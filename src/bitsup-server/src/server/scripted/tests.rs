use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Latch, Reply, Scripted};

const SOON: Duration = Duration::from_secs(10);

fn connect(peer: &Scripted) -> TcpStream {
    let stream = TcpStream::connect(peer.address()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

fn exchange(stream: &mut TcpStream, request: &[u8], answer: &[u8]) {
    stream.write_all(request).unwrap();
    let mut got = vec![0; answer.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(answer));
}

#[test]
fn requests_are_logged_and_answered_in_order() {
    let peer = Scripted::start(|_, request, number| {
        Reply::ack().header("Seen", &format!("{number} {}", request.target))
    });
    let mut stream = connect(&peer);
    exchange(
        &mut stream,
        b"BITS_POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nBITS-Packet-Type: Ack\r\nSeen: 0 /a\r\nContent-Length: 0\r\n\r\n",
    );
    exchange(
        &mut stream,
        b"BITS_POST /b HTTP/1.1\r\nBITS-Packet-Type: Ping\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBITS-Packet-Type: Ack\r\nSeen: 1 /b\r\nContent-Length: 0\r\n\r\n",
    );
    let requests = peer.requests();
    assert_eq!(requests[0].body, b"abc");
    assert_eq!(requests[0].headers[0], ("Host".to_owned(), b"h".to_vec()));
    assert_eq!(requests[1].packet_type(), "Ping");
    assert_eq!(requests[1].connection, 0);
    drop(stream);
    assert!(peer.wait_for_close(0, SOON));
}

#[test]
fn a_body_can_be_cut_off() {
    let peer = Scripted::start(|_, _, _| Reply::drop_after_body_bytes(4));
    let mut stream = connect(&peer);
    stream.write_all(b"BITS_POST / HTTP/1.1\r\nContent-Length: 8\r\n\r\nabcd").unwrap();
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
    let request = peer.requests().remove(0);
    assert_eq!(request.body, b"abcd");
    assert_eq!(request.completed, None);
}

#[test]
fn a_reset_reaches_the_client() {
    let peer = Scripted::start(|_, _, _| Reply::close().then_reset());
    let mut stream = connect(&peer);
    stream.write_all(b"BITS_POST / HTTP/1.1\r\n\r\n").unwrap();
    let error = stream.read(&mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn an_answer_can_be_held_back_and_trickle() {
    let latch = Latch::new();
    let held = latch.clone();
    let peer = Scripted::start(move |_, _, _| {
        Reply::raw("late").held(&held).trickled(Duration::from_millis(1)).then_close()
    });
    let mut stream = connect(&peer);
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(peer.wait_for_requests(1, SOON));
    assert_eq!(peer.requests()[0].answered, None);
    latch.open();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "late");
}

#[test]
fn stray_bytes_after_a_hang_are_logged() {
    let peer = Scripted::start(|_, _, _| Reply::hang());
    let mut stream = connect(&peer);
    stream.write_all(b"GET / HTTP/1.1\r\n\r\nmore").unwrap();
    assert!(peer.wait_for_requests(1, SOON));
    stream.write_all(b"and more").unwrap();
    drop(stream);
    assert!(peer.wait_for_close(0, SOON));
    assert_eq!(peer.connections()[0].stray, b"moreand more");
}

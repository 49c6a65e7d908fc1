//! Exchanges over TLS.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use bitsup_server::scripted::{Reply, Scripted};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::NamedTempFile;

use super::support::{Bench, direct, fragment, origin};
use crate::transport::{
    Binding, ConnectionId, ConnectionOptions, ConnectionUse, Exchange, FailureKind, Scheme, Sent,
    ServerCertificate, TlsOptions,
};

/// A TLS peer that answers every request with an Ack.
struct TlsPeer {
    address: SocketAddr,
    certificate: NamedTempFile,
    der: Vec<u8>,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Waited for by two before stray bytes are sent, and after.
    turn: Arc<Barrier>,
}

/// What a request's connection agreed on by ALPN, and the number of that connection.
type Seen = (Option<Vec<u8>>, usize);

impl TlsPeer {
    /// With a certificate for this name; `stray` may follow each answer in a record of its own.
    fn start(name: &str, stray: &'static [u8]) -> Self {
        let issued = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let mut certificate = NamedTempFile::new().unwrap();
        certificate.write_all(issued.cert.pem().as_bytes()).unwrap();
        let der = issued.cert.der().to_vec();
        let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![issued.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let turn = Arc::new(Barrier::new(2));
        let served = Arc::clone(&turn);
        // It ends with the test's process: a listener cannot be woken without a connection.
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let session = ServerConnection::new(Arc::clone(&config)).unwrap();
                // What is sent is there at once, whether the client has acknowledged what came before or not.
                stream.set_nodelay(true).unwrap();
                let (log, turn) = (Arc::clone(&log), Arc::clone(&served));
                thread::spawn(move || {
                    serve(StreamOwned::new(session, stream), number, (stray, &turn), &log);
                });
            }
        });
        Self { address, certificate, der, seen, turn }
    }

    /// Has the stray bytes sent, and waits until they are.
    fn send_stray(&self) {
        self.turn.wait();
        self.turn.wait();
    }

    fn trusted(&self) -> ConnectionOptions {
        let ca_file = Some(self.certificate.path().to_owned());
        ConnectionOptions { tls: TlsOptions { ca_file, ..TlsOptions::default() }, ..direct() }
    }

    fn connections(&self) -> Vec<usize> {
        self.seen.lock().unwrap().iter().map(|(_, number)| *number).collect()
    }
}

fn serve(
    mut stream: StreamOwned<ServerConnection, TcpStream>,
    number: usize,
    (stray, turn): (&[u8], &Barrier),
    log: &Mutex<Vec<Seen>>,
) {
    let mut unread = Vec::new();
    let mut piece = [0; 4096];
    loop {
        // Every request of these tests has a body of ten bytes that ends so.
        while !unread.ends_with(b"\x08\x09") {
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(count) => unread.extend_from_slice(&piece[..count]),
            }
        }
        unread.clear();
        log.lock().unwrap().push((stream.conn.alpn_protocol().map(<[u8]>::to_vec), number));
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
            return;
        }
        if !stray.is_empty() {
            turn.wait();
            drop(stream.write_all(stray));
            turn.wait();
        }
    }
}

fn exchange(unused: &Scripted, peer: &TlsPeer) -> Exchange {
    Exchange {
        origin: origin(Scheme::Https, "localhost", peer.address.port()),
        ..fragment(unused, 10)
    }
}

/// The failure of one exchange that must not have begun.
fn refused(bench: &mut Bench, pinned: ConnectionId, exchange: Exchange) -> String {
    let failure = bench.run(pinned, exchange).result.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Tls(_)), "{failure:?}");
    assert_eq!(failure.sent, Sent::Nothing);
    failure.message
}

#[test]
fn lanes_keep_their_connections_and_the_name_is_checked() {
    let _rule = bitsup_server::rule!("PKT-03");
    let unused = Scripted::start(|_, _, _| Reply::ack());
    let peer = TlsPeer::start("localhost", b"");
    let mut bench = Bench::new();
    let connections = [
        bench.transport.open_connection(peer.trusted()),
        bench.transport.open_connection(peer.trusted()),
    ];
    for round in 0..3 {
        for pinned in connections {
            let event = bench.run(pinned, exchange(&unused, &peer));
            assert_eq!(event.result.unwrap().status, 200);
            assert_eq!(event.stats.new_connection, round == 0);
        }
    }
    assert_eq!(peer.connections(), [0, 1, 0, 1, 0, 1]);
    for (protocol, _) in peer.seen.lock().unwrap().iter() {
        assert_eq!(protocol.as_deref(), Some(&b"http/1.1"[..]));
    }

    // The same certificate says nothing about the address.
    let pinned = bench.transport.open_connection(peer.trusted());
    let origin = origin(Scheme::Https, "127.0.0.1", peer.address.port());
    let other = Exchange { origin, ..exchange(&unused, &peer) };
    let message = refused(&mut bench, pinned, other);
    assert!(!message.contains("bitsup.invalid"), "{message}");
}

#[test]
fn the_certificate_of_each_connection_is_known() {
    let _rule = bitsup_server::rule!("AUT-09");
    let unused = Scripted::start(|_, _, _| Reply::ack());
    let peers = [TlsPeer::start("localhost", b""), TlsPeer::start("localhost", b"")];
    let mut bench = Bench::new();
    let tls = TlsOptions { insecure: true, ..TlsOptions::default() };
    let pinned = bench.transport.open_connection(ConnectionOptions { tls, ..direct() });
    assert_eq!(bench.transport.certificate(pinned), ServerCertificate::NotReported);
    for peer in [0, 1, 1, 0].map(|number| &peers[number]) {
        let known = ServerCertificate::Known(Binding::of(&peer.der));
        for connection in [ConnectionUse::Fresh, ConnectionUse::Reuse] {
            let event = bench.run(pinned, Exchange { connection, ..exchange(&unused, peer) });
            assert_eq!(event.result.unwrap().status, 200);
            assert_eq!(event.stats.new_connection, connection == ConnectionUse::Fresh);
            assert_eq!(bench.transport.certificate(pinned), known);
        }
    }
    let plain = fragment(&unused, 10);
    assert_eq!(bench.run(pinned, plain).result.unwrap().status, 200);
    assert_eq!(bench.transport.certificate(pinned), ServerCertificate::NotReported);
}

#[test]
fn an_unknown_certificate_is_refused_unless_allowed() {
    let unused = Scripted::start(|_, _, _| Reply::ack());
    let peer = TlsPeer::start("localhost", b"");
    let mut bench = Bench::new();
    let pinned = bench.transport.open_connection(direct());
    refused(&mut bench, pinned, exchange(&unused, &peer));

    let tls = TlsOptions { insecure: true, ..TlsOptions::default() };
    let pinned = bench.transport.open_connection(ConnectionOptions { tls, ..direct() });
    assert_eq!(bench.run(pinned, exchange(&unused, &peer)).result.unwrap().status, 200);
    assert_eq!(peer.connections().len(), 1);
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let unused = Scripted::start(|_, _, _| Reply::ack());
    let peer = TlsPeer::start("other.example", b"");
    let mut bench = Bench::new();
    let pinned = bench.transport.open_connection(peer.trusted());
    refused(&mut bench, pinned, exchange(&unused, &peer));
    assert!(peer.connections().is_empty());
}

#[test]
fn stray_records_after_an_answer_are_never_an_answer() {
    let _rule = bitsup_server::rule!("ACK-15");
    let unused = Scripted::start(|_, _, _| Reply::ack());
    let stray = b"HTTP/1.1 500 Stray\r\nContent-Length: 0\r\n\r\n";
    let peer = TlsPeer::start("localhost", stray);
    let mut bench = Bench::new();
    let pinned = bench.transport.open_connection(peer.trusted());
    for _ in 0..3 {
        let event = bench.run(pinned, exchange(&unused, &peer));
        assert_eq!(event.result.unwrap().status, 200);
        assert!(event.stats.new_connection);
        peer.send_stray();
        assert!(bench.take_end(pinned, &exchange(&unused, &peer)));
    }
    assert_eq!(peer.connections(), [0, 1, 2]);
}

//! What the protocol itself costs: an Ack read, and a Fragment from the wish to send it to its
//! Ack. Run it with `cargo bench -p bitsup-proto`.
#![allow(missing_docs, reason = "criterion's macros make items that have none")]

use std::hint::black_box;
use std::time::Duration;

use bitsup_proto::session::{Action, Exchange, Sent, Session};
use bitsup_proto::{Ack, Config, Moment};
use criterion::{Criterion, criterion_group, criterion_main};

/// The headers of a real server's Ack for a Fragment.
const ACK: [(&str, &[u8]); 7] = [
    ("Date", b"Mon, 18 Jun 2007 21:11:57 GMT"),
    ("Server", b"Microsoft-IIS/6.0"),
    ("Pragma", b"no-cache"),
    ("BITS-Packet-Type", b"Ack"),
    ("BITS-Session-Id", b"{C85B4E0A-9EB9-4114-BFA4-8A43B4710091}"),
    ("BITS-Received-Content-Range", b"1048576"),
    ("Content-Length", b"0"),
];

fn parser(criterion: &mut Criterion) {
    criterion.bench_function("an Ack is read", |bencher| {
        bencher.iter(|| Ack::parse(black_box(200), black_box(ACK)));
    });
}

fn state_machine(criterion: &mut Criterion) {
    let moment = Moment { monotonic: Duration::from_secs(1), unix: 1_000_000, random: 7 };
    let config = Config { size: u64::MAX >> 1, origin: "host".into(), ..Config::default() };
    let mut session = Session::new(config);
    let exchange = Exchange {
        sending: Duration::from_millis(5),
        waiting: Duration::from_millis(1),
        sent: Sent::Body(u64::MAX),
    };
    criterion.bench_function("a Fragment is wished for and acknowledged", |bencher| {
        bencher.iter(|| {
            let Action::Send(request) = session.poll_action(moment) else { return };
            session.headers(&request, |name, value| {
                black_box((name, value.to_string().len()));
            });
            let mut ack = Ack::parse(200, black_box(ACK));
            if let Some(range) = request.range {
                ack.offset = bitsup_proto::ack::Offset::At(range.end());
            }
            let _ = session.handle_ack(moment, &ack, None, None, exchange);
            while session.poll_notice().is_some() {}
        });
    });
}

criterion_group!(benches, parser, state_machine);
criterion_main!(benches);

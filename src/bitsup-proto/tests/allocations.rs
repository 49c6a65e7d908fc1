//! Once an upload runs, the state machine takes no memory for a Fragment and its Ack.

use std::alloc::System;
use std::time::Duration;

use bitsup_proto::session::{Action, Exchange, Sent, Session};
use bitsup_proto::{Ack, Config, ContentRange, Moment};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn moment(at: u64) -> Moment {
    Moment { monotonic: Duration::from_millis(at), unix: 1_000_000 + at / 1000, random: at }
}

/// Sends and acknowledges `packets` packets, as an engine does.
fn play(session: &mut Session, packets: u64, at: &mut u64) {
    for _ in 0..packets {
        *at += 7;
        let Action::Send(request) = session.poll_action(moment(*at)) else { panic!("no packet") };
        let mut length = 0;
        session.headers(&request, |name, _| length += name.len());
        assert!(length > 0);
        let mut digits = [0; 20];
        let offset = decimal(request.range.map_or(0, ContentRange::end), &mut digits);
        let headers: [(&str, &[u8]); 6] = [
            ("Date", b"Mon, 18 Jun 2007 21:11:57 GMT"),
            ("BITS-Packet-Type", b"Ack"),
            ("Content-Length", b"0"),
            ("Server", b"Microsoft-IIS/6.0"),
            ("BITS-Session-Id", b"{one}"),
            ("BITS-Received-Content-Range", offset),
        ];
        let ack = Ack::parse(200, headers);
        let exchange = Exchange {
            sending: Duration::from_millis(5),
            waiting: Duration::from_millis(1),
            sent: Sent::Body(u64::MAX),
        };
        session.handle_ack(moment(*at), &ack, None, None, exchange).expect("expected");
        while session.poll_notice().is_some() {}
        let _ = session.take_checkpoint_due();
    }
}

fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

#[test]
fn a_fragment_and_its_ack_take_no_memory() {
    let config = Config { size: 1 << 50, origin: "a.example.com".into(), ..Config::default() };
    let mut session = Session::new(config);
    let mut at = 0;
    // Create-Session, and the first Fragments, until all that grows has grown.
    play(&mut session, 10, &mut at);
    // The test's own main thread may take memory at the same time: once without any is proof.
    let least = (0..10).map(|_| {
        let region = Region::new(ALLOCATOR);
        play(&mut session, 1000, &mut at);
        let used = region.change();
        used.allocations + used.reallocations
    });
    assert_eq!(least.min(), Some(0));
    assert!(session.offset() > 1000 << 20);
}

//! The straight path; the rules have files of their own.

use super::*;
use crate::ack::{Ack, Offset};
use std::vec::Vec;

/// The time `seconds` after the start.
fn at(seconds: u64) -> Moment {
    Moment {
        monotonic: Duration::from_secs(seconds),
        unix: 1_000_000 + seconds,
        random: u64::MAX / 2,
    }
}

fn ack() -> Ack<'static> {
    Ack { status: 200, is_ack: true, ..Ack::default() }
}

#[test]
fn a_small_file_takes_create_fragment_close() {
    let _rule = bitsup_server::rule!("FSM-01", "FSM-05");
    let mut session = Session::new(Config { size: 10, ..Config::default() });
    let mut packets = Vec::new();
    loop {
        match session.poll_action(at(0)) {
            Action::Send(request) => {
                packets.push(request.packet);
                let answer = match request.packet {
                    PacketType::CreateSession => Ack { session_id: Some("{x}"), ..ack() },
                    PacketType::Fragment => Ack { offset: Offset::At(10), ..ack() },
                    _ => ack(),
                };
                session
                    .handle_ack(at(0), &answer, None, None, Exchange::default())
                    .expect("expected");
            }
            Action::Finished => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        packets,
        [PacketType::CreateSession, PacketType::Fragment, PacketType::CloseSession]
    );
    let done = Summary { close_confirmed: true, verified: true };
    assert_eq!(session.outcome(), Some(&Outcome::Done(done)));
}

//! How large Fragments are.

use super::*;
use crate::fragment_size::{CEILING, FLOOR, INITIAL, Limits};

const KIB: u64 = 1024;

fn automatic(size: u64) -> Config {
    Config { size, fragment: Limits::default(), ..config() }
}

fn fixed(size: u64, length: u64) -> Config {
    let fragment = Limits { fixed: Some(length), ..Limits::default() };
    Config { size, fragment, ..config() }
}

/// Plays a server that takes everything up to `limit`; gives the ranges that it saw.
fn ranges(config: Config, limit: u64, refusal: u16) -> (Upload, Vec<ContentRange>) {
    let mut upload = Upload::new(config);
    let mut seen = Vec::new();
    while upload.exchange() != "Finished" {
        let request = *upload.requests.last().expect("one was sent");
        let answer = match request.range {
            Some(range) => {
                seen.push(range);
                if range.length() > limit { status(refusal) } else { received(range.end()) }
            }
            None => created(),
        };
        // The refusal is not from BITS: no header of it.
        let answer = match answer {
            Answer::Ack(ack) if ack.status >= 400 => Answer::Ack(Ack { is_ack: false, ..ack }),
            answer => answer,
        };
        upload.answer(&answer).expect("under way");
        assert!(seen.len() < 10_000);
    }
    (upload, seen)
}

fn lengths(seen: &[ContentRange]) -> Vec<u64> {
    seen.iter().map(|range| range.length()).collect()
}

#[test]
fn a_413_halves_the_fragment_at_the_same_place() {
    let mut upload = Upload::opened(fixed(100_000, 20_000));
    upload.play([
        ("Fragment 0-19999", received(20_000)),
        ("Fragment 20000-39999", status(413)),
        ("Fragment 20000-29999", received(30_000)),
        ("Fragment 30000-39999", received(40_000)),
    ]);
    assert_eq!(upload.notices[1], Notice::Shrunk { refused: 20_000, next: 10_000 });
}

#[test]
fn halving_ends_at_the_floor_and_then_it_is_reported() {
    for refusal in [413, 404] {
        let (mut upload, seen) = ranges(automatic(100_000_000), 0, refusal);
        assert_eq!(seen.last().map(|range| range.length()), Some(FLOOR));
        assert_eq!(seen.len(), 9, "1 MiB, 512, 256, 128, 64, 32, 16, 8 and 5 KiB");
        assert_eq!(upload.error().http_status(), Some(refusal));
    }
    let limits = Limits { fixed: Some(4000), floor: 1000, ..Limits::default() };
    let (_, seen) = ranges(Config { fragment: limits, ..automatic(100_000) }, 0, 413);
    assert_eq!(lengths(&seen), [4000, 2000, 1000]);
}

#[test]
fn a_refused_size_is_not_tried_again_nor_in_the_next_upload() {
    for refusal in [413, 404] {
        let config = automatic(50 * KIB * KIB);
        let (mut upload, seen) = ranges(config.clone(), 600 * KIB, refusal);
        assert_eq!(upload.summary(), CERTAIN);
        assert_eq!(seen.iter().filter(|range| range.length() > 600 * KIB).count(), 1);
        let learned = upload.session.learned().size;
        assert_eq!(learned, Some(512 * KIB));
        let (mut next, seen) =
            ranges(Config { learned_size: learned, ..config }, 600 * KIB, refusal);
        assert_eq!(next.summary(), CERTAIN);
        assert!(seen.iter().all(|range| range.length() <= 512 * KIB));
    }
}

#[test]
fn a_404_to_a_size_that_has_passed_is_fatal() {
    let mut upload = Upload::opened(fixed(100_000, 20_000));
    upload.play([("Fragment 0-19999", received(20_000)), ("Fragment 20000-39999", status(404))]);
    assert_eq!(upload.error().http_status(), Some(404));
}

#[test]
fn too_large_a_file_is_fatal_at_once() {
    let too_large = Ack { status: 500, code: Some(Hresult::TOO_LARGE), ..ACK };
    let mut upload = Upload::opened(fixed(100_000, 20_000));
    upload.play([("Fragment 0-19999", Answer::Ack(too_large))]);
    assert_eq!(upload.error().hresult(), Some(Hresult::TOO_LARGE));
}

#[test]
fn automatic_sizes_grow_and_shrink_within_their_bounds() {
    let _rule = bitsup_server::rule!("SIZ-06");
    let (mut upload, seen) = ranges(automatic(100 * KIB * KIB), u64::MAX, 413);
    assert_eq!(upload.summary(), CERTAIN);
    let all = lengths(&seen);
    assert_eq!(all[..6], [1, 2, 4, 8, 16, 28].map(|mib| mib * KIB * KIB));
    assert!(all[..all.len() - 1].iter().all(|length| (FLOOR..=CEILING).contains(length)));
    let mut upload = Upload::opened(automatic(u64::MAX / 2));
    let mut before = INITIAL;
    for _ in 0..12 {
        // A large Fragment is lost, a probe finds out the offset, the next is at most half.
        assert_eq!(
            upload.exchange(),
            format!(
                "Fragment {0}-{1}",
                upload.session.offset(),
                upload.session.offset() + before - 1
            )
        );
        upload.answer(&LOST).expect("under way");
        upload.play([("Ping", ok())]);
        upload.exchange();
        let probe = upload.requests.last().and_then(|request| request.range).expect("a Fragment");
        assert_eq!(probe.length(), 1);
        upload.answer(&wants(upload.session.offset())).expect("under way");
        before = (before / 2).max(FLOOR);
        let clear = upload.session.offset();
        upload.session.suspend(upload.now).expect("it runs");
        upload.session.resume(upload.now).expect("it is paused");
        assert_eq!(upload.session.offset(), clear);
        upload.play([("Ping", ok())]);
        if before <= 8 * KIB {
            break;
        }
    }
}

#[test]
fn a_size_set_by_the_caller_is_kept() {
    let _rule = bitsup_server::rule!("SIZ-07");
    let (_, seen) = ranges(fixed(10_250, 5120), u64::MAX, 413);
    assert_eq!(lengths(&seen), [5120, 5120, 10]);
}

#[test]
fn no_fragment_is_empty_and_they_join_without_a_gap() {
    let _rule = bitsup_server::rule!("SIZ-10", "PKT-45");
    for (size, expected) in [
        (1, vec!["bytes 0-0/1"]),
        (999, vec!["bytes 0-998/999"]),
        (1000, vec!["bytes 0-999/1000"]),
        (1001, vec!["bytes 0-999/1001", "bytes 1000-1000/1001"]),
        (2000, vec!["bytes 0-999/2000", "bytes 1000-1999/2000"]),
    ] {
        let (mut upload, seen) = ranges(fixed(size, 1000), u64::MAX, 413);
        let texts: Vec<_> = seen.iter().map(ToString::to_string).collect();
        assert_eq!(texts, expected);
        assert_eq!(upload.summary(), CERTAIN);
    }
}

#[test]
fn an_empty_file_is_created_and_closed() {
    let _rule = bitsup_server::rule!("SIZ-08");
    let mut upload = Upload::opened(automatic(0));
    upload.play([("Close-Session", ok()), ("HEAD", holds(0))]);
    assert_eq!(upload.summary(), CERTAIN);
    let mut upload = Upload::new(Config { refuse_empty: true, ..automatic(0) });
    assert_eq!(upload.error().kind(), ErrorKind::InvalidArgument);
    assert!(upload.requests.is_empty());
    for number in [400, 416] {
        let mut upload = Upload::opened(automatic(0));
        upload.play([("Close-Session", status(number))]);
        assert!(upload.error().message().contains("empty files"));
    }
}

#[test]
fn offsets_are_64_bit() {
    let _rule = bitsup_server::rule!("PKT-44");
    let mut upload = Upload::opened(fixed(5_368_709_120, 1 << 31));
    upload.play([
        ("Fragment 0-2147483647", received(1 << 31)),
        ("Fragment 2147483648-4294967295", received(1 << 32)),
        ("Fragment 4294967296-5368709119", received(5_368_709_120)),
    ]);
}

#[test]
fn the_limit_on_bytes_counts_repetitions() {
    let mut upload = Upload::opened(Config { max_bytes: Some(2500), ..fixed(2000, 1000) });
    upload.play([
        ("Fragment 0-999", LOST),
        ("Ping", ok()),
        ("Fragment 1-1", wants(0)),
        ("Fragment 0-999", received(1000)),
    ]);
    assert_eq!(upload.error().kind(), ErrorKind::LimitReached);
}

#[test]
fn the_last_ack_and_that_of_close_may_take_longer() {
    let _rule = bitsup_server::rule!("TMR-04");
    let mut upload = Upload::before("Close-Session");
    upload.play([("Close-Session", ok())]);
    let limits: Vec<_> = upload.requests.iter().map(|request| request.answer_limit).collect();
    let (usual, last) = (Duration::from_mins(5), Duration::from_mins(15));
    assert_eq!(limits, [usual, usual, usual, last, last]);
}

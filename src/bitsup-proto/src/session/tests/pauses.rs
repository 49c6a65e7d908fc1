//! Pauses: nothing goes out during one, and the way on is the one that was left.

use super::*;

#[test]
fn a_pause_lets_the_exchange_end_and_nothing_follow() {
    let _rule = bitsup_server::rule!("FSM-11");
    let answers =
        [received(1000), wants(0), status(503), status(403), LOST, forgotten(), status(401)];
    for answer in answers {
        let mut upload = Upload::before("Fragment 1000-1999");
        assert_eq!(upload.exchange(), "Fragment 1000-1999");
        upload.session.suspend(upload.now).expect("it runs");
        assert_eq!(upload.exchange(), "Idle");
        upload.answer(&answer).expect("the exchange may end");
        upload.pass(100_000);
        assert_eq!(upload.exchange(), "Idle");
        assert_eq!(upload.session.state(), State::Suspend);
        assert_eq!(upload.session.deadline(), None);
        upload.session.resume(upload.now).expect("it is paused");
        assert_ne!(upload.exchange(), "Idle", "{answer:?}");
    }
}

#[test]
fn a_pause_during_a_wait_holds() {
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([("Fragment 1000-1999", status(503)), ("Ping", status(503))]);
    assert!(matches!(upload.poll(), Action::Wait(_)));
    upload.session.suspend(upload.now).expect("it waits");
    upload.pass(100_000);
    assert_eq!(upload.exchange(), "Idle");
    upload.session.resume(upload.now).expect("it is paused");
    upload.play([
        ("Ping", ok()),
        ("Fragment 998-998", wants(1000)),
        ("Fragment 1000-1999", received(2000)),
    ]);
}

#[test]
fn a_pause_that_meets_the_end_does_not_start_the_upload_anew() {
    let mut upload = Upload::before("Close-Session");
    assert_eq!(upload.exchange(), "Close-Session");
    upload.session.suspend(upload.now).expect("it runs");
    upload.answer(&ok()).expect("under way");
    assert_eq!(upload.summary(), CERTAIN);
    assert_eq!(upload.session.resume(upload.now), Err(InvalidState));
    assert_eq!(upload.exchange(), "Finished");
}

#[test]
fn a_pause_before_the_head_goes_on_with_the_head() {
    let mut upload = Upload::opened(Config { verify: VerifyPolicy::Always, size: 10, ..config() });
    upload.play([("Fragment 0-9", received(10))]);
    assert_eq!(upload.exchange(), "Close-Session");
    upload.session.suspend(upload.now).expect("it runs");
    upload.answer(&ok()).expect("under way");
    assert_eq!(upload.exchange(), "Idle");
    upload.session.resume(upload.now).expect("it is paused");
    upload.play([("HEAD", LOST)]);
    upload.session.suspend(upload.now).expect("it waits");
    assert_eq!(upload.exchange(), "Idle");
    upload.session.resume(upload.now).expect("it is paused");
    upload.play([("HEAD", holds(10))]);
    assert_eq!(upload.summary(), CERTAIN);
}

#[test]
fn a_pause_is_no_lack_of_progress() {
    let mut upload = Upload::opened(Config { max_time: Some(Duration::from_mins(1)), ..config() });
    upload.session.suspend(upload.now).expect("it runs");
    assert_eq!(upload.exchange(), "Idle");
    upload.pass(86_400);
    upload.session.resume(upload.now).expect("it is paused");
    upload.play([("Ping", status(503)), ("Ping", ok()), ("Fragment 0-999", received(1000))]);
    upload.pass(61);
    assert_eq!(upload.error().kind(), ErrorKind::LimitReached);
}

#[test]
fn a_resume_before_the_exchange_has_ended_goes_on_as_if_there_had_been_no_pause() {
    let mut upload = Upload::before("Fragment 1000-1999");
    assert_eq!(upload.exchange(), "Fragment 1000-1999");
    upload.session.suspend(upload.now).expect("it runs");
    upload.session.resume(upload.now).expect("it is paused");
    assert_eq!(upload.exchange(), "Idle");
    upload.answer(&received(2000)).expect("under way");
    upload.play([("Fragment 2000-2499", received(2500))]);
}

#[test]
fn a_pause_while_a_session_is_replaced_holds_too() {
    let mut upload = Upload::before("Fragment 1000-1999");
    upload.play([
        ("Fragment 1000-1999", LOST),
        ("Ping", ok()),
        ("Fragment 998-998", received(999)),
    ]);
    assert_eq!(upload.exchange(), "Cancel-Session");
    upload.session.suspend(upload.now).expect("the upload goes on afterwards");
    upload.answer(&status(503)).expect("under way");
    assert_eq!(upload.exchange(), "Idle");
    upload.session.resume(upload.now).expect("it is paused");
    upload.play([
        ("Ping", ok()),
        ("Fragment 998-998", received(999)),
        ("Cancel-Session", ok()),
        ("Create-Session", created_as("{two}")),
        ("Fragment 0-999", received(1000)),
    ]);
}

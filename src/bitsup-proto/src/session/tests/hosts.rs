//! `BITS-Host-Id`: which host packets go to, and until when.

use super::*;
use crate::retry::MAX_FALLBACK;

fn named(timeout: Option<u64>) -> Answer {
    Answer::Ack(Ack {
        session_id: Some("{one}"),
        host_id: Some("b.example.com"),
        fallback_timeout: timeout,
        ..ACK
    })
}

fn patient() -> Config {
    let retry = RetryPolicy { give_up_after: Duration::from_hours(100), ..Default::default() };
    Config { retry, ..config() }
}

/// An upload whose session lives on b.example.com.
fn at_other_host(config: Config, timeout: Option<u64>) -> Upload {
    let mut upload = Upload::new(config);
    upload.play([("Create-Session", named(timeout)), ("Ping @b.example.com", ok())]);
    upload
}

#[test]
fn all_packets_go_to_the_named_host_on_a_new_connection() {
    let mut upload = at_other_host(config(), None);
    assert_eq!(upload.requests[1].connection, Connection::Fresh);
    assert_eq!(upload.notices[1], Notice::HostChanged("b.example.com".into()));
    upload.play([
        ("Fragment 0-999 @b.example.com", received(1000)),
        ("Fragment 1000-1999 @b.example.com", received(2000)),
        ("Fragment 2000-2499 @b.example.com", received(2500)),
        ("Close-Session @b.example.com", ok()),
    ]);
    assert_eq!(upload.summary(), CERTAIN);
    let mut upload = at_other_host(config(), None);
    upload.session.cancel(upload.now, CancelMode::Delete).expect("it runs");
    upload.play([("Cancel-Session @b.example.com", ok())]);
}

#[test]
fn without_a_timeout_there_is_no_way_back() {
    let _rule = bitsup_server::rule!("HST-03");
    let mut upload = at_other_host(patient(), None);
    upload.play([("Fragment 0-999 @b.example.com", LOST)]);
    for _ in 0..20 {
        upload.play([("Ping @b.example.com", UNREACHABLE)]);
        upload.pass(3600);
    }
}

#[test]
fn after_the_timeout_packets_go_to_the_origin() {
    let unavailable = [
        LOST,
        UNREACHABLE,
        status(500),
        status(503),
        Fails(FailureClass::Timeout, Sent::Body(u64::MAX)),
        status(400),
    ];
    for first in unavailable {
        let mut upload = at_other_host(patient(), Some(600));
        upload.play([("Fragment 0-999 @b.example.com", first.clone())]);
        if upload.poll() == Action::Finished {
            upload.session.resume(upload.now).expect("a session is held");
        } else {
            upload.answer(&UNREACHABLE).expect("the first retry goes at once");
        }
        upload.pass(590);
        assert_eq!(upload.exchange(), "Ping @b.example.com");
        upload.pass(10);
        upload.answer(&UNREACHABLE).expect("under way");
        assert_eq!(upload.exchange(), "Ping", "{first:?}");
        let request = upload.requests.last().expect("one was sent");
        assert_eq!(request.connection, Connection::Fresh);
        assert!(upload.notices.contains(&Notice::FellBack));
    }
}

#[test]
fn a_wait_ends_with_the_fallback_timer() {
    let mut upload = at_other_host(patient(), Some(10));
    let busy = Ack { status: 503, retry_after: Some(RetryAfter::Seconds(3000)), ..ACK };
    upload.play([("Fragment 0-999 @b.example.com", Answer::Ack(busy))]);
    let begin = upload.now.monotonic;
    upload.play([("Ping", ok())]);
    assert_eq!(upload.now.monotonic.saturating_sub(begin), Duration::from_secs(10));
}

#[test]
fn only_an_accepted_fragment_stops_the_timer() {
    let _rule = bitsup_server::rule!("HST-05");
    for accepted in [received(1000), wants(0)] {
        let mut upload = at_other_host(patient(), Some(100));
        upload.play([("Fragment 0-999 @b.example.com", UNREACHABLE)]);
        upload.pass(60);
        upload.play([("Ping @b.example.com", ok()), ("Fragment 0-999 @b.example.com", accepted)]);
        upload.pass(60);
        let next = upload.exchange();
        assert!(next.ends_with("@b.example.com"), "{next}");
    }
    for refused in [status(503), LOST] {
        let mut upload = at_other_host(patient(), Some(100));
        upload.play([("Fragment 0-999 @b.example.com", UNREACHABLE)]);
        upload.pass(60);
        upload.play([("Ping @b.example.com", ok()), ("Fragment 0-999 @b.example.com", refused)]);
        upload.pass(40);
        assert_eq!(upload.exchange(), "Ping", "a good Ping and more failures change nothing");
    }
}

#[test]
fn the_origin_may_forget_and_name_a_host_again() {
    let mut upload = at_other_host(patient(), Some(10));
    upload.play([
        ("Fragment 0-999 @b.example.com", received(1000)),
        ("Fragment 1000-1999 @b.example.com", UNREACHABLE),
    ]);
    upload.pass(10);
    upload.play([
        ("Ping", ok()),
        ("Fragment 1000-1999", forgotten()),
        ("Create-Session", named(None)),
        ("Ping @b.example.com", ok()),
        ("Fragment 0-999 @b.example.com", received(1000)),
    ]);
    let changed = Notice::HostChanged("b.example.com".into());
    assert_eq!(upload.notices.iter().filter(|notice| **notice == changed).count(), 2);
    assert_eq!(upload.requests[7].connection, Connection::Fresh);
}

#[test]
fn a_lost_session_is_replaced_at_the_host_it_had() {
    let mut upload = at_other_host(config(), None);
    upload.play([
        ("Fragment 0-999 @b.example.com", forgotten()),
        ("Create-Session @b.example.com", created_as("{two}")),
        ("Fragment 0-999", received(1000)),
    ]);
}

#[test]
fn a_host_that_did_not_come_back_in_time_is_left_after_a_restart_of_the_process_too() {
    let mut upload = at_other_host(config(), Some(60));
    upload.play([("Fragment 0-999 @b.example.com", UNREACHABLE)]);
    upload.pass(61);
    upload.play([("Ping", ok())]);
    assert_eq!(upload.exchange(), "Fragment 0-999");
    assert_eq!(upload.restored(config(), 5).exchange(), "Ping");
}

#[test]
fn a_timer_that_starts_is_written_down() {
    let mut upload = at_other_host(config(), Some(60));
    upload.play([("Fragment 0-999 @b.example.com", received(1000))]);
    upload.session.take_checkpoint_due();
    upload.play([("Fragment 1000-1999 @b.example.com", UNREACHABLE)]);
    assert!(upload.session.take_checkpoint_due());
}

#[test]
fn the_timer_survives_a_restart_of_the_process() {
    let _rule = bitsup_server::rule!("HST-07");
    for (later, first) in [(61, "Ping"), (59, "Ping @b.example.com")] {
        let mut upload = at_other_host(config(), Some(60));
        upload.play([("Fragment 0-999 @b.example.com", LOST)]);
        assert!(upload.session.take_checkpoint_due());
        let mut again = upload.restored(config(), later);
        assert_eq!(again.exchange(), first);
        upload.session.suspend(upload.now).expect("it runs");
        upload.exchange();
        upload.pass(later);
        upload.session.resume(upload.now).expect("it is paused");
        assert_eq!(upload.exchange(), first, "paused for {later} s");
    }
}

#[test]
fn a_timeout_without_end_is_no_harm() {
    for timeout in [u64::MAX, u64::MAX / 2, 0] {
        let mut upload =
            at_other_host(Config { wait_out_fallback: true, ..config() }, Some(timeout));
        upload.play([("Fragment 0-999 @b.example.com", LOST)]);
        assert_ne!(upload.exchange(), "Finished");
        upload.answer(&UNREACHABLE).expect("under way");
        let mut again = upload.restored(config(), 5);
        assert_ne!(again.exchange(), "Finished");
    }
}

/// How long a host that does not answer is waited for, and how often the origin is tried meanwhile.
fn waited_out(timeout: Duration) -> (Duration, u32) {
    let config = Config { wait_out_fallback: true, ..config() };
    let mut upload = at_other_host(config, Some(timeout.as_secs()));
    upload.play([("Fragment 0-999 @b.example.com", UNREACHABLE)]);
    let begin = upload.now.monotonic;
    let mut origin = 0;
    loop {
        match upload.exchange().as_str() {
            "Ping @b.example.com" => {}
            "Ping" => origin += 1,
            _ => break,
        }
        upload.answer(&UNREACHABLE).expect("under way");
        upload.pass(1);
    }
    upload.error();
    (upload.now.monotonic.saturating_sub(begin), origin)
}

#[test]
fn the_tool_waits_out_the_timer_and_gives_the_origin_its_hour() {
    let (waited, origin) = waited_out(Duration::from_hours(2));
    assert!(waited > Duration::from_hours(2), "{waited:?}");
    assert!(waited <= Duration::from_secs(3 * 3600 + 2), "{waited:?}");
    assert!(origin > 10, "the origin was tried {origin} times");
}

#[test]
fn a_timer_of_more_than_two_weeks_is_not_waited_out() {
    let limit = MAX_FALLBACK + Duration::from_hours(1);
    assert_eq!(limit, Duration::from_hours(337));
    let (waited, origin) = waited_out(Duration::from_hours(30 * 24));
    let shortest = limit.saturating_sub(Duration::from_mins(2));
    assert!(waited > shortest && waited <= limit + Duration::from_secs(2), "{waited:?}");
    assert_eq!(origin, 0, "the timer still runs");
}

#[test]
fn an_empty_host_or_a_lone_timeout_means_the_origin() {
    let lone = Ack { session_id: Some("{one}"), fallback_timeout: Some(1), ..ACK };
    let mut upload = Upload::new(patient());
    upload.play([("Create-Session", Answer::Ack(lone)), ("Fragment 0-999", UNREACHABLE)]);
    upload.pass(100);
    upload.play([("Ping", ok())]);
    assert!(!upload.notices.contains(&Notice::FellBack));
}

#[test]
fn the_callers_policy_decides_whom_to_follow() {
    let elsewhere = Ack { session_id: Some("{one}"), host_id: Some("c.example.net"), ..ACK };
    let follow = |host_policy| {
        let mut upload = Upload::new(Config { host_policy, ..config() });
        upload.play([("Create-Session", Answer::Ack(elsewhere))]);
        upload
    };
    assert_eq!(follow(HostPolicy::Any).exchange(), "Ping @c.example.net");
    assert_eq!(follow(HostPolicy::Ignore).exchange(), "Fragment 0-999");
    let mut upload = follow(HostPolicy::SameSite);
    let error = upload.error();
    assert_eq!(error.kind(), ErrorKind::HostIdUntrusted);
    let advice = crate::explain::advice(&error, crate::explain::Reader::Tool);
    assert!(advice.contains("--trusted-host c.example.net"), "{advice}");
    assert_eq!(upload.session.session_id(), None, "nothing can go on with it at the origin");
    upload.session.resume(upload.now).expect("the caller may try again");
    assert_eq!(upload.exchange(), "Create-Session");
}

#[test]
fn a_new_session_at_the_same_host_leaves_the_timer_running() {
    for (host, next) in [("b.example.com", "Ping"), ("c.example.com", "Ping @c.example.com")] {
        let mut upload = at_other_host(patient(), Some(100));
        upload.play([("Fragment 0-999 @b.example.com", LOST)]);
        upload.pass(60);
        let again = Ack { host_id: Some(host), fallback_timeout: Some(100), ..ACK };
        upload.play([
            ("Ping @b.example.com", forgotten()),
            (
                "Create-Session @b.example.com",
                Answer::Ack(Ack { session_id: Some("{two}"), ..again }),
            ),
        ]);
        assert_eq!(upload.exchange(), format!("Ping @{host}"));
        upload.answer(&UNREACHABLE).expect("under way");
        upload.pass(40);
        assert_eq!(upload.exchange(), next);
    }
}

//! Every situation and every input: an illegal one is refused and changes nothing.

use super::*;

/// What may be allowed beyond a poll.
const PAUSABLE: &[&str] = &["suspend", "cancel", "source"];

/// The situations by name, each with what it allows.
fn situations() -> Vec<(&'static str, Upload, Vec<&'static str>)> {
    let allowed = |own: &[&'static str]| [own, PAUSABLE].concat();
    let running = |mut upload: Upload, exchange: &str| {
        assert_eq!(upload.exchange(), exchange);
        upload
    };
    let mut list = vec![("new", Upload::new(config()), allowed(&[]))];
    for exchange in ["Create-Session", "Fragment 1000-1999", "Fragment 2000-2499", "Close-Session"]
    {
        list.push(("before a packet", Upload::before(exchange), allowed(&[])));
        let upload = running(Upload::before(exchange), exchange);
        list.push(("a packet under way", upload, allowed(&["ack", "failure"])));
        let mut upload = running(Upload::before(exchange), exchange);
        upload.session.suspend(upload.now).expect("it runs");
        let own = vec!["ack", "failure", "resume", "cancel", "source"];
        list.push(("paused with a packet under way", upload, own));
        let mut upload = Upload::before(exchange);
        upload.session.suspend(upload.now).expect("it runs");
        list.push(("paused", upload, vec!["resume", "cancel", "source"]));
        let mut upload = Upload::before(exchange);
        upload.play([(exchange, status(503))]);
        upload.play([(if exchange == "Create-Session" { exchange } else { "Ping" }, status(503))]);
        assert!(matches!(upload.poll(), Action::Wait(_)));
        list.push(("waiting for a retry", upload, allowed(&[])));
        let mut upload = Upload::before(exchange);
        upload.play([(exchange, status(403))]);
        upload.error();
        list.push(("failed", upload, vec!["resume", "cancel"]));
        let mut upload = running(Upload::before(exchange), exchange);
        upload.session.cancel(upload.now, CancelMode::Keep).expect("it runs");
        list.push(("stopped with a packet under way", upload, vec![]));
    }
    let ping = || {
        let mut upload = Upload::before("Fragment 1000-1999");
        upload.play([("Fragment 1000-1999", LOST)]);
        running(upload, "Ping")
    };
    list.push(("a ping under way", ping(), allowed(&["ack", "failure"])));
    let reply = || {
        let mut upload = Upload::new(Config { reply: ReplyMode::Required, size: 10, ..config() });
        let end = Ack { offset: Offset::At(10), reply_url: Some("r"), ..ACK };
        upload.play([("Create-Session", created()), ("Fragment 0-9", Answer::Ack(end))]);
        running(upload, "GET 0-")
    };
    list.push(("a reply under way", reply(), allowed(&["reply", "failure"])));
    let head = || {
        let mut upload =
            Upload::opened(Config { verify: VerifyPolicy::Always, size: 10, ..config() });
        upload.play([("Fragment 0-9", received(10)), ("Close-Session", ok())]);
        running(upload, "HEAD")
    };
    list.push(("a head under way", head(), allowed(&["head", "failure"])));
    let mut upload = head();
    upload.answer(&holds(11)).expect("under way");
    list.push(("the file is wrong", upload, vec!["cancel"]));
    let cancelled = || {
        let mut upload = Upload::before("Fragment 1000-1999");
        upload.session.cancel(upload.now, CancelMode::Delete).expect("it runs");
        upload
    };
    list.push(("to be cancelled", cancelled(), vec![]));
    list.push(("cancelling", running(cancelled(), "Cancel-Session"), vec!["ack", "failure"]));
    let mut upload = running(ping(), "Idle");
    upload.session.cancel(upload.now, CancelMode::Delete).expect("it runs");
    list.push(("to be cancelled after the running exchange", upload, vec![]));
    let mut upload = cancelled();
    upload.play([("Cancel-Session", status(503)), ("Cancel-Session", status(503))]);
    assert!(matches!(upload.poll(), Action::Wait(_)));
    list.push(("cancel waits", upload, vec![]));
    let mut upload = cancelled();
    upload.play([("Cancel-Session", status(501))]);
    list.push(("cancel failed", upload, vec!["resume", "cancel"]));
    let mut upload = cancelled();
    upload.play([("Cancel-Session", ok())]);
    list.push(("cancelled", upload, vec![]));
    let mut upload = Upload::before("Fragment 1000-1999");
    let changed = Error::new(ErrorKind::SourceChanged, "the file has changed");
    upload.session.fail_source(upload.now, changed).expect("it runs");
    list.push((
        "the source has changed",
        running(upload, "Cancel-Session"),
        vec!["ack", "failure"],
    ));
    let mut upload = Upload::before("Close-Session");
    upload.play([("Close-Session", ok())]);
    list.push(("done", upload, vec![]));
    list
}

/// Every input, by the word that allows it.
pub(super) fn inputs() -> Vec<(&'static str, Input)> {
    let mut list: Vec<(&'static str, Input)> = vec![
        ("resume", Box::new(|upload| upload.session.resume(upload.now))),
        ("suspend", Box::new(|upload| upload.session.suspend(upload.now))),
        ("cancel", Box::new(|upload| upload.session.cancel(upload.now, CancelMode::Delete))),
        ("cancel", Box::new(|upload| upload.session.cancel(upload.now, CancelMode::Keep))),
    ];
    for kind in [ErrorKind::SourceChanged, ErrorKind::LocalFile] {
        let source = move |upload: &mut Upload| {
            upload.session.fail_source(upload.now, Error::new(kind, "it cannot be read"))
        };
        list.push(("source", Box::new(source)));
    }
    let answers = answers();
    list.extend(answers.into_iter().map(|answer| {
        let word = match &answer {
            Answer::Ack(_) => "ack",
            Answer::Failure(..) => "failure",
            Answer::Head(_) => "head",
            Answer::Got(_) => "reply",
        };
        let input: Input = Box::new(move |upload| upload.answer(&answer));
        (word, input)
    }));
    list
}

pub(super) type Input = Box<dyn Fn(&mut Upload) -> Result<(), InvalidState>>;
use std::boxed::Box;

/// An answer of every meaning, a failure of every class, a HEAD and a reply of every kind.
pub(super) fn answers() -> Vec<Answer> {
    let mut list = vec![
        ok(),
        created(),
        created_as("{other}"),
        received(0),
        received(1500),
        received(2500),
        received(u64::MAX),
        wants(0),
        wants(2500),
        forgotten(),
        Answer::Ack(Ack { is_ack: false, ..ACK }),
        Answer::Ack(Ack { offset: Offset::Unreadable, ..ACK }),
        holds(10),
        holds(0),
        Answer::Head(Head { status: 404, ..Head::default() }),
    ];
    for number in [202, 302, 400, 401, 403, 404, 407, 408, 409, 413, 416, 500, 501, 503] {
        list.push(status(number));
        list.push(Answer::Ack(Ack { status: number, context: Some(7), is_ack: false, ..ACK }));
    }
    for class in [
        FailureClass::Offline,
        FailureClass::Transport,
        FailureClass::Timeout,
        FailureClass::BadAnswer,
        FailureClass::Fatal,
    ] {
        list.push(Fails(class, Sent::Nothing));
        list.push(Fails(class, Sent::Body(u64::MAX)));
    }
    for number in [200, 206, 401, 404, 407, 416, 500] {
        list.push(Answer::Got(Got { status: number, length: 5, ..Got::default() }));
    }
    list
}

#[test]
fn what_is_not_allowed_is_refused_and_changes_nothing() {
    let _rule = bitsup_server::rule!("FSM-14");
    let count = situations().len();
    for (word, input) in inputs() {
        // Made anew for each input: a machine cannot be cloned.
        for (name, mut upload, allowed) in situations() {
            let before = format!("{:?}", upload.session);
            let result = input(&mut upload);
            let state = upload.session.state();
            assert_eq!(result.is_ok(), allowed.contains(&word), "{word} while {name} ({state:?})");
            if result.is_err() {
                assert_eq!(format!("{:?}", upload.session), before, "{word} while {name}");
            } else {
                check(&mut upload, &format!("{word} while {name}"));
            }
        }
    }
    assert!(count > 40);
}

#[test]
fn a_poll_changes_nothing_while_there_is_nothing_to_do() {
    for (name, mut upload, _) in situations() {
        let mut last = upload.poll();
        for _ in 0..3 {
            let before = format!("{:?}", upload.session);
            let action = upload.poll();
            if matches!(last, Action::Send(_) | Action::Head | Action::GetReply(_) | Action::Idle) {
                assert_eq!(action, Action::Idle, "{name}");
            }
            if matches!(action, Action::Idle | Action::Finished | Action::Wait(_)) {
                assert_eq!(format!("{:?}", upload.session), before, "{name}");
            }
            last = action;
        }
    }
}

/// What holds after any event.
fn check(upload: &mut Upload, case: &str) {
    assert!(upload.session.offset() <= upload.session.config().size, "{case}");
    let mut action = upload.poll();
    if action == Action::Abort {
        action = upload.poll();
    }
    let state = upload.session.state();
    assert_eq!(state.is_terminal(), upload.session.outcome().is_some(), "{case}: {state:?}");
    assert_eq!(state.is_terminal(), action == Action::Finished, "{case}: {action:?}");
    if let Action::Send(request) = action {
        assert_eq!(request.range.is_some(), request.packet == PacketType::Fragment, "{case}");
    }
}

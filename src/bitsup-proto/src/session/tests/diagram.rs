//! Every place that the machine can reach, and every event in each: an illegal one is
//! refused and changes nothing, and a legal one leads where the picture in `session` says.

use super::table::{Input, answers, inputs};
use super::*;
use crate::session::phase::{AfterCancel, Ended};
use std::boxed::Box;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

/// Who makes a transition, in the order of the picture.
const CAUSES: [&str; 3] = ["answer", "caller", "time"];

/// The uploads whose places are looked for.
fn uploads() -> Vec<Upload> {
    let hasty = RetryPolicy { max_attempts: Some(2), max_invalid: 0, ..RetryPolicy::default() };
    let small = Config { size: 10, ..config() };
    let configs = [
        config(),
        Config { opening_ping: true, credentials: true, ..small.clone() },
        Config { reply: ReplyMode::Required, proxy_credentials: true, ..small.clone() },
        Config { size: 0, ..config() },
        Config { size: 1, reply: ReplyMode::Optional, lenient_offset: true, ..config() },
        Config { on_lost_ack: LostAckPolicy::Restart, ..small.clone() },
        Config { on_lost_ack: LostAckPolicy::Resend, max_bytes: Some(15), ..small.clone() },
        Config { on_lost_ack: LostAckPolicy::Accept, retry: hasty, ..small.clone() },
        Config { verify: VerifyPolicy::Never, ..small.clone() },
        Config { verify: VerifyPolicy::Always, max_time: Some(Duration::from_hours(1)), ..small },
    ];
    configs.into_iter().map(Upload::new).collect()
}

/// What tells one place from another; budgets and numbers are left out, or there would be no end.
fn place(session: &Session) -> String {
    let Session { phase, io, pause, logins, .. } = session;
    let open = phase.open().map(|open| {
        let doubt = match open.doubt {
            Doubt::Bytes(probing) => {
                Some((probing.first_answer.is_some(), probing.rerun.is_some()))
            }
            Doubt::File { closed, .. } => Some((closed, closed)),
            Doubt::None | Doubt::LastFragment(_) | Doubt::Close => None,
        };
        let kind = core::mem::discriminant(&open.doubt);
        let pings = (open.pings.acknowledged, open.pings.refused.min(2));
        (open.offset, kind, doubt, open.proof, pings, open.reply_url.is_some())
    });
    let io = match io {
        Io::InFlight(Outstanding::Packet(request)) => {
            format!("{} {}", request.packet, request.range.is_some_and(ContentRange::is_last))
        }
        Io::Backoff { .. } => "backoff".into(),
        io => format!("{io:?}"),
    };
    let after = match phase {
        Phase::Cancelling(cancelling) => Some(core::mem::discriminant(&cancelling.after)),
        _ => None,
    };
    let kind = core::mem::discriminant(phase);
    let (state, pause) = (session.state(), pause.is_some());
    let config = &session.config;
    format!("{state:?} {kind:?} {open:?} {io} {after:?} {pause} {logins:?} of {config:?}")
}

/// The events that a place has: the table of phases and events.
fn allowed(Session { phase, io, pause, .. }: &Session) -> Vec<&'static str> {
    let mut words = match io {
        Io::InFlight(Outstanding::Packet(_)) => vec!["ack", "failure", "ended", "unsent"],
        Io::InFlight(Outstanding::Head) => vec!["head", "failure", "unsent"],
        Io::InFlight(Outstanding::Reply) => vec!["reply", "failure", "unsent"],
        Io::Backoff { .. } if pause.is_none() && !matches!(phase, Phase::Cancelling(_)) => {
            vec!["retry"]
        }
        Io::Idle | Io::Backoff { .. } | Io::Aborting => vec![],
    };
    words.extend(match (phase, pause) {
        (Phase::Kept(_), _) => vec![],
        (Phase::Ended(Ended { outcome: Outcome::Failed(_), .. }), _) => vec!["cancel"],
        (Phase::Ended(_), _) => vec![],
        (Phase::Failed { .. }, _) => vec!["resume", "cancel"],
        (_, Some(_)) => vec!["resume", "cancel", "source"],
        (Phase::Cancelling(cancelling), None) => match cancelling.after {
            AfterCancel::Restart { .. } => vec!["suspend", "cancel", "source"],
            AfterCancel::Finish | AfterCancel::Fail(_) => vec![],
        },
        (Phase::Pinging(_) | Phase::Creating | Phase::Uploading(_), None) => {
            vec!["suspend", "cancel", "source"]
        }
    });
    words
}

/// All events but the passing of time, which is always allowed.
fn events() -> Vec<(&'static str, Input)> {
    let mut events = inputs();
    for offset in [10, 1, 1000, 2000] {
        let ends = Ack { offset: Offset::At(offset), reply_url: Some("r"), ..ACK };
        events.push(("ack", Box::new(move |upload| upload.answer(&Answer::Ack(ends)))));
    }
    let named = Ack { session_id: Some("{one}"), host_id: Some("b.example.com"), ..ACK };
    events.push(("ack", Box::new(move |upload| upload.answer(&Answer::Ack(named)))));
    let whole = Got { status: 200, length: 5, content_length: Some(5), ..Got::default() };
    events.push(("reply", Box::new(move |upload| upload.answer(&Answer::Got(whole.clone())))));
    events.push(("ended", Box::new(|upload| upload.session.handle_connection_ended().map(drop))));
    events.push(("retry", Box::new(|upload| upload.session.refuse_retry())));
    events.push(("unsent", Box::new(|upload| upload.session.retry_unsent())));
    let delay = Duration::from_secs(1);
    events.push(("retry", Box::new(move |upload| upload.session.defer_retry(upload.now, delay))));
    assert!(events.len() > answers().len());
    events
}

fn cause(word: &str) -> usize {
    match word {
        "ack" | "failure" | "ended" | "unsent" | "head" | "reply" => 0,
        _ => 1,
    }
}

type Edges = BTreeMap<State, [BTreeSet<State>; 3]>;

/// Walks through all places, and gives the transitions between states.
fn walk() -> Edges {
    let events = events();
    let mut edges = Edges::new();
    let mut known = BTreeSet::new();
    let mut queue = VecDeque::from(uploads());
    while let Some(upload) = queue.pop_front() {
        let from = upload.session.state();
        let words = allowed(&upload.session);
        let before = format!("{:?}", upload.session);
        let mut lead = |by: usize, next: Upload, case: &str| {
            check(&next, case);
            edges.entry(from).or_default()[by].insert(next.session.state());
            if known.insert(place(&next.session)) {
                queue.push_back(next);
            }
        };
        let mut refused = BTreeSet::new();
        for (word, event) in &events {
            // `table` tests its contents.
            if !words.contains(word) && !refused.insert(word) {
                continue;
            }
            let mut next = upload.clone();
            let result = event(&mut next);
            let case = format!("{word} in {}", place(&upload.session));
            assert_eq!(result.is_ok(), words.contains(word), "{case}");
            match result {
                Ok(()) => lead(cause(word), next, &case),
                Err(InvalidState) => assert_eq!(format!("{:?}", next.session), before, "{case}"),
            }
        }
        for wait in [Duration::ZERO, Duration::from_mins(5), Duration::from_hours(2)] {
            let mut next = upload.clone();
            next.pass(wait.as_secs());
            next.poll();
            lead(2, next, "time");
        }
    }
    assert!(known.len() > 500, "{} places", known.len());
    edges
}

/// What holds after any event.
fn check(upload: &Upload, case: &str) {
    let session = &upload.session;
    assert!(session.offset() <= session.config.size, "{case}");
    assert_eq!(session.state().is_terminal(), session.outcome().is_some(), "{case}");
    if session.state().is_terminal() {
        assert!(!matches!(session.io, Io::InFlight(_) | Io::Backoff { .. }), "{case}");
    }
}

/// The picture that the code makes.
fn picture() -> String {
    let mut text = String::new();
    for (from, to) in walk() {
        for (cause, to) in CAUSES.iter().zip(to) {
            let own = to.into_iter().filter(|to| *to != from);
            let names: Vec<String> = own.map(|to| format!("{to:?}")).collect();
            if !names.is_empty() {
                let from = format!("{from:?}");
                writeln!(text, "//! {from:13} {cause} → {}", names.join(" "))
                    .expect("a string takes it");
            }
        }
    }
    text
}

#[test]
fn every_event_in_every_place_does_what_the_picture_says() {
    let _rule = bitsup_server::rule!("FSM-14");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/session/mod.rs");
    let source = std::fs::read_to_string(path).expect("the source is there");
    let (head, rest) = source.split_once("//! ```text\n").expect("a picture");
    let (drawn, tail) = rest.split_once("//! ```\n").expect("its end");
    let picture = picture();
    if std::env::var("BITSUP_BLESS").as_deref() == Ok("1") {
        let blessed = format!("{head}//! ```text\n{picture}//! ```\n{tail}");
        std::fs::write(path, blessed).expect("it can be written");
    } else {
        assert_eq!(
            drawn, picture,
            "the picture is stale: BITSUP_BLESS=1 cargo test -p bitsup-proto diagram"
        );
    }
}

/// Its head says so: all transitions stand in `transitions/`, and nowhere else.
#[test]
fn no_other_file_changes_the_state() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/session");
    let assigned = |source: &str| {
        let fields = ["phase", "io", "pause"];
        let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        let texts = fields.map(|field| format!(".{field} = "));
        lines.filter(|line| texts.iter().any(|text| line.contains(text.as_str()))).count()
    };
    let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("a source file");
    let files = |folder: &str| {
        let entries = std::fs::read_dir(folder).expect("a folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    for path in files(folder) {
        assert_eq!(assigned(&read(&path)), 0, "{}", path.display());
    }
    let inside: usize =
        files(&format!("{folder}/transitions")).iter().map(|path| assigned(&read(path))).sum();
    assert!(inside > 10, "{inside} in transitions/");
}

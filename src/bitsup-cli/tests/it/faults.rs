//! Every fault of docs/fault-scripts.md: the file arrives byte-exact, or the error is true.

use std::sync::Mutex;

use bitsup_server::scripted::{Reply, Scripted};

use crate::common::{Host, Place, payload};

/// Faults that no client can overcome, and the exit code that says why.
const FATAL: &[(&str, i32)] = &[
    ("request 1: 401", 4),
    ("create: hang", 6),
    // One byte a tenth of a second takes longer than the limit for an answer.
    ("close: trickle 1/100ms", 6),
    // Each one halves the parts, until they are the smallest there are.
    ("fragment every 4: 413", 7),
    (r#"create: with "BITS-Host-Id: node7.example" with "BITS-Host-Id-Fallback-Timeout: 5""#, 7),
    ("fragment: without BITS-Received-Content-Range", 8),
];

#[test]
fn every_documented_fault_ends_well_or_with_the_truth() {
    let rules = documented_rules();
    assert!(rules.len() > 30, "{rules:?}");
    let queue = Mutex::new(rules.into_iter());
    let problems = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("lock").next();
                    let Some(rule) = next else { break };
                    if let Some(problem) = act_out(&rule) {
                        problems.lock().expect("lock").push(problem);
                    }
                }
            });
        }
    });
    let problems = problems.into_inner().expect("lock");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Each rule of the page's examples.
fn documented_rules() -> Vec<String> {
    let page = include_str!("../../../../docs/fault-scripts.md");
    let blocks = page.split("```fault").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(Into::into).collect()
}

fn act_out(rule: &str) -> Option<String> {
    let (place, host) = (Place::new(), Host::with_faults(rule));
    let bytes = payload(1_000_000);
    place.write("a.bin", &bytes);
    // Within the second in which a session began no time proves that the file is this upload's,
    // and a HEAD before it does.
    let verify = if rule == "close 1: swallow" { "--verify=always" } else { "--verify=auto" };
    let ended = place.run([
        "upload",
        verify,
        "--fragment-size=100K",
        "--ack-timeout=3s",
        "--stall-timeout=3s",
        "--give-up-after=12s",
        "--wait-for-server=6s",
        "--max-attempts=4",
        "a.bin",
        &host.url("a.bin"),
    ]);
    let arrived = std::fs::read(host.root().join("a.bin")).ok();
    let wanted = FATAL.iter().find(|(fatal, _)| *fatal == rule).map_or(0, |(_, code)| *code);
    let exact = arrived.as_ref() == Some(&bytes);
    let spliced = arrived.is_some() && !exact;
    if ended.code != wanted || spliced || (ended.code == 0 && !exact) {
        return Some(format!("{rule}: exact {exact}, wanted {wanted}, {ended:?}"));
    }
    let last = ended.last_line();
    let truthful = ended.code == 0
        || last.starts_with("to continue: bitsup resume")
        || matches!(last, "nothing is left on the server" | "nothing was sent")
        || last.starts_with("a partial upload may remain on the server")
        || last.starts_with("the file may be on the server");
    (!truthful).then(|| format!("{rule}: {ended:?}"))
}

/// Whether the tool says that a partial upload may be left, for a peer that answers Create-Session and
/// Cancel-Session so, and Fragments with 403.
fn says_left(what: &str, create: &Reply, cancel: &Reply, options: &[&str]) -> bool {
    let place = Place::new();
    place.write("a.bin", &payload(20_000));
    let (create, cancel) = (create.clone(), cancel.clone());
    let peer = Scripted::start(move |_, request, _| match request.packet_type().as_str() {
        "Create-Session" => create.clone(),
        "Cancel-Session" => cancel.clone(),
        "Fragment" => Reply::status(403, "Forbidden"),
        _ => Reply::ack(),
    });
    // Only the answer that never comes is not waited for.
    let patience = if what.contains("late") { "--ack-timeout=1s" } else { "--ack-timeout=10s" };
    let all = ["upload", "--max-attempts=2", patience, "--give-up-after=3s"];
    let url = peer.url("/x");
    let ended = place.run(all.iter().chain(options).chain(&["a.bin", &url]));
    assert_ne!(ended.code, 0, "{what}: {ended:?}");
    let last = ended.last_line().to_owned();
    let left = last.contains("may remain on the server") && last.contains("14 days");
    assert!(left || last == "nothing is left on the server", "{what}: {ended:?}");
    left
}

#[test]
fn nothing_is_left_is_said_only_if_it_is_so() {
    let _rule = bitsup_server::rule!("OUT-01");
    let created = || {
        Reply::ack()
            .header("BITS-Protocol", "{7df0354d-249b-430f-820d-3d2a9bef4931}")
            .header("BITS-Session-Id", "{one}")
    };
    let refused = |status, reason| Reply::status(status, reason);
    for (what, create) in [
        ("untrusted host", created().header("BITS-Host-Id", "evil.example")),
        ("bad host", created().header("BITS-Host-Id", "a b/c")),
        ("no session id", Reply::ack()),
        (
            "wrong protocol",
            Reply::ack()
                .header("BITS-Protocol", "{00000000-0000-0000-0000-000000000000}")
                .header("BITS-Session-Id", "{one}"),
        ),
        ("identity refused", created().header("Accept-Encoding", "identity;q=0")),
        ("lost Ack", Reply::close()),
        ("late Ack", Reply::hang()),
        ("gateway", refused(502, "Bad Gateway")),
        ("no answer of BITS", Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")),
    ] {
        // A session that is not known to be cancelled may be left.
        assert!(says_left(what, &create, &refused(403, "Forbidden"), &[]), "{what}");
    }
    for (what, create) in [("403", refused(403, "Forbidden")), ("401", refused(401, "No"))] {
        assert!(!says_left(what, &create, &Reply::ack(), &[]), "{what}");
    }
    let cancels = ["--no-resume"];
    assert!(!says_left("cancelled", &created(), &Reply::ack(), &cancels));
    for (what, cancel) in [
        ("cancel refused", refused(403, "Forbidden")),
        ("cancel lost", Reply::close()),
        ("cancel late", Reply::hang()),
        ("cancel failed", refused(500, "Error")),
    ] {
        assert!(says_left(what, &created(), &cancel, &cancels), "{what}");
    }
}

#[test]
fn cancelled_is_said_only_if_it_is_so() {
    let _rule = bitsup_server::rule!("OUT-01");
    for (cancel, code) in [(403, 7), (200, 0)] {
        let place = Place::new();
        place.write("a.bin", &payload(20_000));
        let peer = Scripted::start(move |_, request, _| match request.packet_type().as_str() {
            "Create-Session" => Reply::ack()
                .header("BITS-Protocol", "{7df0354d-249b-430f-820d-3d2a9bef4931}")
                .header("BITS-Session-Id", "{one}"),
            "Cancel-Session" if cancel != 200 => Reply::status(cancel, "No"),
            "Fragment" => Reply::status(403, "Forbidden"),
            _ => Reply::ack(),
        });
        let ended = place.run(["upload", "a.bin", &peer.url("/x")]);
        assert!(ended.last_line().starts_with("to continue"), "{ended:?}");
        let ended = place.run(["cancel", "--all"]);
        assert_eq!(ended.code, code, "{ended:?}");
        assert_eq!(ended.stderr.contains(" cancelled\n"), code == 0, "{ended:?}");
    }
}

//! Every fault of docs/fault-scripts.md: the file arrives byte-exact, or the error is true.

mod common;

use std::sync::Mutex;

use common::{Host, Place, payload};

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
    let page = include_str!("../../../docs/fault-scripts.md");
    let blocks = page.split("```fault").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(Into::into).collect()
}

fn act_out(rule: &str) -> Option<String> {
    let (place, host) = (Place::new(), Host::with_faults(rule));
    let bytes = payload(1_000_000);
    place.write("a.bin", &bytes);
    let ended = place.run([
        "upload",
        "--fragment-size=100K",
        "--ack-timeout=2s",
        "--stall-timeout=2s",
        "--give-up-after=8s",
        "--wait-for-server=4s",
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
        || last == "nothing is left on the server"
        || last.starts_with("an empty session is left")
        || last.starts_with("the file may be on the server");
    (!truthful).then(|| format!("{rule}: {ended:?}"))
}

//! `--json` prints the fields of docs/json.md, each as described there.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{Host, Place, payload, signal, wait};
use serde_json::Value;

/// Type of event → field → type of field, from the page's tables.
fn documented() -> BTreeMap<String, BTreeMap<String, String>> {
    let page = include_str!("../../../../docs/json.md");
    let (mut heading, mut all) = (String::new(), BTreeMap::<_, BTreeMap<_, _>>::new());
    for line in page.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            name.clone_into(&mut heading);
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let [_, field, kind, ..] = cells.as_slice()
            && let Some(field) = field.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'))
        {
            all.entry(heading.clone()).or_default().insert(field.to_owned(), (*kind).to_owned());
        }
    }
    all
}

fn fits(value: &Value, kind: &str) -> bool {
    let (kind, nullable) = kind.strip_suffix(" or null").map_or((kind, false), |kind| (kind, true));
    match value {
        Value::Null => nullable,
        Value::Bool(_) => kind == "boolean",
        Value::Number(_) => kind == "number",
        Value::String(_) => kind == "string",
        Value::Array(_) => kind == "array",
        Value::Object(_) => kind == "object",
    }
}

/// Checks each line and notes which types were seen.
fn check(output: &str, seen: &mut BTreeSet<String>) {
    let documented = documented();
    for line in output.lines() {
        let event: Value = serde_json::from_str(line).expect(line);
        let kind = event["type"].as_str().expect("a type").to_owned();
        let wanted = documented.get(&kind).unwrap_or_else(|| panic!("undocumented: {line}"));
        let common = &documented[""];
        let fields = event.as_object().expect("an object");
        for (name, kind) in wanted.iter().chain(common) {
            let value = fields.get(name).unwrap_or_else(|| panic!("no {name}: {line}"));
            assert!(fits(value, kind), "{name} is no {kind}: {line}");
        }
        for name in fields.keys() {
            assert!(wanted.contains_key(name) || common.contains_key(name), "{name}: {line}");
        }
        if kind == "retry" {
            let error = &documented["error"];
            for (name, value) in event["cause"].as_object().expect("an object") {
                assert!(fits(value, &error[name]), "{name}: {line}");
            }
        }
        seen.insert(kind);
    }
}

#[test]
fn every_event_is_documented_and_every_documented_event_is_seen() {
    let (place, host) = (Place::new(), Host::with_faults("fragment 2: drop after 1000"));
    place.write("a.bin", &payload(2_000_000));
    place.write("b.bin", b"b");
    let mut seen = BTreeSet::new();
    let args = [
        "upload",
        "--json",
        "--progress=100ms",
        "--limit-rate=2M",
        "--fragment-size=300K",
        "a.bin",
        "b.bin",
        "missing",
        &host.url(""),
    ];
    let ended = place.run(args);
    assert_eq!(ended.code, 3, "{ended:?}");
    check(&ended.stdout, &mut seen);
    let lines: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();
    assert_eq!(of("receipt").len(), 2);
    assert_eq!(
        (&of("error")[0]["file"], &of("error")[0]["resumable"]),
        (&"missing".into(), &false.into())
    );
    let last = lines.last().expect("lines");
    assert_eq!(
        (&last["type"], &last["done"], &last["failed"]),
        (&"summary".into(), &2.into(), &1.into())
    );

    let args =
        ["upload", "--json", "--limit-rate=500K", "--fragment-size=64K", "a.bin", &host.url("c")];
    let child = place.command(args).spawn().expect("started");
    host.wait_for_bytes(2_100_000);
    signal(&child, "INT");
    let ended = wait(child);
    check(&ended.stdout, &mut seen);
    let error: Value =
        serde_json::from_str(ended.stdout.lines().last().expect("a line")).expect("JSON");
    assert_eq!((&error["type"], &error["resumable"]), (&"error".into(), &true.into()));
    assert!(error["then"].as_str().is_some_and(|then| then.contains("bitsup resume")), "{error}");

    check(&place.run(["list", "--json"]).ok().stdout, &mut seen);
    check(&place.run(["ping", "--json", &host.url("")]).ok().stdout, &mut seen);
    check(&place.run(["doctor", "--json", &host.url("")]).ok().stdout, &mut seen);
    let documented: BTreeSet<String> =
        documented().into_keys().filter(|key| !key.is_empty()).collect();
    assert_eq!(seen, documented);
}

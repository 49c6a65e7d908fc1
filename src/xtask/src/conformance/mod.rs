//! `cargo xtask conformance`: the table of protocol rules against the tests that showed them.
//!
//! `docs/conformance.tsv` has the rules, `docs/conformance-open.tsv` those without a test and why, and
//! `docs/conformance.md` is made from both and from the notes that tests left in `target/rules`.

mod page;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use clap::Args;

use crate::Result;
use crate::test::RULES_FOLDER;
use crate::workspace::Workspace;
use tables::{Evidence, Level, Open, Rule};

const RULES: &str = "docs/conformance.tsv";
const OPEN: &str = "docs/conformance-open.tsv";
const PAGE: &str = "docs/conformance.md";

/// Options of `cargo xtask conformance`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Rewrite docs/conformance.md, and drop the covered rules from docs/conformance-open.tsv
    #[arg(long)]
    write: bool,
}

/// Runs the command.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    compare(workspace, options.write)
}

/// The same as a step of the tests, which writes nothing.
pub(crate) fn review(workspace: &Workspace) -> Result {
    compare(workspace, false)
}

fn compare(workspace: &Workspace, write: bool) -> Result {
    let read = |name: &str| {
        fs::read_to_string(workspace.path(name)).map_err(|error| format!("{name}: {error}"))
    };
    let notes = workspace.target.join(RULES_FOLDER);
    if !notes.is_dir() {
        return Err("the tests have left no notes yet: run `cargo xtask test` first".into());
    }
    let rules = tables::parse_rules(&read(RULES)?).map_err(|error| format!("{RULES}: {error}"))?;
    let mut open = tables::parse_open(&read(OPEN)?).map_err(|error| format!("{OPEN}: {error}"))?;
    let evidence = tables::read_evidence(&notes, &workspace.root)?;

    if write {
        open.retain(|entry| !evidence.contains_key(&entry.id));
        fs::write(workspace.path(OPEN), tables::open_text(&open))?;
    }
    let page = page::generate(&rules, &evidence, &open);
    if write {
        fs::write(workspace.path(PAGE), &page)?;
    }

    let mut problems = problems(&rules, &evidence, &open);
    if read(PAGE).ok().as_ref() != Some(&page) {
        problems.push(format!("{PAGE} is stale: `cargo xtask conformance --write` renews it"));
    }
    println!("{}", coverage(&rules, &evidence));
    for level in Level::ALL {
        let missing: Vec<_> = rules
            .iter()
            .filter(|rule| rule.level == level && !evidence.contains_key(&rule.id))
            .map(|rule| rule.id.as_str())
            .collect();
        if !missing.is_empty() {
            println!("{level} without a test: {}", missing.join(" "));
        }
    }
    for problem in &problems {
        println!("problem: {problem}");
    }
    match problems.len() {
        0 => Ok(()),
        1 => Err("1 problem in the table of rules".into()),
        count => Err(format!("{count} problems in the table of rules").into()),
    }
}

/// How many rules of each level have a test.
fn coverage(rules: &[Rule], evidence: &Evidence) -> String {
    let parts: Vec<_> = Level::ALL
        .iter()
        .map(|level| {
            let of_level = rules.iter().filter(|rule| rule.level == *level);
            let covered = of_level.clone().filter(|rule| evidence.contains_key(&rule.id)).count();
            format!("{level} {covered} of {}", of_level.count())
        })
        .collect();
    format!("Rules with a test: {}.", parts.join(", "))
}

fn problems(rules: &[Rule], evidence: &Evidence, open: &[Open]) -> Vec<String> {
    let known: BTreeSet<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
    let open: BTreeMap<&str, &str> =
        open.iter().map(|entry| (entry.id.as_str(), entry.reason.as_str())).collect();
    let mut problems = Vec::new();
    for (id, tests) in evidence {
        if !known.contains(id.as_str()) {
            let names: Vec<_> = tests.iter().map(|test| test.name.as_str()).collect();
            problems.push(format!("{id} is no rule of {RULES}, but {} shows it", names.join(", ")));
        }
    }
    for id in open.keys() {
        if !known.contains(id) {
            problems.push(format!("{id} in {OPEN} is no rule of {RULES}"));
        } else if evidence.contains_key(*id) {
            problems.push(format!(
                "{id} has a test and still stands in {OPEN}: `cargo xtask conformance --write` drops it"
            ));
        }
    }
    for rule in rules {
        let id = rule.id.as_str();
        if rule.level != Level::May && !evidence.contains_key(id) && !open.contains_key(id) {
            problems.push(format!(
                "{id} ({}) has neither a test nor a reason in {OPEN}: {}",
                rule.level, rule.text
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "id\tlevel\trule\tsource\thow_to_see_it\n\
        PKT-01\tMUST\tOne | two.\tBUP §1\traw bytes\n\
        PKT-02\tREC\tThree.\tBUP §2\traw bytes\n\
        PKT-03\tMAY\tFour.\tBUP §3\traw bytes\n";

    /// A workspace with the table, the given open rules and the given notes.
    fn checkout(open: &str, notes: &str) -> (tempfile::TempDir, Workspace) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let workspace = Workspace {
            root: folder.path().to_owned(),
            target: folder.path().join("target"),
            members: Vec::new(),
        };
        fs::create_dir_all(workspace.path("docs")).expect("created");
        fs::create_dir_all(workspace.target.join("rules/system")).expect("created");
        fs::write(workspace.path("packets.rs"), "").expect("written");
        fs::write(workspace.path(RULES), TABLE).expect("written");
        fs::write(workspace.path(OPEN), open).expect("written");
        fs::write(workspace.target.join("rules/system/1"), notes).expect("written");
        (folder, workspace)
    }

    fn problems_of(open: &str, notes: &str) -> Vec<String> {
        let (_folder, workspace) = checkout(open, notes);
        let evidence = tables::read_evidence(&workspace.target.join("rules"), &workspace.root)
            .expect("readable");
        problems(
            &tables::parse_rules(TABLE).expect("a good table"),
            &evidence,
            &tables::parse_open(open).expect("a good list"),
        )
    }

    const NOTE_1: &str = "PKT-01\tpackets::one\tpackets.rs\n";
    const NOTE_2: &str = "PKT-02\tpackets::two\tpackets.rs\n";

    #[test]
    fn tests_and_reasons_together_cover_the_table() {
        assert!(problems_of("", &format!("{NOTE_1}{NOTE_2}{NOTE_1}")).is_empty());
        assert!(problems_of("PKT-02\tnot built yet\n", NOTE_1).is_empty());
    }

    #[test]
    fn a_rule_with_neither_is_a_problem_unless_it_is_a_may() {
        let problems = problems_of("", NOTE_1);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("PKT-02 (REC) has neither"));
    }

    #[test]
    fn unknown_ids_are_problems_wherever_they_stand() {
        let problems =
            problems_of("PKT-88\tgone\n", &format!("{NOTE_1}{NOTE_2}PKT-99\ta::b\tpackets.rs\n"));
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with("PKT-99 is no rule"));
        assert!(problems[0].contains("a::b"));
        assert!(problems[1].starts_with("PKT-88 in docs/conformance-open.tsv is no rule"));
    }

    #[test]
    fn a_covered_rule_may_not_stay_open() {
        let problems = problems_of("PKT-02\tnot built yet\n", &format!("{NOTE_1}{NOTE_2}"));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("PKT-02 has a test and still stands"));
    }

    #[test]
    fn writing_drops_covered_rules_and_makes_the_page_fresh() {
        let open = "PKT-01\tnot built yet\nPKT-02\tno server does this\n";
        let (_folder, workspace) = checkout(open, NOTE_1);
        assert!(compare(&workspace, false).is_err(), "covered but open, and no page");
        compare(&workspace, true).expect("everything is renewed");
        assert_eq!(
            fs::read_to_string(workspace.path(OPEN)).expect("written"),
            "PKT-02\tno server does this\n"
        );
        compare(&workspace, false).expect("nothing changed since");

        fs::write(workspace.path(PAGE), "edited by hand").expect("written");
        assert!(compare(&workspace, false).is_err(), "the page is stale");
    }

    #[test]
    fn without_notes_there_is_advice() {
        let (_folder, workspace) = checkout("", "");
        fs::remove_dir_all(workspace.target.join("rules")).expect("removed");
        let error = compare(&workspace, false).expect_err("there are no notes");
        assert!(error.to_string().contains("run `cargo xtask test` first"));
    }
}

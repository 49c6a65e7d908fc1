//! `cargo xtask conformance`: the table of protocol rules against the tests that showed them.
//!
//! `docs/conformance.tsv` has the rules; `docs/conformance.md` is made of it and of the notes that tests left in
//! `target/rules`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::Args;
use fs_err as fs;

use crate::test::RULES_FOLDER;
use crate::workspace::Workspace;
use crate::{Result, columns};

const RULES: &str = "docs/conformance.tsv";
const PAGE: &str = "docs/conformance.md";

/// How binding a rule is: demanded or recommended by the protocol, our reading where its sources are silent or differ,
/// allowed.
const LEVELS: [&str; 4] = ["MUST", "SHOULD", "REC", MAY];
/// Needs no test.
const MAY: &str = "MAY";

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Rewrite docs/conformance.md
    #[arg(long)]
    pub(crate) write: bool,
}

struct Rule<'a> {
    id: &'a str,
    level: &'a str,
    text: &'a str,
    source: &'a str,
}

/// The tests by the rule they showed, each with its file.
type Evidence = BTreeMap<String, BTreeSet<(String, String)>>;

/// Compares them, and the page with both.
pub(crate) fn compare(workspace: &Workspace, write: bool) -> Result {
    let notes = workspace.target.join(RULES_FOLDER);
    if !notes.is_dir() {
        return Err("the tests have left no notes yet: run `cargo xtask test` first".into());
    }
    let table = fs::read_to_string(workspace.path(RULES))?;
    let rules = parse(&table).map_err(|error| format!("{RULES}: {error}"))?;
    let evidence = read_evidence(&notes, &workspace.root)?;
    let page = page(&rules, &evidence);
    if write {
        fs::write(workspace.path(PAGE), &page)?;
    }
    println!("{}", coverage(&rules, &evidence));
    let mut problems = problems(&rules, &evidence);
    if fs::read_to_string(workspace.path(PAGE)).ok() != Some(page) {
        problems.push(format!("{PAGE} is stale: `cargo xtask conformance --write` renews it"));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n       ").into()) }
}

/// Reads the table of rules; its first line has the names of the columns.
fn parse(table: &str) -> Result<Vec<Rule<'_>>> {
    let mut rules: Vec<Rule<'_>> = Vec::new();
    for (number, line) in (1..).zip(table.lines()).skip(1) {
        let [id, level, text, source, _how] = columns(line, '\t')
            .ok_or_else(|| format!("line {number} has not the five columns of the first line"))?;
        if !LEVELS.contains(&level) {
            return Err(format!("line {number}: the level {level} is not known").into());
        }
        if rules.iter().any(|rule| rule.id == id) {
            return Err(format!("line {number}: {id} stands there twice").into());
        }
        rules.push(Rule { id, level, text, source });
    }
    Ok(rules)
}

/// Reads the notes of each step; a line is `ID<TAB>test path<TAB>file`, the file as seen from the root.
fn read_evidence(folder: &Path, root: &Path) -> Result<Evidence> {
    let mut evidence = Evidence::new();
    for step in fs::read_dir(folder)? {
        for notes in fs::read_dir(step?.path())? {
            for line in fs::read_to_string(notes?.path())?.lines() {
                let [id, test, file] =
                    columns(line, '\t').ok_or_else(|| format!("odd note {line:?}"))?;
                // Examples in the documentation run as tests too, from a temporary file or with a `main` of their own; they
                // show how a note is made and prove no rule.
                if test.starts_with("rust_out::") || Path::new(file).is_absolute() {
                    continue;
                }
                if !root.join(file).is_file() {
                    return Err(format!("{test} notes {id} from {file}, which is not there").into());
                }
                let tests = evidence.entry(id.to_owned()).or_default();
                tests.insert((test.to_owned(), file.to_owned()));
            }
        }
    }
    Ok(evidence)
}

fn problems(rules: &[Rule<'_>], evidence: &Evidence) -> Vec<String> {
    let is_rule = |id: &str| rules.iter().any(|rule| rule.id == id);
    let unknown = evidence.iter().filter(|(id, _)| !is_rule(id)).map(|(id, tests)| {
        let names: Vec<_> = tests.iter().map(|(name, _)| name.as_str()).collect();
        format!("{id} is no rule of {RULES}, but {} shows it", names.join(", "))
    });
    let is_bare = |rule: &&Rule<'_>| rule.level != MAY && !evidence.contains_key(rule.id);
    let bare = rules.iter().filter(is_bare);
    let bare = bare.map(|rule| format!("{} ({}) has no test: {}", rule.id, rule.level, rule.text));
    unknown.chain(bare).collect()
}

/// How many rules of each level have a test.
fn coverage(rules: &[Rule<'_>], evidence: &Evidence) -> String {
    let parts = LEVELS.map(|level| {
        let of_level = rules.iter().filter(|rule| rule.level == level);
        let covered = of_level.clone().filter(|rule| evidence.contains_key(rule.id)).count();
        format!("{level} {covered} of {}", of_level.count())
    });
    format!("Rules with a test: {}.", parts.join(", "))
}

/// The page: every rule with the tests that show it.
fn page(rules: &[Rule<'_>], evidence: &Evidence) -> String {
    let mut page = format!(
        "# Protocol rules and their tests\n\n\
        For contributors. Generated by `cargo xtask conformance --write`; do not edit. The rules stand in `conformance.tsv`.\n\n\
        MUST and SHOULD are the protocol's, REC is our reading where its sources are silent or differ, MAY needs no \
        test. BUP is MC-BUP.\n\n{}\n\n\
        | id | level | rule | source | tests |\n|---|---|---|---|---|\n",
        coverage(rules, evidence)
    );
    for Rule { id, level, text, source } in rules {
        let tests = evidence.get(*id).into_iter().flatten();
        let tests: Vec<_> =
            tests.map(|(name, file)| format!("`{name}` ({})", escape(file))).collect();
        let tests = if tests.is_empty() { "none".to_owned() } else { tests.join("<br>") };
        let row = [id, level, &*escape(text), &*escape(source), &*tests].join(" | ");
        page.extend(["| ", &row, " |\n"]);
    }
    page
}

/// Keeps Markdown from reading signs of the rules as its own.
fn escape(text: &str) -> String {
    // The backslash first, or those before the others would get one too.
    let signs = ["\\", "|", "*", "_", "<", "`", "["];
    signs.iter().fold(text.to_owned(), |text, sign| text.replace(sign, &format!("\\{sign}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "id\tlevel\trule\tsource\thow_to_see_it\n\
        PKT-01\tMUST\tOne | two.\tBUP §1, <3>\traw bytes\n\
        PKT-02\tREC\tThree.\tBUP §2\traw bytes\n\
        PKT-03\tMAY\tFour.\tBUP §3\traw bytes\n";
    const NOTE_1: &str = "PKT-01\tpackets::one\tpackets.rs\n";
    const NOTE_2: &str = "PKT-02\tpackets::two\tpackets.rs\n";

    /// A workspace with the table and these notes.
    fn checkout(notes: &str) -> (tempfile::TempDir, Workspace) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let workspace = Workspace::empty(folder.path());
        fs::create_dir_all(workspace.path("docs")).expect("created");
        fs::create_dir_all(workspace.target.join("rules/system")).expect("created");
        fs::write(workspace.path("packets.rs"), "").expect("written");
        fs::write(workspace.path(RULES), TABLE).expect("written");
        fs::write(workspace.target.join("rules/system/1"), notes).expect("written");
        (folder, workspace)
    }

    fn error_of(notes: &str) -> String {
        let (_folder, workspace) = checkout(notes);
        compare(&workspace, true).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn each_rule_needs_a_test_unless_it_is_a_may() {
        assert_eq!(error_of(&format!("{NOTE_1}{NOTE_2}{NOTE_1}")), "");
        assert_eq!(error_of(NOTE_1), "PKT-02 (REC) has no test: Three.");
    }

    #[test]
    fn a_note_counts_when_a_test_in_a_source_file_made_it_for_a_rule() {
        let with = |note: &str| error_of(&format!("{NOTE_1}{NOTE_2}{note}"));
        let unknown = "PKT-99 is no rule of docs/conformance.tsv, but a::b shows it";
        assert_eq!(with("PKT-99\ta::b\tpackets.rs\n"), unknown);
        assert!(with("PKT-01 without tabs\n").starts_with("odd note"));
        assert!(with("PKT-01\ta::b\tgone.rs\n").ends_with("gone.rs, which is not there"));
        for example in [
            "PKT-99\tdoctest_bundle_2024::__doctest_0::main\t/tmp/rustdoctest/bundle.rs\n",
            "PKT-99\trust_out::main\tpackets.rs\n",
        ] {
            assert_eq!(with(example), "", "{example}");
        }
    }

    #[test]
    fn the_page_has_the_tests_of_each_rule_and_is_stale_when_it_differs() {
        let (_folder, workspace) =
            checkout(&format!("{NOTE_2}{NOTE_1}PKT-01\tpackets::a\tpackets.rs\n"));
        let error = compare(&workspace, false).expect_err("there is no page").to_string();
        assert!(error.starts_with("docs/conformance.md is stale"), "{error}");
        compare(&workspace, true).expect("written");
        compare(&workspace, false).expect("nothing changed since");
        let page = fs::read_to_string(workspace.path(PAGE)).expect("written");
        for part in [
            "Rules with a test: MUST 1 of 1, SHOULD 0 of 0, REC 1 of 1, MAY 0 of 1.\n",
            "| PKT-01 | MUST | One \\| two. | BUP §1, \\<3> | `packets::a` (packets.rs)<br>`packets::one` (packets.rs) |\n",
            "| PKT-03 | MAY | Four. | BUP §3 | none |\n",
        ] {
            assert!(page.contains(part), "{page}");
        }
    }

    #[test]
    fn without_notes_there_is_advice() {
        let (_folder, workspace) = checkout("");
        fs::remove_dir_all(workspace.target.join("rules")).expect("removed");
        let error = compare(&workspace, false).expect_err("there are no notes");
        assert!(error.to_string().contains("run `cargo xtask test` first"));
    }

    #[test]
    fn a_bad_table_names_its_line() {
        let head = TABLE.lines().next().expect("a line");
        let error = |lines: &str| match parse(&format!("{head}\n{lines}")) {
            Ok(_) => panic!("{lines} is taken"),
            Err(error) => error.to_string(),
        };
        assert!(error("A-1\tMUST\ttext\tsource\n").starts_with("line 2 has not"));
        assert!(error("A-1\tmust\ttext\tsource\thow\n").starts_with("line 2: the level must"));
        let line = "A-1\tMUST\ttext\tsource\thow\n";
        assert!(error(&format!("{line}{line}")).starts_with("line 3: A-1 stands there twice"));
    }

    #[test]
    fn the_committed_table_is_well_formed() {
        let rules = parse(include_str!("../../../docs/conformance.tsv")).expect("a good table");
        assert!(rules.iter().any(|rule| rule.level == "MUST"));
    }
}

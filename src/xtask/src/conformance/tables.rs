//! Reads the tab-separated tables of rules, of open rules, and of what tests noted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::fs;
use std::path::Path;

use crate::Result;

/// How binding a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// The protocol demands it.
    Must,
    /// The protocol recommends it.
    Should,
    /// Our own reading where the protocol's sources are silent or differ.
    Recommended,
    /// The protocol allows it: needs neither a test nor a reason.
    May,
}

/// One rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) level: Level,
    pub(super) text: String,
    pub(super) source: String,
}

/// A rule without a test, and why.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) id: String,
    pub(super) reason: String,
}

/// A test that showed a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Test {
    pub(super) name: String,
    pub(super) file: String,
}

/// The tests by the rule they showed.
pub(super) type Evidence = BTreeMap<String, BTreeSet<Test>>;

impl Level {
    /// Every level, the most binding first.
    pub(super) const ALL: [Self; 4] = [Self::Must, Self::Should, Self::Recommended, Self::May];

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.to_string() == word)
    }
}

impl Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::Recommended => "REC",
            Self::May => "MAY",
        })
    }
}

/// Reads the table of rules; its first line has the names of the columns.
pub(super) fn parse_rules(table: &str) -> Result<Vec<Rule>> {
    let mut rules: Vec<Rule> = Vec::new();
    for (index, line) in table.lines().enumerate().skip(1) {
        let number = index + 1;
        let [id, level, text, source, _how] = columns(line)
            .ok_or_else(|| format!("line {number} has not the five columns of the first line"))?;
        let level = Level::parse(level)
            .ok_or_else(|| format!("line {number}: the level {level} is not known"))?;
        if rules.iter().any(|rule| rule.id == id) {
            return Err(format!("line {number}: {id} stands there twice").into());
        }
        rules.push(Rule {
            id: id.to_owned(),
            level,
            text: text.to_owned(),
            source: source.to_owned(),
        });
    }
    Ok(rules)
}

/// Reads the list of open rules.
pub(super) fn parse_open(table: &str) -> Result<Vec<Open>> {
    let mut open: Vec<Open> = Vec::new();
    for (index, line) in table.lines().enumerate() {
        let number = index + 1;
        let [id, reason] = columns(line)
            .filter(|[id, reason]| !id.is_empty() && !reason.trim().is_empty())
            .ok_or_else(|| format!("line {number} is not an id, a tab and a reason"))?;
        if open.iter().any(|entry| entry.id == id) {
            return Err(format!("line {number}: {id} stands there twice").into());
        }
        open.push(Open { id: id.to_owned(), reason: reason.to_owned() });
    }
    Ok(open)
}

/// The opposite of [`parse_open`].
pub(super) fn open_text(open: &[Open]) -> String {
    let mut text = String::new();
    for entry in open {
        text.extend([&entry.id, "\t", &entry.reason, "\n"]);
    }
    text
}

/// Reads every file below the folder; each line is `ID<TAB>test path<TAB>file`, the file as seen from the root.
pub(super) fn read_evidence(folder: &Path, root: &Path) -> Result<Evidence> {
    let mut evidence = Evidence::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for line in fs::read_to_string(&path)?.lines() {
                let [id, name, file] = columns(line)
                    .ok_or_else(|| format!("{}: odd line {line:?}", path.display()))?;
                if is_documentation_example(name, file) {
                    continue;
                }
                if !root.join(file).is_file() {
                    return Err(format!("{name} notes {id} from {file}, which is not there").into());
                }
                evidence
                    .entry(id.to_owned())
                    .or_default()
                    .insert(Test { name: name.to_owned(), file: file.to_owned() });
            }
        }
    }
    Ok(evidence)
}

/// Examples in the documentation run as tests too, from a temporary file or with a `main` of their own; they show
/// how a note is made and prove no rule.
fn is_documentation_example(test: &str, file: &str) -> bool {
    test.starts_with("rust_out::") || Path::new(file).is_absolute()
}

/// The columns of a line, when there are exactly as many.
fn columns<const COUNT: usize>(line: &str) -> Option<[&str; COUNT]> {
    line.split('\t').collect::<Vec<_>>().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "id\tlevel\trule\tsource\thow_to_see_it\n";

    #[test]
    fn a_bad_table_names_its_line() {
        let error = |lines: &str| {
            parse_rules(&format!("{HEAD}{lines}")).expect_err("a bad table").to_string()
        };
        assert!(error("A-1\tMUST\ttext\tsource\n").starts_with("line 2 has not"));
        assert!(error("A-1\tmust\ttext\tsource\thow\n").starts_with("line 2: the level must"));
        let line = "A-1\tMUST\ttext\tsource\thow\n";
        assert!(error(&format!("{line}{line}")).starts_with("line 3: A-1 stands there twice"));
    }

    #[test]
    fn an_open_rule_needs_a_reason() {
        assert!(parse_open("A-1\tnot built yet\n").is_ok());
        for bad in ["A-1\n", "A-1\t \n", "A-1\tx\nA-1\ty\n", "\tx\n"] {
            assert!(parse_open(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_open_list_is_written_as_it_was_read() {
        let text = "A-1\tnot built yet\nB-2\tno server does this\n";
        assert_eq!(open_text(&parse_open(text).expect("a good list")), text);
    }

    #[test]
    fn a_note_of_another_shape_is_an_error() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("1"), "A-1 without tabs\n").expect("written");
        assert!(read_evidence(folder.path(), folder.path()).is_err());
    }

    #[test]
    fn a_note_counts_when_a_test_in_a_source_file_made_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let notes = folder.path().join("notes");
        fs::create_dir(&notes).expect("created");
        fs::write(folder.path().join("x.rs"), "").expect("written");
        let evidence_of = |line: &str| {
            fs::write(notes.join("1"), line).expect("written");
            read_evidence(&notes, folder.path())
        };
        let counted = evidence_of("A-1\tx::y\tx.rs\n").expect("a good note");
        assert!(counted.contains_key("A-1"));
        for example in [
            "A-1\tdoctest_bundle_2024::__doctest_0::main\t/tmp/rustdoctest/bundle.rs\n",
            "A-1\trust_out::main\tx.rs\n",
        ] {
            assert!(evidence_of(example).expect("skipped").is_empty(), "{example}");
        }
        assert!(evidence_of("A-1\tx::y\tgone.rs\n").is_err());
    }

    #[test]
    fn the_committed_tables_are_well_formed() {
        let read = |name: &str| {
            let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
            fs::read_to_string(format!("{docs}/{name}")).expect("committed")
        };
        let rules = parse_rules(&read("conformance.tsv")).expect("a good table");
        assert!(rules.iter().any(|rule| rule.level == Level::Must));
        parse_open(&read("conformance-open.tsv")).expect("a good list");
    }
}

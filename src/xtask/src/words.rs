//! The words of the field: `words.txt` lists names that no code declares, and words that no comment, text or document has.

use std::path::Path;

use fs_err as fs;

use crate::Result;
use crate::workspace::Workspace;

const LIST: &str = include_str!("words.txt");
/// The rules of the protocol come from outside, and the generated page shows them; the last release's header stays.
const EXEMPT: [&str; 4] = [
    "src/xtask/src/words.txt",
    "docs/conformance.tsv",
    "docs/conformance.md",
    "src/bitsup-capi/abi/released.h",
];
/// Endings of the files that are read for words, and of those for names too.
const TEXTS: [&str; 16] = [
    ".rs", ".py", ".pyi", ".md", ".h", ".hpp", ".c", ".cpp", ".toml", ".go", ".js", ".java", ".cs",
    ".php", ".rb", ".lua",
];
/// What stands before a name where Rust declares it.
const DECLARES: [&str; 11] = [
    "struct ", "enum ", "union ", "trait ", "type ", "fn ", "const ", "static ", "mod ", "let ",
    "let mut ",
];

/// Fails with every place where one of them is.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let mut found = Vec::new();
    for name in workspace.files(&TEXTS)? {
        if !EXEMPT.contains(&&*name) {
            find(&name, &fs::read_to_string(workspace.path(&name))?, &mut found);
        }
    }
    if found.is_empty() { Ok(()) } else { Err(found.join("\n       ").into()) }
}

/// The entries of a section of the list.
fn section(name: &str) -> impl Iterator<Item = &'static str> {
    let lines = LIST.lines().skip_while(move |line| *line != format!("[{name}]")).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn find(name: &str, text: &str, found: &mut Vec<String>) {
    for (number, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        for word in section("words").filter(|word| has_word(&lower, word)) {
            if !line.contains("fn ") && !line.contains("def test_") {
                found.push(format!("{name}:{}: the word {word:?}", number + 1));
            }
        }
        if Path::new(name).extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        for entry in section("names") {
            let (folder, entry) = entry.split_once(' ').unwrap_or(("", entry));
            if name.starts_with(folder) && declares(line, entry) {
                found.push(format!("{name}:{}: the name {entry}", number + 1));
            }
        }
    }
}

fn is_part_of_a_word(character: Option<char>) -> bool {
    character.is_some_and(|character| character.is_alphanumeric() || character == '_')
}

/// Whether the text has the word as a whole one.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|after| after.chars().next());
        // Another crate's function is not our word.
        !is_part_of_a_word(before) && !is_part_of_a_word(after) && before != Some('.')
    })
}

/// Whether a line of Rust gives something this name: an item, a variable, a field or a parameter.
fn declares(line: &str, name: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let whole = !is_part_of_a_word(before.chars().next_back())
            && !is_part_of_a_word(after.chars().next());
        let is_field = after.starts_with(": ")
            && (before.trim_end().is_empty()
                || before.ends_with("pub ")
                || before.ends_with(") ")
                || before.ends_with('(')
                || before.ends_with(", "));
        whole && (is_field || DECLARES.iter().any(|word| before.ends_with(word)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        find(name, text, &mut found);
        found
    }

    #[test]
    fn names_are_found_where_they_are_declared() {
        for (before, after) in [
            ("pub(crate) struct ", " {"),
            ("    fn ", "(&self)"),
            ("let ", " = 1;"),
            ("    pub(super) ", ": u32,"),
            ("fn f(", ": Id) {"),
            ("fn f(a: u8, ", ": Id) {"),
        ] {
            assert!(declares(&format!("{before}weighed{after}"), "weighed"), "{before}");
        }
        for line in
            ["struct Unweighed;", "// fn weighed() is gone", "f(weighed)", "fn weighed_out()"]
        {
            assert!(!declares(line, "weighed"), "{line}");
        }
        let declared = ["struct", "Place;"].join(" ");
        assert_eq!(found("src/bitsup-core/src/a.rs", &declared).len(), 1);
        assert!(found("src/bitsup-cli/src/a.rs", &declared).is_empty());
    }

    #[test]
    fn words_are_found_but_in_names_of_tests() {
        let word = section("words").next().expect("a word");
        let upper = word.to_uppercase();
        assert_eq!(found("docs/a.md", &format!("Is {upper} there?")).len(), 1);
        for line in
            [format!("fn {word}_is_asked() {{"), format!("easy.{word}(true)"), format!("{upper}_X")]
        {
            assert!(found("src/a.rs", &line).is_empty(), "{line}");
        }
    }
}

//! The words of the field: `words.txt` lists names that no code declares, and words that no comment, text or document has.

use std::collections::BTreeMap;

use crate::Result;
use crate::workspace::Workspace;

const LIST: &str = include_str!("words.txt");
/// Files that are read for words. The rules of the protocol come from outside, and the generated page shows them; the last
/// release's header stays.
const TEXTS: &str = "*.rs *.py *.pyi *.md *.h *.hpp *.c *.cpp *.toml *.go *.js *.java *.cs *.php *.rb *.lua \
    :!docs/conformance.md :!src/bitsup-capi/abi/released.h";
/// Names of tests may have them, and another crate's function is not our word.
const WORD: &str = r"^(?!.*(fn |def test_)).*(?<![\w.])(?i:NAMES)(?!\w)";
/// A line of Rust that gives something such a name: a field or a parameter, or an item or a variable.
const DECLARES: &str = r"^\s*(NAMES): |^((?!//).)*((pub |\) |\(|, )(NAMES): |\b(struct|enum|union|trait|type|fn|const|static|mod|let|let mut) (NAMES)\b)";

/// Fails with every line where one of them is.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let words: Vec<_> = section("words").collect();
    let mut found = grep(workspace, WORD, &words, TEXTS)?;
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for entry in section("names") {
        let (folder, name) = entry.split_once(' ').unwrap_or(("", entry));
        names.entry(folder).or_default().push(name);
    }
    for (folder, names) in names {
        found += &grep(workspace, DECLARES, &names, &format!("{folder}*.rs"))?;
    }
    if found.is_empty() { Ok(()) } else { Err(format!("see words.txt:\n{found}").into()) }
}

/// The entries of a section of the list.
fn section(name: &str) -> impl Iterator<Item = &'static str> {
    let lines = LIST.lines().skip_while(move |line| *line != format!("[{name}]")).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The lines in these files that fit a pattern with one of the names.
fn grep(workspace: &Workspace, pattern: &str, names: &[&str], files: &str) -> Result<String> {
    let mut git = workspace.command("git");
    git.args("grep --untracked --no-color -nIP".split(' '));
    git.arg(pattern.replace("NAMES", &names.join("|")));
    let output = git.arg("--").args(files.split(' ')).output()?;
    match output.status.code() {
        // 1: none.
        Some(0 | 1) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        _ => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::runner::run;

    /// The numbers of the lines that are found in a file of this name.
    fn found(name: &str, text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let workspace = Workspace::empty(folder.path());
        let path = workspace.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
        run(workspace.command("git").args(["init", "--quiet"])).expect("git runs");
        let error = check(&workspace).err().map(|error| error.to_string()).unwrap_or_default();
        let lines = error.lines().skip(1).filter_map(|line| line.split(':').nth(1));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn names_are_found_where_they_are_declared() {
        let text = "pub(crate) struct NAME {\n    fn NAME(&self)\nlet NAME = 1;\n    pub(super) NAME: u32,\n\
            fn f(NAME: Id) {\nfn f(a: u8, NAME: Id) {\n    NAME: u8,\nlet mut NAME = 1;\n\
            struct UnNAME;\n// fn NAME() is gone\nf(NAME)\nfn NAME_out()\nfn out_NAME()\n";
        let lines = ["1", "2", "3", "4", "5", "6", "7", "8"];
        assert_eq!(found("src/a.rs", &text.replace("NAME", "weighed")), lines);
        let declared = text.replace("NAME", "Place");
        assert_eq!(found("src/bitsup-core/src/a.rs", &declared), lines);
        assert!(found("src/bitsup-cli/src/a.rs", &declared).is_empty());
    }

    #[test]
    fn words_are_found_but_in_names_of_tests() {
        let text =
            "Is WORD there?\nwordy WORD_X easy.WORD(true)\nfn WORD_is_asked() { WORD }\n(word)\n";
        let word = section("words").next().expect("a word");
        let text = text.replace("WORD", &word.to_uppercase()).replace("(word)", word);
        assert_eq!(found("docs/a.md", &text), ["1", "4"]);
        assert!(found("docs/conformance.md", &text).is_empty() && found("a.txt", &text).is_empty());
    }
}

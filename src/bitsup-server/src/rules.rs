//! How a test says which conformance rule it proves.
//!
//! ```no_run
//! let _rule = bitsup_server::rule!("SRV-01", "SRV-02");
//! // … the test …
//! ```
//!
//! When the scope ends without a panic, one line an id is appended to a file of this process
//! in the folder that the environment variable `BITSUP_RULES_DIR` names:
//! `ID<TAB>module_path::test<TAB>source file`. Where the variable is unset nothing is written.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Environment variable that names the folder for the records.
pub const DIRECTORY_VARIABLE: &str = "BITSUP_RULES_DIR";

/// Says that the test around it proves the named conformance rules.
///
/// Bind the result to a named variable (`let _rule = …`, not `let _ = …`): the record is
/// written when it is dropped, and only if the thread is not panicking then.
#[macro_export]
macro_rules! rule {
    ($($id:expr),+ $(,)?) => {{
        fn here() {}
        $crate::rules::Rule::begin(&[$($id),+], ::std::any::type_name_of_val(&here), ::std::file!())
    }};
}

/// Guard made by [`rule!`](crate::rule).
#[derive(Debug)]
#[must_use = "bind it to a named variable that lives as long as the test"]
pub struct Rule {
    directory: Option<PathBuf>,
    lines: String,
}

impl Rule {
    /// Starts a proof of `ids` by the function that contains `marker`, a function name as
    /// `std::any::type_name` gives it. Called by the macro.
    ///
    /// # Panics
    /// If an id is not made of capital letters, digits and dashes: the record could not be read.
    pub fn begin(ids: &[&str], marker: &str, file: &str) -> Self {
        Self::recording_to(std::env::var_os(DIRECTORY_VARIABLE), ids, marker, file)
    }

    fn recording_to(directory: Option<OsString>, ids: &[&str], marker: &str, file: &str) -> Self {
        let test = test_name(marker);
        let mut lines = String::new();
        for id in ids {
            assert!(is_rule_id(id), "not the id of a conformance rule: {id:?}");
            writeln!(lines, "{id}\t{test}\t{file}").expect("a String takes everything");
        }
        Self { directory: directory.filter(|name| !name.is_empty()).map(PathBuf::from), lines }
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if let Some(directory) = &self.directory
            && let Err(error) = append(directory, &self.lines)
        {
            // A rule that is not recorded shows up as unproven, so the test itself may pass.
            eprintln!("cannot record a conformance rule in {}: {error}", directory.display());
        }
    }
}

/// One write in append mode: threads of the same process do not cut each other's lines.
fn append(directory: &Path, lines: &str) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let path = directory.join(format!("rules-{}.tsv", std::process::id()));
    OpenOptions::new().create(true).append(true).open(path)?.write_all(lines.as_bytes())
}

/// `crate::module::test::{{closure}}::here` is the test `crate::module::test`.
fn test_name(marker: &str) -> &str {
    let mut name = marker.strip_suffix("::here").unwrap_or(marker);
    while let Some(outer) = name.strip_suffix("::{{closure}}") {
        name = outer;
    }
    name
}

fn is_rule_id(id: &str) -> bool {
    !id.is_empty()
        && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(directory: &Path) -> String {
        let mut all = String::new();
        for entry in fs::read_dir(directory).expect("readable folder") {
            all += &fs::read_to_string(entry.expect("entry").path()).expect("readable record");
        }
        all
    }

    #[test]
    fn records_each_id_when_the_scope_ends() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let directory = folder.path().join("made/when/needed");
        let rule = Rule::recording_to(
            Some(directory.clone().into()),
            &["SRV-01", "PKT-02"],
            "a::b::here",
            "src/b.rs",
        );
        assert!(!directory.exists(), "nothing is written before the end");
        drop(rule);
        assert_eq!(recorded(&directory), "SRV-01\ta::b\tsrc/b.rs\nPKT-02\ta::b\tsrc/b.rs\n");
    }

    #[test]
    fn a_panicking_scope_records_nothing() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let directory = folder.path().to_path_buf();
        let result = std::thread::spawn(move || {
            let _rule =
                Rule::recording_to(Some(directory.into()), &["SRV-01"], "a::b::here", "src/b.rs");
            std::panic::resume_unwind(Box::new("the test failed"));
        })
        .join();
        assert!(result.is_err());
        assert_eq!(recorded(folder.path()), "");
    }

    #[test]
    fn an_empty_or_unset_variable_records_nothing() {
        assert!(Rule::recording_to(None, &["SRV-01"], "a", "b").directory.is_none());
        assert!(
            Rule::recording_to(Some(OsString::new()), &["SRV-01"], "a", "b").directory.is_none()
        );
    }

    #[test]
    fn the_macro_names_the_test_around_it() {
        let rule = crate::rule!("SRV-01",);
        let make = || crate::rule!("SRV-02");
        let in_closure = make();
        let name = "bitsup_server::rules::tests::the_macro_names_the_test_around_it";
        assert_eq!(rule.lines, format!("SRV-01\t{name}\t{}\n", file!()));
        assert_eq!(in_closure.lines, format!("SRV-02\t{name}\t{}\n", file!()));
        // Neither is a proof of those rules.
        std::mem::forget((rule, in_closure));
    }

    #[test]
    #[should_panic(expected = "not the id of a conformance rule: \"srv 1\"")]
    fn a_malformed_id_fails_the_test() {
        drop(Rule::begin(&["srv 1"], "a", "b"));
    }
}

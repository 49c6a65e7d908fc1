//! Counts tests from the closing lines of test runners: cargo test, pytest, and the plain line
//! `N passed, N failed, N skipped` that a runner of our own prints.

use std::fs;
use std::io;
use std::ops::AddAssign;
use std::path::Path;

/// What test runners said, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that were there and did not run.
    pub(crate) skipped: u64,
    /// Names of skipped tests, with the reason where there is one.
    pub(crate) skipped_names: Vec<String>,
}

impl Tally {
    /// Takes one line of a runner's output; lines that mean nothing change nothing.
    pub(crate) fn read_line(&mut self, line: &str) {
        let line = without_colours(line);
        let line = line.trim();
        if let Some(name) = ignored_test(line) {
            self.skipped_names.push(name);
        } else if let Some(counts) =
            cargo_test(line).or_else(|| pytest(line)).or_else(|| plain(line))
        {
            *self += counts;
        }
    }

    /// Takes the notes of tests that found a program missing: files of lines `test<TAB>reason`. The runner
    /// counted such a test as passed.
    pub(crate) fn read_skips(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            for line in fs::read_to_string(entry?.path())?.lines() {
                let name = match line.split_once('\t') {
                    Some((name, reason)) => format!("{name} ({reason})"),
                    None => line.to_owned(),
                };
                self.passed = self.passed.saturating_sub(1);
                self.skipped += 1;
                self.skipped_names.push(name);
            }
        }
        Ok(())
    }

    /// How many tests ran.
    pub(crate) fn executed(&self) -> u64 {
        self.passed + self.failed
    }

    fn of(passed: u64, failed: u64, skipped: u64) -> Self {
        Self { passed, failed, skipped, skipped_names: Vec::new() }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.skipped_names.extend(other.skipped_names);
    }
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`
fn cargo_test(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut tally = Tally::default();
    for part in counts.split("; ") {
        match number_and_word(part) {
            Some((count, "passed")) => tally.passed = count,
            Some((count, "failed")) => tally.failed = count,
            Some((count, "ignored")) => tally.skipped = count,
            _ => {}
        }
    }
    Some(tally)
}

/// `test engine::soak ... ignored, takes an hour`
fn ignored_test(line: &str) -> Option<String> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let reason = outcome.strip_prefix("ignored")?;
    Some(match reason.strip_prefix(", ") {
        Some(reason) => format!("{name} ({reason})"),
        None => name.to_owned(),
    })
}

/// `==== 12 passed, 1 skipped in 0.12s ====`, without the bars under `-q`
fn pytest(line: &str) -> Option<Tally> {
    let line = line.trim_matches(|character| character == '=' || character == ' ');
    let (counts, time) = line.rsplit_once(" in ")?;
    if !time.starts_with(|character: char| character.is_ascii_digit()) {
        return None;
    }
    let mut tally = Tally::default();
    for part in counts.split(", ") {
        match number_and_word(part)? {
            (count, "passed" | "xpassed" | "xfailed") => tally.passed += count,
            (count, "failed" | "error" | "errors") => tally.failed += count,
            (count, "skipped") => tally.skipped += count,
            (_, "deselected" | "warning" | "warnings" | "rerun") => {}
            _ => return None,
        }
    }
    Some(tally)
}

/// `12 passed, 0 failed, 1 skipped`, the last part may be missing
fn plain(line: &str) -> Option<Tally> {
    let mut parts = line.split(", ").map(number_and_word);
    let (passed, "passed") = parts.next()?? else {
        return None;
    };
    let (failed, "failed") = parts.next()?? else {
        return None;
    };
    let skipped = match parts.next() {
        None => 0,
        Some(part) => match part? {
            (skipped, "skipped") => skipped,
            _ => return None,
        },
    };
    parts.next().is_none().then(|| Tally::of(passed, failed, skipped))
}

fn number_and_word(part: &str) -> Option<(u64, &str)> {
    let (number, word) = part.trim().split_once(' ')?;
    Some((number.parse().ok()?, word))
}

/// Drops the terminal's colour sequences: ESC `[` … letter.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            characters.find(char::is_ascii_alphabetic);
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        for line in lines {
            tally.read_line(line);
        }
        tally
    }

    #[test]
    fn cargo_test_lines_add_up() {
        let tally = tally(&[
            "running 3 tests",
            "test tally::tests::one ... ok",
            "test tally::tests::soak ... ignored, takes an hour",
            "test src/lib.rs - explain (line 3) ... ignored",
            "test result: ok. 3 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s",
        ]);
        assert_eq!((tally.passed, tally.failed, tally.skipped), (4, 2, 2));
        assert_eq!(
            tally.skipped_names,
            ["tally::tests::soak (takes an hour)", "src/lib.rs - explain (line 3)"]
        );
    }

    #[test]
    fn pytest_lines_are_read_with_bars_and_without() {
        let bars = "\u{1b}[32m===== \u{1b}[1m12 passed\u{1b}[0m, 1 skipped, 1 xfailed, 2 warnings in 0.12s =====\u{1b}[0m";
        assert_eq!(tally(&[bars]), Tally::of(13, 0, 1));
        assert_eq!(
            tally(&["1 failed, 2 passed, 3 errors in 61.20s (0:01:01)"]),
            Tally::of(2, 4, 0)
        );
        assert_eq!(tally(&["===== no tests ran in 0.01s ====="]), Tally::default());
    }

    #[test]
    fn plain_lines_are_read() {
        assert_eq!(tally(&["5 passed, 1 failed"]), Tally::of(5, 1, 0));
        assert_eq!(tally(&["5 passed, 1 failed, 2 skipped"]), Tally::of(5, 1, 2));
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in [
            "",
            "5 passed",
            "5 passed, 1 failed, 2 skipped, 4 more",
            "5 passed, 1 failed, 2 lost",
            "12 passed in a row",
            "the upload of 3 files in 2 s passed",
            "test result: odd",
            "test a ... ok",
        ] {
            assert_eq!(tally(&[line]), Tally::default(), "{line}");
        }
    }

    #[test]
    fn a_test_that_found_its_program_missing_is_a_skip() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("17"), "proxy::socks\tneeds a proxy\n").expect("written");
        let mut tally = Tally::of(4, 0, 0);
        tally.read_skips(folder.path()).expect("readable");
        assert_eq!((tally.passed, tally.skipped), (3, 1));
        assert_eq!(tally.skipped_names, ["proxy::socks (needs a proxy)"]);
    }
}

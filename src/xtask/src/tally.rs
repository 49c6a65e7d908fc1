//! Runs test runners and counts tests by their closing lines: of cargo test, pytest, and the plain line
//! `N passed, N failed, N skipped` that a runner of our own prints.

use std::io::{self, Read, Write};
use std::ops::AddAssign;
use std::path::Path;
use std::process::{Command, Stdio};

use fs_err as fs;

use crate::Result;
use crate::runner::failure;

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
    /// Runs the command to its end, copies its standard output and counts what its lines say. Returns whether it succeeded.
    pub(crate) fn run(&mut self, command: &mut Command, output: &mut dyn Write) -> Result<bool> {
        // What has colours is not read.
        command.env_remove("FORCE_COLOR").env_remove("PY_COLORS");
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| failure(command, error))?;
        if let Some(from) = child.stdout.take() {
            self.copy_and_count(from, output)?;
        }
        Ok(child.wait()?.success())
    }

    /// Writes each piece at once, not line by line: pytest's dots come without a line end.
    fn copy_and_count(&mut self, mut from: impl Read, to: &mut dyn Write) -> io::Result<()> {
        let mut piece = [0; 8192];
        let mut line = Vec::new();
        loop {
            let length = from.read(&mut piece)?;
            let Some(piece) = piece.get(..length).filter(|piece| !piece.is_empty()) else {
                break;
            };
            to.write_all(piece)?;
            to.flush()?;
            for part in piece.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(part);
                if part.ends_with(b"\n") {
                    self.read_line(&String::from_utf8_lossy(&line));
                    line.clear();
                }
            }
        }
        self.read_line(&String::from_utf8_lossy(&line));
        Ok(())
    }

    /// Takes one line of a runner's output; lines that mean nothing change nothing.
    pub(crate) fn read_line(&mut self, line: &str) {
        let line = line.trim();
        self.skipped_names.extend(ignored_test(line));
        if let Some(counts) = counts(line) {
            *self += counts;
        }
    }

    /// Takes the notes of tests that found a program missing: files of lines `test<TAB>reason`. The runner
    /// counted such a test as passed.
    pub(crate) fn read_skips(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            for line in fs::read_to_string(entry?.path())?.lines() {
                let (name, reason) = line.split_once('\t').unwrap_or((line, "no reason"));
                self.passed = self.passed.saturating_sub(1);
                self.skipped += 1;
                self.skipped_names.push(format!("{name} ({reason})"));
            }
        }
        Ok(())
    }

    /// How many tests ran.
    pub(crate) fn executed(&self) -> u64 {
        self.passed + self.failed
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

/// `test engine::soak ... ignored, takes an hour`
fn ignored_test(line: &str) -> Option<String> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ignored")?;
    let reason = outcome.strip_prefix(", ");
    Some(reason.map_or(name.to_owned(), |reason| format!("{name} ({reason})")))
}

/// The counts in a closing line, of which there are three kinds:
/// - `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`
/// - `==== 12 passed, 1 skipped in 0.12s ====`, without the bars under `-q`
/// - `12 passed, 0 failed, 1 skipped`, the last part may be missing
fn counts(line: &str) -> Option<Tally> {
    let starts_with_digit = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
    let parts: Vec<&str> = if let Some(result) = line.strip_prefix("test result: ") {
        let (_, counts) = result.split_once(". ")?;
        counts.split_once("; finished")?.0.split("; ").collect()
    } else if let Some((counts, time)) = line.trim_matches(['=', ' ']).rsplit_once(" in ") {
        starts_with_digit(time).then(|| counts.split(", ").collect())?
    } else {
        let parts: Vec<&str> = line.split(", ").collect();
        let [passed, failed] = parts.get(..2)? else { return None };
        let is_ours = passed.ends_with(" passed") && failed.ends_with(" failed");
        (is_ours && parts.len() <= 3).then_some(parts)?
    };
    let mut tally = Tally::default();
    for part in parts {
        let (count, word) = part.split_once(' ')?;
        let count: u64 = count.parse().ok()?;
        match word {
            "passed" | "xpassed" | "xfailed" => tally.passed += count,
            "failed" | "error" | "errors" => tally.failed += count,
            "skipped" | "ignored" => tally.skipped += count,
            "measured" | "filtered out" | "deselected" | "warning" | "warnings" | "rerun" => {}
            _ => return None,
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> Tally {
        let mut tally = Tally::default();
        tally.copy_and_count(output.as_bytes(), &mut Vec::new()).expect("memory does not fail");
        tally
    }

    fn numbers(output: &str) -> [u64; 3] {
        let tally = tally(output);
        [tally.passed, tally.failed, tally.skipped]
    }

    #[test]
    fn the_lines_of_cargo_test_add_up() {
        let output = "running 3 tests\n\
            test tally::tests::one ... ok\n\
            test tally::tests::soak ... ignored, takes an hour\n\
            test src/lib.rs - explain (line 3) ... ignored\n\
            test result: ok. 3 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s";
        assert_eq!(numbers(output), [4, 2, 2]);
        let names = ["tally::tests::soak (takes an hour)", "src/lib.rs - explain (line 3)"];
        assert_eq!(tally(output).skipped_names, names);
    }

    #[test]
    fn the_lines_of_pytest_and_plain_ones_are_read() {
        for (line, wanted) in [
            ("===== 12 passed, 1 skipped, 1 xfailed, 2 warnings in 0.12s =====", [13, 0, 1]),
            ("1 failed, 2 passed, 3 errors in 61.20s (0:01:01)", [2, 4, 0]),
            ("5 passed, 1 failed", [5, 1, 0]),
            ("5 passed, 1 failed, 2 skipped", [5, 1, 2]),
        ] {
            assert_eq!(numbers(line), wanted, "{line}");
        }
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
            "===== no tests ran in 0.01s =====",
            "test result: odd",
            "test a ... ok",
        ] {
            assert_eq!(tally(line), Tally::default(), "{line}");
        }
    }

    #[test]
    fn a_program_is_run_to_its_end_and_its_output_copied_as_it_is() {
        let (mut tally, mut copy) = (Tally::default(), Vec::new());
        let script =
            r"printf '\377 noise\n2 passed, 0 failed'; sleep 0.01; echo ', 1 skipped'; exit 1";
        let succeeded = tally.run(Command::new("sh").args(["-c", script]), &mut copy);
        assert!(!succeeded.expect("it starts"));
        assert_eq!(copy, b"\xff noise\n2 passed, 0 failed, 1 skipped\n");
        assert_eq!((tally.passed, tally.failed, tally.skipped), (2, 0, 1));
    }
}

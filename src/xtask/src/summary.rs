//! The end of `cargo xtask test`: one line a step, the sum of all tests, and what was skipped.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::Result;
use crate::tally::Tally;

/// How a step ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The step.
    pub(crate) name: &'static str,
    /// The end.
    pub(crate) result: StepResult,
    /// Its tests.
    pub(crate) tally: Tally,
    /// From start to end.
    pub(crate) time: Duration,
}

/// Whether a step did what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StepResult {
    /// It did.
    Passed,
    /// It did not, for this reason.
    Failed(String),
    /// It was not run, for this reason.
    Skipped(String),
}

impl Display for StepResult {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => write!(formatter, "passed"),
            Self::Failed(reason) => write!(formatter, "FAILED: {reason}"),
            Self::Skipped(reason) => write!(formatter, "skipped: {reason}"),
        }
    }
}

/// Adds the steps up. A step that failed without a failed test, or was skipped, counts as one.
pub(crate) fn total(outcomes: &[Outcome]) -> Tally {
    let mut total = Tally::default();
    for outcome in outcomes {
        total += outcome.tally.clone();
        match &outcome.result {
            StepResult::Failed(_) if outcome.tally.failed == 0 => total.failed += 1,
            StepResult::Skipped(reason) => {
                total.skipped += 1;
                total.skipped_names.push(format!("{} ({reason})", outcome.name));
            }
            _ => {}
        }
    }
    total
}

/// The last lines of the output: one a step, the counts, and what was skipped by name.
pub(crate) fn summary(outcomes: &[Outcome], total: &Tally) -> String {
    let mut lines = Vec::new();
    for outcome in outcomes {
        let Outcome { name, result, time, .. } = outcome;
        lines.push(format!("{name:<12} {:>7.1} s  {result}", time.as_secs_f64()));
    }
    lines.push(format!(
        "{} passed, {} failed, {} skipped",
        total.passed, total.failed, total.skipped
    ));
    if !total.skipped_names.is_empty() {
        lines.push(format!("skipped: {}", total.skipped_names.join("; ")));
    }
    lines.join("\n") + "\n"
}

/// What the exit code says.
pub(crate) fn verdict(total: &Tally, no_skip: bool) -> Result {
    if total.failed > 0 {
        Err("something failed".into())
    } else if no_skip && total.skipped > 0 {
        Err("something was skipped, and --no-skip was given".into())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &'static str, result: StepResult, counts: &str) -> Outcome {
        let mut tally = Tally::default();
        tally.read_line(counts);
        Outcome { name, result, tally, time: Duration::from_millis(1250) }
    }

    #[test]
    fn the_last_lines_have_the_sum_and_the_skipped_names() {
        let outcomes = [
            outcome("system", StepResult::Passed, "7 passed, 0 failed"),
            outcome("bundled", StepResult::Skipped("perl is missing".to_owned()), ""),
        ];
        let total = total(&outcomes);
        assert_eq!(
            summary(&outcomes, &total),
            "system           1.2 s  passed\n\
            bundled          1.2 s  skipped: perl is missing\n\
            7 passed, 0 failed, 1 skipped\n\
            skipped: bundled (perl is missing)\n"
        );
        assert!(verdict(&total, false).is_ok());
        assert!(verdict(&total, true).is_err());
    }

    #[test]
    fn a_failed_step_counts_even_when_no_test_of_it_failed() {
        let failed = || StepResult::Failed("does not build".to_owned());
        let silent = total(&[outcome("system", failed(), "")]);
        assert_eq!(silent.failed, 1);
        assert!(verdict(&silent, false).is_err());
        let counted = total(&[outcome("system", failed(), "5 passed, 2 failed")]);
        assert_eq!(counted.failed, 2);
    }
}

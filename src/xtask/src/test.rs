//! `cargo xtask test`: runs the steps and sums them up.

use std::io::{self, Write};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Args;

use crate::Result;
use crate::requirements::{self, Missing, Name};
use crate::runner;
use crate::steps::{self, Kind, STEPS, Step};
use crate::summary::{self, Outcome, StepResult};
use crate::tally::Tally;
use crate::workspace::{Workspace, empty_folder};

/// Folder below `target` in which tests note the rules they showed.
pub(crate) const RULES_FOLDER: &str = "rules";
const SKIPS_FOLDER: &str = "skips";

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Fail when anything was skipped
    #[arg(long)]
    no_skip: bool,
    /// Run these steps only
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
    /// Run the long forms too: minutes to hours of random tests, every sanitizer, every version of Python
    #[arg(long)]
    long: bool,
    /// Show the steps and what they need, and run nothing
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    let steps = choose(STEPS, &options.only, options.long)?;
    let wanted: Vec<Name> = steps.iter().flat_map(|step| step.wants()).collect();
    if options.list {
        list(&steps, &requirements::missing(workspace, &wanted)?);
        return Ok(());
    }
    let missing = requirements::provide(workspace, &wanted)?;

    if options.only.is_empty() {
        // A step that is gone must not leave its notes behind.
        for folder in [RULES_FOLDER, SKIPS_FOLDER] {
            empty_folder(&workspace.target.join(folder))?;
        }
    }
    let mut outcomes: Vec<Outcome> = Vec::new();
    for step in steps {
        println!("\n==== {}: {}", step.name, step.purpose);
        let outcome = outcome_of(workspace, step, &missing, &outcomes, &mut io::stdout());
        if outcome.result != StepResult::Passed {
            println!("{}: {}", step.name, outcome.result);
        }
        outcomes.push(outcome);
    }
    let total = summary::total(&outcomes);
    print!("\n{}", summary::summary(&outcomes, &total));
    summary::verdict(&total, options.no_skip)
}

fn choose(steps: &'static [Step], only: &[String], long: bool) -> Result<Vec<&'static Step>> {
    if let Some(unknown) =
        only.iter().find(|name| !steps.iter().any(|step| step.name == name.as_str()))
    {
        let names: Vec<_> = steps.iter().map(|step| step.name).collect();
        return Err(format!("no step is named {unknown}; there are: {}", names.join(", ")).into());
    }
    let named = |step: &Step| only.iter().any(|name| name == step.name);
    let wanted = |step: &&Step| named(step) || (only.is_empty() && (long || !step.long));
    Ok(steps.iter().filter(wanted).collect())
}

fn list(steps: &[&'static Step], missing: &Missing) {
    for step in steps {
        let tier = if step.long { " (long)" } else { "" };
        println!("{:<15} {}{tier}", step.name, step.purpose);
        for (verb, names) in [("needs", step.needs), ("uses", step.uses)] {
            for name in names {
                let state = missing.first(&[name]).unwrap_or_else(|| format!("{name}: there"));
                println!("{:<15} {verb} {state}", "");
            }
        }
    }
}

/// Runs a step after those before it, unless it lacks something.
fn outcome_of(
    workspace: &Workspace,
    step: &Step,
    missing: &Missing,
    before: &[Outcome],
    output: &mut dyn Write,
) -> Outcome {
    let (start, mut tally) = (Instant::now(), Tally::default());
    let skipped = missing.first(step.needs).or_else(|| {
        let is_review = matches!(step.kind, Kind::Review(_));
        let other = before.iter().find(|outcome| outcome.result != StepResult::Passed);
        Some(format!("{} did not pass", other.filter(|_| is_review)?.name))
    });
    let result = match skipped {
        Some(reason) => StepResult::Skipped(reason),
        None => match run_step(workspace, step, output, &mut tally) {
            Ok(()) => StepResult::Passed,
            Err(error) => StepResult::Failed(error.to_string()),
        },
    };
    Outcome { name: step.name, result, tally, time: start.elapsed() }
}

fn run_step(
    workspace: &Workspace,
    step: &Step,
    output: &mut dyn Write,
    tally: &mut Tally,
) -> Result {
    let commands = match step.kind {
        Kind::Tests(commands) | Kind::Check(commands) => commands(workspace),
        Kind::Xtask(all) => all.iter().map(|words| steps::xtask(workspace, words)).collect(),
        Kind::Review(review) => return review(workspace),
    };
    let [rules, skips] =
        [RULES_FOLDER, SKIPS_FOLDER].map(|kind| workspace.target.join(kind).join(step.name));
    empty_folder(&rules)?;
    empty_folder(&skips)?;
    if matches!(step.kind, Kind::Check(_)) {
        return check(commands, output);
    }
    for mut command in commands {
        command.env("BITSUP_RULES_DIR", &rules).env("BITSUP_SKIPS_DIR", &skips);
        if !tally.run(&mut command, output)? {
            return Err(runner::failure(&command, "failed").into());
        }
    }
    tally.read_skips(&skips)?;
    match step.kind {
        Kind::Tests(_) if tally.executed() == 0 => Err("no test was executed".into()),
        _ => Ok(()),
    }
}

/// Runs checks at once; what they print comes in their order.
fn check(commands: Vec<Command>, output: &mut dyn Write) -> Result {
    let commands: Vec<_> = commands.into_iter().map(Mutex::new).collect();
    let ended = runner::at_once(&commands, |command| {
        let mut command = command.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = command.stdin(Stdio::null()).output();
        (ended, runner::failure(&command, "failed"))
    });
    let mut failed = Vec::new();
    for (ended, failure) in ended {
        let Output { status, stdout, stderr } = ended?;
        output.write_all(&[stdout, stderr].concat())?;
        failed.extend((!status.success()).then_some(failure));
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ").into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTING: &str = "echo 2 passed, 0 failed; printf 'a::b\\tno proxy\\n' >$BITSUP_SKIPS_DIR/1; touch $BITSUP_RULES_DIR/1";

    static SAMPLE: &[Step] = &[
        Step::new("needy", "", &["absent-library"], Kind::Tests(|_| vec![shell("false")])),
        Step::new("counting", "", &[], Kind::Tests(|_| vec![shell("echo 3 passed, 0 failed")])),
        Step::new("silent", "", &[], Kind::Tests(|_| vec![shell("echo nothing to do")])),
        Step::new("noting", "", &[], Kind::Tests(|_| vec![shell(NOTING)])),
        Step::new("review", "", &[], Kind::Review(|_| Ok(()))),
    ];

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn outcomes_of(names: &[&str]) -> Vec<Outcome> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let workspace = Workspace::empty(folder.path());
        let missing = Missing::of("absent-library", "Debian packages libabsent-dev");
        let mut outcomes = Vec::new();
        for name in names {
            let step = SAMPLE.iter().find(|step| step.name == *name).expect("known");
            outcomes.push(outcome_of(&workspace, step, &missing, &outcomes, &mut Vec::new()));
        }
        outcomes
    }

    #[test]
    fn a_step_without_its_library_is_skipped_and_so_is_the_review() {
        let outcomes = outcomes_of(&["counting", "needy", "review"]);
        let results: Vec<_> = outcomes.into_iter().map(|outcome| outcome.result).collect();
        let skipped = |reason: &str| StepResult::Skipped(reason.to_owned());
        let missing = skipped("absent-library is missing (Debian packages libabsent-dev)");
        assert_eq!(results, [StepResult::Passed, missing, skipped("needy did not pass")]);
    }

    #[test]
    fn a_test_step_without_a_test_fails() {
        let outcomes = outcomes_of(&["silent"]);
        assert_eq!(outcomes[0].result, StepResult::Failed("no test was executed".to_owned()));
    }

    #[test]
    fn all_checks_run_and_print_in_their_order_and_each_failure_is_told() {
        let mut printed = Vec::new();
        let commands = ["sleep 0.1; echo a", "echo b; exit 1", "echo c >&2; false", "echo d"];
        let error = check(commands.map(shell).into(), &mut printed).expect_err("two failed");
        assert_eq!(printed, b"a\nb\nc\nd\n");
        assert_eq!(error.to_string().matches(": failed").count(), 2);
        assert!(check(vec![shell("true")], &mut printed).is_ok());
    }

    #[test]
    fn notes_of_skipped_tests_are_counted() {
        let outcomes = outcomes_of(&["noting", "review"]);
        let tally = &outcomes[0].tally;
        assert_eq!((tally.passed, tally.failed, tally.skipped), (1, 0, 1));
        assert_eq!(tally.skipped_names, ["a::b (no proxy)"]);
        assert_eq!(outcomes[1].result, StepResult::Passed);
    }

    #[test]
    fn an_unknown_step_is_refused_with_the_list() {
        let error =
            choose(SAMPLE, &["sistem".to_owned()], false).expect_err("there is no such step");
        assert!(error.to_string().contains("needy, counting, silent"));
        let chosen = choose(SAMPLE, &["silent".to_owned()], false).expect("known");
        assert_eq!(chosen.len(), 1);
    }
}

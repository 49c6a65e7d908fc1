//! `cargo xtask test`: runs the steps and sums them up.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use clap::Args;
use fs_err as fs;

use crate::Result;
use crate::requirements::{self, Missing, Name};
use crate::runner;
use crate::steps::{self, Kind, STEPS, Step};
use crate::summary::{self, Outcome, StepResult};
use crate::tally::Tally;
use crate::workspace::Workspace;

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
    if options.list {
        return list(workspace, &steps);
    }
    let wanted: Vec<Name> = steps.iter().flat_map(|step| step.wants()).collect();
    let missing = requirements::provide(workspace, &wanted)?;

    if options.only.is_empty() {
        // A step that is gone must not leave its notes behind.
        for folder in [RULES_FOLDER, SKIPS_FOLDER] {
            empty_folder(workspace, folder)?;
        }
    }
    let mut outcomes: Vec<Outcome> = Vec::new();
    for step in steps {
        let start = Instant::now();
        println!("\n==== {}: {}", step.name, step.purpose);
        let mut tally = Tally::default();
        let result = run_step(workspace, step, &missing, &outcomes, &mut io::stdout(), &mut tally);
        if let StepResult::Failed(reason) | StepResult::Skipped(reason) = &result {
            println!("{}: {reason}", step.name);
        }
        outcomes.push(Outcome { name: step.name, result, tally, time: start.elapsed() });
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

fn list(workspace: &Workspace, steps: &[&'static Step]) -> Result {
    for step in steps {
        let tier = if step.long { " (long)" } else { "" };
        println!("{:<15} {}{tier}", step.name, step.purpose);
        for (verb, names) in [("needs", step.needs), ("uses", step.uses)] {
            for name in names {
                let missing = requirements::missing(workspace, &[name])?.first(&[name]);
                println!(
                    "{:<15} {verb} {}",
                    "",
                    missing.unwrap_or_else(|| format!("{name}: there"))
                );
            }
        }
    }
    Ok(())
}

fn run_step(
    workspace: &Workspace,
    step: &Step,
    missing: &Missing,
    before: &[Outcome],
    output: &mut dyn Write,
    tally: &mut Tally,
) -> StepResult {
    if let Some(missing) = missing.first(step.needs) {
        return StepResult::Skipped(missing);
    }
    let outcome = match step.kind {
        Kind::Tests(commands) => run_commands(workspace, step, commands(workspace), output, tally)
            .and_then(|()| match tally.executed() {
                0 => Err("no test was executed".into()),
                _ => Ok(()),
            }),
        Kind::Check(commands) => run_commands(workspace, step, commands(workspace), output, tally),
        Kind::Xtask(commands) => {
            let commands = commands.iter().map(|words| steps::xtask(workspace, words)).collect();
            run_commands(workspace, step, commands, output, tally)
        }
        Kind::Review(review) => {
            if let Some(incomplete) =
                before.iter().find(|outcome| outcome.result != StepResult::Passed)
            {
                return StepResult::Skipped(format!("{} did not pass", incomplete.name));
            }
            review(workspace)
        }
    };
    match outcome {
        Ok(()) => StepResult::Passed,
        Err(error) => StepResult::Failed(error.to_string()),
    }
}

fn run_commands(
    workspace: &Workspace,
    step: &Step,
    commands: Vec<Command>,
    output: &mut dyn Write,
    tally: &mut Tally,
) -> Result {
    let folder = |kind: &str| format!("{kind}/{}", step.name);
    let rules = empty_folder(workspace, &folder(RULES_FOLDER))?;
    let skips = empty_folder(workspace, &folder(SKIPS_FOLDER))?;
    for mut command in commands {
        command.env("BITSUP_RULES_DIR", &rules).env("BITSUP_SKIPS_DIR", &skips);
        if !tally.run(&mut command, output)? {
            return Err(runner::failure(&command, "failed").into());
        }
    }
    tally.read_skips(&skips)?;
    Ok(())
}

fn empty_folder(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let path = workspace.target.join(name);
    if path.exists() {
        fs::remove_dir_all(&path)?;
    }
    fs::create_dir_all(&path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
            let mut tally = Tally::default();
            let result =
                run_step(&workspace, step, &missing, &outcomes, &mut Vec::new(), &mut tally);
            outcomes.push(Outcome { name: step.name, result, tally, time: Duration::ZERO });
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

//! `cargo xtask check`: what to run after a small change. Formatting, lints and unit tests of the members that were
//! touched, in less than a minute.

use std::collections::BTreeSet;
use std::process::Command;

use clap::Args;

use crate::Result;
use crate::lint;
use crate::requirements::run;
use crate::workspace::{Member, Workspace};

/// Options of `cargo xtask check`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Members to check, instead of those with changes since the commit
    #[arg(value_name = "MEMBER")]
    members: Vec<String>,
    /// The commit that changes are compared with
    #[arg(long, value_name = "COMMIT", default_value = "HEAD")]
    since: String,
}

/// Runs the command.
pub(crate) fn run_checks(workspace: &Workspace, options: &Options) -> Result {
    let touched = if options.members.is_empty() {
        let files = changed_files(workspace, &options.since)?;
        members_of(&files, &workspace.members)
    } else {
        options.members.iter().map(String::as_str).collect()
    };
    lint::formatting(workspace)?;
    lint::attributes(workspace)?;
    if touched.is_empty() {
        println!("no member has changes since {}", options.since);
        return Ok(());
    }
    println!("checking {}", touched.iter().copied().collect::<Vec<_>>().join(", "));
    let cargo = |words: &[&str]| -> Command {
        let mut command = workspace.cargo();
        command.args(words).arg("--no-default-features");
        for member in &touched {
            command.args(["--package", member]);
        }
        command
    };
    run(cargo(&["clippy", "--all-targets"]).args(["--", "-D", "warnings"]))?;
    run(&mut cargo(&["test", "--quiet", "--lib", "--bins"]))
}

fn changed_files(workspace: &Workspace, since: &str) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for words in
        [["diff", "--name-only", since].as_slice(), &["ls-files", "--others", "--exclude-standard"]]
    {
        let output = workspace.command("git").args(words).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into());
        }
        let lines = String::from_utf8(output.stdout)?;
        files.extend(lines.lines().map(str::to_owned));
    }
    Ok(files)
}

/// The members in whose folders the files are.
fn members_of<'a>(files: &[String], members: &'a [Member]) -> BTreeSet<&'a str> {
    let touched = |member: &&Member| files.iter().any(|file| file.starts_with(&member.folder));
    members.iter().filter(touched).map(|member| member.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_belong_to_the_member_whose_folder_they_are_in() {
        let workspace = Workspace::find().expect("the workspace");
        let files = ["src/bitsup-proto/src/lib.rs", "bindings/python/src/lib.rs", "README.md"];
        let files = files.map(str::to_owned);
        let touched: Vec<_> = members_of(&files, &workspace.members).into_iter().collect();
        assert_eq!(touched, ["bitsup-proto", "bitsup-python"]);
        assert!(members_of(&["README.md".to_owned()], &workspace.members).is_empty());
    }
}

//! `cargo xtask check`: what to run after a small change. Formatting, lints and unit tests of the members that were
//! touched, in less than a minute.

use std::collections::BTreeSet;

use clap::Args;

use crate::Result;
use crate::lint;
use crate::runner::{read, run};
use crate::workspace::{Member, Workspace};

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Members to check, instead of those with changes since the commit
    #[arg(value_name = "MEMBER")]
    members: Vec<String>,
    /// The commit that changes are compared with
    #[arg(long, value_name = "COMMIT", default_value = "HEAD")]
    since: String,
}

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
    let packages: Vec<_> = touched.iter().map(|member| format!("--package {member}")).collect();
    let packages = packages.join(" ");
    let cargo = |words: &str| run(&mut workspace.cargo(words));
    cargo(&format!("clippy --all-targets --no-default-features {packages} -- -D warnings"))?;
    // Cargo wants one member with a library, which xtask has not.
    let targets = if packages == "--package xtask" { "--bins" } else { "--lib --bins" };
    cargo(&format!("test --quiet {targets} --no-default-features {packages}"))
}

fn changed_files(workspace: &Workspace, since: &str) -> Result<Vec<String>> {
    let git = |words: &[&str]| read(workspace.command("git").args(words));
    let changed = git(&["diff", "--name-only", since])?;
    let changed = changed + &git(&["ls-files", "--others", "--exclude-standard"])?;
    Ok(changed.lines().map(str::to_owned).collect())
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

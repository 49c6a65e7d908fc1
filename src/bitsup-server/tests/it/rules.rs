//! The macro from outside of its crate, with the environment variable.

use std::process::Command;

use bitsup_server::rule;

/// Set in the processes that the last test starts; elsewhere the first two do nothing.
const INSIDE: &str = "BITSUP_TEST_INSIDE";

fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

#[test]
fn proves_two_rules() {
    if is_inside() {
        let _rule = rule!("NONE-01", "NONE-02");
    }
}

#[test]
fn proves_nothing() {
    if is_inside() {
        let _rule = rule!("NONE-03");
        panic!("as it is meant to");
    }
}

#[test]
fn passing_tests_are_recorded_and_failing_ones_are_not() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let run = |test: &str| {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .args(["--exact", &format!("rules::{test}")])
            .env("BITSUP_RULES_DIR", folder.path())
            .env(INSIDE, "1");
        command.output().expect("run").status.success()
    };
    assert!(!run("proves_nothing"));
    assert!(run("proves_two_rules"));
    let files: Vec<_> = std::fs::read_dir(folder.path()).expect("folder").collect();
    assert_eq!(files.len(), 1);
    let path = files.into_iter().next().expect("one file").expect("entry").path();
    let file = file!();
    let wanted = format!(
        "NONE-01\tit::rules::proves_two_rules\t{file}\nNONE-02\tit::rules::proves_two_rules\t{file}\n"
    );
    assert_eq!(std::fs::read_to_string(path).expect("record"), wanted);
}

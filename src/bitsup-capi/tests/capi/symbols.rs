//! What the shared library shows to the dynamic linker.

use std::process::Command;

use crate::support::{self, capi};
use crate::{build, entry_points};

fn exported() -> Vec<String> {
    let library = build::library().join("libbitsup.so");
    let output = support::succeed(
        Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(library),
    );
    let text = String::from_utf8(output.stdout).expect("ASCII");
    let mut names: Vec<String> =
        text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    names.sort_unstable();
    names
}

#[test]
fn the_library_exports_the_committed_list_which_is_the_entry_points() {
    let exported = exported();
    let written: Vec<String> = entry_points::all().iter().map(entry_points::name).collect();
    assert_eq!(exported, written);
    support::blessed(&capi().join("symbols.txt"), &(exported.join("\n") + "\n"));
}

#[test]
fn the_library_is_named_by_its_abi_and_stays_loaded() {
    let library = build::library().join("libbitsup.so");
    let output = support::succeed(Command::new("readelf").arg("-dW").arg(library));
    let text = String::from_utf8(output.stdout).expect("ASCII");
    assert_eq!(text.matches("(SONAME)").count(), 1, "{text}");
    assert!(text.contains(&format!("[libbitsup.so.{}]", support::abi())), "{text}");
    assert!(text.contains("NODELETE"), "{text}");
}

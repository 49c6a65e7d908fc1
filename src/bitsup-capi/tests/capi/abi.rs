//! What programs were built against still holds: the header of the last release, once there is one, against today's.
//!
//! Each header becomes a library whose functions do nothing, compiled with its types; abidiff
//! compares the two. That the real library has these functions and types is what the other tests
//! show: header and symbols are compared with the sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{self, capi, workspace};

/// A library of what the header declares.
fn library(folder: &Path, name: &str, header: &str) -> PathBuf {
    let mut text = String::new();
    let mut declares = false;
    for line in header.lines() {
        declares |= line.starts_with("BITSUP_API");
        match line.strip_suffix(");") {
            Some(declaration) if declares => {
                text.extend([declaration, ") { __builtin_trap(); }\n"]);
                declares = false;
            }
            _ => text.extend([line, "\n"]),
        }
    }
    let source = folder.join(name).with_extension("c");
    fs::write(&source, text).expect("written");
    let library = folder.join(name).with_extension("so");
    let mut command = Command::new("cc");
    command.args(["-std=c11", "-g", "-shared", "-fPIC", "-o"]).arg(&library);
    support::succeed(command.arg(&source));
    library
}

/// What abidiff says, new functions and enumerators left out.
fn compare(old: &str, new: &str) -> Output {
    let folder = tempfile::tempdir().expect("folder");
    let (old, new) = (library(folder.path(), "old", old), library(folder.path(), "new", new));
    Command::new("abidiff").arg("--no-added-syms").args([&old, &new]).output().expect("it runs")
}

fn today() -> String {
    fs::read_to_string(workspace().join("include/bitsup.h")).expect("readable")
}

fn holds(old: &str, new: &str) -> bool {
    let output = compare(old, new);
    let code = output.status.code();
    assert!(
        matches!(code, Some(0 | 4 | 12)),
        "{code:?} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    code == Some(0)
}

#[test]
fn programs_of_the_last_release_still_fit() {
    if !support::has_program("abidiff") {
        support::skipped("abidiff is missing");
        return;
    }
    let header = capi().join("abi/released.h");
    if !header.exists() {
        eprintln!("nothing is released yet, so there is no header to compare with");
        return;
    }
    let released = fs::read_to_string(header).expect("readable");
    let output = compare(&released, &today());
    assert!(
        output.status.success(),
        "{}\ndocs/abi.md says what may change",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// What the promise allows passes, and what it excludes is found.
#[test]
fn broken_promises_are_found() {
    if !support::has_program("abidiff") {
        support::skipped("abidiff is missing");
        return;
    }
    let today = today();
    let changed = |from: &str, to: &str| {
        assert_eq!(today.matches(from).count(), 1, "{from:?} is in the header once");
        today.replace(from, to)
    };
    let functions = "BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_client_new(";
    let last = "  uint32_t attempt;\n} bitsup_progress;";
    let added = changed(
        functions,
        "BITSUP_API void bitsup_new(void);\n\nBITSUP_API BITSUP_NODISCARD bitsup_status bitsup_client_new(",
    );
    assert!(holds(&today, &added), "a new function");
    assert!(!holds(&added, &today), "a function that is gone");
    let longer = changed(last, "  uint32_t attempt;\n  uint64_t more;\n} bitsup_progress;");
    // Allowed, but a person must see that it grew at its end only.
    assert!(!holds(&today, &longer), "a longer structure");
    let other = changed(last, "  uint64_t attempt;\n} bitsup_progress;");
    assert!(!holds(&today, &other), "a field of another type");
    let moved = changed("  uint64_t total;\n", "  uint32_t early;\n  uint64_t total;\n");
    assert!(!holds(&today, &moved), "a field in front");
    let status = "  BITSUP_STATUS_INTERNAL = 19,\n";
    let known = changed(status, "  BITSUP_STATUS_INTERNAL = 19,\n  BITSUP_STATUS_NEW = 20,\n");
    assert!(holds(&today, &known), "a new status");
    let number = changed(status, "  BITSUP_STATUS_INTERNAL = 20,\n");
    assert!(!holds(&today, &number), "a status of another number");
    let parameter = changed("    int64_t timeout_ms,\n", "    int32_t timeout_ms,\n");
    assert!(!holds(&today, &parameter), "a parameter of another type");
}

/// The first number of the library's version, by which cargo-c names it, is that of the ABI.
#[test]
fn cargo_c_gives_the_same_name() {
    let manifest = fs::read_to_string(capi().join("Cargo.toml")).expect("readable");
    let section = manifest.split("[package.metadata.capi.library]\n").nth(1).expect("it is there");
    let lines: Vec<&str> = section.lines().take_while(|line| !line.starts_with('[')).collect();
    assert!(lines.contains(&"version_suffix_components = 1"), "{lines:?}");
    let own = lines.iter().find_map(|line| line.strip_prefix("version = \"")?.split('.').next());
    assert_eq!(own.unwrap_or(env!("CARGO_PKG_VERSION_MAJOR")), support::abi());
}

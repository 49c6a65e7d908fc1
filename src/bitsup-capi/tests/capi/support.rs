//! What the tests share.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Number of the ABI.
pub(crate) fn abi() -> &'static str {
    include_str!("../../abi/number").trim()
}

/// The folder of this crate.
pub(crate) fn capi() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the workspace.
pub(crate) fn workspace() -> &'static Path {
    capi().ancestors().nth(2).expect("src/bitsup-capi lies two folders down")
}

/// Compares a committed file with what it must be, or writes it if `BITSUP_BLESS` is 1.
pub(crate) fn blessed(file: &Path, wanted: &str) {
    if std::env::var("BITSUP_BLESS").as_deref() == Ok("1") {
        fs::write(file, wanted).expect("the file can be written");
        return;
    }
    let there = fs::read_to_string(file).unwrap_or_default();
    assert!(
        there == wanted,
        "{} is stale: look at what changed, and bless it with\nBITSUP_BLESS=1 cargo test -p bitsup-capi",
        file.display()
    );
}

/// Whether a program of this name is in the search path.
pub(crate) fn has_program(name: &str) -> bool {
    let Some(folders) = std::env::var_os("PATH") else { return false };
    std::env::split_paths(&folders).any(|folder| folder.join(name).is_file())
}

/// Notes for `cargo xtask test` that a part of this test could not run.
pub(crate) fn skipped(reason: &str) {
    let test = thread::current().name().unwrap_or("unnamed").to_owned();
    eprintln!("{test}: skipped: {reason}");
    let Some(folder) = std::env::var_os("BITSUP_SKIPS_DIR") else { return };
    let file = Path::new(&folder).join(format!("capi-{}", std::process::id()));
    let file = fs::OpenOptions::new().append(true).create(true).open(file);
    file.and_then(|mut file| writeln!(file, "bitsup-capi::{test}\t{reason}"))
        .expect("the note can be written");
}

/// Runs a command that must succeed.
pub(crate) fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Waits until the file's change time is so old that hashes of its bytes count.
pub(crate) fn settle(path: &Path) {
    let changed = fs::metadata(path).expect("there").ctime();
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    while u64::try_from(changed).expect("after 1970") + 2 > now() {
        thread::sleep(Duration::from_millis(20));
    }
}

//! `cargo xtask supply-chain`: whether the makers of the C libraries of a bundled build still mend them, and whether
//! `Cargo.lock` has the versions that are mended.

use std::io::{self, Write};
use std::process::Command;
use std::time::{Duration, SystemTime};

use clap::Args;

use crate::runner::read;
use crate::workspace::{Package, Workspace};
use crate::{Result, columns};

/// One library a line; `build.rs` of bitsup and its tests read it too.
const TABLE: &str = include_str!("../../bitsup/bundled.tsv");
const DAY: Duration = Duration::from_hours(24);
/// Time to move to the next version of a library, in days.
const NOTICE: u32 = 90;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Print only what is to be done, as for a cron job
    #[arg(long)]
    quiet: bool,
    /// Do not ask the registry for newer versions
    #[arg(long)]
    offline: bool,
}

/// A C library that a crate brings.
#[derive(Debug)]
struct Component<'a> {
    name: &'a str,
    /// The crate that brings it.
    brought_by: &'a str,
    least: &'a str,
    /// The last day on which weaknesses are mended, and when it is over; without one the newest version is supported.
    end: Option<(&'a str, SystemTime)>,
    source: &'a str,
}

/// What is wrong with a component.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    Warning(String),
    Error(String),
}

/// Checks the lock file and the dates against the clock, and asks for newer versions.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    check(workspace, SystemTime::now(), options)
}

/// Refuses a release with a library that is not maintained any more.
pub(crate) fn require_supported(workspace: &Workspace) -> Result {
    run(workspace, &Options { quiet: true, offline: true })
}

fn check(workspace: &Workspace, now: SystemTime, options: &Options) -> Result {
    let locked = workspace.packages()?;
    let mut failed = 0;
    for component in components(TABLE)? {
        let version = locked_version(&locked, component.brought_by)?;
        let mut findings = component.findings(version, now);
        if !options.offline {
            findings.extend(newer(component.brought_by, version));
        }
        if findings.is_empty() && !options.quiet {
            let until = component.end.map_or("for its newest version", |(date, _)| date);
            println!("{} ({} {version}): supported {until}", component.name, component.brought_by);
        }
        for finding in findings {
            let (kind, text) = match finding {
                Finding::Warning(text) => ("warning", text),
                Finding::Error(text) => ("error", text),
            };
            failed += usize::from(kind == "error");
            // Not by a macro, whose output a test that passes does not show.
            writeln!(io::stderr(), "{kind}: {text}")?;
        }
    }
    if failed == 0 { Ok(()) } else { Err("SECURITY.md says what to do".into()) }
}

impl Component<'_> {
    /// What is wrong with it at that time, with this version of the crate in the lock file.
    fn findings(&self, version: &str, now: SystemTime) -> Vec<Finding> {
        let Self { name, brought_by, least, end, source } = self;
        let mut findings = Vec::new();
        // zlib's version is in no crate's version; the tests of the bundled build compare what was built.
        if let Some((_, upstream)) = version.split_once('+') {
            let upstream = upstream.rsplit('-').next().unwrap_or_default();
            if numbers(upstream) < numbers(least) {
                findings.push(Finding::Error(format!(
                    "{name} {upstream} ({brought_by} in Cargo.lock) is older than {least}"
                )));
            }
        }
        let Some((date, end)) = end else { return findings };
        if now >= *end {
            let text = format!("{name} {least} is out of support since {date} ({source})");
            findings.push(Finding::Error(text));
        } else if now + NOTICE * DAY >= *end {
            let text = format!("support of {name} {least} ends on {date} ({source})");
            findings.push(Finding::Warning(text));
        }
        findings
    }
}

/// The rows of the table.
fn components(table: &str) -> Result<Vec<Component<'_>>> {
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let columns = columns(row, '\t').ok_or_else(|| format!("not five columns: {row}"))?;
        let [name, brought_by, least, end, source] = columns;
        let end = if end == "-" { None } else { Some((end, start_of(end)? + DAY)) };
        Ok(Component { name, brought_by, least, end, source })
    })
    .collect()
}

/// When a day begins.
fn start_of(date: &str) -> Result<SystemTime> {
    let start = humantime::parse_rfc3339(&format!("{date}T00:00:00Z"));
    start.map_err(|error| format!("{date}: {error}").into())
}

/// The version of a crate; of several the oldest, without what stands in for openssl-src and brings no library.
fn locked_version<'a>(locked: &'a [Package], name: &str) -> Result<&'a str> {
    let versions = locked.iter().filter(|package| package.name == name);
    let versions = versions.map(|package| package.version.as_str());
    let oldest = versions.min_by_key(|version| (!version.contains('+'), numbers(version)));
    oldest.ok_or_else(|| format!("{name} is not in Cargo.lock").into())
}

/// Whether the registry has a newer version.
fn newer(name: &str, version: &str) -> Option<Finding> {
    let mut cargo = Command::new("cargo");
    // Not in a workspace, where cargo tells of the version that the workspace has.
    cargo.args(["info", "--quiet", "--color", "never", name]).current_dir(std::env::temp_dir());
    let text = read(&mut cargo).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("version: "));
    let Some(newest) = line.and_then(|line| line.split_whitespace().next()) else {
        return Some(Finding::Warning(format!("the registry does not tell of {name}")));
    };
    (numbers(newest) > numbers(version)).then(|| {
        Finding::Warning(format!(
            "{name} {newest} is out, and {version} is in Cargo.lock: SECURITY.md says what to do"
        ))
    })
}

/// The numbers of a version, without what is appended to it.
pub(crate) fn numbers(version: &str) -> Vec<u32> {
    let version = version.split('+').next().unwrap_or_default();
    version.split('.').map(|part| part.parse().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(table: &str, version: &str, date: &str) -> Vec<Finding> {
        let components = components(table).expect("a table");
        components[0].findings(version, start_of(date).expect("a date"))
    }

    #[test]
    fn an_old_version_and_a_past_date_are_errors_and_a_near_one_is_a_warning() {
        const UNDATED: &str = "libcurl\tcurl-sys\t8.22.0\t-\tits page";
        const TABLE: &str = "OpenSSL\topenssl-src\t4.0.3\t2027-05-14\tits policy";
        assert_eq!(of(TABLE, "400.0.2+4.0.3", "2026-11-29"), []);
        assert_eq!(of(TABLE, "400.0.2+4.0.10", "2027-02-13"), []);
        let old = "OpenSSL 3.6.3 (openssl-src in Cargo.lock) is older than 4.0.3";
        assert_eq!(of(TABLE, "300.6.1+3.6.3", "2026-11-29"), [Finding::Error(old.to_owned())]);
        for near in ["2027-02-14", "2027-05-14"] {
            let found = of(TABLE, "400.0.2+4.0.3", near);
            assert!(matches!(found[..], [Finding::Warning(_)]), "{near}");
        }
        assert!(matches!(of(TABLE, "400.0.2+4.0.3", "2027-05-15")[..], [Finding::Error(_)]));
        // Without a date the version counts alone.
        assert_eq!(of(UNDATED, "0.4.91+curl-8.22.0", "2040-01-01"), []);
        assert!(matches!(of(UNDATED, "0.4.90+curl-8.21.0", "2026-01-01")[..], [Finding::Error(_)]));
        assert!(components(&TABLE.replace("2027-05-14", "soon")).is_err());
    }

    #[test]
    fn the_oldest_library_in_the_lock_file_counts() {
        let oldest = |versions: &[&str]| {
            let package = |version: &&str| {
                let (name, version) = ("x".to_owned(), (*version).to_owned());
                Package { name, version, ..Package::default() }
            };
            let packages: Vec<_> = versions.iter().map(package).collect();
            locked_version(&packages, "x").expect("locked").to_owned()
        };
        assert_eq!(oldest(&["300.99.0", "400.0.2+4.0.3"]), "400.0.2+4.0.3");
        assert_eq!(oldest(&["300.6.1+3.6.3", "300.99.0", "400.0.2+4.0.3"]), "300.6.1+3.6.3");
        assert_eq!(oldest(&["1.1.33"]), "1.1.33");
    }

    /// The date is that of the last commit: an old checkout stays as green as it was.
    #[test]
    fn the_bundled_libraries_were_supported_when_this_was_committed() {
        let workspace = Workspace::find().expect("cargo metadata works in a checkout");
        // A source archive knows no date: only versions are compared.
        let mut seconds = 0;
        if workspace.path(".git").exists() {
            let mut git = workspace.command("git");
            let time = read(git.args(["log", "-1", "--format=%ct", "HEAD"])).expect("git");
            seconds = time.trim().parse().expect("when HEAD was committed");
        }
        let committed = Duration::from_secs(seconds);
        let options = Options { quiet: true, offline: true };
        check(&workspace, SystemTime::UNIX_EPOCH + committed, &options).expect("supported");
    }
}

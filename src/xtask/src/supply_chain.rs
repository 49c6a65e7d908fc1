//! `cargo xtask supply-chain`: whether the makers of the C libraries of a bundled build still mend them, and whether
//! `Cargo.lock` has the versions that are mended.

use std::fs;
use std::time::SystemTime;

use clap::Args;

use crate::Result;
use crate::workspace::Workspace;

/// One library a line; `build.rs` of bitsup and its tests read it too.
const TABLE: &str = include_str!("../../bitsup/bundled.tsv");
/// Time to move to the next version of a library, in days.
const NOTICE: i64 = 90;
const SECONDS_A_DAY: i64 = 24 * 60 * 60;

/// Options of `cargo xtask supply-chain`.
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
    /// The last day on which weaknesses are mended, in days since 1970; without one the newest version is supported.
    end: Option<(i64, &'a str)>,
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
    let locked = locked(workspace)?;
    let mut failed = 0;
    for component in components(TABLE)? {
        let version = locked_version(&locked, component.brought_by)?;
        let mut findings = component.findings(&version, today()?);
        if !options.offline {
            findings.extend(newer(component.brought_by, &version));
        }
        if findings.is_empty() && !options.quiet {
            let until = component.end.map_or("for its newest version", |(_, date)| date);
            println!("{} ({} {version}): supported {until}", component.name, component.brought_by);
        }
        for finding in findings {
            match finding {
                Finding::Warning(text) => eprintln!("warning: {text}"),
                Finding::Error(text) => {
                    failed += 1;
                    eprintln!("error: {text}");
                }
            }
        }
    }
    if failed == 0 { Ok(()) } else { Err("SECURITY.md says what to do".into()) }
}

/// Refuses a release with a library that is not maintained any more.
pub(crate) fn require_supported(workspace: &Workspace) -> Result {
    let locked = locked(workspace)?;
    for component in components(TABLE)? {
        let version = locked_version(&locked, component.brought_by)?;
        for finding in component.findings(&version, today()?) {
            match finding {
                Finding::Warning(text) => eprintln!("warning: {text}"),
                Finding::Error(text) => return Err(text.into()),
            }
        }
    }
    Ok(())
}

impl Component<'_> {
    /// What is wrong with it on that day, with this version of the crate in the lock file.
    fn findings(&self, version: &str, today: i64) -> Vec<Finding> {
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
        let Some((end, date)) = end else { return findings };
        let left = end - today;
        if left < 0 {
            findings.push(Finding::Error(format!(
                "{name} {least} is out of support since {date} ({source})"
            )));
        } else if left < NOTICE {
            findings.push(Finding::Warning(format!(
                "support of {name} {least} ends on {date} ({source})"
            )));
        }
        findings
    }
}

/// The rows of the table.
fn components(table: &str) -> Result<Vec<Component<'_>>> {
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let [name, brought_by, least, end, source] = row.split('\t').collect::<Vec<_>>()[..] else {
            return Err(format!("not five columns: {row}").into());
        };
        let end = match end {
            "-" => None,
            date => Some((day(date).ok_or_else(|| format!("not a date: {date}"))?, date)),
        };
        Ok(Component { name, brought_by, least, end, source })
    })
    .collect()
}

/// Name and version of all crates in the lock file.
fn locked(workspace: &Workspace) -> Result<Vec<(String, String)>> {
    let text = fs::read_to_string(workspace.path("Cargo.lock"))?;
    let value = |line: Option<&str>| line?.split('"').nth(1).map(str::to_owned);
    let packages = text.split("[[package]]\n").filter_map(|package| {
        let mut lines = package.lines();
        Some((value(lines.next())?, value(lines.next())?))
    });
    Ok(packages.collect())
}

/// The version of a crate; of several the oldest, without what stands in for openssl-src and brings no library.
fn locked_version(locked: &[(String, String)], name: &str) -> Result<String> {
    let versions = locked.iter().filter(|(locked, _)| locked == name).map(|(_, version)| version);
    let oldest = versions.min_by_key(|version| (!version.contains('+'), numbers(version)));
    Ok(oldest.ok_or_else(|| format!("{name} is not in Cargo.lock"))?.clone())
}

/// Whether the registry has a newer version.
fn newer(name: &str, version: &str) -> Option<Finding> {
    // Not in a workspace, where cargo tells of the version that the workspace has.
    let output = std::process::Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["info", "--quiet", "--color", "never", name])
        .current_dir(std::env::temp_dir())
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let newest = text
        .as_deref()
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("version: ")?.split_whitespace().next());
    let Some(newest) = newest else {
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

/// Days since 1970 of `YYYY-MM-DD`.
fn day(date: &str) -> Option<i64> {
    let numbers: Vec<i64> = date.split('-').map_while(|part| part.parse().ok()).collect();
    let [year, month @ 1..=12, day @ 1..=31] = numbers[..] else { return None };
    // Years begin in March, so that a leap day is the last of its year.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year / 4 - year / 100 + year / 400;
    Some(year * 365 + leap_days + (month * 153 + 2) / 5 + day - 719_469)
}

fn days(time: SystemTime) -> Option<i64> {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    Some(i64::try_from(seconds).ok()? / SECONDS_A_DAY)
}

fn today() -> Result<i64> {
    days(SystemTime::now()).ok_or_else(|| "the clock is before 1970".into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn of(table: &str, version: &str, date: &str) -> Vec<Finding> {
        let components = components(table).expect("a table");
        components[0].findings(version, day(date).expect("a date"))
    }

    #[test]
    fn dates_are_days() {
        assert_eq!(day("1970-01-02"), Some(1));
        assert_eq!(day("2027-05-14"), Some(20_952));
        assert_eq!((day("2027-13-14"), day("soon"), day("2027-05-32")), (None, None, None));
    }

    #[test]
    fn an_old_version_and_a_past_date_are_errors_and_a_near_one_is_a_warning() {
        const UNDATED: &str = "libcurl\tcurl-sys\t8.22.0\t-\tits page";
        const TABLE: &str = "OpenSSL\topenssl-src\t4.0.3\t2027-05-14\tits policy";
        assert_eq!(of(TABLE, "400.0.2+4.0.3", "2026-11-29"), []);
        assert_eq!(of(TABLE, "400.0.2+4.0.10", "2027-02-13"), []);
        let [Finding::Error(old)] = &of(TABLE, "300.6.1+3.6.3", "2026-11-29")[..] else {
            panic!("3.6.3 passes")
        };
        assert_eq!(old, "OpenSSL 3.6.3 (openssl-src in Cargo.lock) is older than 4.0.3");
        for near in ["2027-02-14", "2027-05-14"] {
            assert!(
                matches!(of(TABLE, "400.0.2+4.0.3", near)[..], [Finding::Warning(_)]),
                "{near}"
            );
        }
        assert!(matches!(of(TABLE, "400.0.2+4.0.3", "2027-05-15")[..], [Finding::Error(_)]));
        // Without a date the version counts alone.
        assert_eq!(of(UNDATED, "0.4.91+curl-8.22.0", "2040-01-01"), []);
        assert!(matches!(of(UNDATED, "0.4.90+curl-8.21.0", "2026-01-01")[..], [Finding::Error(_)]));
    }

    #[test]
    fn the_oldest_library_in_the_lock_file_counts() {
        let locked = |versions: &[&str]| {
            let rows: Vec<_> =
                versions.iter().map(|version| ("x".to_owned(), (*version).to_owned())).collect();
            locked_version(&rows, "x").expect("locked")
        };
        assert_eq!(locked(&["300.99.0", "400.0.2+4.0.3"]), "400.0.2+4.0.3");
        assert_eq!(locked(&["300.6.1+3.6.3", "300.99.0", "400.0.2+4.0.3"]), "300.6.1+3.6.3");
        assert_eq!(locked(&["1.1.33"]), "1.1.33");
    }

    /// The date is that of the last commit: an old checkout stays as green as it was.
    #[test]
    fn the_bundled_libraries_were_supported_when_this_was_committed() {
        let workspace = Workspace::find().expect("cargo metadata works in a checkout");
        let locked = locked(&workspace).expect("a lock file");
        let committed = if workspace.path(".git").exists() {
            let mut git = workspace.command("git");
            let output = git.args(["log", "-1", "--format=%ct", "HEAD"]).output().expect("git");
            let seconds = String::from_utf8_lossy(&output.stdout).trim().parse::<i64>();
            seconds.expect("git tells when HEAD was committed") / SECONDS_A_DAY
        } else {
            // A source archive, which knows no date: only versions are compared.
            0
        };
        for component in components(TABLE).expect("a table") {
            let version = locked_version(&locked, component.brought_by).expect("locked");
            for finding in component.findings(&version, committed) {
                match finding {
                    Finding::Error(text) => panic!("{text}"),
                    // Past the test harness, which keeps what a test that passes prints.
                    Finding::Warning(text) => {
                        writeln!(std::io::stderr(), "warning: {text}").expect("stderr");
                    }
                }
            }
        }
    }
}

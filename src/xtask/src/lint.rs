//! `cargo xtask lint`: formatting, clippy, and the rules that no compiler knows.

use std::time::Instant;

use fs_err as fs;

use crate::Result;
use crate::requirements::{self, LIBCURL_HEADERS, Name};
use crate::runner;
use crate::supply_chain::numbers;
use crate::words;
use crate::workspace::{Package, Workspace};

const NEEDS: &[Name] = &["rustfmt", "clippy", LIBCURL_HEADERS];

/// What is checked, in words, and how.
type Check = (&'static str, fn(&Workspace) -> Result);

/// Runs every check, also after one failed.
pub(crate) fn run(workspace: &Workspace) -> Result {
    requirements::require(workspace, NEEDS)?;

    let checks: [Check; 6] = [
        ("no attribute allows a warning without a reason", attributes),
        ("no member turns the bundled libcurl on", features),
        ("no dependency needs a newer Rust than Cargo.toml says", rust_version),
        ("names and words are those of the field (words.txt)", words::check),
        ("cargo fmt", formatting),
        ("cargo clippy", clippy),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        let start = Instant::now();
        let result = match check(workspace) {
            Ok(()) => "passed".to_owned(),
            Err(error) => {
                failed.push(name);
                format!("FAILED: {error}")
            }
        };
        println!("{:>7.1} s  {name}: {result}", start.elapsed().as_secs_f64());
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join("; ")).into()) }
}

pub(crate) fn formatting(workspace: &Workspace) -> Result {
    runner::run(&mut workspace.cargo("fmt --all --check"))
}

fn clippy(workspace: &Workspace) -> Result {
    let options = "--workspace --all-targets --no-default-features -- -D warnings";
    runner::run(&mut workspace.cargo(&format!("clippy {options}")))
}

/// Clippy has this rule too, but sees only what is compiled on this system.
pub(crate) fn attributes(workspace: &Workspace) -> Result {
    let mut found = Vec::new();
    for name in workspace.files(&[".rs"])? {
        let source = fs::read_to_string(workspace.path(&name))?;
        found.extend(bare_allows(&source).iter().map(|line| format!("{name}:{line}")));
    }
    if found.is_empty() {
        Ok(())
    } else {
        Err(format!("write #[expect(…, reason = \"…\")] at {}", found.join(", ")).into())
    }
}

/// The numbers of the lines where an `allow` attribute without a reason starts.
fn bare_allows(source: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    for opening in ["#[allow(", "#![allow("] {
        for (position, _) in source.match_indices(opening) {
            let (before, rest) = source.split_at(position);
            let line_start = before.rsplit('\n').next().unwrap_or_default();
            let attribute = rest.split(")]").next().unwrap_or_default();
            // In a comment or in a text it allows nothing.
            if line_start.trim().is_empty() && !attribute.contains("reason") {
                lines.push(before.matches('\n').count() + 1);
            }
        }
    }
    lines
}

/// A path dependency beside the workspace's entry would turn default features on, and with them a libcurl of our
/// own where the system's was asked for.
fn features(workspace: &Workspace) -> Result {
    let options = "--workspace --no-default-features --locked --prefix none";
    let mut tree = workspace.cargo(&format!("tree {options}"));
    let tree = runner::read(tree.args(["--format", "{p} [{f}]"]))?;
    match bundled(&tree) {
        None => Ok(()),
        Some(name) => Err(format!(
            "{name} is bundled: write `NAME.workspace = true` without features in a manifest that `cargo tree --workspace \
             --no-default-features --edges features --invert {name}` shows"
        )
        .into()),
    }
}

/// The first crate that has the feature, in what `cargo tree` prints.
fn bundled(tree: &str) -> Option<&str> {
    let has_feature = |line: &&str| {
        let features = line.rsplit_once('[').map_or("", |(_, features)| features);
        features.split([',', ']']).any(|feature| feature == "bundled")
    };
    tree.lines().find(has_feature)?.split(' ').next()
}

/// No compiler that old is at hand. Of our own code clippy tells what the standard library lacked in that version; of
/// other crates it is what they say of themselves, on any system and with any feature.
fn rust_version(workspace: &Workspace) -> Result {
    let found = newer_than_workspace(&workspace.packages()?);
    if found.is_empty() {
        Ok(())
    } else {
        Err(format!("take another version, or raise rust-version: {}", found.join(", ")).into())
    }
}

fn newer_than_workspace(packages: &[Package]) -> Vec<String> {
    let needs = |package: &&Package| {
        let mut version = numbers(&package.rust_version);
        version.resize(3, 0);
        version
    };
    let (others, own): (Vec<_>, Vec<_>) =
        packages.iter().partition(|package| package.checksum.is_some());
    let least = own.iter().map(needs).min().unwrap_or_default();
    let newer = others.into_iter().filter(|package| needs(package) > least);
    newer
        .map(|Package { name, version, rust_version, .. }| {
            format!("{name} {version} needs {rust_version}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_that_needs_a_newer_rust_is_found() {
        let package = |(name, needs, checksum): (&str, &str, Option<&str>)| Package {
            name: name.to_owned(),
            version: "1.2.3".to_owned(),
            rust_version: needs.to_owned(),
            checksum: checksum.map(str::to_owned),
            ..Package::default()
        };
        let packages = [
            ("ours", "1.93", None),
            ("older", "1.9.1", Some("0")),
            ("same", "1.93.0", Some("0")),
            ("silent", "", Some("0")),
            ("newer", "1.93.1", Some("0")),
            ("newest", "2.0", Some("0")),
        ];
        let found = newer_than_workspace(&packages.map(package));
        assert_eq!(found, ["newer 1.2.3 needs 1.93.1", "newest 1.2.3 needs 2.0"]);
    }

    #[test]
    fn allows_without_a_reason_are_found_with_their_lines() {
        let source = "fn a() {}\n#[allow(dead_code)]\nfn b() {}\n\
            #[allow(dead_code, reason = \"why\")]\nfn c() {}\n\
            /// Not `#[allow(x)]`.\n    #![allow(\n        unused,\n    )]\n\
            #[expect(dead_code, reason = \"why\")]\n";
        assert_eq!(bare_allows(source), [2, 7]);
    }

    #[test]
    fn a_crate_with_the_bundled_libcurl_is_found() {
        let tree = "xtask v0.1.0 (/x/bundled) []\nbitsup v0.1.0 (/x) [ntlm,openssl]\n";
        assert_eq!(bundled(tree), None);
        let tree = format!("{tree}bitsup v0.1.0 (/x) [bundled,ntlm] (*)\n");
        assert_eq!(bundled(&tree), Some("bitsup"));
    }
}

//! `cargo xtask lint`: formatting, clippy, and the rules that no compiler knows.

use std::fs;
use std::path::Path;
use std::time::Instant;

use clap::Args;
use serde_json::Value;

use crate::Result;
use crate::requirements::{self, LIBCURL_HEADERS, Name};
use crate::supply_chain::numbers;
use crate::words;
use crate::workspace::{Member, Workspace};

const NEEDS: &[Name] = &["rustfmt", "clippy", LIBCURL_HEADERS];

/// What is checked, in words, and how.
type Check = (&'static str, fn(&Workspace) -> Result);

/// Options of `cargo xtask lint`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Install what is missing without asking (as with CI set, and as root in a container)
    #[arg(long)]
    install: bool,
}

/// Runs every check, also after one failed.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    requirements::require(workspace, NEEDS, options.install)?;

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
    cargo(workspace, &["fmt", "--all", "--check"])
}

fn clippy(workspace: &Workspace) -> Result {
    cargo(
        workspace,
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--no-default-features",
            "--",
            "-D",
            "warnings",
        ],
    )
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Result {
    if workspace.cargo().args(arguments).status()?.success() {
        Ok(())
    } else {
        Err("see above".into())
    }
}

/// Clippy has this rule too, but sees only what is compiled on this system.
pub(crate) fn attributes(workspace: &Workspace) -> Result {
    let mut found = Vec::new();
    for folder in ["src", "bindings", "examples"] {
        find_bare_allows(&workspace.path(folder), &mut found)?;
    }
    if found.is_empty() {
        Ok(())
    } else {
        Err(format!("write #[expect(…, reason = \"…\")] at {}", found.join(", ")).into())
    }
}

fn find_bare_allows(folder: &Path, found: &mut Vec<String>) -> Result {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            // Those are other people's sources.
            if name != "target" && name != "node_modules" && !name.starts_with('.') {
                find_bare_allows(&path, found)?;
            }
        } else if name.ends_with(".rs") {
            let lines = bare_allows(&fs::read_to_string(&path)?);
            found.extend(lines.iter().map(|line| format!("{}:{line}", path.display())));
        }
    }
    Ok(())
}

/// The numbers of the lines where an `allow` attribute without a reason starts.
fn bare_allows(source: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    for opening in ["#[allow(", "#![allow("] {
        for (position, _) in source.match_indices(opening) {
            let before = source.get(..position).unwrap_or_default();
            let line_start = before.rsplit('\n').next().unwrap_or_default();
            let attribute = source.get(position..).unwrap_or_default();
            let attribute = attribute.split(")]").next().unwrap_or_default();
            // In a comment or in a text it allows nothing.
            if line_start.trim().is_empty() && !attribute.contains("reason") {
                lines.push(before.matches('\n').count() + 1);
            }
        }
    }
    lines.sort_unstable();
    lines
}

/// A path dependency beside the workspace's entry would turn default features on, and with them a libcurl of our
/// own where the system's was asked for.
fn features(workspace: &Workspace) -> Result {
    let found = forced_bundled(&workspace.members);
    if found.is_empty() {
        Ok(())
    } else {
        Err(format!("write `NAME.workspace = true` without features: {}", found.join(", ")).into())
    }
}

fn forced_bundled(members: &[Member]) -> Vec<String> {
    let mut found = Vec::new();
    for member in members {
        for dependency in &member.dependencies {
            let passes_choice_on = members
                .iter()
                .any(|other| other.name == dependency.name && other.has_bundled_feature);
            let forced = dependency.default_features
                || dependency
                    .features
                    .iter()
                    .any(|feature| feature == "bundled" || feature == "default");
            if passes_choice_on && forced {
                found.push(format!("{} in {}", dependency.name, member.name));
            }
        }
    }
    found
}

/// No compiler that old is at hand. Of our own code clippy tells what the standard library lacked in that version; of
/// other crates it is what they say of themselves, on any system and with any feature.
fn rust_version(workspace: &Workspace) -> Result {
    let output = workspace.cargo().args(["metadata", "--locked", "--format-version=1"]).output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let found = newer_than_workspace(&metadata);
    if found.is_empty() {
        Ok(())
    } else {
        Err(format!("take another version, or raise rust-version: {}", found.join(", ")).into())
    }
}

fn newer_than_workspace(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    let needs = |package: &Value| {
        let mut version = numbers(package["rust_version"].as_str().unwrap_or_default());
        version.resize(3, 0);
        version
    };
    let (others, own): (Vec<_>, Vec<_>) =
        packages.iter().partition(|package| package["source"].is_string());
    let least = own.into_iter().map(needs).min().unwrap_or_default();
    let newer = others.into_iter().filter(|package| needs(package) > least);
    newer
        .map(|package| {
            let text = |key: &str| package[key].as_str().unwrap_or_default();
            format!("{} {} needs {}", text("name"), text("version"), text("rust_version"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    #[test]
    fn a_dependency_that_needs_a_newer_rust_is_found() {
        let package = |name: &str, needs: Value, source: Value| {
            let version = "1.2.3";
            serde_json::json!({"name": name, "version": version, "rust_version": needs, "source": source})
        };
        let registry = || Value::from("registry");
        let metadata = serde_json::json!({"packages": [
            package("ours", "1.93".into(), Value::Null),
            package("older", "1.9.1".into(), registry()),
            package("same", "1.93.0".into(), registry()),
            package("silent", Value::Null, registry()),
            package("newer", "1.93.1".into(), registry()),
            package("newest", "2.0".into(), registry()),
        ]});
        let found = newer_than_workspace(&metadata);
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
    fn sources_are_searched_in_folders() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inner = folder.path().join("crate/src");
        fs::create_dir_all(&inner).expect("created");
        fs::create_dir_all(folder.path().join("crate/target")).expect("created");
        fs::write(inner.join("lib.rs"), "#[allow(unused)]\n").expect("written");
        fs::write(folder.path().join("crate/target/x.rs"), "#[allow(unused)]\n").expect("written");
        let mut found = Vec::new();
        find_bare_allows(folder.path(), &mut found).expect("readable");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with("lib.rs:1"));
    }

    fn member(name: &str, dependencies: Vec<Dependency>) -> Member {
        let folder = format!("src/{name}/");
        Member {
            name: name.to_owned(),
            folder,
            has_bundled_feature: name != "server",
            dependencies,
        }
    }

    fn dependency(name: &str, default_features: bool, features: &[&str]) -> Dependency {
        Dependency {
            name: name.to_owned(),
            default_features,
            features: features.iter().map(|&feature| feature.to_owned()).collect(),
        }
    }

    #[test]
    fn a_dependency_that_forces_the_bundled_libcurl_is_found() {
        let members = [
            member("client", vec![dependency("server", true, &[])]),
            member("server", vec![]),
            member("good", vec![dependency("client", false, &[])]),
            member("path", vec![dependency("client", true, &[])]),
            member("asks", vec![dependency("client", false, &["bundled"])]),
            member("other", vec![dependency("serde", true, &[])]),
        ];
        assert_eq!(forced_bundled(&members), ["client in path", "client in asks"]);
    }
}

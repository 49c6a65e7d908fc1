//! Where the workspace lies and what its members are, as `cargo metadata` tells it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Result;

/// The workspace that these commands work on.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// Folder of the top `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    /// Every member, in cargo's order.
    pub(crate) members: Vec<Member>,
}

/// One crate of the workspace.
#[derive(Debug)]
pub(crate) struct Member {
    /// Package name.
    pub(crate) name: String,
    /// Its folder below the root, with a slash at the end.
    pub(crate) folder: String,
    /// Whether it passes the choice between the bundled and the system's libcurl on.
    pub(crate) has_bundled_feature: bool,
    /// What it depends on, dev and build dependencies included.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One dependency as a member declares it.
#[derive(Debug)]
pub(crate) struct Dependency {
    /// Package name.
    pub(crate) name: String,
    /// Whether the default features are on.
    pub(crate) default_features: bool,
    /// The features that are asked for by name.
    pub(crate) features: Vec<String>,
}

impl Workspace {
    /// Asks cargo about the workspace that this program belongs to.
    pub(crate) fn find() -> Result<Self> {
        let manifest_dir = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let output = cargo_command()
            .args(["metadata", "--format-version=1", "--no-deps"])
            .current_dir(&manifest_dir)
            .output()?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cargo metadata failed: {}", message.trim()).into());
        }
        Self::from_metadata(&serde_json::from_slice(&output.stdout)?)
    }

    /// A `cargo` command that runs in the workspace's root.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo_command();
        command.current_dir(&self.root);
        command
    }

    /// A command that runs in the workspace's root.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// A variable for a build that others get: rustc writes no folder of this machine into it.
    pub(crate) fn without_folders(&self) -> (&'static str, String) {
        let given = env::var("RUSTFLAGS").unwrap_or_default();
        let mut flags: Vec<_> = given.split_whitespace().map(str::to_owned).collect();
        for (folder, name) in [(Some(self.root.clone()), "."), (cargo_home(), "cargo")] {
            flags.extend(
                folder.map(|folder| format!("--remap-path-prefix={}={name}", folder.display())),
            );
        }
        // This one's separator allows blanks in names.
        ("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
    }

    /// Refuses a file for others that names a folder of this machine, which on theirs may be another user's.
    pub(crate) fn require_no_folders(&self, file: &Path) -> Result {
        let content = std::fs::read(file)?;
        let folders = [Some(self.root.clone()), Some(self.target.clone()), cargo_home()];
        match named_folder(&content, folders.into_iter().chain([env::home_dir()]).flatten()) {
            Some(text) => Err(format!("{} names a folder: {text}", file.display()).into()),
            None => Ok(()),
        }
    }

    /// A path below the root, written with slashes.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    fn from_metadata(metadata: &Value) -> Result<Self> {
        let root = PathBuf::from(text(metadata, "workspace_root")?);
        let member = |package| Member::from_metadata(&root, package);
        let members = array(metadata, "packages").map(member).collect::<Result<_>>()?;
        Ok(Self { root, target: PathBuf::from(text(metadata, "target_directory")?), members })
    }
}

impl Member {
    fn from_metadata(root: &Path, package: &Value) -> Result<Self> {
        let manifest = Path::new(text(package, "manifest_path")?);
        let folder = manifest.parent().unwrap_or(root).strip_prefix(root)?;
        let folder = format!("{}/", folder.display());
        let dependencies =
            array(package, "dependencies").map(Dependency::from_metadata).collect::<Result<_>>()?;
        Ok(Self {
            name: text(package, "name")?.to_owned(),
            folder,
            has_bundled_feature: package["features"].get("bundled").is_some(),
            dependencies,
        })
    }
}

impl Dependency {
    fn from_metadata(dependency: &Value) -> Result<Self> {
        Ok(Self {
            name: text(dependency, "name")?.to_owned(),
            default_features: dependency["uses_default_features"] != Value::Bool(false),
            features: array(dependency, "features")
                .filter_map(|feature| feature.as_str().map(str::to_owned))
                .collect(),
        })
    }
}

fn cargo_home() -> Option<PathBuf> {
    let given = env::var_os("CARGO_HOME").map(PathBuf::from);
    given.or_else(|| env::home_dir().map(|home| home.join(".cargo")))
}

/// The text in which one of the folders stands first.
fn named_folder(content: &[u8], folders: impl Iterator<Item = PathBuf>) -> Option<String> {
    let content = String::from_utf8_lossy(content);
    // "/" is the home folder of some, and in every program.
    let folders = folders.filter(|folder| folder.parent().is_some());
    let names = folders.map(|folder| format!("{}/", folder.display()));
    let position = names.filter_map(|name| content.find(&name)).min()?;
    let (before, rest) = content.split_at(position);
    let is_text = |character: &char| !character.is_control() && *character != '\u{fffd}';
    let mut start: Vec<_> = before.chars().rev().take_while(is_text).take(80).collect();
    start.reverse();
    Some(start.into_iter().chain(rest.chars().take_while(is_text).take(160)).collect())
}

fn cargo_command() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key].as_str().ok_or_else(|| format!("cargo metadata has no text {key}").into())
}

fn array<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_is_found() {
        let workspace = Workspace::find().expect("cargo metadata works in a checkout");
        assert!(workspace.path("src/xtask/Cargo.toml").is_file());
        let bitsup = workspace
            .members
            .iter()
            .find(|member| member.name == "bitsup")
            .expect("the client is a member");
        assert!(bitsup.has_bundled_feature);
        let curl = bitsup
            .dependencies
            .iter()
            .find(|dependency| dependency.name == "curl")
            .expect("the client uses curl");
        assert!(!curl.default_features);
        assert!(curl.features.iter().any(|feature| feature == "ssl"));
    }

    #[test]
    fn a_folder_of_the_builder_is_found_with_what_stands_around_it() {
        let folders = || ["/work/bitsup", "/home/me/.cargo", "/"].map(PathBuf::from).into_iter();
        let found = |content: &[u8]| named_folder(content, folders());
        let compiler = b"\x7fELF\0\xffcompiler: /home/me/.cargo/bin/cc -O2\0/work/bitsup/x\0";
        assert_eq!(found(compiler).as_deref(), Some("compiler: /home/me/.cargo/bin/cc -O2"));
        assert_eq!(
            found(b"a\n/work/bitsup/src/lib.rs\n").as_deref(),
            Some("/work/bitsup/src/lib.rs")
        );
        assert_eq!(found(b"/work/bitsup-other/x cargo/registry /usr/lib"), None);
    }

    #[test]
    fn metadata_without_a_root_is_an_error() {
        let error = Workspace::from_metadata(&serde_json::json!({"packages": []}))
            .expect_err("there is no root");
        assert_eq!(error.to_string(), "cargo metadata has no text workspace_root");
    }
}

//! Where the workspace lies and what its members are, as `cargo metadata` tells it.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use fs_err as fs;
use serde_json::Value;

use crate::Result;
use crate::runner::read;

/// The workspace that these commands work on.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    /// Folder of the top `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    /// Every member, in cargo's order.
    pub(crate) members: Vec<Member>,
    /// Whether what is missing is installed without a prompt.
    pub(crate) installs: bool,
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
}

/// A crate of the lock file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// An expression; empty where the crate names none.
    pub(crate) licence: String,
    /// The least version of Rust, if it names one.
    pub(crate) rust_version: String,
    /// SHA-256 of the archive in the registry; our own have none.
    pub(crate) checksum: Option<String>,
    /// Where its sources are.
    pub(crate) folder: PathBuf,
}

impl Workspace {
    /// Asks cargo about the workspace that this program belongs to.
    pub(crate) fn find() -> Result<Self> {
        let own = env::var_os("CARGO_MANIFEST_DIR");
        let root = own.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let found = Self { root, ..Self::default() };
        let metadata = read(&mut found.cargo("metadata --format-version=1 --no-deps"))?;
        let metadata: Value = serde_json::from_str(&metadata)?;
        let root = PathBuf::from(text(&metadata["workspace_root"]));
        let member = |package: &Value| -> Result<Member> {
            let manifest = PathBuf::from(text(&package["manifest_path"]));
            let folder = manifest.parent().unwrap_or(&root).strip_prefix(&root)?;
            Ok(Member {
                name: text(&package["name"]),
                folder: format!("{}/", folder.display()),
                has_bundled_feature: package["features"].get("bundled").is_some(),
            })
        };
        let members = array(&metadata["packages"]).map(member).collect::<Result<_>>()?;
        let target = text(&metadata["target_directory"]).into();
        Ok(Self { root, target, members, installs: false })
    }

    /// One with nothing in it.
    #[cfg(test)]
    pub(crate) fn empty(root: &Path) -> Self {
        Self { root: root.to_owned(), target: root.join("target"), ..Self::default() }
    }

    /// All crates of the lock file that members need with their default features.
    pub(crate) fn packages(&self) -> Result<Vec<Package>> {
        let metadata = read(&mut self.cargo("metadata --locked --format-version=1"))?;
        let metadata: Value = serde_json::from_str(&metadata)?;
        let lock = fs::read_to_string(self.path("Cargo.lock"))?;
        let package = |package: &Value| {
            let [name, version] = ["name", "version"].map(|key| text(&package[key]));
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            let locked = lock.split("[[package]]\n").find(|package| package.starts_with(&entry));
            let mut lines = locked.unwrap_or_default().lines();
            let checksum = lines.find_map(|line| line.strip_prefix("checksum = "));
            Package {
                name,
                version,
                // A slash was once an "or".
                licence: text(&package["license"]).replace('/', " OR ").replace("  ", " "),
                rust_version: text(&package["rust_version"]),
                checksum: checksum.map(|sum| sum.trim_matches('"').to_owned()),
                folder: Path::new(&text(&package["manifest_path"])).with_file_name(""),
            }
        };
        Ok(array(&metadata["packages"]).map(package).collect())
    }

    /// The files with such endings that git has or would take, by their names below the root.
    pub(crate) fn files(&self, endings: &[&str]) -> Result<Vec<String>> {
        let mut git = self.command("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listed = read(&mut git)?;
        let wanted =
            listed.split('\0').filter(|name| endings.iter().any(|end| name.ends_with(end)));
        // One that was deleted is listed until that is committed.
        let there = wanted.filter(|name| self.path(name).is_file());
        Ok(there.map(str::to_owned).collect())
    }

    /// A `cargo` command that runs in the workspace's root, with these words.
    pub(crate) fn cargo(&self, words: &str) -> Command {
        let mut command = self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(words.split_whitespace());
        command
    }

    /// A command that runs in the workspace's root.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
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
        let content = fs::read(file)?;
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
}

/// Makes the folder, or removes what is in it.
pub(crate) fn empty_folder(path: &Path) -> io::Result<()> {
    if path.exists() {
        fs::remove_dir_all(path)?;
    }
    fs::create_dir_all(path)
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

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_is_found() {
        let workspace = Workspace::find().expect("cargo metadata works in a checkout");
        assert!(workspace.path("src/xtask/Cargo.toml").is_file());
        let bitsup = workspace.members.iter().find(|member| member.name == "bitsup");
        let bitsup = bitsup.expect("the client is a member");
        assert!(bitsup.has_bundled_feature && bitsup.folder == "src/bitsup/");
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
}

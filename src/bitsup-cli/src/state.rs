//! The folder in which sessions are kept.

use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use clap::Args;

/// Where sessions are kept.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct StateArgs {
    #[arg(
        long,
        value_name = "DIR",
        help = "Store resume state in DIR [env: BITSUP_STATE_DIR] [default: ~/.local/state/bitsup]",
        hide_short_help = true
    )]
    state_dir: Option<PathBuf>,
}

/// The environment variable that names the folder.
const VARIABLE: &str = "BITSUP_STATE_DIR";

impl StateArgs {
    /// The folder: as given, systemd's, or the user's own. `None` where there is no home.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        let systemd = || {
            let folders = variable("STATE_DIRECTORY")?;
            std::env::split_paths(&folders).next()
        };
        let user = || {
            let own = |folder: PathBuf| folder.is_absolute().then(|| folder.join("bitsup"));
            variable("XDG_STATE_HOME")
                .and_then(|folder| own(folder.into()))
                .or_else(|| own(PathBuf::from(variable("HOME")?).join(".local/state")))
        };
        self.given().or_else(systemd).or_else(user)
    }

    /// Whether the command line names it: then nothing is uploaded that could not be continued.
    pub(crate) fn is_named(&self) -> bool {
        self.state_dir.is_some()
    }

    /// The option as a command line needs it to find the same folder.
    pub(crate) fn given(&self) -> Option<PathBuf> {
        self.state_dir.clone().or_else(|| variable(VARIABLE).map(PathBuf::from))
    }
}

/// Whether the journal's hashes are not to wait: for `cargo xtask bench`.
pub(crate) fn hashes_from_first_byte() -> bool {
    variable("BITSUP_HASH_FROM_FIRST_BYTE").is_some()
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// A folder to spool standard input in: the state directory, or the system's if it cannot be used.
pub(crate) fn spool(folder: Option<PathBuf>) -> Option<PathBuf> {
    let folder = folder?;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.ok().map(|()| folder)
}

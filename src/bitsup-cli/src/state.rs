//! The folder in which sessions are kept.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use clap::Args;

/// Where sessions are kept.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct StateArgs {
    /// Keep what is needed to continue in DIR [default: ~/.local/state/bitsup]
    #[arg(long, value_name = "DIR", env = "BITSUP_STATE_DIR", hide_short_help = true)]
    state_dir: Option<PathBuf>,
}

impl StateArgs {
    /// The folder: as given, systemd's, or the user's own. `None` where there is no home.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
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
        self.state_dir.clone().or_else(systemd).or_else(user)
    }

    /// The option as a command line needs it to find the same folder.
    pub(crate) fn given(&self) -> Option<&Path> {
        self.state_dir.as_deref()
    }
}

/// A folder to spool standard input in: the state directory, or the system's if it cannot be used.
pub(crate) fn spool(folder: Option<PathBuf>) -> Option<PathBuf> {
    let folder = folder?;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.ok().map(|()| folder)
}

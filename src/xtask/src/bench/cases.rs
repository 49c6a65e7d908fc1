//! The table of benchmarks. To add one: an entry in [`CASES`].

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// All benchmarks.
pub(super) static CASES: &[Case] = &[
    Case {
        name: "one-gib",
        purpose: "1 GiB over loopback: the cost of each byte",
        bytes: 1 << 30,
        pair: Pair::CurlAndTool,
    },
    Case {
        name: "one-mib",
        purpose: "1 MiB over loopback: the cost of starting, opening and closing",
        bytes: 1 << 20,
        pair: Pair::CurlAndTool,
    },
    Case {
        name: "python",
        purpose: "1 GiB over loopback from Python: what it costs beside the tool, interpreter and import included",
        bytes: 1 << 30,
        pair: Pair::ToolAndPython,
    },
];

/// One benchmark: the same bytes sent by two programs.
#[derive(Debug)]
pub(super) struct Case {
    /// Name on the command line.
    pub(super) name: &'static str,
    /// What it shows.
    pub(super) purpose: &'static str,
    /// Size of the file.
    pub(super) bytes: u64,
    /// Who sends it.
    pub(super) pair: Pair,
}

/// What is compared; the first of the two is what the other is a ratio of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    /// curl's PUT and the tool.
    CurlAndTool,
    /// The tool and the Python package.
    ToolAndPython,
}

pub(super) fn curl_upload(file: &Path, url: &str) -> Command {
    let mut command = Command::new("curl");
    // -q: no settings of the user's.
    command.args(["-q", "-sS", "--fail", "-T"]).arg(file).arg(url);
    command
}

pub(super) fn bitsup_upload(binary: &Path, file: &Path, url: &str) -> Command {
    let mut command = Command::new(binary);
    command.args(["upload", "--no-resume", "-q"]).arg(file).arg(url);
    command
}

/// Uploads with the package in that folder.
pub(super) fn python_upload(package: &Path, file: &Path, url: &str) -> Command {
    let mut command = Command::new("python3");
    let script = "import sys, bitsup; bitsup.upload(sys.argv[1], sys.argv[2])";
    command.args(["-c", script]).arg(file).arg(url).env("PYTHONPATH", package);
    command
}

/// A file in memory, so that no disk is measured. It is removed when dropped.
#[derive(Debug)]
pub(super) struct Payload {
    path: PathBuf,
}

impl Payload {
    /// Writes the file. A left-over of an interrupted run is overwritten.
    pub(super) fn create(name: &str, bytes: u64) -> Result<Self> {
        let path = Path::new("/dev/shm").join(format!("bitsup-bench-{name}"));
        let payload = Self { path };
        payload.fill(bytes).map_err(|error| format!("{}: {error}", payload.path.display()))?;
        Ok(payload)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn fill(&self, bytes: u64) -> io::Result<()> {
        let block: Vec<u8> = (0..1u32 << 20).map(|index| (index % 251) as u8).collect();
        let mut file = File::create(&self.path)?;
        let mut left = bytes;
        while left > 0 {
            let length = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            file.write_all(block.get(..length).unwrap_or(&block))?;
            left -= length as u64;
        }
        Ok(())
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            eprintln!("{}: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_its_size_and_goes_away() {
        let payload = Payload::create(&format!("test-{}", std::process::id()), (1 << 20) + 17)
            .expect("there is room in memory");
        let path = payload.path().to_owned();
        assert_eq!(path.metadata().expect("it is there").len(), (1 << 20) + 17);
        drop(payload);
        assert!(!path.exists());
    }

    #[test]
    fn the_commands_name_file_and_url_last() {
        let file = Path::new("/dev/shm/file");
        for command in [
            curl_upload(file, "http://host/"),
            bitsup_upload(Path::new("bitsup"), file, "http://host/"),
            python_upload(Path::new("folder"), file, "http://host/"),
        ] {
            let arguments: Vec<_> = command.get_args().collect();
            assert_eq!(arguments[arguments.len() - 2..], ["/dev/shm/file", "http://host/"]);
        }
    }
}

//! The server of a scenario: the tool's `serve`, with a fault script.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Result;

/// A server that runs until it is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it is, without a slash at the end.
    pub(crate) url: String,
    /// Where uploads arrive.
    pub(crate) root: PathBuf,
    log: PathBuf,
}

impl Server {
    /// Starts one in an empty folder.
    pub(crate) fn start(
        tool: &Path,
        folder: &Path,
        faults: &str,
        options: &[&str],
    ) -> Result<Self> {
        let root = folder.join("root");
        fs::create_dir_all(&root)?;
        let (script, log) = (folder.join("faults"), folder.join("log"));
        fs::write(&script, faults)?;
        let mut child = Command::new(tool)
            .args(["serve", "--root"])
            .arg(&root)
            .arg("--fault")
            .arg(&script)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()?;
        let mut first = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut first)?;
        }
        let mut server = Self { child, url: String::new(), root, log };
        match first.trim().strip_prefix("listening on ") {
            Some(url) => url.trim_end_matches('/').clone_into(&mut server.url),
            None => return Err(format!("the server said: {first}{}", server.last_lines()?).into()),
        }
        Ok(server)
    }

    /// What it wrote: a line for each request.
    fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.log)?)
    }

    /// The end of that, for people.
    pub(crate) fn last_lines(&self) -> Result<String> {
        let log = self.log()?;
        let lines: Vec<String> =
            log.lines().rev().take(20).map(|line| line.chars().take(200).collect()).collect();
        Ok(lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }

    /// How many lines of the log have these words.
    pub(crate) fn count(&self, words: &str) -> Result<usize> {
        Ok(self.log()?.lines().filter(|line| line.contains(words)).count())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

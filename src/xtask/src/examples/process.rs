//! Programs of the examples, ended when they take too long.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

/// No program of a scenario takes nearly as long.
const LIMIT: Duration = Duration::from_secs(60);

/// What a program came to.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    /// Standard error.
    pub(crate) errors: String,
}

/// Runs a compiler, and shows what it said only if it failed.
pub(crate) fn build(mut command: Command) -> Result {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&said)).into())
}

/// Runs a program. `on_line` gets each line of its standard output with its process id.
pub(crate) fn run(mut command: Command, mut on_line: impl FnMut(&str, u32)) -> Result<Ended> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
    let (sender, lines) = mpsc::channel();
    let output = child.stdout.take().ok_or("no standard output")?;
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let mut errors = child.stderr.take().ok_or("no standard error")?;
    let errors = thread::spawn(move || {
        let mut text = Vec::new();
        let _ = errors.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });

    let end = Instant::now() + LIMIT;
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => on_line(&line, child.id()),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!("{program} was ended after {LIMIT:?}: {}", stop(child)).into());
            }
        }
    }
    // Its output is closed, so it ends, or hangs at its end.
    while child.try_wait()?.is_none() {
        if Instant::now() > end {
            return Err(format!("{program} was ended after {LIMIT:?}: {}", stop(child)).into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    let code = child.wait()?.code();
    Ok(Ended { code, errors: errors.join().unwrap_or_default() })
}

fn stop(mut child: Child) -> String {
    let _ = child.kill();
    child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
}

/// Memory of a process in KiB, as far as it is in use.
pub(crate) fn memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_code_and_errors_come_out() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two; echo three >&2; exit 4"]);
        let mut lines = Vec::new();
        let ended = run(command, |line, _| lines.push(line.to_owned())).expect("it runs");
        assert_eq!(lines, ["one", "two"]);
        assert_eq!((ended.code, ended.errors.as_str()), (Some(4), "three\n"));
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(memory(std::process::id()).expect("procfs is there") > 100);
    }
}

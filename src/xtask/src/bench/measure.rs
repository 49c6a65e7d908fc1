//! What a child process used: wall time, CPU time and peak memory.
//!
//! The figures come from `wait4(2)` by the crate `wait4`, so they are the child's own and exact; the standard
//! library has no way to ask, and `/usr/bin/time` is one more program to install.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4;

use crate::Result;

/// What one run used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// From start to end.
    pub(super) wall: Duration,
    /// User and system time.
    pub(super) cpu: Duration,
    /// Largest resident set in bytes. The kernel counts this process's own at the start in, so what is smaller
    /// than the benchmark itself is not seen.
    pub(super) peak_bytes: u64,
    /// From the start to the first byte at the server.
    pub(super) first_byte: Option<Duration>,
}

impl Usage {
    /// Returns the usage of a run that takes `seconds` and nothing else.
    pub(super) fn ideal(seconds: f64) -> Self {
        let wall = Duration::from_secs_f64(seconds);
        Self { wall, cpu: Duration::ZERO, peak_bytes: 0, first_byte: None }
    }
}

/// Runs the command to its end; a failure of the command is an error.
pub(super) fn measure(command: &mut Command) -> Result<Usage> {
    let program = command.get_program().to_string_lossy().into_owned();
    // A proxy of the user's has no part in this.
    command.env("no_proxy", "127.0.0.1").env("NO_PROXY", "127.0.0.1");
    forget_own_peak();
    let start = Instant::now();
    let used = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("{program} cannot be started: {error}"))?
        .wait4()?;
    let wall = start.elapsed();
    if !used.status.success() {
        return Err(format!("{program} failed ({})", used.status).into());
    }
    Ok(Usage {
        wall,
        cpu: used.rusage.utime + used.rusage.stime,
        peak_bytes: used.rusage.maxrss,
        first_byte: None,
    })
}

/// The kernel counts the largest resident set that this process ever had in with the child's: from now on it is
/// what it has now.
fn forget_own_peak() {
    // Where the system cannot, the child's figure is at least this process's own peak.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_child_uses_time_and_memory() {
        let usage = measure(
            Command::new("sh").args(["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"]),
        )
        .expect("sh runs");
        assert!(usage.cpu > Duration::ZERO);
        assert!(usage.wall > Duration::ZERO);
        assert!(usage.peak_bytes > 100_000, "{usage:?}");
    }

    #[test]
    fn what_this_process_once_had_is_not_the_childs() {
        let large = vec![1_u8; 200 << 20];
        assert_eq!(large.iter().map(|byte| u64::from(*byte)).sum::<u64>(), 200 << 20);
        drop(large);
        let usage = measure(&mut Command::new("true")).expect("true runs");
        assert!(usage.peak_bytes < 150 << 20, "{usage:?}");
    }

    #[test]
    fn a_failed_child_is_an_error() {
        let error = measure(&mut Command::new("false")).expect_err("it fails");
        assert_eq!(error.to_string(), "false failed (exit status: 1)");
    }
}

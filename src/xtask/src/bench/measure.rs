//! What a child process used: wall time, CPU time and peak memory.
//!
//! The figures come from `wait4(2)` by the crate `wait4`, so they are the child's own and exact; the standard
//! library has no way to ask, and `/usr/bin/time` is one more program to install.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4;

use crate::Result;
use crate::runner::{failure, read};

/// What one run used.
#[derive(Clone, Copy, Debug, Default)]
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
    /// How long ago the first bytes were sent that the journal has no hash of.
    pub(super) hash_lag: Option<Duration>,
}

/// Runs the command to its end, or until it is killed after that time; a failure of the command is an error.
pub(super) fn measure(command: &mut Command, killed: Option<Duration>) -> Result<Usage> {
    // A proxy of the user's has no part in this.
    command.env("no_proxy", "127.0.0.1").env("NO_PROXY", "127.0.0.1");
    forget_own_peak();
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| failure(command, error))?;
    if let Some(time) = killed {
        std::thread::sleep(time);
        child.kill()?;
    }
    let used = child.wait4()?;
    let wall = start.elapsed();
    if !used.status.success() && killed.is_none() {
        return Err(failure(command, used.status).into());
    }
    Ok(Usage {
        wall,
        cpu: used.rusage.utime + used.rusage.stime,
        peak_bytes: used.rusage.maxrss,
        ..Usage::default()
    })
}

/// What the figures depend on: the processor and those of its instructions that hashing and TLS use, and the
/// versions of the other programs.
pub(super) fn machine() -> String {
    const FLAGS: [&str; 9] =
        ["sha_ni", "avx2", "avx512f", "vaes", "aes", "sha2", "sha512", "asimd", "pmull"];
    // Arm's name for them is the second.
    let known = format!("{} {}", cpuinfo("flags"), cpuinfo("Features"));
    let has = |flag: &&str| known.split(' ').any(|known| known == *flag);
    let flags: Vec<&str> = FLAGS.into_iter().filter(has).collect();
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let version = |program: &str, argument: &str| {
        let text = read(Command::new(program).arg(argument)).unwrap_or_default();
        text.lines().next().unwrap_or_default().to_owned()
    };
    format!(
        "{count} × {}, {}\n{}\n{}\n",
        cpuinfo("model name"),
        flags.join(" "),
        version("curl", "--version"),
        version("openssl", "version"),
    )
}

/// What the kernel tells of the first processor, `?` if it does not.
fn cpuinfo(name: &str) -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut fields = told.lines().filter_map(|line| line.split_once(':'));
    let field = fields.find(|(known, _)| known.trim() == name);
    field.map_or("?", |(_, value)| value.trim()).to_owned()
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
            None,
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
        let usage = measure(&mut Command::new("true"), None).expect("true runs");
        assert!(usage.peak_bytes < 150 << 20, "{usage:?}");
    }

    #[test]
    fn a_child_is_killed_in_time() {
        let mut command = Command::new("sleep");
        let usage = measure(command.arg("60"), Some(Duration::from_millis(20))).expect("killed");
        assert!(usage.wall < Duration::from_secs(30), "{usage:?}");
    }

    #[test]
    fn a_failed_child_is_an_error() {
        let error = measure(&mut Command::new("false"), None).expect_err("it fails");
        assert_eq!(error.to_string(), "false: exit status: 1");
    }
}

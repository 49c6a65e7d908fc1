//! SIGINT, SIGTERM and SIGHUP: the first is reported, a second ends the process at once.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::{Handle, Signals};

/// The process ends within this time, even if a stopped reader, a terminal or a file system blocks it.
const END_WITHIN: Duration = Duration::from_millis(950);

/// When the first signal came.
static FIRST: OnceLock<Instant> = OnceLock::new();

/// How long ago the first signal came, if one did.
pub(crate) fn since_first() -> Option<Duration> {
    FIRST.get().map(Instant::elapsed)
}

/// Reports signals as long as it lives.
pub(crate) struct Listener {
    handle: Handle,
    registered: Vec<signal_hook::SigId>,
}

impl Listener {
    /// Calls `tell` with the number of each signal, on a thread of its own.
    pub(crate) fn start(tell: impl Fn(i32) + Send + 'static) -> io::Result<Self> {
        let wanted: Vec<i32> = [SIGINT, SIGTERM, SIGHUP]
            .into_iter()
            // By `nohup`, or by a shell for a job in the background.
            .filter(|signal| !is_ignored(*signal))
            .collect();
        let second = Arc::new(AtomicBool::new(false));
        let mut registered = Vec::new();
        for &signal in &wanted {
            // In this order: the flag of the first signal must not end the process itself.
            let end =
                flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&second))?;
            registered.extend([end, flag::register(signal, Arc::clone(&second))?]);
        }
        let mut signals = Signals::new(wanted)?;
        let handle = signals.handle();
        std::thread::Builder::new().name("bitsup-signals".into()).spawn(move || {
            for signal in &mut signals {
                if FIRST.set(Instant::now()).is_ok() {
                    end_in_time(signal);
                }
                tell(signal);
            }
        })?;
        Ok(Self { handle, registered })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.close();
        for id in self.registered.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

/// A signal's name.
pub(crate) fn name(signal: i32) -> &'static str {
    signal_hook::low_level::signal_name(signal).unwrap_or("a signal")
}

/// The exit code that a shell gives a process which died of it.
pub(crate) fn exit_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

/// Ends the process after a signal if nothing else does. Resume state is in
/// its journal.
fn end_in_time(signal: i32) {
    let watch = std::thread::Builder::new().name("bitsup-end".into());
    // Without a thread the second signal still ends it.
    let _ = watch.spawn(move || {
        std::thread::sleep(END_WITHIN);
        signal_hook::low_level::exit(128 + signal);
    });
}

/// Whether the signal was ignored when the process started; not where the system does not tell.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

//! The library's own threads.

use std::io;
use std::thread::JoinHandle;

use nix::sys::signal::{SigSet, Signal};

/// Signals that a thread takes whose callbacks are written in any language: a thread's own faults, which runtimes turn
/// into exceptions, and what runtimes suspend a thread with, real-time signals beside these. Threads that a callback
/// starts have them too.
const FOR_RUNTIMES: &[Signal] = &[
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGTRAP,
    // macOS has none.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    Signal::SIGPWR,
    Signal::SIGXCPU,
    Signal::SIGURG,
    Signal::SIGPROF,
];

/// A thread that takes no signals meant for the process, so that they reach the program's own threads.
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(move || {
        let blocked: SigSet =
            Signal::iterator().filter(|signal| !FOR_RUNTIMES.contains(signal)).collect();
        let _ = blocked.thread_block();
        run();
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn signals_for_the_process_are_blocked_and_those_of_runtimes_are_not() {
        let (sender, masks) = mpsc::channel();
        let thread = spawn("test", move || {
            let _ = sender.send(SigSet::thread_get_mask());
        });
        let mask = masks.recv().expect("the thread runs").expect("a mask");
        thread.expect("it started").join().expect("it ended");
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGPIPE, Signal::SIGCHLD] {
            assert!(mask.contains(signal), "{signal}");
        }
        for &signal in FOR_RUNTIMES {
            assert!(!mask.contains(signal), "{signal}");
        }
    }
}

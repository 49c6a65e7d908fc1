//! Threads for what may wait: reads from slow sources, and hashing.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// As many threads as may wait at once; more jobs queue.
const MAX_THREADS: usize = 8;

type Job = Box<dyn FnOnce() + Send>;

/// A small pool that starts threads when they are needed and ends them with itself.
pub(crate) struct Workers {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    idle: usize,
    threads: usize,
    closed: bool,
}

impl Workers {
    pub(crate) fn new() -> Self {
        Self {
            shared: Arc::new(Shared { state: Mutex::new(State::default()), work: Condvar::new() }),
        }
    }

    /// Runs `job` on one of the threads; never waits.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.lock();
        state.jobs.push_back(Box::new(job));
        if state.jobs.len() > state.idle && state.threads < MAX_THREADS {
            let shared = Arc::clone(&self.shared);
            if super::spawn("bitsup-work", move || shared.run()).is_ok() {
                state.threads += 1;
            }
        }
        drop(state);
        self.shared.work.notify_one();
    }
}

impl Drop for Workers {
    /// Jobs not begun are dropped. A thread in a read that hangs is left to itself.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        drop(jobs);
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // A job that panics (a caller's reader) must not take the pool with it; its
                // result is then missing, which whoever waits for it notices.
                drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)));
                state = self.lock();
            } else if state.closed {
                return;
            } else {
                state.idle += 1;
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn jobs_run_at_once_and_a_panic_ends_none_of_the_others() {
        let workers = Workers::new();
        let (send, receive) = mpsc::channel();
        workers.run(|| panic!("a job fails"));
        for number in 0..100 {
            let send = send.clone();
            workers.run(move || send.send(number).expect("receiver lives"));
        }
        let mut numbers: Vec<i32> = receive.iter().take(100).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
        assert!(workers.shared.lock().threads <= MAX_THREADS);
    }
}

//! Threads for what may wait: reads from slow sources, and hashing.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::error::Error;

/// Threads for what ends soon: local files, hashing, the journal. More jobs queue.
const MAX_THREADS: usize = 8;

/// Threads for reads that may wait for ever, one for each source that is being read: enough
/// for the active uploads of a client, and a bound for what it takes from the process.
const MAX_SOURCE_THREADS: usize = 1024;

type Job = Box<dyn FnOnce() + Send>;

/// Two pools, which start threads when they are needed and end them with themselves. A job
/// that waits for a source never delays a short one.
pub(crate) struct Workers {
    own: Pool,
    sources: Pool,
}

struct Pool {
    shared: Arc<Shared>,
    max_threads: usize,
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

/// Starts a thread of a pool; a seam for tests.
type Spawn = fn(Arc<Shared>) -> io::Result<()>;

fn spawn(shared: Arc<Shared>) -> io::Result<()> {
    super::spawn("bitsup-work", move || shared.run()).map(drop)
}

impl Workers {
    pub(crate) fn new() -> Self {
        Self { own: Pool::new(MAX_THREADS), sources: Pool::new(MAX_SOURCE_THREADS) }
    }

    /// Runs `job`, which ends soon, on one of the threads. Where the system gives none it runs
    /// at once, so that the journal is written and uploads end.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        if let Err((job, _)) = self.own.run(Box::new(job), spawn) {
            run_caught(job);
        }
    }

    /// Runs `job`, which reads a source, on a thread where it delays no other job if that `may_wait`.
    pub(crate) fn run_reading(&self, may_wait: bool, job: impl FnOnce() + Send + 'static) {
        if !may_wait {
            self.run(job);
        } else if let Err((job, _)) = self.sources.run(Box::new(job), spawn) {
            self.run(job);
        }
    }

    /// Runs `job`, which may wait as long as a source likes. Never waits; an error where the
    /// system gives no thread.
    pub(crate) fn run_waiting(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        self.sources.run(Box::new(job), spawn).map_err(|(_, error)| Error::of_thread(&error))
    }
}

impl Pool {
    fn new(max_threads: usize) -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), work: Condvar::new() });
        Self { shared, max_threads }
    }

    /// Gives the job back if there is no thread for it and there will be none.
    fn run(&self, job: Job, spawn: Spawn) -> Result<(), (Job, io::Error)> {
        let mut state = self.shared.lock();
        if state.jobs.len() >= state.idle && state.threads < self.max_threads {
            match spawn(Arc::clone(&self.shared)) {
                Ok(()) => state.threads += 1,
                Err(error) if state.threads == 0 => return Err((job, error)),
                // One of the others will take it.
                Err(_) => {}
            }
        }
        state.jobs.push_back(job);
        drop(state);
        self.shared.work.notify_one();
        Ok(())
    }
}

impl Drop for Pool {
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
                run_caught(job);
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

/// A job that panics (a caller's reader) must not take its thread with it; its result is then
/// missing, which the receiver notices.
fn run_caught(job: Job) {
    drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)));
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
        assert!(workers.own.shared.lock().threads <= MAX_THREADS);
    }

    #[test]
    fn a_job_that_finds_no_thread_comes_back_and_one_that_finds_a_busy_one_waits() {
        let _rule = bitsup_server::rule!("SRC-08");
        let refused = |_| Err(io::Error::from_raw_os_error(libc::EAGAIN));
        let pool = Pool::new(MAX_THREADS);
        let Err((_, error)) = pool.run(Box::new(|| {}), refused) else { panic!("no thread") };
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
        let (send, receive) = mpsc::channel();
        pool.run(Box::new(|| {}), spawn).ok().expect("a thread");
        pool.run(Box::new(move || send.send(1).expect("receiver lives")), refused)
            .ok()
            .expect("queued");
        assert_eq!(receive.recv(), Ok(1));
    }
}

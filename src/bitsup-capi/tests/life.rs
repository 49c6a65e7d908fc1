//! The state of a handle that threads share, in every order in which its steps can happen.
//!
//! The module itself is compiled here, over loom's locks instead of the system's. loom tries all
//! interleavings and finds any two accesses to the caller's memory that nothing puts in order.

#[path = "../src/life.rs"]
mod life;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use loom::thread::{ThreadId, current};
}

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use life::Life;

/// A handle's state, and memory of the caller that may be used in calls only.
struct Handle {
    life: Life,
    memory: UnsafeCell<bool>,
}

impl Handle {
    fn new() -> Arc<Self> {
        Arc::new(Self { life: Life::new(), memory: UnsafeCell::new(true) })
    }

    /// What a callback does; whether it was called at all.
    fn call(&self) -> bool {
        let Some(_call) = self.life.enter() else { return false };
        self.memory.with(|_| ());
        true
    }

    /// What the caller does once `_free` has returned.
    fn take_memory_back(&self) {
        self.memory.with_mut(|_| ());
    }
}

#[test]
fn no_call_is_under_way_once_the_handle_is_closed() {
    loom::model(|| {
        let handle = Handle::new();
        let threads = [(), ()].map(|()| {
            let handle = Arc::clone(&handle);
            thread::spawn(move || handle.call())
        });
        handle.life.close();
        handle.take_memory_back();
        assert!(handle.life.is_closed() && !handle.call());
        for thread in threads {
            thread.join().expect("it ends");
        }
    });
}

/// Else the test above would show nothing.
#[test]
#[should_panic(expected = "Causality violation")]
fn memory_that_is_taken_back_without_closing_is_found() {
    loom::model(|| {
        let handle = Handle::new();
        let other = Arc::clone(&handle);
        let thread = thread::spawn(move || other.call());
        handle.take_memory_back();
        thread.join().expect("it ends");
    });
}

#[test]
fn a_call_closes_its_own_handle_and_waits_for_the_others_only() {
    loom::model(|| {
        let handle = Handle::new();
        let other = Arc::clone(&handle);
        let thread = thread::spawn(move || other.call());
        {
            assert!(!handle.life.is_calling_here());
            let _call = handle.life.enter().expect("it is not closed");
            assert!(handle.life.is_calling_here() && !handle.life.is_closed());
            handle.life.close();
            handle.take_memory_back();
            assert!(handle.life.is_closed() && handle.life.enter().is_none());
        }
        thread.join().expect("it ends");
    });
}

#[test]
fn two_threads_close_a_handle_during_a_call() {
    loom::model(|| {
        let handle = Handle::new();
        let threads = [Handle::call, |handle: &Handle| {
            handle.life.close();
            false
        }]
        .map(|act| {
            let handle = Arc::clone(&handle);
            thread::spawn(move || act(&handle))
        });
        handle.life.close();
        handle.take_memory_back();
        for thread in threads {
            thread.join().expect("it ends");
        }
    });
}

#[test]
fn what_happened_before_a_fault_is_seen_with_it() {
    loom::model(|| {
        let handle = Handle::new();
        assert!(handle.life.is_at_home());
        let other = Arc::clone(&handle);
        let thread = thread::spawn(move || {
            other.take_memory_back();
            other.life.spoil();
        });
        if handle.life.is_spoiled() {
            handle.memory.with(|_| ());
        }
        thread.join().expect("it ends");
        assert!(handle.life.is_spoiled());
    });
}

//! Brings events to the caller: on one thread a client, or where the caller asks for it.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use crate::engine::{Command, Inbox, TaskId};
use crate::error::{Error, ErrorKind};
use crate::progress::{Event, Flow};
use bitsup_proto::session::CancelMode;

/// What a caller wants to be told; never called twice at the same time for one upload.
pub(crate) type Listener = Box<dyn FnMut(&Event) -> Flow + Send>;

/// An upload's listener, and whether the upload's handle is gone.
pub(crate) struct Ear {
    task: TaskId,
    state: Mutex<EarState>,
    free: Condvar,
}

struct EarState {
    listener: Option<Listener>,
    running_on: Option<ThreadId>,
    closed: bool,
    /// What the listener died of, reported instead of the upload's own end.
    panic: Option<Error>,
}

impl Ear {
    pub(crate) fn new(task: TaskId, listener: Option<Listener>) -> Self {
        let closed = listener.is_none();
        let state = EarState { listener, running_on: None, closed, panic: None };
        Self { task, state: Mutex::new(state), free: Condvar::new() }
    }

    pub(crate) fn listens(&self) -> bool {
        !self.lock().closed
    }

    /// After this no callback runs any more; waits for one that is running, unless it is
    /// that callback which closes.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let here = std::thread::current().id();
        while state.running_on.is_some_and(|thread| thread != here) {
            state = self.free.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let listener = state.listener.take();
        drop(state);
        drop(listener);
    }

    pub(crate) fn take_panic(&self) -> Option<Error> {
        self.lock().panic.take()
    }

    fn lock(&self) -> MutexGuard<'_, EarState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, event: &Event, inbox: &Inbox) {
        let mut state = self.lock();
        if state.closed || state.running_on.is_some() {
            return;
        }
        let Some(mut listener) = state.listener.take() else { return };
        state.running_on = Some(std::thread::current().id());
        drop(state);
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| listener(event)));
        let mut state = self.lock();
        state.running_on = None;
        match outcome {
            Ok(flow) => {
                if flow == Flow::Stop {
                    inbox.send(Command::Cancel(self.task, CancelMode::Keep));
                }
                if !state.closed {
                    state.listener = Some(listener);
                }
            }
            Err(_) => {
                state.closed = true;
                state.panic =
                    Some(Error::new(ErrorKind::Internal, "a callback of the caller panicked"));
                inbox.send(Command::Cancel(self.task, CancelMode::Keep));
            }
        }
        drop(state);
        self.free.notify_all();
    }
}

/// How events reach the caller.
pub(crate) enum Delivery {
    /// On a thread of the client.
    Thread,
    /// In [`Dispatcher::dispatch`]; the function is called when an event waits.
    OnDemand(Box<dyn Fn() + Send + Sync>),
}

/// The events that wait for the caller's callbacks.
pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
    delivery: Delivery,
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    inbox: Inbox,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<(Arc<Ear>, Event)>,
    thread: bool,
    closed: bool,
}

impl Dispatcher {
    pub(crate) fn new(inbox: Inbox, delivery: Delivery) -> Self {
        let shared = Shared { queue: Mutex::default(), work: Condvar::new(), inbox };
        Self { shared: Arc::new(shared), delivery }
    }

    /// Queues an event. A progress event takes the place of one that still waits, so that
    /// a slow callback costs no memory.
    pub(crate) fn push(&self, ear: &Arc<Ear>, event: Event) {
        if !ear.listens() {
            return;
        }
        let mut queue = self.shared.lock();
        if queue.closed {
            return;
        }
        let is_progress = |event: &Event| matches!(event, Event::Progress(_));
        let waiting = queue.events.iter_mut().rev().find(|(other, _)| Arc::ptr_eq(other, ear));
        match waiting {
            Some((_, old)) if is_progress(old) && is_progress(&event) => *old = event,
            _ => queue.events.push_back((Arc::clone(ear), event)),
        }
        match &self.delivery {
            Delivery::OnDemand(notify) => notify(),
            Delivery::Thread => {
                if !queue.thread {
                    let shared = Arc::clone(&self.shared);
                    queue.thread =
                        crate::engine::spawn("bitsup-events", move || shared.run()).is_ok();
                }
                drop(queue);
                self.shared.work.notify_one();
            }
        }
    }

    /// Runs at most `max` callbacks on this thread, without waiting; how many ran, and
    /// whether more wait.
    pub(crate) fn dispatch(&self, max: usize) -> (usize, bool) {
        let mut ran = 0;
        while ran < max {
            let Some((ear, event)) = self.shared.lock().events.pop_front() else { break };
            ear.call(&event, &self.shared.inbox);
            ran += 1;
        }
        (ran, !self.shared.lock().events.is_empty())
    }

    pub(crate) fn close(&self) {
        let mut queue = self.shared.lock();
        queue.closed = true;
        drop(queue);
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut queue = self.lock();
        loop {
            if let Some((ear, event)) = queue.events.pop_front() {
                drop(queue);
                ear.call(&event, &self.inbox);
                queue = self.lock();
            } else if queue.closed {
                return;
            } else {
                queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

//! Brings events to the caller: on one thread a client, or where the caller asks for it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::Instant;

use crate::engine::{Inbox, TaskId};
use crate::error::{Error, ErrorKind};
use crate::progress::{Event, EventFilter, Flow};
use bitsup_proto::session::CancelMode;

/// What a caller wants to be told; never called twice at the same time for one upload.
pub(crate) type Listener = Box<dyn FnMut(&Event) -> Flow + Send>;

/// A question to the caller, which is asked on the thread of the callbacks. The argument says
/// whether the upload is still there to be asked for.
type Question = Box<dyn FnOnce(bool) + Send>;

/// An upload's listener, and whether the upload's handle is gone.
pub(crate) struct Subscriber {
    task: TaskId,
    state: Mutex<SubscriberState>,
    free: Condvar,
}

struct SubscriberState {
    listener: Option<Listener>,
    /// Whether there is a listener, also while it runs.
    listens: bool,
    wants: EventFilter,
    running_on: Option<ThreadId>,
    /// Events that a thread of the client has still to tell.
    undelivered: usize,
    closed: bool,
    /// What a callback died of, reported instead of the upload's own end.
    panic: Option<Error>,
}

thread_local! {
    /// Whether this thread runs a callback: then no other one can run on it.
    static CALLING: Cell<bool> = const { Cell::new(false) };
}

impl SubscriberState {
    fn listens(&self) -> bool {
        self.listens && !self.closed
    }
}

/// What waits for the caller's callbacks.
enum Item {
    Event(Event),
    Question(Question),
}

impl Subscriber {
    pub(crate) fn new(task: TaskId, listener: Option<Listener>, wants: EventFilter) -> Self {
        let listens = listener.is_some();
        let state = SubscriberState {
            listener,
            listens,
            wants,
            running_on: None,
            undelivered: 0,
            closed: false,
            panic: None,
        };
        Self { task, state: Mutex::new(state), free: Condvar::new() }
    }

    pub(crate) fn listens(&self) -> bool {
        self.lock().listens()
    }

    pub(crate) fn wants_progress(&self) -> bool {
        let state = self.lock();
        state.wants.progress && state.listens()
    }

    /// What is told from now on.
    pub(crate) fn want(&self, wants: EventFilter) {
        self.lock().wants = wants;
    }

    fn accepts(&self, event: &Event) -> bool {
        let state = self.lock();
        state.wants.lets_through(event) && state.listens()
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

    /// Waits, at most until then, for the callbacks of what has happened, where a thread of the
    /// client runs them; not in a callback, which may be what they wait for.
    pub(crate) fn wait_delivered(&self, until: Instant) {
        let mut state = self.lock();
        while state.undelivered > 0 && !CALLING.get() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.free.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(crate) fn take_panic(&self) -> Option<Error> {
        self.lock().panic.take()
    }

    fn stop(&self, inbox: &Inbox) {
        inbox.reporter(self.task).report(|task, core| task.cancel(CancelMode::Keep, core));
    }

    fn lock(&self) -> MutexGuard<'_, SubscriberState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims the subscriber for a callback on this thread; not while another one runs.
    fn claim(&self) -> bool {
        let mut state = self.lock();
        let is_free = state.running_on.is_none();
        if is_free {
            state.running_on = Some(std::thread::current().id());
        }
        is_free
    }

    /// Runs a callback on an subscriber that was claimed.
    fn call(&self, item: Item, inbox: &Inbox) {
        let mut state = self.lock();
        let open = !state.closed;
        let mut listener = state.listener.take();
        drop(state);
        let is_event = matches!(item, Item::Event(_));
        let outer = CALLING.replace(true);
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| match (item, &mut listener) {
            (Item::Event(event), Some(listener)) if open => listener(&event),
            (Item::Event(_), _) => Flow::Continue,
            (Item::Question(question), _) => {
                question(open);
                Flow::Continue
            }
        }));
        CALLING.set(outer);
        let mut state = self.lock();
        state.running_on = None;
        // None is counted that a dispatching caller is told.
        state.undelivered = state.undelivered.saturating_sub(usize::from(is_event));
        if !state.closed {
            state.listener = listener.take();
        }
        match outcome {
            Ok(Flow::Continue) => {}
            Ok(Flow::Stop) => self.stop(inbox),
            Err(_) => {
                state.closed = true;
                state.panic =
                    Some(Error::new(ErrorKind::Internal, "a callback of the caller panicked"));
                self.stop(inbox);
            }
        }
        drop(state);
        self.free.notify_all();
        // Dropping the rest of it may take time.
        drop(listener);
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
    items: VecDeque<(Arc<Subscriber>, Item)>,
    thread: bool,
    /// Whether the thread waits to be told that there is something.
    sleeps: bool,
    closed: bool,
}

impl Dispatcher {
    pub(crate) fn new(inbox: Inbox, delivery: Delivery) -> Self {
        let shared = Shared { queue: Mutex::default(), work: Condvar::new(), inbox };
        Self { shared: Arc::new(shared), delivery }
    }

    /// Queues an event. A progress event takes the place of one that still waits, so that
    /// a slow callback costs no memory.
    pub(crate) fn push(&self, subscriber: &Arc<Subscriber>, event: Event) {
        if !subscriber.accepts(&event) {
            return;
        }
        let mut queue = self.shared.lock();
        if queue.closed {
            return;
        }
        let waiting =
            queue.items.iter_mut().rev().find(|(other, _)| Arc::ptr_eq(other, subscriber));
        match (waiting, &event) {
            (Some((_, Item::Event(old @ Event::Progress(_)))), Event::Progress(_)) => *old = event,
            _ => {
                subscriber.lock().undelivered +=
                    usize::from(matches!(self.delivery, Delivery::Thread));
                queue.items.push_back((Arc::clone(subscriber), Item::Event(event)));
            }
        }
        self.deliver(queue);
    }

    /// Queues a question. It is always put, but for a client that is closed.
    pub(crate) fn ask(
        &self,
        subscriber: &Arc<Subscriber>,
        question: impl FnOnce(bool) + Send + 'static,
    ) {
        let mut queue = self.shared.lock();
        if queue.closed {
            return;
        }
        queue.items.push_back((Arc::clone(subscriber), Item::Question(Box::new(question))));
        self.deliver(queue);
    }

    /// Sees to it that there is a thread for callbacks, before they are relied on.
    pub(crate) fn make_ready(&self) -> Result<(), Error> {
        match self.delivery {
            Delivery::OnDemand(_) => Ok(()),
            Delivery::Thread => self.start_thread(&mut self.shared.lock()),
        }
    }

    fn start_thread(&self, queue: &mut Queue) -> Result<(), Error> {
        if !queue.thread {
            let shared = Arc::clone(&self.shared);
            crate::engine::spawn("bitsup-events", move || shared.run())
                .map_err(|error| Error::of_thread(&error))?;
            queue.thread = true;
        }
        Ok(())
    }

    fn deliver(&self, mut queue: MutexGuard<'_, Queue>) {
        match &self.delivery {
            Delivery::OnDemand(notify) => notify(),
            Delivery::Thread => {
                let wakes = std::mem::take(&mut queue.sleeps);
                drop(queue);
                if wakes {
                    self.shared.work.notify_one();
                }
            }
        }
    }

    /// Runs at most `max` callbacks on this thread, without waiting; how many ran, and
    /// whether more wait.
    pub(crate) fn dispatch(&self, max: usize) -> (usize, bool) {
        let mut ran = 0;
        while ran < max {
            let Some((subscriber, item)) = self.shared.lock().next() else { break };
            subscriber.call(item, &self.shared.inbox);
            ran += 1;
        }
        (ran, !self.shared.lock().items.is_empty())
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
            if let Some((subscriber, item)) = queue.next() {
                drop(queue);
                subscriber.call(item, &self.inbox);
                queue = self.lock();
            } else if queue.closed {
                return;
            } else {
                queue.sleeps = true;
                queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl Queue {
    /// The first one for an subscriber that no other thread talks to; that subscriber is claimed.
    fn next(&mut self) -> Option<(Arc<Subscriber>, Item)> {
        let at = self.items.iter().position(|(subscriber, _)| subscriber.claim())?;
        self.items.remove(at)
    }
}

//! Whether the source still is what was sent of it, and what is kept of that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bitsup_core::journal::{Difference, News};
use bitsup_proto::session::{Request, Session};
use bitsup_proto::{PacketType, SessionId};

use super::super::Core;
use super::super::command::{Command, TaskId};
use super::{Check, Task};
use crate::error::Error;
use crate::journal::{Identity, OnFailure, Proof};
use crate::progress::Event;
use crate::source::Opened;

/// What is said where a session is given up for want of proof.
const UNPROVEN: &str = "the source may have changed since it was sent, and its hashes do not cover all of that: starting again from the beginning";

/// Comparisons under way on worker threads; what completes the file waits for them.
pub(super) struct Checking {
    go_on: Arc<AtomicBool>,
    running: usize,
}

impl Checking {
    /// Lets them end as soon as they can.
    pub(super) fn stop(self) {
        self.go_on.store(false, Ordering::Relaxed);
    }
}

/// What is known of the bytes that a session holds.
pub(super) struct Sending {
    /// What the source was when they were sent, or when they were last found to be the same.
    source: Option<Identity>,
    /// The end of what went out in the session, whether acknowledged or not.
    end: u64,
    /// Whether an earlier process sent them while the source was what it is now, so that those count
    /// of which the journal does not know.
    is_certain: bool,
    restarts: u32,
}

impl Sending {
    pub(super) fn new(source: Option<Identity>, session: &Session, proof: Proof) -> Self {
        let is_certain = proof == Proof::Given;
        Self { source, end: session.offset(), is_certain, restarts: 0 }
    }

    /// Sessions that were given up for want of proof.
    pub(super) fn restarts(&self) -> u32 {
        self.restarts
    }

    /// What the source was, if that is all there is to know.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.source.filter(|_| self.is_certain)
    }
}

/// Which session's Close-Session the journal knows of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Closing {
    #[default]
    Unknown,
    Writing(Option<SessionId>),
    Noted(Option<SessionId>),
}

impl Task {
    /// A packet goes out. The error is why it must not.
    pub(super) fn note_sending(&mut self, request: &Request) -> Result<(), Error> {
        if let Some(range) = request.range {
            self.sending.end = self.sending.end.max(range.end());
        }
        if request.packet == PacketType::CreateSession {
            (self.sending.end, self.sending.is_certain) = (0, true);
            // What was sent in an earlier session is of no interest any more.
            if let Some(checking) = self.checking.take() {
                checking.stop();
            }
            if let Some(keeper) = &self.keeper {
                return keeper.creating();
            }
        }
        Ok(())
    }

    /// Whether the journal says that Close-Session is going out; if not, a worker writes it.
    pub(super) fn is_close_noted(&mut self, core: &Core) -> bool {
        let (Some(keeper), Some(checkpoint)) =
            (self.keeper.clone().filter(|_| self.has_journal), self.session.checkpoint())
        else {
            return true;
        };
        let id = Some(checkpoint.session_id.clone());
        if self.closing == Closing::Noted(id.clone()) {
            return true;
        }
        if self.closing != Closing::Writing(id.clone()) {
            self.closing = Closing::Writing(id.clone());
            let (inbox, task) = (core.inbox.clone(), self.id);
            core.workers.run(move || {
                // Where it cannot be written the upload goes on, as with any other entry.
                keeper.closing(checkpoint);
                let noted = move |task: &mut Self, _: &mut Core| task.closing = Closing::Noted(id);
                inbox.send(Command::Worked(task, Box::new(noted)));
            });
        }
        false
    }

    /// Compares what the file system tells of the source with what it told when bytes of it were
    /// sent. Where that may have changed them the bytes themselves are compared, beside the sending.
    pub(super) fn look_at(&mut self, opened: &Opened, core: &Core) -> Result<(), Error> {
        use bitsup_core::journal::Bytes as _;
        let now =
            opened.identity().map_err(|error| Error::local("cannot read the source", &error))?;
        let Some((then, now)) = self.sending.source.zip(now) else { return Ok(()) };
        let Difference::Unclear { is_explained } = then.compare(&now) else { return Ok(()) };
        self.sending.source = Some(now);
        let sent = self.sending.end.max(self.session.offset());
        match &self.keeper {
            Some(keeper) if sent == 0 => keeper.prove(now),
            Some(keeper) => {
                let check = keeper.compare(now, sent, is_explained);
                self.begin_check(check, None, core);
            }
            None if sent == 0 || is_explained => {}
            None => return Err(self.changed_in_place()),
        }
        Ok(())
    }

    /// Has a worker compare; `proves`: what the source is known by if all that was sent is the same.
    pub(super) fn begin_check(&mut self, check: Check, proves: Option<Identity>, core: &Core) {
        let checking = self
            .checking
            .get_or_insert_with(|| Checking { go_on: Arc::new(AtomicBool::new(true)), running: 0 });
        checking.running += 1;
        let go_on = Arc::clone(&checking.go_on);
        let (source, inbox, id) = (self.source.clone(), core.inbox.clone(), self.id);
        let proves = proves.zip(self.keeper.clone());
        let may_wait = source.may_wait();
        core.workers.run_reading(may_wait, move || {
            let result = source.open().and_then(|opened| {
                let checked = check(&opened, &|| go_on.load(Ordering::Relaxed));
                checked.map_err(|error| Error::local("cannot read the source", &error))
            });
            // A comparison that was stopped has proven nothing.
            let is_same = matches!(result, Ok(true)) && go_on.load(Ordering::Relaxed);
            if let Some((identity, keeper)) = proves.filter(|_| is_same) {
                keeper.prove(identity);
            }
            drop(source);
            let done = move |task: &mut Self, core: &mut Core| {
                if go_on.load(Ordering::Relaxed) {
                    task.checked(result, core);
                }
            };
            inbox.send(Command::Worked(id, Box::new(done)));
        });
    }

    fn checked(&mut self, result: Result<bool, Error>, core: &mut Core) {
        if let Some(checking) = &mut self.checking {
            checking.running -= 1;
            if checking.running == 0 {
                self.checking = None;
            }
        }
        let error = match result {
            Ok(true) => return,
            Ok(false) => self.changed_in_place(),
            Err(error) => error,
        };
        self.fail_source(error, core);
    }

    fn changed_in_place(&self) -> Error {
        let name = self.source.file_path().map(|path| path.display().to_string());
        let name = name.unwrap_or_else(|| "the source".into());
        crate::source::changed(&name, "it holds other bytes than those that were sent")
    }

    fn fail_source(&mut self, error: Error, core: &mut Core) {
        let now = core.now();
        let protocol = error.protocol().clone();
        self.local_error = Some(error);
        let _ = self.session.fail_source(now, protocol);
    }

    /// Step 5: keeps the checkpoint.
    pub(super) fn keep(&mut self, news: News, core: &mut Core) {
        if !self.sending.is_certain && news.offset > self.sending.end {
            // An earlier process sent these bytes, and nobody knows their hashes.
            let now = core.now();
            if self.life.begin_anew(&mut self.session, now) {
                self.warn_of_restart();
                core.dispatcher.push(&self.shared.ear, Event::Notice(UNPROVEN.into()));
            }
            return;
        }
        let Some(keeper) = &self.keeper else { return };
        if let Some(checkpoint) = news.created {
            keeper.created(checkpoint, self.sending.source);
        }
        keeper.update(news.offset, news.checkpoint, &core.workers);
    }

    /// A session is given up for want of proof: the receipt says so.
    pub(super) fn warn_of_restart(&mut self) {
        self.sending.restarts += 1;
        self.warn(UNPROVEN.into());
    }

    /// What ends an upload that must not go on without a journal.
    pub(super) fn ends_without(id: TaskId, core: &Core) -> OnFailure {
        let inbox = core.inbox.clone();
        Box::new(move |error| {
            let fail = move |task: &mut Self, core: &mut Core| task.fail_unkept(error, core);
            inbox.send(Command::Worked(id, Box::new(fail)));
        })
    }

    /// Nothing can be kept, and that ends the upload: nobody could continue the session.
    fn fail_unkept(&mut self, error: Error, core: &mut Core) {
        let now = core.now();
        if self.session.cancel(now, bitsup_proto::session::CancelMode::Delete).is_ok() {
            self.last_words = Some(error);
        }
    }
}

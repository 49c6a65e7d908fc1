//! Whether the source still is what was sent of it, and what is kept of that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bitsup_core::journal::Difference;
use bitsup_proto::PacketType;
use bitsup_proto::session::Request;

use super::super::Core;
use super::super::command::Reporter;
use super::{Check, PacketEvent, PacketFailure, Task};
use crate::error::Error;
use crate::journal::{Identity, OnFailure};
use crate::source::Opened;

/// What is said where a session is given up for want of proof.
pub(super) const UNPROVEN: &str = "the source may have changed since it was sent, and its hashes do not cover all of it: restarting from byte 0";

impl Task {
    /// A packet goes out. The error is why it must not.
    pub(super) fn prepare_journal(
        &mut self,
        request: &Request,
        core: &mut Core,
    ) -> Result<(), Error> {
        if request.packet == PacketType::CreateSession {
            // Bytes of an earlier session are of no interest any more.
            self.stop_comparing();
            if let Some(writer) = &self.writer {
                core.noted(writer);
                return writer.creating();
            }
        }
        Ok(())
    }

    /// Lets the comparisons under way end as soon as they can, without a result.
    pub(super) fn stop_comparing(&mut self) {
        if let Some(goes_on) = self.comparing.take() {
            goes_on.store(false, Ordering::Relaxed);
        }
    }

    /// Compares what the file system tells of the source with what it told when bytes of it were
    /// sent. Where that may have changed them the bytes themselves are compared, beside the sending.
    pub(super) fn look_at(&mut self, opened: &Opened, core: &Core) -> Result<(), Error> {
        use bitsup_core::journal::Bytes as _;
        let now =
            opened.identity().map_err(|error| Error::local("cannot read the source", &error))?;
        let Some((then, now)) = self.source_sent.zip(now) else { return Ok(()) };
        let Difference::Unclear { is_explained } = then.compare(&now) else { return Ok(()) };
        self.source_sent = Some(now);
        let sent = self.driver.sent_end();
        match &self.writer {
            Some(writer) if sent == 0 => writer.prove(now),
            Some(writer) => {
                let check = writer.compare(now, sent, is_explained);
                self.begin_check(check, None, core);
            }
            None if sent == 0 || is_explained => {}
            None => return Err(self.changed_in_place()),
        }
        Ok(())
    }

    /// Has a worker compare; `proves`: what the source is known by if all that was sent is the same.
    pub(super) fn begin_check(&mut self, check: Check, proves: Option<Identity>, core: &Core) {
        let go_on = self.comparing.get_or_insert_with(|| Arc::new(AtomicBool::new(true)));
        let go_on = Arc::clone(go_on);
        self.driver.comparison_started();
        let (source, upload) = (self.source.clone(), self.reporter(core));
        let proves = proves.zip(self.writer.clone());
        let may_wait = source.may_wait();
        core.workers.run_reading(may_wait, move || {
            let result = source.open().and_then(|opened| {
                let checked = check(&opened, &|| go_on.load(Ordering::Relaxed));
                checked.map_err(|error| Error::local("cannot read the source", &error))
            });
            // A comparison that was stopped has proven nothing.
            let is_same = matches!(result, Ok(true)) && go_on.load(Ordering::Relaxed);
            if let Some((identity, writer)) = proves.filter(|_| is_same) {
                writer.prove(identity);
            }
            drop(source);
            upload.report(move |task, core| {
                if go_on.load(Ordering::Relaxed) {
                    task.checked(result, core);
                }
            });
        });
    }

    fn checked(&mut self, result: Result<bool, Error>, core: &mut Core) {
        self.driver.comparison_ended();
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

    pub(super) fn fail_source(&mut self, error: Error, core: &mut Core) {
        let now = core.now();
        if self.is_packets() {
            return self.tell_caller(PacketEvent::Done(Err(PacketFailure::abandoned(error))));
        }
        self.driver.fail_source(error.into_protocol(), now);
    }

    /// A pause is the time to hash what was sent.
    pub(super) fn rest(&mut self, core: &Core) {
        let offset = self.driver.session().offset();
        if let Some(writer) = self.writer.as_ref().filter(|_| self.rested != offset) {
            writer.rest(&core.workers);
            self.rested = offset;
        }
    }

    /// What ends an upload that must not go on without a journal.
    pub(super) fn ends_without(upload: Reporter) -> OnFailure {
        Box::new(move |error| {
            upload.report(move |task, core| {
                let now = core.now();
                task.driver.fail_and_cancel(error.into_protocol(), now);
            });
        })
    }
}

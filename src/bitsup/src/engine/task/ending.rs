//! How an upload ends, and what is kept of it.

use bitsup_core::Ending;
use bitsup_proto::session::{self, Outcome};

use super::super::Core;
use super::super::reply::ReplyFetch;
use super::sending::SourceState;
use super::{Task, config};
use crate::error::{Error, ErrorKind, Left};
use crate::journal::{FinalReport, Finish, Prefix, Token};
use crate::progress::{Event, Receipt, UploadState};
use crate::source::Source;

impl Task {
    /// A kept session is cancelled, and the upload itself begins.
    pub(super) fn start_upload(&mut self, core: &mut Core) {
        let now = core.now();
        self.left_before |= self.driver.session().may_be_left();
        let endpoint = core.endpoints.get(&self.destination.endpoint_at(None));
        let config = config(&self.source, &self.destination, &self.options, &endpoint);
        self.driver.start_upload(config, &mut core.client, now);
    }

    /// The upload has come to its end; there may be a session that must not be found again.
    pub(super) fn finished(&mut self, ending: Ending, core: &mut Core) {
        let result = match ending {
            Ending::Error(error) => return self.end(Err(error.into()), core),
            Ending::Session(Outcome::Done(summary)) => self.receipt(summary, core),
            Ending::Session(Outcome::Failed(error)) => Err(error.into()),
            Ending::Session(Outcome::Cancelled { confirmed, kept }) => {
                Err(self.cancelled(confirmed, kept))
            }
        };
        if let Err(error) = &result
            && self.options.no_resume
            && self.driver.session().session_id().is_some()
        {
            let now = core.now();
            if self.driver.fail_and_abandon(error.clone().into_protocol(), now) {
                return;
            }
        }
        self.end(result, core);
    }

    pub(super) fn receipt(
        &mut self,
        summary: session::Summary,
        core: &Core,
    ) -> Result<Receipt, Error> {
        let counters = self.driver.session().counters();
        let stored = self.reply.take().map(ReplyFetch::finish).transpose()?.unwrap_or_default();
        if let Some(write) = stored.write {
            self.unfinished += 1;
            let upload = self.reporter(core);
            core.workers.run(move || {
                let written = write();
                upload.report(|task, _| task.reply_written(written));
            });
        }
        Ok(Receipt {
            url: self.destination.to_string(),
            size: self.source.size(),
            session_id: self.session_name.clone(),
            duration: self.begun.elapsed(),
            fragments: counters.fragments,
            restarts: self.driver.restarts(),
            retries: counters.retries,
            unconfirmed_resends: counters.unconfirmed_resends,
            close_confirmed: summary.close_confirmed,
            verified: summary.verified,
            reply_path: stored.path,
            reply: stored.bytes,
            reply_url: self.driver.session().reply_url().map(str::to_owned),
            warnings: std::mem::take(&mut self.warnings),
            ..Receipt::default()
        })
    }

    pub(super) fn cancelled(&mut self, confirmed: bool, kept: bool) -> Error {
        if let Some(panic) = self.shared.subscriber.take_panic() {
            return panic;
        }
        let message = match (kept, confirmed) {
            (true, _) => "the upload was stopped",
            (false, true) => "the upload was cancelled",
            (false, false) => {
                "the upload was stopped, but the server did not confirm the cancellation"
            }
        };
        Error::new(ErrorKind::Cancelled, message)
    }

    /// The result stands; the journal is updated first.
    pub(super) fn end(&mut self, result: Result<Receipt, Error>, core: &mut Core) {
        if !self.driver.end(&mut core.client) {
            return;
        }
        core.limiter.leave(self.id());
        self.stop_comparing();
        if let Some(pinned) = self.pinned.take() {
            if result.is_ok() {
                core.retire_connection(pinned);
            } else {
                core.close_connection(pinned);
            }
        }
        self.login.forget_question();
        self.sent_nothing();
        self.learn(core);
        let failed = result.is_err();
        self.opened = SourceState::Closed;
        if let (Some(hash), Ok(Receipt { skipped: false, .. })) = (self.hash.take(), &result) {
            self.unfinished += 1;
            let upload = self.reporter(core);
            let done = move |digest| upload.report(|task, _| task.hashed(digest));
            hash.finish(done, &core.workers);
        }
        self.ending = Some(result);
        match &self.writer {
            None if failed && self.hash_for_token(core) => {}
            None => {
                self.final_report = Some(FinalReport::default());
                self.end_if_finished(core);
            }
            Some(writer) => {
                let held = self.driver.session().session_id().is_some();
                let finish = if held { Finish::Keep } else { Finish::Remove };
                if finish == Finish::Remove
                    && let Some(final_report) = writer.try_remove()
                {
                    self.final_report = Some(final_report);
                    return self.end_if_finished(core);
                }
                let upload = self.reporter(core);
                let done = move |report| upload.report(|task, _| task.final_report = Some(report));
                writer.finish(finish, done, &core.workers);
            }
        }
    }

    /// The reply was written to what is no regular file.
    fn reply_written(&mut self, written: Result<(), Error>) {
        self.unfinished -= 1;
        if let (Some(Ok(_)), Err(error)) = (&self.ending, written) {
            self.ending = Some(Err(error));
        }
    }

    /// The receipt gets the hash of what was sent.
    fn hashed(&mut self, digest: Option<String>) {
        self.unfinished -= 1;
        if let Some(Ok(receipt)) = &mut self.ending {
            if digest.is_none() {
                receipt.warnings.push(
                    "the SHA-256 could not be computed: what was sent before cannot be read again as it was sent".into(),
                );
            }
            receipt.sha256 = digest;
        }
    }

    /// A source in memory has no time stamp by which a token could recognise it: it gets a
    /// hash of what was acknowledged. `false`: there is nothing to hash.
    fn hash_for_token(&self, core: &Core) -> bool {
        let length = self.driver.session().offset();
        let is_held = self.driver.session().checkpoint().is_some();
        let Some(source) = self.source.in_memory().filter(|_| is_held) else {
            return false;
        };
        let upload = self.reporter(core);
        core.workers.run(move || {
            let prefix = crate::journal::hash_prefix(&source, length, &|| true).ok().flatten();
            drop(source);
            let report = FinalReport { prefix, ..FinalReport::default() };
            upload.report(|task, _| task.final_report = Some(report));
        });
        true
    }

    pub(super) fn learn(&self, core: &mut Core) {
        let learned = self.driver.session().learned();
        if let Some((file, text)) = core.endpoints.learn(&self.endpoint, &learned, self.holds_few) {
            core.workers.run(move || crate::journal::store(&file, &text));
        }
    }

    /// Stores what was learned about the old host, and changes to the record of the present one.
    pub(super) fn change_endpoint(&mut self, core: &mut Core) {
        self.learn(core);
        self.endpoint = self.destination.endpoint_at(self.driver.session().host());
        self.driver.set_learned(core.endpoints.get(&self.endpoint).learned());
    }

    pub(super) fn end_if_finished(&mut self, core: &mut Core) {
        if self.unfinished > 0 {
            return;
        }
        let Some(final_report) = self.final_report.take() else { return };
        let Some(result) = self.ending.take() else { return };
        self.driver.ended();
        self.wake = None;
        let result = match result {
            Ok(mut receipt) => {
                receipt.warnings.extend(final_report.problem);
                Ok(receipt)
            }
            Err(error) => {
                let token = self.token(final_report.prefix.as_ref());
                let kept = token.is_some() && final_report.is_kept;
                let session = self.driver.session();
                Err(match session.outcome() {
                    Some(Outcome::Done(_)) => {
                        error.and("the file itself is on the server").with_left(Left::Whole)
                    }
                    _ if self.left_before || session.may_be_left() => error.with_left(Left::Part),
                    _ if self.driver.has_sent() => error.with_left(Left::Nothing),
                    _ => error.with_left(Left::AsBefore),
                }
                .with_resumable(kept)
                .with_token(token))
            }
        };
        let state = match &result {
            Ok(_) => UploadState::Done,
            Err(error) if error.kind() == ErrorKind::Cancelled => UploadState::Cancelled,
            Err(_) => UploadState::Failed,
        };
        // With the result the caller may want the source back at once: a buffer to close, a file to delete.
        self.source = Source::bytes(Vec::new());
        self.writer = None;
        let offset = self.driver.session().offset();
        self.shared.update(|progress| {
            progress.state = state;
            progress.acknowledged = offset;
        });
        // First, so that a caller who accepts of the end finds the result.
        self.shared.finish(result.clone());
        if self.shared.subscriber.listens() {
            self.tell_event(Event::Progress(self.shared.progress()), core);
            self.tell_event(Event::Finished(result.map(Box::new)), core);
        }
        self.shared.release();
    }

    /// The session for another process or machine, while the server holds one.
    pub(super) fn token(&self, prefix: Option<&Prefix>) -> Option<String> {
        let token = Token {
            url: self.destination.full(),
            checkpoint: self.driver.session().checkpoint()?,
            prefix: prefix.map(Token::prefix_of),
            modified: None,
            identity: self.source_sent.filter(|_| self.driver.is_certain()),
        };
        token.encode()
    }
}

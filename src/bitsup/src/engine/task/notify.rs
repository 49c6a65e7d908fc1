//! What the caller is told while an upload runs.

use std::sync::atomic::Ordering;

use bitsup_core::{PendingRequest, Stage};
use bitsup_proto::session::{Notice, State};

use super::super::Core;
use super::Task;
use crate::progress::{Event, UploadState};

impl Task {
    /// Brings an event to the caller.
    pub(super) fn tell_event(&self, event: Event, core: &Core) {
        core.dispatcher.push(&self.shared.subscriber, event);
    }

    pub(super) fn tell(&mut self, notice: Notice, core: &mut Core) {
        let event = match notice {
            Notice::Retrying { cause, delay, attempt } => {
                self.await_decision(delay, core);
                Event::Retry { cause: cause.into(), delay, attempt }
            }
            notice => Event::Notice(self.describe(notice, core)),
        };
        self.tell_event(event, core);
    }

    pub(super) fn describe(&mut self, notice: Notice, core: &mut Core) -> String {
        match notice {
            Notice::SessionCreated => "session created".into(),
            Notice::SessionLost => {
                let limit = core.client.hosts.session_lost(&self.destination.origin.to_string());
                // With fewer at a time the reason may be another one.
                self.holds_few |= limit >= Some(2);
                let fewer = limit.map_or(String::new(), |limit| {
                    format!("; the server may hold too many: at most {limit} uploads at once from now on")
                });
                format!("the server lost the session: restarting from byte 0{fewer}")
            }
            Notice::SessionReplaced { reason } => {
                format!("{reason}: restarting from byte 0 in a new session")
            }
            Notice::HostChanged(host) => {
                self.change_endpoint(core);
                format!("the server names {host} as the host to continue with")
            }
            Notice::FellBack => {
                self.change_endpoint(core);
                "the host that the server named is unreachable: continuing at the URL's host".into()
            }
            Notice::Moved { to, .. } => format!("the server has {to} bytes: continuing there"),
            Notice::Shrunk { refused, next } => {
                format!(
                    "Fragments of {refused} bytes are too large for the server: continuing with {next}"
                )
            }
            Notice::ReplyOffered(url) => {
                let id = self.session_name.as_deref();
                let shown = bitsup_proto::text::masked_url(&url, id);
                self.warn(format!("the server offers a reply that was not asked for: {shown}"))
            }
            Notice::NotVerified => self.warn(
                "the server's answers do not verify the file: compare the file on the server"
                    .into(),
            ),
            Notice::CloseUnconfirmed => self.warn("the server's last answer was lost".into()),
            _ => "something new happened".into(),
        }
    }

    /// The server has too much to do: it gets fewer uploads at a time, if their number rose by itself.
    pub(super) fn tell_overload(&self, core: &mut Core) {
        if let Some(limit) = core.client.hosts.overloaded(&self.destination.origin.to_string()) {
            let text =
                format!("the server is overloaded: at most {limit} uploads at once from now on");
            self.tell_event(Event::Notice(text), core);
        }
    }

    pub(super) fn warn(&mut self, warning: String) -> String {
        self.warnings.push(warning.clone());
        warning
    }

    pub(super) fn tell_progress(&self, core: &Core) {
        let state = self.state();
        let (acknowledged, attempt) =
            (self.driver.session().offset(), self.driver.session().attempt());
        let rate = self.rate.per_second();
        self.shared.update(|progress| {
            progress.state = state;
            progress.acknowledged = acknowledged;
            progress.attempt = attempt;
            progress.rate = rate;
        });
        if self.shared.subscriber.wants_progress() {
            self.tell_event(Event::Progress(self.shared.progress()), core);
        }
    }

    pub(super) fn state(&self) -> UploadState {
        match self.driver.stage() {
            Stage::Queued | Stage::Precheck if self.driver.is_paused() => {
                return UploadState::Suspended;
            }
            Stage::Queued => return UploadState::Queued,
            Stage::Precheck => return UploadState::Checking,
            Stage::Running | Stage::Finishing | Stage::Ended => {}
        }
        let authorizing = matches!(
            self.driver.exchange(),
            Some((_, PendingRequest::Packet(request))) if request.authorize
        );
        if self.login.is_asking() {
            return UploadState::Authenticating;
        }
        if self.driver.is_deferring() {
            return match self.driver.is_comparing() {
                _ if self.driver.is_paused() => UploadState::Suspended,
                true => UploadState::Checking,
                false => UploadState::Authenticating,
            };
        }
        match self.driver.session().state() {
            State::Init | State::CreateSession | State::Ping if authorizing => {
                UploadState::Authenticating
            }
            State::Init | State::CreateSession | State::Ping => UploadState::Connecting,
            State::Fragment => UploadState::Sending,
            State::GetReply => UploadState::Reply,
            State::Complete | State::Cancel => UploadState::Closing,
            State::Verify => UploadState::Checking,
            State::Suspend => UploadState::Suspended,
            State::Error => UploadState::WaitingRetry,
            State::Done => UploadState::Done,
            State::Cancelled => UploadState::Cancelled,
            _ => UploadState::Failed,
        }
    }

    pub(super) fn sent_nothing(&self) {
        self.shared.sent.store(0, Ordering::Relaxed);
        self.shared.fragment_under_way(0);
    }
}

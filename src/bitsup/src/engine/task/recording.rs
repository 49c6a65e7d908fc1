//! The transcript of an upload.

use bitsup_core::PendingRequest;

use super::super::Core;
use super::Task;
use crate::progress::Event;
use crate::transcript::{self, Recorder};

impl Task {
    /// Writes an exchange down, if the caller wants that.
    pub(super) fn record(
        &mut self,
        request: &PendingRequest,
        core: &Core,
        entry: impl FnOnce(&mut Recorder, &str) -> String,
    ) {
        let login = self.login.showed_password;
        let Some(recorder) = &mut self.recorder else { return };
        let asked = match request {
            PendingRequest::Packet(own) => {
                transcript::asked(&own.packet.to_string(), own.range, login)
            }
            PendingRequest::Precheck | PendingRequest::Head => {
                transcript::asked("HEAD", None, login)
            }
            PendingRequest::Reply(_) => transcript::asked("GET", None, login),
        };
        let entry = entry(recorder, &asked);
        self.tell_event(Event::Recorded(entry), core);
    }
}

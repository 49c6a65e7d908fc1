//! The transcript of an upload.

use bitsup_core::PendingRequest;

use super::super::Core;
use super::Task;
use crate::progress::Event;
use crate::transcript;
use crate::transport::{Answer, ExchangeFailure};

impl Task {
    pub(super) fn record_answer(&mut self, request: &PendingRequest, answer: &Answer, core: &Core) {
        let asked = self.asked(request);
        let Some(recorder) = &mut self.recorder else { return };
        let entry = recorder.answer(&asked, answer.status, &answer.headers);
        self.tell_event(Event::Recorded(entry), core);
    }

    pub(super) fn record_failure(
        &self,
        request: &PendingRequest,
        failure: &ExchangeFailure,
        core: &Core,
    ) {
        if self.recorder.is_some() {
            let entry = transcript::failure(&self.asked(request), failure);
            self.tell_event(Event::Recorded(entry), core);
        }
    }

    pub(super) fn record_abort(&self, request: &PendingRequest, core: &Core) {
        if self.recorder.is_some() {
            let entry = transcript::aborted(&self.asked(request));
            self.tell_event(Event::Recorded(entry), core);
        }
    }

    fn asked(&self, request: &PendingRequest) -> String {
        let login = self.login.showed_password;
        match request {
            PendingRequest::Packet(request) => {
                transcript::asked(&request.packet.to_string(), request.range, login)
            }
            PendingRequest::Precheck | PendingRequest::Head => {
                transcript::asked("HEAD", None, login)
            }
            PendingRequest::Reply(_) => transcript::asked("GET", None, login),
        }
    }
}

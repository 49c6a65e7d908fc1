//! The transcript of an upload.

use super::super::Core;
use super::{Running, Task};
use crate::progress::Event;
use crate::transcript;
use crate::transport::{Answer, Failure};

impl Task {
    pub(super) fn record_answer(&mut self, running: &Running, answer: &Answer, core: &Core) {
        let asked = self.asked(running);
        let Some(recorder) = &mut self.recorder else { return };
        let entry = recorder.answer(&asked, answer.status, &answer.headers);
        core.dispatcher.push(&self.shared.ear, Event::Recorded(entry));
    }

    pub(super) fn record_failure(&self, running: &Running, failure: &Failure, core: &Core) {
        if self.recorder.is_some() {
            let entry = transcript::failure(&self.asked(running), failure);
            core.dispatcher.push(&self.shared.ear, Event::Recorded(entry));
        }
    }

    pub(super) fn record_abort(&self, core: &Core) {
        if let (Some(running), Some(_)) = (&self.running, &self.recorder) {
            let entry = transcript::aborted(&self.asked(running));
            core.dispatcher.push(&self.shared.ear, Event::Recorded(entry));
        }
    }

    fn asked(&self, running: &Running) -> String {
        let login = self.login.showed_password;
        match running {
            Running::Packet(request, _) => {
                transcript::asked(&request.packet.to_string(), request.range, login)
            }
            Running::Precheck | Running::Head => transcript::asked("HEAD", None, login),
            Running::Reply { .. } => transcript::asked("GET", None, login),
        }
    }
}

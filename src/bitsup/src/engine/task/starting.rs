//! Whether a request goes out, waits, or stays here since its answer is known.

use bitsup_core::{PendingRequest, PostAck, Readiness, Ready, Site};
use bitsup_proto::Ack;
use bitsup_proto::reply::Got;
use bitsup_proto::session::{Exchange, Sent};

use super::super::Core;
use super::convert::ack;
use super::{PacketEvent, PacketFailure, Task};
use crate::error::{Error, ErrorKind};
use crate::transport::Answer;

impl Task {
    /// Begins it, or defers it until it can go out; or neither, and the state machine knows.
    pub(super) fn offer(&mut self, request: PendingRequest, core: &mut Core) {
        self.speak_to_host();
        let origin = self.site();
        if self.driver.peer().origin != origin {
            self.driver.set_peer(Site::server(origin));
        }
        if self.must_wait(&request, core) {
            return self.driver.defer(request);
        }
        if self.is_packets() && self.has_refused_token(core) {
            return self.refuse(request, core);
        }
        match (self.driver.authorize(&request, &mut core.client), request) {
            (Ready::Wait, request) => self.driver.defer(request),
            // The upload itself tells what is wrong.
            (Ready::Refused, PendingRequest::Precheck) => self.driver.end_precheck(),
            (Ready::Refused, request) => self.refuse(request, core),
            (Ready::Now, PendingRequest::Precheck) => {
                self.start_head(PendingRequest::Precheck, true, core);
            }
            (Ready::Now, PendingRequest::Packet(request)) => self.send(request, core),
            (Ready::Now, PendingRequest::Reply(get)) => self.start_reply(get, core),
            (Ready::Now, PendingRequest::Head) => {
                let authorize = self.driver.may_show(&mut core.client);
                self.start_head(PendingRequest::Head, authorize, core);
            }
        }
    }

    fn must_wait(&mut self, request: &PendingRequest, core: &mut Core) -> bool {
        match self.driver.check(request) {
            Readiness::Now => {}
            Readiness::Wait => return true,
            Readiness::StoreIntent(checkpoint) => {
                let Some(writer) = self.writer.clone() else { return false };
                let session = checkpoint.session_id.clone();
                if writer.try_closing(&checkpoint) {
                    core.noted(&writer);
                    self.driver.intent_stored(session);
                    return self.must_wait(request, core);
                }
                let upload = self.reporter(core);
                core.workers.run(move || {
                    // Where it cannot be written the upload goes on, as with any other entry.
                    writer.closing(checkpoint);
                    upload.report(move |task, core| {
                        core.noted(&writer);
                        task.driver.intent_stored(session);
                    });
                });
                return true;
            }
        }
        (matches!(request, PendingRequest::Packet(_)) && self.must_renew(core))
            || !self.has_source_for(request, core)
    }

    /// The server would answer as it did to the upload that tried; so its challenge to this
    /// one is the answer, and the password stays here. There may be another one by now.
    fn refuse(&mut self, request: PendingRequest, core: &mut Core) {
        let answer = self.login.challenge_again();
        let is_packet = matches!(request, PendingRequest::Packet(_));
        let id = self.driver.start_unsent(request);
        if is_packet {
            if let Some(answer) = self.challenged_again(answer, core) {
                self.refused_unsent(&answer, core);
            }
        } else {
            self.find_login(&answer, core);
            let now = core.now();
            let got = Got { status: 401, remark: self.login_remark(), ..Got::default() };
            let _ = self.driver.handle_reply(id, &got, now);
        }
    }

    /// The state machine accepts of a challenge to what was never sent.
    pub(super) fn refused_unsent(&mut self, answer: &Answer, core: &mut Core) {
        let Some((id, _)) = self.driver.exchange() else { return };
        let now = core.now();
        let ack = Ack { remark: self.remark(answer), ..ack(answer) };
        let post = self.driver.handle_ack(
            id,
            &ack,
            Exchange { sent: Sent::Nothing, ..Exchange::default() },
            now,
        );
        if matches!(post, Ok(PostAck::Answered(_))) {
            let text = "the server refused this login before, and it was not sent again";
            let error = PacketFailure::unsent(Error::new(ErrorKind::Auth, text));
            self.tell_caller(PacketEvent::Done(Err(error)));
        }
    }
}

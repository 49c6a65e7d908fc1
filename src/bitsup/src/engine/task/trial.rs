//! The wait for the verdict on a password that another upload tries.

use std::time::Instant;

use bitsup_core::{Ready, Wish};
use bitsup_proto::reply::Got;
use bitsup_proto::session;

use super::super::Core;
use super::wording::ack;
use super::{Running, Task};
use crate::credentials::Login;
use crate::transport::Answer;

impl Task {
    /// Begins it, or holds it until it can go out; or neither, and the state machine knows.
    pub(super) fn offer(&mut self, wish: Wish, core: &mut Core) {
        self.speak_to_host();
        match (self.readiness(&wish, core), wish) {
            (Ready::Later, wish) => self.life.hold(wish),
            // The upload itself tells what is wrong.
            (Ready::Refused, Wish::Precheck) => self.life.asked(),
            (Ready::Refused, wish) => self.refuse(&wish, core),
            (Ready::Now, Wish::Precheck) => self.start_head(Running::Precheck, true, core),
            (Ready::Now, Wish::Packet(request)) => self.send(request, core),
            (Ready::Now, Wish::Reply(get)) => self.start_reply(&get, core),
            (Ready::Now, Wish::Head) => {
                let authorize = self.may_log_in(core) == Ready::Now;
                self.start_head(Running::Head, authorize, core);
            }
        }
    }

    fn readiness(&mut self, wish: &Wish, core: &mut Core) -> Ready {
        let must_wait = wish.completes() && self.checking.is_some()
            || wish.closes() && !self.is_close_noted(core);
        if must_wait
            || (matches!(wish, Wish::Packet(_)) && self.must_renew(core))
            || !self.has_source_for(wish, core)
        {
            Ready::Later
        } else if wish.wants_login() {
            self.may_log_in(core)
        } else {
            Ready::Now
        }
    }

    /// Whether the password may go out now.
    pub(super) fn may_log_in(&self, core: &mut Core) -> Ready {
        let Some(credentials) =
            self.options.credentials.as_ref().filter(|_| self.login.scheme.is_some())
        else {
            return Ready::Now;
        };
        let login = Login::Password(credentials.clone());
        core.logins.offer(&self.destination.origin(), &login, self.id)
    }

    /// The server would answer as it did to the upload that tried; so its challenge to this
    /// one is the answer, and the password stays here. There may be another one by now.
    fn refuse(&mut self, wish: &Wish, core: &mut Core) {
        let answer = self.login.challenge_again();
        match wish {
            Wish::Packet(request) => {
                self.running = Some(Running::Packet(*request, Instant::now()));
                if let Some(answer) = self.challenged_again(answer, core) {
                    self.refused_unsent(&answer, core);
                }
            }
            Wish::Reply(_) => {
                self.find_login(&answer, core);
                let now = core.now();
                let _ = self.session.handle_reply(now, &Got { status: 401, ..Got::default() });
            }
            Wish::Precheck | Wish::Head => {}
        }
    }

    /// The state machine hears of a challenge to what was never sent.
    pub(super) fn refused_unsent(&mut self, answer: &Answer, core: &mut Core) {
        self.running = None;
        let now = core.now();
        let exchange = session::Exchange::default();
        let _ = self.session.handle_ack(now, &ack(answer), None, None, exchange);
    }
}

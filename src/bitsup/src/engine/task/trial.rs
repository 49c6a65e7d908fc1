//! The wait for the verdict on a password that another upload tries.

use std::time::Instant;

use bitsup_core::Ready;
use bitsup_proto::PacketType;
use bitsup_proto::reply::{Get, Got};
use bitsup_proto::session::{self, Request};

use super::super::Core;
use super::wording::ack;
use super::{Running, Task};
use crate::credentials::Login;
use crate::transport::Answer;

/// What the state machine has asked for and cannot go out yet.
pub(super) enum Held {
    Packet(Request),
    Reply(Get),
}

impl Held {
    fn wants_login(&self) -> bool {
        match self {
            Self::Packet(request) => request.authorize,
            Self::Reply(get) => get.authorize,
        }
    }
}

impl Task {
    /// Sends it, or keeps it until it can go out. `false`: neither, and the state machine knows.
    pub(super) fn offer(&mut self, held: Held, core: &mut Core) -> bool {
        match self.readiness(&held, core) {
            Ready::Later => {
                self.held = Some(held);
                true
            }
            Ready::Refused => {
                self.refuse(&held, core);
                false
            }
            Ready::Now => match held {
                Held::Packet(request) => self.send(request, core),
                Held::Reply(get) => self.start_reply(&get, core),
            },
        }
    }

    /// Offers what is held, once the state machine has not called it back, and not in a pause.
    /// `false`: it does not go out, and the state machine knows.
    pub(super) fn offer_held(&mut self, core: &mut Core) -> bool {
        if self.life.is_paused() {
            return true;
        }
        self.held.take().is_none_or(|held| self.offer(held, core))
    }

    fn readiness(&mut self, held: &Held, core: &mut Core) -> Ready {
        match held {
            Held::Packet(request) if self.must_hold(*request) || self.must_renew(core) => {
                Ready::Later
            }
            held if held.wants_login() => self.may_log_in(core),
            _ => Ready::Now,
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
    fn refuse(&mut self, held: &Held, core: &mut Core) {
        let answer = self.login.challenge_again();
        match held {
            Held::Packet(request) => {
                self.running = Some(Running::Packet(*request, Instant::now()));
                if let Some(answer) = self.challenged_again(answer, core) {
                    self.refused_unsent(&answer, core);
                }
            }
            Held::Reply(_) => {
                self.find_login(&answer, core);
                let now = core.now();
                let _ = self.session.handle_reply(now, &Got { status: 401, ..Got::default() });
            }
        }
    }

    /// The state machine hears of a challenge to what was never sent.
    pub(super) fn refused_unsent(&mut self, answer: &Answer, core: &mut Core) {
        self.running = None;
        let now = core.now();
        let exchange = session::Exchange::default();
        let _ = self.session.handle_ack(now, &ack(answer), None, None, exchange);
    }

    /// Nothing that completes the file goes out before what was sent earlier is known to be the same.
    fn must_hold(&self, request: Request) -> bool {
        let completes = request.packet == PacketType::CloseSession
            || request.range.is_some_and(bitsup_proto::ContentRange::is_last);
        completes && self.checking.is_some()
    }
}

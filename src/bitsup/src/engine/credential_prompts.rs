//! Logins that the caller is asked for: one question at a time for a site, and the answer
//! for all uploads that wait for it.

use std::sync::{Arc, mpsc};
use std::time::Instant;

use super::command::{Command, Inbox, TaskId};
use super::{Core, Engine, PacketEvent};
use crate::callbacks::Subscriber;
use crate::credentials::{CredentialCallback, CredentialRequest, Login, Role};

/// The most answers that are remembered; a client talks to a few sites.
const MAX_GIVEN: usize = 100;

/// What callers were asked, and what they answered.
#[derive(Default)]
pub(crate) struct CredentialPrompts {
    open: Vec<Question>,
    given: Vec<Given>,
    next: u64,
}

/// A question under way, and the uploads that wait for the answer, the asking one first.
struct Question {
    number: u64,
    request: CredentialRequest,
    callback: CredentialCallback,
    waiting: Vec<Asker>,
}

/// An upload that waits for an answer, and how its callback is called for it.
pub(crate) struct Asker {
    pub(crate) task: TaskId,
    pub(crate) subscriber: Arc<Subscriber>,
    /// The thread that waits for a packet; a question for it is put there, and not shared.
    pub(crate) caller: Option<mpsc::Sender<PacketEvent>>,
    pub(crate) callback: CredentialCallback,
}

/// The latest answer of a callback for a site.
struct Given {
    site: String,
    role: Role,
    callback: CredentialCallback,
    login: Login,
    renew_at: Option<Instant>,
}

/// How a question ended.
pub(crate) enum Reply {
    Answer(Option<Login>),
    /// The upload that asked was gone before its turn came.
    NotAsked,
}

impl CredentialPrompts {
    /// What the callback answered for that site, and when that is to be renewed.
    pub(crate) fn given(
        &self,
        site: &str,
        role: Role,
        callback: &CredentialCallback,
    ) -> Option<(Login, Option<Instant>)> {
        let given = self.given.iter().find(|given| given.is(site, role, callback))?;
        Some((given.login.clone(), given.renew_at))
    }

    fn remember(&mut self, question: &Question, login: Login) {
        let site = &question.request.site;
        let role = question.request.role();
        self.given.retain(|given| !given.is(site, role, &question.callback));
        if self.given.len() == MAX_GIVEN {
            self.given.remove(0);
        }
        let renew_at = match &login {
            Login::Token { valid_for: Some(valid), .. } => super::task::renewal(*valid),
            _ => None,
        };
        let (site, callback) = (site.clone(), question.callback.clone());
        self.given.push(Given { site, role, callback, login, renew_at });
    }
}

impl Given {
    fn is(&self, site: &str, role: Role, callback: &CredentialCallback) -> bool {
        self.site == site && self.role == role && self.callback.is(callback)
    }
}

impl Core {
    /// Puts a question for an upload, or lets it wait for the answer to the same one.
    pub(crate) fn ask_for_login(&mut self, asker: Asker, request: CredentialRequest) {
        let callback = asker.callback.clone();
        let is_shared = asker.caller.is_none();
        let same = |question: &&mut Question| {
            is_shared
                && question.waiting.iter().all(|other| other.caller.is_none())
                && question.request.site == request.site
                && question.request.role() == request.role()
                && question.callback.is(&callback)
        };
        if let Some(question) = self.prompts.open.iter_mut().find(same) {
            question.waiting.push(asker);
            return;
        }
        self.prompts.next += 1;
        let question =
            Question { number: self.prompts.next, request, callback, waiting: vec![asker] };
        self.put(&question);
        self.prompts.open.push(question);
    }

    fn put(&self, question: &Question) {
        let Some(Asker { subscriber, caller, callback, .. }) = question.waiting.first() else {
            return;
        };
        let mut answering = Answering { inbox: self.inbox.clone(), number: Some(question.number) };
        let (callback, request) = (callback.clone(), question.request.clone());
        let is_ours = callback.is_ours;
        let mut ask = move |is_there: bool| {
            if is_there {
                answering.send(Reply::Answer(callback.ask(&request)));
            }
        };
        if is_ours {
            self.workers.run(move || ask(true));
        } else if let Some(caller) = caller {
            // Where the caller is gone the question ends unasked.
            drop(caller.send(PacketEvent::Ask(Box::new(move || ask(true)))));
        } else {
            self.dispatcher.ask(subscriber, ask);
        }
    }
}

impl Engine {
    /// Hands an answer to all who wait for it.
    pub(super) fn prompted(&mut self, number: u64, reply: Reply) {
        let open = &mut self.core.prompts.open;
        let Some(at) = open.iter().position(|question| question.number == number) else { return };
        match reply {
            Reply::NotAsked => {
                let mut question = open.remove(at);
                let mut waiting = std::mem::take(&mut question.waiting).into_iter();
                drop(waiting.next());
                question.waiting = waiting.collect();
                if !question.waiting.is_empty() {
                    self.core.put(&question);
                    self.core.prompts.open.push(question);
                }
            }
            Reply::Answer(login) => {
                let question = open.remove(at);
                if let Some(login) = &login {
                    self.core.prompts.remember(&question, login.clone());
                }
                for asker in &question.waiting {
                    let answered = login.is_some();
                    self.with(asker.task, |task, core| task.prompted(answered, core));
                }
            }
        }
    }
}

/// Sees to it that a question is answered even if the callback dies of it.
struct Answering {
    inbox: Inbox,
    number: Option<u64>,
}

impl Answering {
    fn send(&mut self, reply: Reply) {
        if let Some(number) = self.number.take() {
            self.inbox.send(Command::Prompted(number, reply));
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.send(Reply::NotAsked);
    }
}

//! A server asks who we are: which login answers, and who is asked for one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bitsup_core::{LoginOutcome, PendingRequest};
use bitsup_proto::Remark;
use bitsup_proto::classify::{Meaning, classify};
use bitsup_proto::host::HostId;

use super::super::Core;
use super::super::auth;
use super::super::challenge::Offer;
use super::super::credential_prompts::Asker;
use super::convert::ack;
use super::{ReplyFetch, Task};
use crate::credentials::{
    CredentialCallback, CredentialRequest, Credentials, Login, MAX_QUESTIONS, Role, Secret,
};
use crate::diagnosis;
use crate::transport::{self, Answer, AuthScheme, Exchange, FailureKind, Headers, Stats};

/// A token is renewed so long before its end, or in the last quarter of a shorter life: what
/// is under way then still arrives in time.
const RENEW_BEFORE: Duration = Duration::from_secs(30);

/// Which login answers the server, and what it has seen.
#[derive(Default)]
pub(super) struct LoginState {
    /// The scheme the server is answered with, once it has asked.
    pub(super) scheme: Option<AuthScheme>,
    /// The exchange under way, or the last one, shows a password.
    pub(super) showed_password: bool,
    /// The server takes only what everybody on the way there could read.
    pub(super) withheld: bool,
    /// The login that was refused last was bound to the certificate of its connection.
    pub(super) bound: bool,
    /// The server has refused all that there is before.
    pub(super) known_refused: bool,
    /// Questions in a row since a login was taken.
    pub(super) questions: u32,
    /// A challenge that waits for the caller's answer.
    parked: Option<Box<Parked>>,
    /// The header lines of the last challenge.
    challenge: Headers,
    /// The last challenge can be answered.
    pub(super) ready: bool,
    /// Where the login was asked for that the options have now, and the user and the token that they had before.
    given: Option<(String, Option<Credentials>, Option<Secret>)>,
    /// When the token is to be renewed.
    renew_at: Option<Instant>,
    /// A packet waits for a new token.
    pub(super) renewing: bool,
    /// It has waited, and goes out with or without one.
    renewed: bool,
}

/// Why the login that there is does not help.
static WITHHELD: Remark = advice(
    "The password was not sent, since without verified TLS it would be readable in transit: use https, or allow it ({allow_cleartext_credentials}).",
);
static KNOWN_REFUSED: Remark = advice(
    "The server refused this login before; it was not sent again, to avoid an account lockout. Give the right one.",
);
static BOUND: Remark = advice(
    "Check the login; a refused password is not sent again, to avoid an account lockout. If it is right: over https it is bound to the certificate that was shown here, and a server with Extended Protection refuses it where something on the way ends TLS ({doctor} shows the certificate).",
);

const fn advice(advice: &'static str) -> Remark {
    Remark { kind: None, message: None, advice }
}

/// A challenge that waits for the caller's answer.
enum Parked {
    Server {
        answer: Answer,
        stats: Stats,
        /// It refuses what the exchange carried.
        refused: bool,
    },
    /// The login that another upload tried was refused, and nothing was sent.
    Unsent(Answer),
    Proxy {
        answer: Answer,
        stats: Stats,
    },
    /// A proxy made no tunnel.
    Tunnel(transport::ExchangeFailure),
}

impl LoginState {
    /// The last challenge as an answer.
    pub(super) fn challenge_again(&self) -> Answer {
        Answer { status: 401, headers: self.challenge.clone(), ..Answer::default() }
    }

    /// Whether the login was asked for at another server than this one.
    pub(super) fn is_given_elsewhere(&self, site: &str) -> bool {
        self.given.as_ref().is_some_and(|(at, ..)| at != site)
    }

    /// Whether the caller is being asked.
    pub(super) fn is_asking(&self) -> bool {
        self.parked.is_some() || self.renewing
    }

    /// Nothing waits for an answer any more.
    pub(super) fn forget_question(&mut self) {
        self.parked = None;
        self.renewing = false;
    }
}

impl Task {
    /// The host that is spoken to, if the server sent us to another one.
    fn other_host(&self) -> Option<&str> {
        self.driver.host().map(HostId::host)
    }

    /// Whether the host that is spoken to may see what is meant for the URL's.
    pub(super) fn is_trusted(&self) -> bool {
        let other = self.other_host();
        other.is_none_or(|host| self.options.trusts(&self.destination.origin.host, host))
    }

    /// The server that is spoken to, as it is named to whom knows logins.
    pub(super) fn site(&self) -> String {
        self.destination.origin_at(self.driver.host()).to_string()
    }

    /// A login that was asked for at another host is not this one's: that of the options is.
    pub(super) fn speak_to_host(&mut self) {
        let site = self.site();
        let Some((_, credentials, token)) = self.login.given.take_if(|(at, ..)| *at != site) else {
            return;
        };
        self.login.scheme = None;
        self.driver.set_credentials(None);
        self.login.renew_at = None;
        self.options.credentials = credentials;
        self.options.bearer_token = token;
    }

    /// Keeps the options' own login before one that was asked for takes its place.
    fn note_given(&mut self) {
        let site = self.site();
        let options = &self.options;
        let own = || (String::new(), options.credentials.clone(), options.bearer_token.clone());
        self.login.given.get_or_insert_with(own).0 = site;
    }

    /// The login that an exchange shows.
    pub(super) fn shown_by(&mut self, exchange: &Exchange) -> Option<Login> {
        let shows_token = exchange.headers.iter().any(|(name, _)| name == "Authorization");
        let options = &self.options;
        let shown = match (&exchange.auth, &options.credentials, &options.bearer_token) {
            (Some(_), Some(credentials), _) => Some(Login::Password(credentials.clone())),
            (None, _, Some(token)) if shows_token => {
                Some(Login::Token { token: token.clone(), valid_for: None })
            }
            _ => None,
        };
        self.login.showed_password = matches!(shown, Some(Login::Password(_)));
        shown
    }

    /// An answer that asks for no login: perhaps the server accepted what it was shown.
    pub(super) fn note_accepted(&mut self, answer: &Answer, core: &mut Core) {
        // HEAD and GET bring no Ack to tell by; a redirect of theirs proves nothing.
        let is_plain = !matches!(self.driver.exchange(), Some((_, PendingRequest::Packet(_))));
        let is_own = ack(answer).is_ack || (is_plain && answer.status < 300);
        let verdict = LoginOutcome::of(answer.status, false, is_own);
        if self.driver.judge(verdict, &mut core.client).is_some() && answer.status < 300 {
            self.login.questions = 0;
        }
    }

    /// A token that was refused at this site before does not go out again.
    pub(super) fn withhold_refused_token(&mut self, core: &Core) {
        if self.has_refused_token(core) {
            self.options.bearer_token = None;
        }
    }

    /// Whether the server that is spoken to has refused the token.
    pub(super) fn has_refused_token(&self, core: &Core) -> bool {
        let token = self.options.bearer_token.clone();
        let login = token.map(|token| Login::Token { token, valid_for: None });
        login.is_some_and(|login| core.has_refused(self.driver.peer(), &login))
    }

    /// The server asks for a login. Gives the answer back if one was found that the server has
    /// not refused, or there is none; else the caller is asked, and the answer kept until then.
    pub(super) fn challenged(
        &mut self,
        answer: Answer,
        stats: Stats,
        core: &mut Core,
    ) -> Option<(Answer, Stats)> {
        let refused = self.driver.judge(LoginOutcome::Refused, &mut core.client).is_some();
        self.login.challenge = answer.headers.clone();
        let scheme = self.login.scheme.filter(|_| refused && self.destination.origin.is_https());
        self.login.bound = matches!(scheme, Some(AuthScheme::Ntlm | AuthScheme::Spnego));
        if !self.must_ask(&answer, refused, core) {
            return Some((answer, stats));
        }
        self.login.parked = Some(Box::new(Parked::Server { answer, stats, refused }));
        self.sent_nothing();
        None
    }

    /// As [`Self::challenged`], for what another upload tried and this one has not sent.
    pub(super) fn challenged_again(&mut self, answer: Answer, core: &mut Core) -> Option<Answer> {
        if !self.must_ask(&answer, false, core) {
            return Some(answer);
        }
        self.login.parked = Some(Box::new(Parked::Unsent(answer)));
        None
    }

    fn asker(&self, callback: CredentialCallback) -> Asker {
        let (subscriber, caller) = (Arc::clone(&self.shared.subscriber), self.caller.clone());
        Asker { task: self.id(), subscriber, caller, callback }
    }

    /// Finds a login to answer with; if there is none, asks the caller: then `true`.
    fn must_ask(&mut self, answer: &Answer, refused: bool, core: &mut Core) -> bool {
        let found = self.find_login(answer, core);
        let callback = self.options.credential_callback.clone();
        let may_ask = !found
            && !self.login.withheld
            && self.login.questions < MAX_QUESTIONS
            && self.is_trusted();
        let Some(callback) = callback.filter(|own| may_ask && own.knows(Role::Server)) else {
            self.login.known_refused &= !refused;
            return false;
        };
        let offered = auth::offered(answer, Role::Server);
        let refused = refused || self.login.known_refused;
        self.ask(callback, Role::Server, offered, refused, core);
        true
    }

    /// Asks the caller for a login, since a server or a proxy wants one.
    fn ask(
        &mut self,
        callback: CredentialCallback,
        role: Role,
        offered: Vec<Offer>,
        refused: bool,
        core: &mut Core,
    ) {
        self.login.questions += 1;
        let own = match role {
            Role::Server => &self.options.credentials,
            Role::Proxy => &self.options.proxy_credentials,
        };
        let given = match self.given(role, core) {
            Some((Login::Password(given), _)) => Some(given.user),
            _ => None,
        };
        let request = CredentialRequest {
            site: self.site_of(role),
            proxy: role == Role::Proxy,
            realm: offered.iter().find_map(Offer::realm),
            schemes: offered.into_iter().map(|offer| offer.scheme).collect(),
            user: given.or_else(|| own.as_ref().map(|own| own.user.clone())),
            refused,
            expiring: false,
            attempt: self.login.questions,
        };
        core.ask_for_login(self.asker(callback), request);
    }

    /// What the callback answered last for the server that is spoken to, or for its proxy; and when to renew it.
    pub(super) fn given(&self, role: Role, core: &Core) -> Option<(Login, Option<Instant>)> {
        let site = self.site_of(role);
        core.prompts.given(&site, role, self.options.credential_callback.as_ref()?)
    }

    /// The server that is spoken to or its proxy, as it is named to whom knows logins.
    fn site_of(&self, role: Role) -> String {
        match role {
            Role::Server => self.site(),
            Role::Proxy => self.proxy.site.clone(),
        }
    }

    /// Takes the first login that the server has not refused and that may be shown to it: the
    /// caller's own, or what the callback answered last.
    pub(super) fn find_login(&mut self, answer: &Answer, core: &mut Core) -> bool {
        let token = self.options.bearer_token.clone();
        let own = self.options.credentials.clone();
        let given = self.given(Role::Server, core);
        let is_trusted = self.is_trusted();
        let candidates = [
            token.map(|token| (Login::Token { token, valid_for: None }, None, false)),
            own.map(|own| (Login::Password(own), None, false)),
            given.map(|(login, renew_at)| (login, renew_at, true)),
        ];
        let candidates = candidates.into_iter().flatten().filter(|_| is_trusted);
        self.login.scheme = None;
        self.login.withheld = false;
        self.login.known_refused = false;
        self.login.ready = false;
        for (login, renew_at, is_given) in candidates {
            if core.has_refused(self.driver.peer(), &login) {
                self.login.known_refused = true;
            } else if self.take_login(login, renew_at, is_given, answer) {
                // A 401 to what was sent before says nothing about this one.
                self.driver.mark_request_unauthenticated();
                self.login.ready = true;
                break;
            }
        }
        self.driver.set_server_usable(self.login.ready);
        self.use_credentials(core);
        self.login.ready
    }

    /// The password answers the server, once a scheme for it is chosen.
    fn use_credentials(&mut self, core: &mut Core) {
        let own = self.options.credentials.clone().filter(|_| self.login.scheme.is_some());
        self.driver.set_credentials(own.map(|own| core.handle(&Login::Password(own))));
    }

    fn take_login(
        &mut self,
        login: Login,
        renew_at: Option<Instant>,
        is_given: bool,
        answer: &Answer,
    ) -> bool {
        let https = self.destination.origin.is_https();
        match login {
            Login::Password(credentials) => {
                self.login.scheme = auth::choose(answer, Role::Server, &self.options, https);
                if self.login.scheme.is_none() {
                    self.login.withheld = auth::offers_only_basic(answer);
                    return false;
                }
                if is_given {
                    self.note_given();
                }
                self.options.credentials = Some(credentials);
                self.options.bearer_token = None;
            }
            Login::Token { token, .. } => {
                if !auth::may_be_read(&self.options, https) {
                    self.login.withheld = true;
                    return false;
                }
                if !token.is_header_value() {
                    return false;
                }
                if is_given {
                    self.note_given();
                }
                self.options.bearer_token = Some(token);
            }
        }
        self.login.renew_at = renew_at;
        true
    }

    /// The caller was asked; the answer is among the given ones.
    pub(crate) fn prompted(&mut self, answered: bool, core: &mut Core) {
        if std::mem::take(&mut self.login.renewing) {
            self.login.renewed = true;
            self.login.renew_at = None;
            self.take_given_token(core, false);
        }
        match self.login.parked.take().map(|parked| *parked) {
            None => {}
            Some(Parked::Server { answer, stats, refused }) => {
                self.find_login(&answer, core);
                self.login.known_refused &= answered || !refused;
                self.answered(&answer, &stats, core);
            }
            Some(Parked::Unsent(answer)) => {
                self.find_login(&answer, core);
                self.refused_unsent(&answer, core);
            }
            Some(Parked::Proxy { answer, stats }) => {
                self.take_proxy_login(core);
                self.answered(&answer, &stats, core);
            }
            Some(Parked::Tunnel(_)) if self.take_proxy_login(core) => self.retry_unsent(),
            Some(Parked::Tunnel(failure)) => {
                if let Some((id, _)) = self.driver.exchange() {
                    self.failed(id, failure, core);
                }
            }
        }
    }

    /// The proxy wants a login, and there is none or it was refused: asks the callback, if there
    /// is one. Gives the event back if not.
    pub(super) fn proxy_challenged(
        &mut self,
        event: transport::Event,
        core: &mut Core,
    ) -> Option<transport::Event> {
        let asks = |answer: &Answer| answer.status == 407 && event.stats.forwarded;
        let (shown, offered) = match (&event.result, self.driver.exchange()) {
            (Ok(answer), Some((_, PendingRequest::Packet(request)))) if asks(answer) => {
                (request.authorize_proxy, auth::offered(answer, Role::Proxy))
            }
            (Ok(answer), Some((_, PendingRequest::Reply(get)))) if asks(answer) => {
                (get.authorize_proxy, auth::offered(answer, Role::Proxy))
            }
            (Err(failure), Some((_, PendingRequest::Packet(_) | PendingRequest::Reply(_))))
                if matches!(failure.kind, FailureKind::ProxyFailed(Some(407))) =>
            {
                (true, Vec::new())
            }
            _ => return Some(event),
        };
        let shown = shown && self.showed_to_proxy();
        let callback = self.options.credential_callback.clone();
        let knows = |callback: &CredentialCallback| callback.knows(Role::Proxy);
        let Some(callback) = callback.filter(knows) else { return Some(event) };
        let refused = shown || self.given(Role::Proxy, core).is_some();
        if shown {
            self.refused_by_proxy(core);
        }
        if self.take_proxy_login(core) {
            if event.result.is_ok() {
                return Some(event);
            }
            self.retry_unsent();
            return None;
        }
        if self.login.questions == MAX_QUESTIONS {
            return Some(event);
        }
        self.login.parked = Some(Box::new(match event.result {
            Ok(answer) => Parked::Proxy { answer, stats: event.stats },
            Err(failure) => Parked::Tunnel(failure),
        }));
        self.sent_nothing();
        self.ask(callback, Role::Proxy, offered, refused, core);
        None
    }

    /// Nothing of the upload was sent; it is now, with the new login.
    pub(super) fn retry_unsent(&mut self) {
        self.sent_nothing();
        self.driver.retry_unsent();
    }

    /// Whether there is something for the proxy that it has not refused: it is shown next.
    fn take_proxy_login(&mut self, core: &Core) -> bool {
        if self.credentials_for_proxy(core).is_none() {
            return false;
        }
        // The exchange under way has not shown this one.
        self.driver.mark_request_unauthenticated();
        self.driver.set_proxy_usable(true);
        true
    }

    /// Whether a packet must wait, since the token is about to expire and a new one is asked for.
    pub(super) fn must_renew(&mut self, core: &mut Core) -> bool {
        if self.login.renewing {
            return true;
        }
        if std::mem::take(&mut self.login.renewed) {
            return false;
        }
        let is_old = self.login.renew_at.is_some_and(|at| at <= Instant::now());
        let is_unused = self.options.bearer_token.is_none() || !self.is_trusted();
        if !is_old || is_unused || self.take_given_token(core, true) {
            return false;
        }
        let Some(callback) = self.options.credential_callback.clone() else { return false };
        let request = CredentialRequest {
            site: self.site(),
            proxy: false,
            realm: None,
            schemes: Vec::new(),
            user: None,
            refused: false,
            expiring: true,
            attempt: 1,
        };
        self.login.renewing = true;
        core.ask_for_login(self.asker(callback), request);
        true
    }

    /// Takes the token that the callback gave last; only while it need not be renewed itself, if
    /// that matters.
    fn take_given_token(&mut self, core: &Core, fresh: bool) -> bool {
        let Some((login, renew_at)) = self.given(Role::Server, core) else { return false };
        let is_fresh = !fresh || renew_at.is_none_or(|at| at > Instant::now());
        match &login {
            Login::Token { token, .. }
                if is_fresh
                    && token.is_header_value()
                    && !core.has_refused(self.driver.peer(), &login) =>
            {
                self.note_given();
                self.options.bearer_token = Some(token.clone());
                self.login.renew_at = renew_at;
                true
            }
            _ => false,
        }
    }

    /// What is known of an answer, a challenge among them.
    pub(super) fn remark(&self, answer: &Answer) -> Option<&'static Remark> {
        if self.is_challenge(answer) { self.login_remark() } else { diagnosis::remark(answer) }
    }

    /// Why there is nothing to answer a challenge with, if that is known.
    pub(super) fn login_remark(&self) -> Option<&'static Remark> {
        let known = [
            (self.login.withheld, &WITHHELD),
            (self.login.known_refused, &KNOWN_REFUSED),
            (self.login.bound, &BOUND),
        ];
        known.into_iter().find_map(|(applies, remark)| applies.then_some(remark))
    }

    /// Whether an answer wants a login, and one that may be shown to the peer that gave it.
    pub(super) fn is_challenge(&self, answer: &Answer) -> bool {
        if answer.status != 401 {
            return false;
        }
        match self.driver.exchange().map(|(_, request)| request) {
            Some(PendingRequest::Packet(request)) => {
                let meaning = classify(request.packet, &ack(answer));
                meaning == Meaning::Challenge { proxy: false }
            }
            Some(PendingRequest::Precheck) => true,
            // It asks for no login: it is only evidence.
            Some(PendingRequest::Head) | None => false,
            // Only the upload's own site may ask for the password.
            Some(PendingRequest::Reply(_)) => {
                self.reply.as_ref().is_some_and(ReplyFetch::is_at_destination)
            }
        }
    }
}

/// When to renew a token that is taken for so long.
pub(crate) fn renewal(valid_for: Duration) -> Option<Instant> {
    let margin = RENEW_BEFORE.min(valid_for / 4);
    Instant::now().checked_add(valid_for.saturating_sub(margin))
}

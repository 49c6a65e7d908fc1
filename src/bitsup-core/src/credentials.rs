//! Which credentials may go out, and what an answer says of those that its request showed.
//!
//! Credentials that were refused never go out again, by no upload of the client: three hundred uploads with an
//! expired password must not lock an account. Uploads that begin at the same instant would each show a wrong
//! password once, and a handful of those locks an account too. So one upload tries it, and the others wait for
//! the verdict.

use crate::TaskId;

/// The most refused, and the most accepted credentials that are remembered; a client has a few.
const MAX_KNOWN: usize = 100;

/// Asks for credentials. Credentials for the one are never shown to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The server that the URL names, or one that it sent the upload to.
    Server,
    /// A proxy on the way there.
    Proxy,
}

impl Role {
    /// The header that asks.
    #[must_use]
    pub fn challenge(self) -> &'static str {
        match self {
            Self::Server => "WWW-Authenticate",
            Self::Proxy => "Proxy-Authenticate",
        }
    }

    /// The header that answers.
    #[must_use]
    pub fn authorization(self) -> &'static str {
        match self {
            Self::Server => "Authorization",
            Self::Proxy => "Proxy-Authorization",
        }
    }
}

/// A server or a proxy that is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Scheme, host and port: `https://host:port`, the port only if it is not the scheme's own.
    pub origin: String,
    /// What it is.
    pub role: Role,
}

impl Site {
    /// A server.
    #[must_use]
    pub fn server(origin: impl Into<String>) -> Self {
        Self { origin: origin.into(), role: Role::Server }
    }

    /// A proxy.
    #[must_use]
    pub fn proxy(url: impl Into<String>) -> Self {
        Self { origin: url.into(), role: Role::Proxy }
    }
}

/// Whether credentials may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// The site accepts them, or this upload tries them.
    Now,
    /// Another upload tries them; this one is woken when there is a verdict.
    Wait,
    /// The site has refused them, and they never go out again.
    Refused,
}

/// What an answer says of the credentials that its request showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The site accepts them.
    Accepted,
    /// The site refuses them.
    Refused,
    /// Nothing: another upload may try them.
    Inconclusive,
}

impl LoginOutcome {
    /// That of an answer; `asks`: whether it asks for credentials, and its sender may; `is_own`: whether only
    /// the site itself answers so.
    #[must_use]
    pub fn of(status: u16, asks: bool, is_own: bool) -> Self {
        match status {
            _ if asks => Self::Refused,
            // Nothing that a proxy or a busy server says.
            401 | 407 | 408 | 429 | 500.. => Self::Inconclusive,
            // A portal on the way there says yes to everything, or sends everybody to its own page.
            200..=399 if !is_own => Self::Inconclusive,
            _ => Self::Accepted,
        }
    }
}

/// A handle of credentials: equal ones have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CredentialId(pub u64);

/// What is known of the credentials of a client. It holds handles, never secrets.
#[derive(Debug, Default)]
pub struct CredentialCache {
    known: Vec<Known>,
    woken: Vec<TaskId>,
}

/// Credentials at a site; there is one entry for each pair.
#[derive(Debug)]
struct Known {
    site: Site,
    credentials: CredentialId,
    standing: CredentialState,
}

#[derive(Debug, PartialEq, Eq)]
enum CredentialState {
    OnTrial { by: TaskId, waiting: Vec<TaskId> },
    Accepted,
    Refused,
}

impl CredentialCache {
    /// Whether the site has refused them.
    #[must_use]
    pub fn has_refused(&self, site: &Site, credentials: CredentialId) -> bool {
        let known = self.known.iter().find(|known| known.is(site, credentials));
        known.is_some_and(|known| known.standing == CredentialState::Refused)
    }

    /// Whether anything is known of them.
    #[must_use]
    pub fn knows(&self, credentials: CredentialId) -> bool {
        self.known.iter().any(|known| known.credentials == credentials)
    }

    /// Whether upload `id` may show them to the site now.
    pub fn offer(&mut self, site: &Site, credentials: CredentialId, id: TaskId) -> Ready {
        let known = self.known.iter_mut().find(|known| known.is(site, credentials));
        match known.map(|known| &mut known.standing) {
            Some(CredentialState::Accepted) => Ready::Now,
            Some(CredentialState::Refused) => Ready::Refused,
            Some(CredentialState::OnTrial { by, .. }) if *by == id => Ready::Now,
            Some(CredentialState::OnTrial { waiting, .. }) => {
                if !waiting.contains(&id) {
                    waiting.push(id);
                }
                Ready::Wait
            }
            None => {
                self.set(
                    site,
                    credentials,
                    CredentialState::OnTrial { by: id, waiting: Vec::new() },
                );
                Ready::Now
            }
        }
    }

    /// Upload `id` has shown them, and this came of it.
    pub fn judge(
        &mut self,
        verdict: LoginOutcome,
        site: &Site,
        credentials: CredentialId,
        id: TaskId,
    ) {
        match verdict {
            LoginOutcome::Accepted => self.set(site, credentials, CredentialState::Accepted),
            LoginOutcome::Refused => self.set(site, credentials, CredentialState::Refused),
            LoginOutcome::Inconclusive => self.leave(id),
        }
    }

    /// The site has refused them.
    pub fn refuse(&mut self, site: &Site, credentials: CredentialId) {
        self.set(site, credentials, CredentialState::Refused);
    }

    /// An upload is over or pauses, without a verdict: another may try.
    pub fn leave(&mut self, id: TaskId) {
        let woken = &mut self.woken;
        self.known.retain_mut(|known| {
            let CredentialState::OnTrial { by, waiting } = &mut known.standing else { return true };
            waiting.retain(|waiting| *waiting != id);
            if *by == id {
                woken.append(waiting);
            }
            *by != id
        });
    }

    /// An upload that waited for a verdict and shall look again.
    pub fn next_woken(&mut self) -> Option<TaskId> {
        self.woken.pop()
    }

    fn set(&mut self, site: &Site, credentials: CredentialId, standing: CredentialState) {
        if let Some(at) = self.known.iter().position(|known| known.is(site, credentials)) {
            let known = self.known.get_mut(at).map(|known| &mut known.standing);
            let refused = known.as_deref() == Some(&CredentialState::Refused);
            if known.as_deref() == Some(&standing)
                || refused && standing == CredentialState::Accepted
            {
                return;
            }
            if let CredentialState::OnTrial { mut waiting, .. } = self.known.remove(at).standing {
                self.woken.append(&mut waiting);
            }
        }
        let is_alike = |known: &Known| known.standing == standing;
        if self.known.iter().filter(|known| is_alike(known)).count() == MAX_KNOWN
            && let Some(oldest) = self.known.iter().position(is_alike)
        {
            self.known.remove(oldest);
        }
        self.known.push(Known { site: site.clone(), credentials, standing });
    }
}

impl Known {
    fn is(&self, site: &Site, credentials: CredentialId) -> bool {
        self.site == *site && self.credentials == credentials
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: TaskId = TaskId(1);
    const OTHER: TaskId = TaskId(2);
    const X: CredentialId = CredentialId(1);

    #[test]
    fn only_the_site_itself_judges_a_login() {
        use LoginOutcome::{Accepted, Inconclusive, Refused};
        let of = LoginOutcome::of;
        assert_eq!([of(401, true, true), of(401, false, true)], [Refused, Inconclusive]);
        assert_eq!([of(200, false, true), of(200, false, false)], [Accepted, Inconclusive]);
        // With an Ack it is what the application behind the BITS server answers.
        assert_eq!([of(302, false, true), of(302, false, false)], [Accepted, Inconclusive]);
        assert_eq!([of(403, false, true), of(404, false, false)], [Accepted; 2]);
        for status in [407, 408, 429, 500, 503] {
            assert_eq!(of(status, false, true), Inconclusive, "{status}");
        }
    }

    #[test]
    fn a_verdict_lets_the_others_go_on_or_keeps_the_login_for_ever() {
        let (mut cache, site) = (CredentialCache::default(), Site::server("s"));
        assert_eq!(cache.offer(&site, X, ONE), Ready::Now);
        assert_eq!(cache.offer(&site, X, OTHER), Ready::Wait);
        cache.judge(LoginOutcome::Inconclusive, &site, X, ONE);
        assert_eq!((cache.next_woken(), cache.next_woken()), (Some(OTHER), None));
        assert_eq!(cache.offer(&site, X, OTHER), Ready::Now);
        assert_eq!(cache.offer(&site, X, ONE), Ready::Wait);
        cache.judge(LoginOutcome::Accepted, &site, X, OTHER);
        assert_eq!(cache.next_woken(), Some(ONE));
        assert_eq!(cache.offer(&site, X, ONE), Ready::Now);
        cache.judge(LoginOutcome::Refused, &site, X, ONE);
        assert!(cache.has_refused(&site, X));
        assert!(!cache.has_refused(&Site::server("other"), X));
        assert!(!cache.has_refused(&Site::proxy("s"), X), "the proxy is another one");
        assert_eq!(cache.offer(&site, X, OTHER), Ready::Refused);
    }

    #[test]
    fn one_tries_and_the_others_are_woken_by_the_verdict() {
        let (mut cache, site, own) = (CredentialCache::default(), Site::server("s"), X);
        assert_eq!([ONE, ONE].map(|id| cache.offer(&site, own, id)), [Ready::Now; 2]);
        assert_eq!([OTHER, OTHER].map(|id| cache.offer(&site, own, id)), [Ready::Wait; 2]);
        assert_eq!(cache.offer(&Site::server("other"), own, OTHER), Ready::Now);
        assert_eq!(cache.offer(&site, CredentialId(2), OTHER), Ready::Now);
        cache.judge(LoginOutcome::Accepted, &site, own, ONE);
        assert_eq!((cache.next_woken(), cache.next_woken()), (Some(OTHER), None));
        assert_eq!([OTHER, TaskId(3)].map(|id| cache.offer(&site, own, id)), [Ready::Now; 2]);
    }

    #[test]
    fn an_upload_that_leaves_without_a_verdict_lets_another_try() {
        let (mut cache, site, own) = (CredentialCache::default(), Site::server("s"), X);
        assert_eq!(cache.offer(&site, own, ONE), Ready::Now);
        assert_eq!([OTHER, TaskId(3)].map(|id| cache.offer(&site, own, id)), [Ready::Wait; 2]);
        cache.leave(TaskId(3));
        assert_eq!(cache.next_woken(), None);
        cache.leave(ONE);
        assert_eq!((cache.next_woken(), cache.next_woken()), (Some(OTHER), None));
        assert_eq!(cache.offer(&site, own, OTHER), Ready::Now);
    }

    #[test]
    fn the_oldest_of_many_is_forgotten() {
        let (mut cache, site) = (CredentialCache::default(), Site::server("s"));
        for number in 0..=MAX_KNOWN {
            cache.refuse(&site, CredentialId(number as u64));
        }
        let refused =
            [0, 1, MAX_KNOWN as u64].map(|number| cache.has_refused(&site, CredentialId(number)));
        assert_eq!(refused, [false, true, true]);
    }
}

//! Which logins may go out, and what an answer says of the one that its request showed.

use crate::{Refused, TaskId, Trials};

/// The logins of a client.
#[derive(Debug)]
pub struct Logins<L> {
    refused: Refused<L>,
    trials: Trials<L>,
}

/// Whether a login may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// The site takes it, or this upload tries it.
    Now,
    /// Another upload tries it; this one is woken when there is a verdict.
    Later,
    /// The site has refused it, and it never goes out again.
    Refused,
}

/// What an answer says of the login that its request showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The site takes it.
    Taken,
    /// The site refuses it.
    Refused,
    /// Nothing: another upload may try it.
    Open,
}

impl Verdict {
    /// That of an answer; `asks`: whether it asks for a login, and who gave it may; `is_own`:
    /// whether nobody but the site itself answers so.
    #[must_use]
    pub fn of(status: u16, asks: bool, is_own: bool) -> Self {
        match status {
            _ if asks => Self::Refused,
            // Nothing that a proxy or a busy server says.
            401 | 407 | 408 | 429 | 500.. => Self::Open,
            // A portal on the way there says yes to everything, or sends everybody to its own page.
            200..=399 if !is_own => Self::Open,
            _ => Self::Taken,
        }
    }
}

impl<L> Default for Logins<L> {
    fn default() -> Self {
        Self { refused: Refused::default(), trials: Trials::default() }
    }
}

impl<L: Clone + PartialEq> Logins<L> {
    /// Whether the site, or the proxy, has refused it.
    pub fn has_refused(&self, site: &str, login: &L) -> bool {
        self.refused.has(site, login)
    }

    /// Whether upload `id` may show it to the site now.
    pub fn offer(&mut self, site: &str, login: &L, id: TaskId) -> Ready {
        if self.refused.has(site, login) {
            Ready::Refused
        } else if self.trials.may_show(site, login, id) {
            Ready::Now
        } else {
            Ready::Later
        }
    }

    /// Upload `id` has shown it, and this came of it.
    pub fn judge(&mut self, verdict: Verdict, site: &str, login: &L, id: TaskId) {
        match verdict {
            Verdict::Taken => self.trials.taken(site, login),
            Verdict::Refused => self.refuse(site, login),
            Verdict::Open => self.trials.leave(id),
        }
    }

    /// The site, or the proxy, has refused it.
    pub fn refuse(&mut self, site: &str, login: &L) {
        self.refused.add(site.to_owned(), login.clone());
        self.trials.refused(site, login);
    }

    /// An upload is over or pauses, without a verdict: another may try.
    pub fn leave(&mut self, id: TaskId) {
        self.trials.leave(id);
    }

    /// An upload that waited for a verdict and shall look again.
    pub fn next_woken(&mut self) -> Option<TaskId> {
        self.trials.next_woken()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: TaskId = TaskId(1);
    const OTHER: TaskId = TaskId(2);

    #[test]
    fn only_the_site_itself_judges_a_login() {
        let of = Verdict::of;
        assert_eq!([of(401, true, true), of(401, false, true)], [Verdict::Refused, Verdict::Open]);
        assert_eq!([of(200, false, true), of(200, false, false)], [Verdict::Taken, Verdict::Open]);
        // With an Ack it is what the application behind the BITS server answers.
        assert_eq!([of(302, false, true), of(302, false, false)], [Verdict::Taken, Verdict::Open]);
        assert_eq!([of(403, false, true), of(404, false, false)], [Verdict::Taken; 2]);
        for status in [407, 408, 429, 500, 503] {
            assert_eq!(of(status, false, true), Verdict::Open, "{status}");
        }
    }

    #[test]
    fn a_verdict_lets_the_others_go_on_or_keeps_the_login_for_ever() {
        let mut logins = Logins::default();
        assert_eq!(logins.offer("s", &"x", ONE), Ready::Now);
        assert_eq!(logins.offer("s", &"x", OTHER), Ready::Later);
        logins.judge(Verdict::Open, "s", &"x", ONE);
        assert_eq!((logins.next_woken(), logins.next_woken()), (Some(OTHER), None));
        assert_eq!(logins.offer("s", &"x", OTHER), Ready::Now);
        assert_eq!(logins.offer("s", &"x", ONE), Ready::Later);
        logins.judge(Verdict::Taken, "s", &"x", OTHER);
        assert_eq!(logins.next_woken(), Some(ONE));
        assert_eq!(logins.offer("s", &"x", ONE), Ready::Now);
        logins.judge(Verdict::Refused, "s", &"x", ONE);
        assert!(logins.has_refused("s", &"x") && !logins.has_refused("other", &"x"));
        assert_eq!(logins.offer("s", &"x", OTHER), Ready::Refused);
    }
}

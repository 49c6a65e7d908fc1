//! Who may show a password that no server has taken yet.
//!
//! Uploads that begin at the same instant would each show a wrong password once, and a
//! handful of those locks an account. So one upload tries it, and the others wait for the
//! verdict.

use crate::TaskId;

/// So many credentials are remembered as taken; a client has a few.
const MAX_TAKEN: usize = 100;

/// Credentials at a site, and who tries them.
#[derive(Debug)]
pub(crate) struct Trials<C> {
    taken: Vec<(String, C)>,
    running: Vec<Trial<C>>,
    woken: Vec<TaskId>,
}

#[derive(Debug)]
struct Trial<C> {
    site: String,
    credentials: C,
    by: TaskId,
    waiting: Vec<TaskId>,
}

impl<C: PartialEq> Trial<C> {
    fn is(&self, site: &str, credentials: &C) -> bool {
        self.site == site && self.credentials == *credentials
    }
}

impl<C> Default for Trials<C> {
    fn default() -> Self {
        Self { taken: Vec::new(), running: Vec::new(), woken: Vec::new() }
    }
}

impl<C: Clone + PartialEq> Trials<C> {
    /// Whether upload `id` may show these credentials now: they are known to be good, or it is
    /// the one that tries them. Otherwise it is woken when there is a verdict.
    pub(crate) fn may_show(&mut self, site: &str, credentials: &C, id: TaskId) -> bool {
        if self.taken.iter().any(|(at, taken)| at == site && taken == credentials) {
            return true;
        }
        match self.running.iter_mut().find(|trial| trial.is(site, credentials)) {
            Some(trial) if trial.by == id => true,
            Some(trial) => {
                if !trial.waiting.contains(&id) {
                    trial.waiting.push(id);
                }
                false
            }
            None => {
                let (site, credentials) = (site.to_owned(), credentials.clone());
                self.running.push(Trial { site, credentials, by: id, waiting: Vec::new() });
                true
            }
        }
    }

    /// The server has taken them.
    pub(crate) fn taken(&mut self, site: &str, credentials: &C) {
        if self.taken.iter().any(|(at, taken)| at == site && taken == credentials) {
            return;
        }
        if self.taken.len() == MAX_TAKEN {
            self.taken.remove(0);
        }
        self.taken.push((site.to_owned(), credentials.clone()));
        self.over(|trial| trial.is(site, credentials));
    }

    /// The server has refused them; who waits asks what else is known of them.
    pub(crate) fn refused(&mut self, site: &str, credentials: &C) {
        self.taken.retain(|(at, taken)| at != site || taken != credentials);
        self.over(|trial| trial.is(site, credentials));
    }

    /// An upload is over or pauses, without a verdict: another may try.
    pub(crate) fn leave(&mut self, id: TaskId) {
        for trial in &mut self.running {
            trial.waiting.retain(|waiting| *waiting != id);
        }
        self.over(|trial| trial.by == id);
    }

    /// An upload that waited and shall look again.
    pub(crate) fn next_woken(&mut self) -> Option<TaskId> {
        self.woken.pop()
    }

    fn over(&mut self, ended: impl Fn(&Trial<C>) -> bool) {
        let woken = &mut self.woken;
        self.running.retain_mut(|trial| {
            let ended = ended(trial);
            if ended {
                woken.append(&mut trial.waiting);
            }
            !ended
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn one_tries_and_the_others_are_woken_by_the_verdict() {
        let (mut trials, own) = (Trials::default(), "x");
        assert!(trials.may_show("s", &own, TaskId(1)) && trials.may_show("s", &own, TaskId(1)));
        assert!(!trials.may_show("s", &own, TaskId(2)) && !trials.may_show("s", &own, TaskId(2)));
        assert!(trials.may_show("other", &own, TaskId(2)));
        assert!(trials.may_show("s", &"y", TaskId(2)));
        trials.taken("s", &own);
        assert_eq!((trials.next_woken(), trials.next_woken()), (Some(TaskId(2)), None));
        assert!(trials.may_show("s", &own, TaskId(2)) && trials.may_show("s", &own, TaskId(3)));
        trials.refused("s", &own);
        assert!(trials.may_show("s", &own, TaskId(4)) && !trials.may_show("s", &own, TaskId(5)));
    }

    #[test]
    fn who_leaves_without_a_verdict_lets_another_try() {
        let (mut trials, own) = (Trials::default(), "x");
        assert!(trials.may_show("s", &own, TaskId(1)));
        assert!(!trials.may_show("s", &own, TaskId(2)) && !trials.may_show("s", &own, TaskId(3)));
        trials.leave(TaskId(3));
        assert_eq!(trials.next_woken(), None);
        trials.leave(TaskId(1));
        assert_eq!((trials.next_woken(), trials.next_woken()), (Some(TaskId(2)), None));
        assert!(trials.may_show("s", &own, TaskId(2)));
    }
}

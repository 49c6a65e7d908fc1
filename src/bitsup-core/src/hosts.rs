//! Slots: how many uploads hold a session at a time, to one host and all together.

use std::collections::{BTreeMap, VecDeque};

use crate::TaskId;
use crate::parallelism::{Pace, Parallelism};

/// The slots of all hosts.
#[derive(Debug)]
pub struct Hosts {
    /// How a host begins.
    parallelism: Parallelism,
    /// Of all hosts together.
    most: usize,
    active: usize,
    hosts: BTreeMap<String, Host>,
    admitted: VecDeque<TaskId>,
}

#[derive(Debug)]
struct Host {
    active: usize,
    parallelism: Parallelism,
    waiting: VecDeque<TaskId>,
}

impl Hosts {
    /// Slots at each host as `parallelism` says, and `most` at all of them together.
    #[must_use]
    pub fn new(parallelism: Parallelism, most: usize) -> Self {
        Self { parallelism, most, active: 0, hosts: BTreeMap::new(), admitted: VecDeque::new() }
    }

    fn host(&mut self, key: &str) -> &mut Host {
        let parallelism = self.parallelism;
        self.hosts.entry(key.to_owned()).or_insert_with(|| Host {
            active: 0,
            parallelism,
            waiting: VecDeque::new(),
        })
    }

    /// Acquires a slot, or a place in the queue: then `false`.
    pub fn acquire(&mut self, key: &str, id: TaskId) -> bool {
        let is_full = self.active >= self.most;
        let host = self.host(key);
        if is_full || host.active >= host.parallelism.limit() {
            host.waiting.push_back(id);
            return false;
        }
        host.active += 1;
        self.active += 1;
        true
    }

    /// Acquires a slot although it may be one too many; a place in the queue is given up.
    pub fn acquire_now(&mut self, key: &str, id: TaskId) {
        let host = self.host(key);
        host.waiting.retain(|waiting| *waiting != id);
        host.active += 1;
        self.active += 1;
    }

    /// Releases a slot; the next in the queue is admitted, and where the queue is empty, one
    /// that waits for another host.
    pub fn release(&mut self, key: &str) {
        let Some(host) = self.hosts.get_mut(key) else { return };
        host.active = host.active.saturating_sub(1);
        self.active = self.active.saturating_sub(1);
        let was_full = self.active + 1 >= self.most;
        self.admit(key);
        if was_full && self.active < self.most {
            let waiting = self.hosts.iter().filter(|(_, host)| !host.waiting.is_empty());
            let others: Vec<String> = waiting.map(|(key, _)| key.clone()).collect();
            for key in others {
                self.admit(&key);
            }
        }
        let is_over = |host: &Host| host.active == 0 && host.waiting.is_empty();
        let is_new = |host: &Host| host.parallelism == self.parallelism;
        if self.hosts.get(key).is_some_and(|host| is_over(host) && is_new(host)) {
            self.hosts.remove(key);
        }
    }

    fn admit(&mut self, key: &str) {
        let Some(host) = self.hosts.get_mut(key) else { return };
        while self.active < self.most && host.active < host.parallelism.limit() {
            let Some(next) = host.waiting.pop_front() else { break };
            host.active += 1;
            self.active += 1;
            self.admitted.push_back(next);
        }
    }

    /// Leaves the queue without having had a slot.
    pub fn dequeue(&mut self, key: &str, id: TaskId) {
        if let Some(host) = self.hosts.get_mut(key) {
            host.waiting.retain(|waiting| *waiting != id);
        }
    }

    /// An upload that may begin now.
    pub fn next_admitted(&mut self) -> Option<TaskId> {
        self.admitted.pop_front()
    }

    /// An upload that still has its slot went well, and took its time so.
    pub fn succeeded(&mut self, key: &str, pace: &Pace) {
        self.host(key).parallelism.succeeded(pace);
    }

    /// The host forgot a session. If others are active there it may hold too many: the limit
    /// is halved. The new limit, if it changed.
    pub fn session_lost(&mut self, key: &str) -> Option<usize> {
        let host = self.hosts.get_mut(key)?;
        host.parallelism.session_lost(host.active)
    }

    /// The host says that it has too much to do. The new limit, if it changed.
    pub fn overloaded(&mut self, key: &str) -> Option<usize> {
        let host = self.hosts.get_mut(key)?;
        host.parallelism.overloaded(host.active)
    }

    /// The host is known to hold few sessions: a limit that rises by itself does not at this one.
    pub fn keep_few(&mut self, key: &str) {
        self.host(key).parallelism.keep_few();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_given_in_order() {
        let mut hosts = Hosts::new(Parallelism::fixed(2), usize::MAX);
        let entered: Vec<bool> = (0..4).map(|id| hosts.acquire("h", TaskId(id))).collect();
        assert_eq!(entered, [true, true, false, false]);
        assert!(hosts.acquire("other", TaskId(9)));
        hosts.release("h");
        assert_eq!((hosts.next_admitted(), hosts.next_admitted()), (Some(TaskId(2)), None));
        hosts.dequeue("h", TaskId(3));
        hosts.release("h");
        assert_eq!(hosts.next_admitted(), None);
    }

    #[test]
    fn a_host_that_forgets_sessions_gets_fewer() {
        let mut hosts = Hosts::new(Parallelism::fixed(16), usize::MAX);
        for id in 0..9 {
            hosts.acquire("h", TaskId(id));
        }
        assert_eq!(hosts.session_lost("h"), Some(4));
        assert_eq!(hosts.session_lost("h"), None);
        assert!(!hosts.acquire("h", TaskId(10)));
    }

    #[test]
    fn all_hosts_together_stay_below_the_limit_of_open_files() {
        let mut hosts = Hosts::new(Parallelism::fixed(16), 3);
        let keys = ["a", "a", "b", "b", "c"];
        let entered: Vec<bool> =
            (0..).zip(keys).map(|(id, key)| hosts.acquire(key, TaskId(id))).collect();
        assert_eq!(entered, [true, true, true, false, false]);
        hosts.release("a");
        assert_eq!((hosts.next_admitted(), hosts.next_admitted()), (Some(TaskId(3)), None));
        hosts.release("b");
        assert_eq!((hosts.next_admitted(), hosts.next_admitted()), (Some(TaskId(4)), None));
        for key in ["a", "b", "c"] {
            hosts.release(key);
        }
        assert!(hosts.hosts.is_empty() && hosts.active == 0);
    }
}

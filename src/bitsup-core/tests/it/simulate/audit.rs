//! What must hold among the uploads of one client.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bitsup_core::{Hosts, TaskId};

/// No upload of any crowd.
const NO_TASK: TaskId = TaskId(u64::MAX);

/// An outside view of turns, logins and bytes.
#[derive(Debug)]
pub(crate) struct Audit {
    per_host: usize,
    most: usize,
    sites: BTreeMap<String, Site>,
    /// Logins that a server was seen to take or refuse, and who shows one that is neither.
    refused: BTreeSet<(String, u32)>,
    under_way: BTreeMap<TaskId, (String, u32)>,
    taken: BTreeSet<(String, u32)>,
    limit: Option<u64>,
    /// Bytes that may have been granted by now.
    allowance: f64,
}

#[derive(Debug, Default)]
struct Site {
    active: usize,
    /// Lower than that of all, once the server was seen to forget sessions.
    limit: Option<usize>,
    queue: VecDeque<TaskId>,
}

impl Audit {
    /// Nothing has happened yet.
    pub(crate) fn new(per_host: usize, most: usize, limit: Option<u64>) -> Self {
        Self {
            per_host,
            most,
            sites: BTreeMap::new(),
            refused: BTreeSet::new(),
            under_way: BTreeMap::new(),
            taken: BTreeSet::new(),
            limit,
            allowance: 0.0,
        }
    }

    // ---- turns -----------------------------------------------------------------

    /// An upload has asked for a turn.
    pub(crate) fn entered(&mut self, site: &str, id: TaskId, is_turn: bool) -> Result<(), String> {
        let place = self.sites.entry(site.to_owned()).or_default();
        if is_turn {
            place.active += 1;
            return self.check(site);
        }
        place.queue.push_back(id);
        Ok(())
    }

    /// One of the queue has been admitted.
    pub(crate) fn admitted(&mut self, site: &str, id: TaskId) -> Result<(), String> {
        let place = self.sites.entry(site.to_owned()).or_default();
        if place.queue.pop_front() != Some(id) {
            return Err(format!("{id:?} is admitted to {site} before others"));
        }
        place.active += 1;
        self.check(site)
    }

    /// An upload takes a turn although there may be none.
    pub(crate) fn pushed_in(&mut self, site: &str, id: TaskId) {
        let place = self.sites.entry(site.to_owned()).or_default();
        place.queue.retain(|waiting| *waiting != id);
        place.active += 1;
    }

    /// An upload has given its turn back.
    pub(crate) fn left(&mut self, site: &str) {
        if let Some(place) = self.sites.get_mut(site) {
            place.active = place.active.saturating_sub(1);
        }
    }

    /// Sets the limit of that host from now on.
    pub(crate) fn limited(&mut self, site: &str, limit: usize) {
        self.sites.entry(site.to_owned()).or_default().limit = Some(limit);
    }

    fn check(&self, site: &str) -> Result<(), String> {
        let all: usize = self.sites.values().map(|place| place.active).sum();
        let Some(place) = self.sites.get(site) else { return Ok(()) };
        if place.active > place.limit.unwrap_or(self.per_host) || all > self.most {
            return Err(format!("{} uploads are active at {site}, {all} in all", place.active));
        }
        Ok(())
    }

    /// An upload has left the queue.
    pub(crate) fn gave_up(&mut self, site: &str, id: TaskId) {
        if let Some(place) = self.sites.get_mut(site) {
            place.queue.retain(|waiting| *waiting != id);
        }
    }

    /// All is over: no upload holds a turn or waits for one, and as many as ever may begin.
    pub(crate) fn ended(&self, hosts: &mut Hosts) -> Result<(), String> {
        for (site, place) in &self.sites {
            if place.active > 0 || !place.queue.is_empty() {
                return Err(format!("at the end {site} has {place:?}"));
            }
            let turns = place.limit.unwrap_or(self.per_host).min(self.most);
            if !(0..turns).all(|_| hosts.acquire(site, NO_TASK)) || hosts.acquire(site, NO_TASK) {
                return Err(format!("at the end {site} has not {turns} turns"));
            }
            hosts.dequeue(site, NO_TASK);
            (0..turns).for_each(|_| hosts.release(site));
        }
        Ok(())
    }

    // ---- logins ----------------------------------------------------------------

    /// A login goes out.
    pub(crate) fn shows(&mut self, site: &str, login: u32, id: TaskId) -> Result<(), String> {
        let shown = (site.to_owned(), login);
        if self.refused.contains(&shown) {
            return Err(format!("{id:?} shows a login that {site} has refused"));
        }
        if !self.taken.contains(&shown) && self.under_way.values().any(|other| *other == shown) {
            return Err(format!("{id:?} shows a login that another upload tries at {site}"));
        }
        self.under_way.insert(id, shown);
        Ok(())
    }

    /// The exchange is over.
    pub(crate) fn over(&mut self, id: TaskId) {
        self.under_way.remove(&id);
    }

    /// An answer to what showed the login: the site refuses it once, and only what the site itself
    /// answers says that it takes it.
    pub(crate) fn answered(
        &mut self,
        (site, login): (&str, u32),
        status: u16,
        is_ack: bool,
    ) -> Result<(), String> {
        let shown = (site.to_owned(), login);
        if status == 401 {
            let is_news = self.refused.insert(shown);
            return if is_news { Ok(()) } else { Err(format!("{site} has refused {login} twice")) };
        }
        let other_success = (200..400).contains(&status) && !is_ack;
        if !other_success && !matches!(status, 407 | 408 | 429 | 500..) {
            self.taken.insert(shown);
        }
        Ok(())
    }

    // ---- the rate ----------------------------------------------------------------

    /// Time passes.
    pub(crate) fn passes(&mut self, time: Duration) {
        let limit = self.limit.unwrap_or(0) as f64;
        self.allowance = (self.allowance + time.as_secs_f64() * limit).min(limit * 0.1 + 3000.0);
    }

    /// The limit is another one.
    pub(crate) fn set_limit(&mut self, limit: Option<u64>) {
        self.limit = limit;
        self.passes(Duration::ZERO);
    }

    /// Bytes go out: never more than a tenth of a second's worth at once, and the limit over time.
    pub(crate) fn granted(&mut self, bytes: u64) -> Result<(), String> {
        let Some(limit) = self.limit else { return Ok(()) };
        self.allowance -= bytes as f64;
        // Turns that were put aside are as old as the wait for them.
        let slack = limit as f64 * 0.02 + 1460.0;
        if self.allowance < -slack {
            return Err(format!("{:.0} bytes more than the limit of {limit}", -self.allowance));
        }
        Ok(())
    }
}

//! What the server saw: a bounded list of requests.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes that the log may hold; the oldest requests go first. A request of the usual client
/// takes about one kilobyte, so this is the last eight thousand or more.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Cost of an entry beside its texts.
const ENTRY_BYTES: usize = 256;

/// One request, as the server saw it.
#[derive(Clone)]
pub struct Request {
    /// Number of the request since the start, from 1.
    pub number: u64,
    /// Number of its connection since the start, from 1.
    pub connection: u64,
    /// Time since the start of the server.
    pub time: Duration,
    /// HTTP method.
    pub method: String,
    /// Request target as sent.
    pub target: String,
    /// `HTTP/1.1`.
    pub version: String,
    /// Names in lower case, values as sent, in the order of arrival (repeated names are together).
    pub headers: Vec<(String, Vec<u8>)>,
    /// Bytes of the body that were read.
    pub body: u64,
    /// Status answered; `None` while unanswered, or if the connection was dropped instead.
    pub status: Option<u16>,
    /// `BITS-Session-Id` of the request, or of the answer to Create-Session.
    pub session: Option<String>,
}

impl Request {
    /// Value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// `BITS-Packet-Type`, as sent.
    #[must_use]
    pub fn packet_type(&self) -> Option<String> {
        self.header("bits-packet-type")
    }

    fn cost(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + ENTRY_BYTES / 4)
            .sum();
        ENTRY_BYTES + self.target.len() + self.method.len() + headers
    }
}

/// Written by hand: credentials are not printed.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "#{} connection {} {:?} {} {}",
            self.number, self.connection, self.time, self.method, self.target
        )?;
        for (name, value) in &self.headers {
            let secret =
                matches!(name.as_str(), "authorization" | "proxy-authorization" | "cookie");
            let value = if secret { "…".into() } else { String::from_utf8_lossy(value) };
            write!(f, "; {name}: {value}")?;
        }
        write!(f, "; {} bytes; answered {:?}", self.body, self.status)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    requests: VecDeque<Request>,
    count: u64,
    bytes: usize,
}

impl Log {
    /// Adds a request and gives it its number.
    pub(crate) fn add(&self, mut request: Request) -> u64 {
        let mut entries = self.lock();
        entries.count += 1;
        request.number = entries.count;
        entries.bytes += request.cost();
        entries.requests.push_back(request);
        while entries.bytes > MAX_BYTES {
            let Some(oldest) = entries.requests.pop_front() else {
                break;
            };
            entries.bytes -= oldest.cost();
        }
        entries.count
    }

    /// Writes down how a request ended, and gives it back if it is still there.
    pub(crate) fn finish(
        &self,
        number: u64,
        body: u64,
        status: Option<u16>,
        session: Option<String>,
    ) -> Option<Request> {
        let mut entries = self.lock();
        let first = entries.requests.front()?.number;
        let request =
            entries.requests.get_mut(usize::try_from(number.checked_sub(first)?).ok()?)?;
        request.body = body;
        request.status = status;
        request.session = session;
        Some(request.clone())
    }

    pub(crate) fn all(&self) -> Vec<Request> {
        self.lock().requests.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // A list of requests is as good after a panic as before.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(header: usize) -> Request {
        Request {
            number: 0,
            connection: 1,
            time: Duration::ZERO,
            method: "BITS_POST".into(),
            target: "/a".into(),
            version: "HTTP/1.1".into(),
            headers: vec![("authorization".into(), vec![b'x'; header])],
            body: 0,
            status: None,
            session: None,
        }
    }

    #[test]
    fn the_log_is_bounded_and_keeps_the_newest() {
        let log = Log::default();
        for _ in 0..40 {
            log.add(request(1024 * 1024));
        }
        let all = log.all();
        assert!((10..=16).contains(&all.len()), "{}", all.len());
        assert_eq!(all.last().map(|last| last.number), Some(40));
        assert!(log.finish(1, 0, Some(200), None).is_none(), "gone");
        assert_eq!(
            log.finish(40, 7, Some(200), None).map(|last| (last.body, last.status)),
            Some((7, Some(200)))
        );
    }

    #[test]
    fn credentials_are_not_printed() {
        assert!(!format!("{:?}", request(30)).contains("xxx"));
    }
}

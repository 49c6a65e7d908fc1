//! Name lookups on helper threads.
//!
//! A lookup can block for half a minute, which the engine's thread must not do. libcurl could look
//! names up in threads of its own, but only for the name it connects to, and that one is invented
//! here to keep connections apart. So the name is looked up before the exchange begins and libcurl
//! is told the addresses.

use std::collections::HashSet;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use curl::multi::MultiWaker;

/// More addresses of one name are not tried.
const MAX_ADDRESSES: usize = 16;

/// Looks names up, each on a thread of its own, one at a time for the same name.
pub(super) struct Resolver {
    running: HashSet<String>,
    sender: Sender<Lookup>,
    receiver: Receiver<Lookup>,
    waker: MultiWaker,
}

/// The end of a lookup.
pub(super) struct Lookup {
    pub(super) host: String,
    /// Never empty; an error is one line.
    pub(super) addresses: Result<Vec<IpAddr>, String>,
}

impl Resolver {
    /// `waker` ends the wait of the engine's thread when a lookup is done.
    pub(super) fn new(waker: MultiWaker) -> Self {
        let (sender, receiver) = channel();
        Self { running: HashSet::new(), sender, receiver, waker }
    }

    /// Begins a lookup, unless one of this name is running: its result serves all who wait.
    pub(super) fn look_up(&mut self, host: &str) -> Result<(), std::io::Error> {
        if self.running.contains(host) {
            return Ok(());
        }
        let (name, sender, waker) = (host.to_owned(), self.sender.clone(), self.waker.clone());
        std::thread::Builder::new().name("bitsup-resolve".to_owned()).spawn(move || {
            let addresses = addresses_of(&name);
            // The receiver is gone when the client has been closed meanwhile.
            if sender.send(Lookup { host: name, addresses }).is_ok() {
                drop(waker.wakeup());
            }
        })?;
        self.running.insert(host.to_owned());
        Ok(())
    }

    /// The next finished lookup.
    pub(super) fn next_finished(&mut self) -> Option<Lookup> {
        let lookup = self.receiver.try_recv().ok()?;
        self.running.remove(&lookup.host);
        Some(lookup)
    }
}

/// The addresses of a name, for a thread that may wait.
pub(crate) fn addresses_within(host: &str, limit: Duration) -> Result<Vec<IpAddr>, String> {
    let (name, (sender, receiver)) = (host.to_owned(), channel());
    // The system's own time-out may be longer; then the thread ends by itself later.
    std::thread::Builder::new()
        .name("bitsup-resolve".to_owned())
        .spawn(move || drop(sender.send(addresses_of(&name))))
        .map_err(|error| error.to_string())?;
    receiver.recv_timeout(limit).unwrap_or_else(|_| Err("no answer from DNS".to_owned()))
}

fn addresses_of(host: &str) -> Result<Vec<IpAddr>, String> {
    let found = (host, 0).to_socket_addrs().map_err(|error| error.to_string())?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address.ip()) && addresses.len() < MAX_ADDRESSES {
            addresses.push(address.ip());
        }
    }
    if addresses.is_empty() {
        return Err("the name has no address".to_owned());
    }
    Ok(addresses)
}

//! The name and its addresses.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::{Examination, Found, good, problem, skipped, warning};
use crate::error::ErrorKind;
use crate::transport;

/// More addresses are not tried.
const MAX_ADDRESSES: usize = 4;
/// A connection within one site takes milliseconds, around the world half a second.
const PATIENCE: Duration = Duration::from_secs(4);
/// The system's resolver asks its second name server after 5 seconds.
const NAME_PATIENCE: Duration = Duration::from_secs(6);

impl Examination {
    /// The host that the connection leads to, and its port.
    fn peer(&self) -> (&str, u16) {
        match &self.proxy {
            Some(proxy) => (&proxy.host, proxy.port),
            None => (&self.destination.origin.host, self.destination.origin.port),
        }
    }

    fn whose(&self) -> &'static str {
        if self.proxy.is_some() { "the proxy" } else { "the server" }
    }

    pub(super) fn name(&mut self) -> Found {
        let (host, port) = self.peer();
        let given = self.options.resolve.iter().find(|own| own.is_for(host, port));
        let limit = self.options.connect_timeout.min(NAME_PATIENCE);
        let addresses = match given {
            Some(given) => Ok(given.addresses.clone()),
            None => transport::addresses_within(host, limit),
        };
        match addresses {
            Ok(addresses) => {
                let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                let found = if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
                    skipped(&format!("{host} is an address"))
                } else {
                    good(format!("{host} is {}", shown.join(", ")))
                };
                self.addresses = addresses;
                found
            }
            Err(error) => problem(
                ErrorKind::Network,
                format!("{host}: {error}"),
                format!(
                    "Check the name of {} and this machine's DNS (/etc/resolv.conf, search domains).",
                    self.whose()
                ),
            ),
        }
    }

    /// Connects to the addresses, and keeps one that answers.
    pub(super) fn connection(&mut self) -> Found {
        if self.addresses.is_empty() {
            return skipped("no address");
        }
        let (whose, (_, port)) = (self.whose(), self.peer());
        let tried = connect(&self.addresses, port, self.options.connect_timeout.min(PATIENCE));
        let words = |(address, result): &(IpAddr, Result<Duration, std::io::Error>)| match result {
            Ok(time) => format!("{address} port {port} connects in {} ms", time.as_millis().max(1)),
            Err(error) => format!("{address} port {port}: {error}"),
        };
        let detail = tried.iter().map(words).collect::<Vec<_>>().join("; ");
        let answers = tried.iter().find(|(_, result)| result.is_ok());
        self.address = answers.map(|(address, _)| SocketAddr::new(*address, port));
        let all = tried.iter().all(|(_, result)| result.is_ok());
        match (answers, all) {
            (Some(_), true) => good(detail),
            (Some(_), false) => warning(
                detail,
                "Remove the addresses that do not answer from DNS, or start what should listen there: each costs clients a time-out.",
            ),
            (None, _) => problem(
                ErrorKind::Network,
                detail,
                format!(
                    "Check that {whose} runs and listens on port {port}, and that every firewall between lets TCP to that port through."
                ),
            ),
        }
    }
}

/// All of them at once: each dead one takes all of `patience`.
fn connect(
    addresses: &[IpAddr],
    port: u16,
    patience: Duration,
) -> Vec<(IpAddr, Result<Duration, std::io::Error>)> {
    let one = |address: IpAddr| {
        let begun = Instant::now();
        let connected = TcpStream::connect_timeout(&SocketAddr::new(address, port), patience);
        (address, connected.map(|_| begun.elapsed()))
    };
    std::thread::scope(|scope| {
        let addresses = addresses.iter().copied().take(MAX_ADDRESSES);
        let threads: Vec<_> = addresses.map(|address| scope.spawn(move || one(address))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

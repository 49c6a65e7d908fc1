//! The name and its addresses.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::{Check, Finding, good, problem, skipped, warning};
use crate::error::ErrorKind;
use crate::options::{Resolve, UploadOptions};
use crate::transport;

/// More addresses are not tried.
const MAX_ADDRESSES: usize = 4;
/// A connection within one site takes milliseconds, around the world half a second.
const PATIENCE: Duration = Duration::from_secs(4);
/// The system's resolver asks its second name server after 5 seconds.
const NAME_PATIENCE: Duration = Duration::from_secs(6);

/// Looks the name up and connects to its addresses; gives one that answers.
pub(super) fn examine(
    host: &str,
    port: u16,
    is_proxy: bool,
    options: &UploadOptions,
    findings: &mut Vec<Finding>,
) -> Option<SocketAddr> {
    let whose = if is_proxy { "the proxy" } else { "the server" };
    let patience = options.connect_timeout.min(PATIENCE);
    let given = options.resolve.iter().map(Resolve::for_transport);
    let mut given = given;
    let given = given.find(|own| own.host.eq_ignore_ascii_case(host) && own.port == port);
    let addresses = match given {
        Some(given) => Ok(given.addresses),
        None => transport::addresses_within(host, options.connect_timeout.min(NAME_PATIENCE)),
    };
    let addresses = match addresses {
        Ok(addresses) => addresses,
        Err(error) => {
            findings.push(problem(
                Check::Name,
                ErrorKind::Network,
                format!("{host}: {error}"),
                format!("Check the name of {whose} and this machine's DNS (/etc/resolv.conf, search domains)."),
            ));
            findings.push(skipped(Check::Connection, "no address"));
            return None;
        }
    };
    let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    findings.push(good(Check::Name, format!("{host} is {}", shown.join(", "))));

    let tried = connect(&addresses, port, patience);
    let words = |(address, result): &(IpAddr, Result<Duration, std::io::Error>)| match result {
        Ok(time) => format!("{address} port {port} connects in {} ms", time.as_millis().max(1)),
        Err(error) => format!("{address} port {port}: {error}"),
    };
    let detail = tried.iter().map(words).collect::<Vec<_>>().join("; ");
    let answers = tried.iter().find(|(_, result)| result.is_ok());
    let all = tried.iter().all(|(_, result)| result.is_ok());
    let fix = format!(
        "Check that {whose} runs and listens on port {port}, and that every firewall between lets TCP to that port through."
    );
    findings.push(match (answers, all) {
        (Some(_), true) => good(Check::Connection, detail),
        (Some(_), false) => warning(
            Check::Connection,
            detail,
            "Remove the addresses that do not answer from DNS, or start what should listen there: each costs clients a time-out.",
        ),
        (None, _) => problem(Check::Connection, ErrorKind::Network, detail, fix),
    });
    answers.map(|(address, _)| SocketAddr::new(*address, port))
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

//! The certificates that a server shows, in a handshake that trusts all of them and is then
//! given up: nothing but the handshake goes over it.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode, SslVersion};
use openssl::x509::{X509NameRef, X509Ref};

use super::{Found, good, problem, warning};
use crate::error::ErrorKind;
use crate::options::UploadOptions;

/// A chain has three or four.
const MAX_CERTIFICATES: usize = 8;
/// Names in one certificate that are shown, and characters of each text.
const MAX_NAMES: usize = 10;
const MAX_TEXT: usize = 100;
/// The connection and the handshake, which within one site take milliseconds, around the world a second or two.
const PATIENCE: Duration = Duration::from_secs(4);
/// So long before its end a certificate should have been renewed.
const RENEWAL_DAYS: u32 = 21;

/// What the server shows.
struct Shown {
    version: &'static str,
    certificates: Vec<Certificate>,
}

struct Certificate {
    words: String,
    expired: bool,
    not_yet: bool,
    ends_soon: bool,
}

/// Shakes hands and tells of the certificates.
pub(super) fn examine(host: &str, address: SocketAddr, options: &UploadOptions) -> Found {
    let shown = match handshake(host, address, options.connect_timeout) {
        Ok(shown) => shown,
        Err(error) => {
            return problem(
                ErrorKind::Tls,
                format!("no handshake of TLS 1.2 or 1.3 with {address}: {error}"),
                "Check that the port is one for TLS, and that TLS 1.2 is enabled on the server (IIS: SChannel's Protocols keys; nginx: ssl_protocols; haproxy: ssl-min-ver TLSv1.2).",
            );
        }
    };
    let list: Vec<&str> = shown.certificates.iter().map(|c| c.words.as_str()).collect();
    let detail = format!("{}; {}", shown.version, list.join("; "));
    let any = |wanted: fn(&Certificate) -> bool| shown.certificates.iter().any(wanted);
    if any(|c| c.expired) {
        let fix = "Renew the certificate that has expired and bind the new one (IIS: site bindings; nginx: ssl_certificate with the whole chain).";
        problem(ErrorKind::Tls, detail, fix)
    } else if any(|c| c.not_yet) {
        let fix = "Check this machine's clock, and the server's when it issued the certificate.";
        problem(ErrorKind::Tls, detail, fix)
    } else if any(|c| c.ends_soon) {
        let fix = "Renew the certificate that ends soon: uploads stop on that day.";
        warning(detail, fix)
    } else {
        // Whether they are trusted, and the name fits, the packets will tell.
        good(detail)
    }
}

fn handshake(host: &str, address: SocketAddr, limit: Duration) -> Result<Shown, String> {
    let text = |error: openssl::error::ErrorStack| error.to_string();
    let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(text)?;
    builder.set_verify(SslVerifyMode::NONE);
    builder.set_min_proto_version(Some(SslVersion::TLS1_2)).map_err(text)?;
    let mut configuration = builder.build().configure().map_err(text)?;
    configuration.set_verify_hostname(false);
    configuration.set_use_server_name_indication(host.parse::<IpAddr>().is_err());
    let limit = limit.min(PATIENCE);
    let until = Instant::now() + limit;
    let stream = TcpStream::connect_timeout(&address, limit).map_err(|error| error.to_string())?;
    let stream = Hurried { stream, until, limit };
    let stream = configuration.connect(host, stream).map_err(|error| clean(&error.to_string()))?;
    let ssl = stream.ssl();
    let chain = ssl.peer_cert_chain().ok_or("the server shows no certificate")?;
    let certificates = chain.iter().take(MAX_CERTIFICATES).map(describe).collect();
    Ok(Shown { version: ssl.version_str(), certificates })
}

/// A connection that ends at a time, however slowly bytes come.
#[derive(Debug)]
struct Hurried {
    stream: TcpStream,
    until: Instant,
    limit: Duration,
}

impl Hurried {
    fn hurry(
        &mut self,
        set: fn(&TcpStream, Option<Duration>) -> io::Result<()>,
        work: impl FnOnce(&mut TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        let over = || {
            let text = format!("it did not end within {} s", self.limit.as_secs_f32());
            io::Error::new(io::ErrorKind::TimedOut, text)
        };
        if left.is_zero() {
            return Err(over());
        }
        set(&self.stream, Some(left))?;
        match work(&mut self.stream) {
            // What a time-out of a socket is called.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(over()),
            result => result,
        }
    }
}

impl Read for Hurried {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.hurry(TcpStream::set_read_timeout, |stream| stream.read(buffer))
    }
}

impl Write for Hurried {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.hurry(TcpStream::set_write_timeout, |stream| stream.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn describe(certificate: &X509Ref) -> Certificate {
    let names: Vec<String> = certificate
        .subject_alt_names()
        .into_iter()
        .flatten()
        .filter_map(|name| match (name.dnsname(), name.ipaddress()) {
            (Some(name), _) => Some(clean(name)),
            (None, Some(bytes)) => match *bytes {
                [a, b, c, d] => Some(IpAddr::from([a, b, c, d]).to_string()),
                _ => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
            },
            (None, None) => None,
        })
        .take(MAX_NAMES)
        .collect();
    let names = if names.is_empty() { String::new() } else { format!(" for {}", names.join(", ")) };
    let (from, until) = (certificate.not_before(), certificate.not_after());
    let words = format!(
        "{:?}{names}, issued by {:?}, from {from} until {until}",
        name(certificate.subject_name()),
        name(certificate.issuer_name()),
    );
    Certificate {
        words,
        expired: is_before(until, 0),
        not_yet: !is_before(from, 0),
        ends_soon: is_before(until, RENEWAL_DAYS),
    }
}

/// Whether the time is over in `days` days.
fn is_before(time: &Asn1TimeRef, days: u32) -> bool {
    Asn1Time::days_from_now(days).is_ok_and(|then| *time < *then)
}

/// The most particular part of a name.
fn name(name: &X509NameRef) -> String {
    let last = name.entries().last().and_then(|entry| entry.data().to_string().ok());
    last.map_or_else(String::new, |text| clean(&text))
}

/// A stranger's text on one line.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}

//! Servers and proxies that want a login, and take any that looks like one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bitsup_server::scripted::{Reply, Request, Scripted};

/// How a server asks, and what it takes: any login that looks like one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Asks {
    Basic,
    Digest,
    Ntlm,
    /// NTLM in the dress of SPNEGO.
    Negotiate,
    Bearer,
    Nothing,
    /// It is a proxy, as are the next ones.
    ProxyBasic,
    ProxyDigest,
    ProxyNtlm,
}

/// When it takes none any more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Refuses {
    Never,
    AtOnce,
    /// Once the file is there, so that a session is kept.
    AtTheEnd,
}

pub(crate) const ENDS: [Refuses; 3] = [Refuses::Never, Refuses::AtOnce, Refuses::AtTheEnd];

impl Asks {
    pub(crate) fn server(self, refuses: Refuses) -> Scripted {
        Scripted::start(move |_, request: &Request, _| self.answer(request, refuses))
    }

    fn answer(self, request: &Request, refuses: Refuses) -> Reply {
        let packet = request.packet_type();
        let refused = refuses == Refuses::AtOnce
            || (refuses == Refuses::AtTheEnd && packet == "Close-Session");
        let shown = if self.is_proxy() { "Proxy-Authorization" } else { "Authorization" };
        let shown = request.header(shown);
        let (scheme, token) = shown.split_once(' ').unwrap_or(("", ""));
        // The first words of NTLM hold no password yet.
        let ntlm = matches!(self, Self::Ntlm | Self::ProxyNtlm);
        let first = (ntlm && token.starts_with("TlRMTVNTUAAB"))
            // The first word of SPNEGO has another tag than those that follow.
            || (self == Self::Negotiate && token.starts_with('Y'));
        // Of these the connection is logged in.
        let bare = (ntlm || self == Self::Negotiate) && packet != "Ping" && !refused;
        if refused && self == Self::Nothing {
            return Reply::status(403, "Forbidden");
        }
        if self == Self::Nothing || bare || (!scheme.is_empty() && !first && !refused) {
            return by_the_book(request, &packet);
        }
        let words = match self {
            Self::Basic | Self::ProxyBasic => "Basic realm=\"x\"".to_owned(),
            Self::Digest | Self::ProxyDigest => {
                "Digest realm=\"x\", nonce=\"abc\", qop=\"auth\"".to_owned()
            }
            Self::Bearer => "Bearer realm=\"x\"".to_owned(),
            Self::Negotiate if first => format!("Negotiate {}", BASE64.encode(spnego_challenge())),
            Self::Negotiate => "Negotiate".to_owned(),
            _ if first => format!("NTLM {}", BASE64.encode(ntlm_challenge())),
            _ => "NTLM".to_owned(),
        };
        if self.is_proxy() {
            let reply = Reply::status(407, "Proxy Authentication Required");
            return reply.header("Proxy-Authenticate", &words);
        }
        Reply::status(401, "Unauthorized").header("WWW-Authenticate", &words)
    }

    /// Whether this build can log in so.
    pub(crate) fn is_known(self) -> bool {
        !matches!(self, Self::ProxyNtlm) || bitsup::features().proxy_ntlm
    }

    pub(crate) fn is_proxy(self) -> bool {
        matches!(self, Self::ProxyBasic | Self::ProxyDigest | Self::ProxyNtlm)
    }
}

pub(crate) fn by_the_book(request: &Request, packet: &str) -> Reply {
    match packet {
        "Create-Session" => Reply::ack()
            .header("BITS-Protocol", "{7df0354d-249b-430f-820d-3d2a9bef4931}")
            .header("BITS-Session-Id", "{8df0354d-249b-430f-820d-3d2a9bef4931}"),
        "Fragment" => {
            let range = request.header("Content-Range");
            let last = range.split(['-', '/']).nth(1).and_then(|text| text.parse::<u64>().ok());
            let end = last.map_or(0, |last| last + 1);
            Reply::ack().header("BITS-Received-Content-Range", &end.to_string())
        }
        _ => Reply::ack(),
    }
}

/// The second message of NTLM ([MS-NLMP] 2.2.1.2), with a time in its target information.
fn ntlm_challenge() -> Vec<u8> {
    let mut target_info = vec![2, 0, 2, 0, b'X', 0, 7, 0, 8, 0];
    target_info.extend(133_000_000_000_000_000_u64.to_le_bytes());
    target_info.extend([0; 4]);
    let mut message = b"NTLMSSP\0\x02\0\0\0".to_vec();
    message.extend([2, 0, 2, 0, 56, 0, 0, 0]);
    message.extend(0xe28a_8235_u32.to_le_bytes());
    message.extend([7; 8]);
    message.extend([0; 8]);
    let length = u16::try_from(target_info.len()).expect("short").to_le_bytes();
    message.extend([length, length].concat());
    message.extend(58_u32.to_le_bytes());
    message.extend([10, 0, 97, 74, 0, 0, 0, 15]);
    message.extend([b'X', 0]);
    message.extend(target_info);
    message
}

/// The same as SPNEGO's `NegTokenResp` (RFC 4178), which goes on with NTLM.
fn spnego_challenge() -> Vec<u8> {
    let part = |tag: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).expect("short");
        // Lengths from 128 on have a byte that says how long they are.
        let head = if length < 128 { vec![tag, length] } else { vec![tag, 0x81, length] };
        [head, content.to_vec()].concat()
    };
    let goes_on = part(0xa0, &part(10, &[1]));
    let ntlm = part(0xa1, &part(6, &[43, 6, 1, 4, 1, 130, 55, 2, 2, 10]));
    let token = part(0xa2, &part(4, &ntlm_challenge()));
    part(0xa1, &part(0x30, &[goes_on, ntlm, token].concat()))
}

/// A proxy that makes tunnels, all to one server, for those who log in.
pub(crate) struct Tunnels {
    pub(crate) address: SocketAddr,
    logins: Arc<AtomicUsize>,
}

impl Tunnels {
    /// One that is asked by `CONNECT` and wants Basic.
    pub(crate) fn of_http(to: SocketAddr) -> Self {
        Self::start(to, |stream| {
            let (mut line, mut shown) = (String::new(), false);
            let mut reader = BufReader::new(&stream);
            while line != "\r\n" {
                line.clear();
                reader.read_line(&mut line)?;
                shown |= line.starts_with("Proxy-Authorization: Basic ");
            }
            let challenge = "407 Wanted\r\nProxy-Authenticate: Basic realm=\"x\"\r\nConnection: close\r\nContent-Length: 0";
            let words = if shown { "200 Here it is" } else { challenge };
            (&stream).write_all(format!("HTTP/1.1 {words}\r\n\r\n").as_bytes())?;
            Ok(shown.then_some(stream))
        })
    }

    /// One that is asked as RFC 1928 says, and wants user and password (RFC 1929).
    pub(crate) fn of_socks(to: SocketAddr) -> Self {
        Self::start(to, |mut stream| {
            let exactly = |mut from: &TcpStream, count: u8| {
                let mut bytes = vec![0; usize::from(count)];
                from.read_exact(&mut bytes).map(|()| bytes)
            };
            let methods = exactly(&stream, 2)?[1];
            exactly(&stream, methods)?;
            stream.write_all(&[5, 2])?;
            for skipped in [1, 0] {
                exactly(&stream, skipped)?;
                let length = exactly(&stream, 1)?[0];
                exactly(&stream, length)?;
            }
            stream.write_all(&[1, 0])?;
            let length = match exactly(&stream, 4)?[3] {
                1 => 4,
                3 => exactly(&stream, 1)?[0],
                _ => 16,
            };
            exactly(&stream, length + 2)?;
            stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
            Ok(Some(stream))
        })
    }

    fn start(
        to: SocketAddr,
        enter: impl Fn(TcpStream) -> std::io::Result<Option<TcpStream>> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let logins = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&logins);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(Some(near)) = enter(stream) else { continue };
                count.fetch_add(1, Ordering::Relaxed);
                let far = TcpStream::connect(to).expect("the server");
                pass_on(&near, &far);
                pass_on(&far, &near);
            }
        });
        Self { address, logins }
    }

    pub(crate) fn logins(&self) -> usize {
        self.logins.load(Ordering::Relaxed)
    }
}

fn pass_on(from: &TcpStream, to: &TcpStream) {
    let [mut from, mut to] = [from, to].map(|stream| stream.try_clone().expect("a handle"));
    std::thread::spawn(move || {
        // Either may go away at any time.
        drop(std::io::copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Write));
    });
}

//! A session's own place: its settings and its one connection.

use std::collections::HashMap;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bitsup_wipe::Text;
use curl::easy::{Easy2, HttpVersion, List, SslVersion};
use curl::multi::Easy2Handle;
use socket2::Socket;
use zeroize::Zeroizing;

use super::binding::ServerCertificate;
use super::curl_handler::{DirectBody, ExchangeHandler, Limit, NewConnection, is_quiet, is_used};
use super::exchange::{
    AuthScheme, ConnectionId, ConnectionUse, Credentials, Exchange, ExchangeFailure, FailureKind,
    Method, Origin, Scheme, bracketed,
};
use super::options::ConnectionOptions;
use super::proxy::{Proxy, ProxyKind};
use super::setup::Setup;

/// The fastest size by measurement: less costs more calls, more leaves the cache.
const UPLOAD_BUFFER: usize = 256 * 1024;

/// With more connections than this each gets a smaller buffer, so that memory stays flat: the
/// processor is shared by then, and a larger buffer would not make any of them faster.
pub(super) const MANY_CONNECTIONS: usize = 64;
const SMALL_UPLOAD_BUFFER: usize = 64 * 1024;

/// libcurl's least. It makes the buffer anew for each exchange, and all of it is overwritten when
/// it is freed: it is no larger than the body.
const LEAST_UPLOAD_BUFFER: usize = 16 * 1024;

/// A body of at most this many bytes goes out with the head, which saves a segment.
const WITH_HEAD: u64 = 32 * 1024;

/// An idle connection is probed after so long, and then as often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// An idle connection is never too old: the server decides.
const MAX_IDLE: Duration = Duration::from_hours(24);

/// An address that served this connection before is tried so often before its name is looked up again.
const PINNED_TRIES: u32 = 3;

/// Makes a handle keep cookies, and is none, since it is over. The option meant for it, an empty
/// file, stays allocated for good when a handle is reset.
const NO_COOKIE: &str = "Set-Cookie: none=; Max-Age=0; Domain=bitsup.invalid";
/// A load balancer needs one, an application behind it some; more are no longer for affinity.
const MAX_COOKIES: usize = 20;

/// One connection of a session, made again when it is lost.
pub(super) struct PinnedConnection {
    id: ConnectionId,
    options: ConnectionOptions,
    /// Counts the connections: each has an invented name of its own, so that a dropped one can
    /// never be found again.
    generation: u32,
    /// Counts those that were really made: libcurl may find an idle one dead and make another
    /// under the same name.
    serial: u32,
    connection: Option<Connection>,
    /// By name and port.
    pins: HashMap<(String, u16), Pin>,
    /// In libcurl's form. They lead to the same server behind a load balancer again, and are
    /// forgotten with the connection. libcurl sends each to the site that it came from only.
    cookies: Vec<Zeroizing<String>>,
    /// The connection may be authenticated, or go through a proxy.
    personal: bool,
    pub(super) state: State,
}

/// What a connection is doing.
pub(super) enum State {
    Idle(Easy2<ExchangeHandler>),
    /// Waits for the addresses of `route.connect_host`.
    Resolving(Box<Resolving>),
    Running(Box<ActiveExchange>),
    /// Between two others, within one call.
    Moving,
}

pub(super) struct Resolving {
    pub(super) easy: Easy2<ExchangeHandler>,
    pub(super) exchange: Exchange,
    pub(super) route: Route,
    pub(super) started: Instant,
}

pub(super) struct ActiveExchange {
    pub(super) handle: Easy2Handle<ExchangeHandler>,
    pub(super) route: Route,
}

/// The way of one exchange.
pub(super) struct Route {
    pub(super) number: u64,
    pub(super) origin: Origin,
    proxy: Option<Proxy>,
    /// Whether the proxy is shown credentials.
    pub(super) shows_proxy_login: bool,
    /// What is connected to: the origin or the proxy.
    pub(super) connect_host: String,
    connect_port: u16,
}

/// The idle TCP connection. libcurl owns it; this is another handle of its socket.
struct Connection {
    socket: Arc<Socket>,
    origin: Origin,
    certificate: ServerCertificate,
}

/// The addresses of a name, narrowed to the one that answered.
struct Pin {
    addresses: Vec<IpAddr>,
    failures: u32,
}

impl PinnedConnection {
    pub(super) fn new(id: ConnectionId, options: ConnectionOptions) -> Self {
        Self {
            id,
            options,
            generation: 0,
            serial: 0,
            connection: None,
            pins: HashMap::new(),
            cookies: Vec::new(),
            personal: false,
            state: State::Idle(Easy2::new(ExchangeHandler::idle())),
        }
    }

    /// Chooses the way and makes sure that the TCP connection fits it, or is gone.
    pub(super) fn prepare(&mut self, exchange: &Exchange) -> Result<Route, ExchangeFailure> {
        let no_proxy = self.options.no_proxy.as_deref();
        let proxy = self
            .options
            .proxy
            .for_origin(&exchange.origin, no_proxy)
            .map_err(|text| ExchangeFailure::unsent(FailureKind::ProxyFailed(None), text))?;
        self.personal |= proxy.is_some()
            || exchange.auth.is_some()
            || matches!(exchange.connection, ConnectionUse::Same(_));
        let origin = exchange.origin.clone();
        let is_new = exchange.connection == ConnectionUse::Fresh;
        let has_ended = !is_new && self.take_ended();
        let fits = self.goes_to(exchange);
        if is_new || !fits {
            self.drop_connection();
        }
        let is_gone = matches!(exchange.connection, ConnectionUse::Same(number) if !fits || number != self.serial);
        if is_gone || has_ended && exchange.method == Method::BitsPost {
            let text = format!("{}:{}: the connection is gone", origin.host, origin.port);
            let kind =
                if has_ended { FailureKind::StaleConnection } else { FailureKind::ConnectionLost };
            return Err(ExchangeFailure::unsent(kind, text));
        }
        let (connect_host, connect_port) = match &proxy {
            Some(proxy) => (proxy.host.clone(), proxy.port),
            None => (origin.host.clone(), origin.port),
        };
        self.take_given_addresses(&connect_host, connect_port);
        let shows_proxy_login =
            exchange.proxy_auth.is_some() || proxy.as_ref().is_some_and(Proxy::has_login);
        let number = exchange.number;
        Ok(Route { number, origin, proxy, shows_proxy_login, connect_host, connect_port })
    }

    /// The number of the TCP connection, if it is alive and leads to where the exchange goes.
    pub(super) fn connection(&self, exchange: &Exchange) -> Option<u32> {
        (self.goes_to(exchange) && !self.has_ended()).then_some(self.serial)
    }

    fn goes_to(&self, exchange: &Exchange) -> bool {
        self.connection.as_ref().is_some_and(|own| own.origin == exchange.origin)
    }

    /// Whether it has a connection at all.
    pub(super) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Whether the idle TCP connection was ended by the other side, without a word before.
    fn has_ended(&self) -> bool {
        self.connection.as_ref().is_some_and(|own| !is_quiet(&own.socket))
    }

    /// The same once of each connection: one that has ended is dropped. Until it was asked here no packet goes over
    /// another one, so that what a server lost with a connection is never overlooked.
    pub(super) fn take_ended(&mut self) -> bool {
        let has_ended = self.has_ended();
        if has_ended {
            self.drop_connection();
        }
        has_ended
    }

    /// The method as it stands on the wire.
    pub(super) fn method(&self, method: Method) -> &'static str {
        match method {
            Method::BitsPost if self.options.post_override => "POST",
            Method::BitsPost => "BITS_POST",
            Method::Head => "HEAD",
            Method::Get => "GET",
        }
    }

    /// Whether a proxy forwards requests to where the exchange goes.
    pub(super) fn forwards(&self, exchange: &Exchange) -> bool {
        let no_proxy = self.options.no_proxy.as_deref();
        let proxy = self.options.proxy.for_origin(&exchange.origin, no_proxy);
        proxy.is_ok_and(|proxy| proxy.is_some_and(|own| !own.makes_tunnels(exchange.origin.scheme)))
    }

    /// The certificate of the TCP connection.
    pub(super) fn certificate(&self) -> ServerCertificate {
        self.connection.as_ref().map(|own| own.certificate.clone()).unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn connection_mark(&self) -> Option<u32> {
        self.connection.as_ref()?.socket.tos_v4().ok()
    }

    /// Takes the caller's addresses of a name in place of a lookup, unless one has answered.
    fn take_given_addresses(&mut self, host: &str, port: u16) {
        if let Some(given) = self.options.resolve.iter().find(|given| given.is_for(host, port)) {
            let pin = || Pin { addresses: given.addresses.clone(), failures: 0 };
            self.pins.entry((host.to_owned(), port)).or_insert_with(pin);
        }
    }

    /// Whether the addresses of this route are known.
    pub(super) fn knows_addresses(&self, route: &Route) -> bool {
        route.connect_host.parse::<IpAddr>().is_ok() || self.pins.contains_key(&route.key())
    }

    pub(super) fn learn_addresses(&mut self, route: &Route, addresses: &[IpAddr]) {
        let pin = Pin { addresses: addresses.to_vec(), failures: 0 };
        self.pins.insert(route.key(), pin);
    }

    /// Keeps to the address that answered.
    pub(super) fn note_answer(&mut self, route: &Route, peer: Option<SocketAddr>) {
        if let (Some(pin), Some(peer)) = (self.pins.get_mut(&route.key()), peer) {
            *pin = Pin { addresses: vec![peer.ip()], failures: 0 };
        }
    }

    /// Gives a pinned address up after some failed connects; its name is then looked up again.
    pub(super) fn note_connect_failure(&mut self, route: &Route) {
        if let Some(pin) = self.pins.get_mut(&route.key()) {
            pin.failures += 1;
            if pin.failures >= PINNED_TRIES {
                self.pins.remove(&route.key());
            }
        }
    }

    /// Keeps the cookies that the handle holds, at most `MAX_COOKIES`; a site that sets more gets none
    /// back.
    pub(super) fn keep_cookies(&mut self, easy: &mut Easy2<ExchangeHandler>) {
        let held = easy.cookies().unwrap_or_else(|_| List::new());
        self.cookies = held
            .iter()
            .take(MAX_COOKIES + 1)
            .filter_map(|line| std::str::from_utf8(line).ok())
            .map(|line| Zeroizing::new(line.to_owned()))
            .collect();
        if self.cookies.len() > MAX_COOKIES {
            self.cookies.clear();
            // It fails only where libcurl has no cookies at all.
            drop(easy.cookie_list("ALL"));
        }
    }

    /// Sets the handle up for one exchange, or changes what differs from the one before.
    pub(super) fn configure(
        &self,
        easy: &mut Easy2<ExchangeHandler>,
        exchange: &mut Exchange,
        route: &Route,
        started: Instant,
        many: bool,
    ) -> Result<(), curl::Error> {
        let before = easy.get_mut().setup.take();
        let buffer = if many { SMALL_UPLOAD_BUFFER } else { UPLOAD_BUFFER };
        let method = exchange.method;
        let challenges = exchange
            .proxy_auth
            .as_ref()
            .is_some_and(|own| exchange.proxy_asked && own.scheme != AuthScheme::Basic);
        let polite = self.options.polite;
        let held = self.connection.as_ref().filter(|_| method == Method::BitsPost);
        let new_connection = match (exchange.connection, held) {
            (ConnectionUse::Same(_), _) => NewConnection::Refused,
            (_, Some(held)) => NewConnection::InPlaceOf(Arc::clone(&held.socket)),
            (_, None) => NewConnection::Allowed,
        };
        *easy.get_mut() =
            ExchangeHandler::new(exchange, challenges, new_connection, polite, started);
        let direct_body =
            !challenges && !polite && route.is_plain() && easy.get_mut().send_directly(WITH_HEAD);
        let length = usize::try_from(exchange.length).unwrap_or(buffer);
        let upload_buffer = (!direct_body).then(|| length.clamp(LEAST_UPLOAD_BUFFER, buffer));
        let needed = Setup::of(exchange, self.generation, upload_buffer, started);
        let needed = needed.filter(|_| !route.through_proxy());
        let setup = match (before, needed) {
            (Some(before), Some(needed)) if before.serves(&needed) => {
                if before.target != needed.target {
                    easy.url(&url(exchange, None))?;
                }
                Some(before.with_target(needed))
            }
            (_, needed) => {
                easy.reset();
                self.configure_anew(easy, exchange, route, (upload_buffer, buffer))?;
                needed
            }
        };
        if upload_buffer.is_some() && method == Method::BitsPost {
            easy.in_filesize(exchange.length)?;
        }
        if method == Method::BitsPost && self.options.post_override {
            let header = ("X-HTTP-Method-Override".to_owned(), "BITS_POST".to_owned().into());
            exchange.headers.push(header);
        }
        if direct_body {
            // libcurl knows of no body; the line stands where it would write it.
            let header = ("Content-Length".to_owned(), exchange.length.to_string().into());
            exchange.headers.push(header);
        }
        if !route.is_forwarded() {
            // There it would reach the server.
            exchange.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("Proxy-Authorization"));
        }
        easy.http_headers(header_list(method, &exchange.headers)?)?;
        easy.get_mut().setup = setup;
        Ok(())
    }

    /// Sets all but the length of the body and the header lines.
    fn configure_anew(
        &self,
        easy: &mut Easy2<ExchangeHandler>,
        exchange: &Exchange,
        route: &Route,
        (upload_buffer, buffer): (Option<usize>, usize),
    ) -> Result<(), curl::Error> {
        let method = exchange.method;
        easy.verbose(true)?; // the callback needs it, see `ExchangeHandler`
        easy.http_version(HttpVersion::V11)?;
        easy.http_09_allowed(false)?;
        easy.path_as_is(true)?;
        // libcurl connects through the zone and leaves it out of Host; a proxy has its own interfaces.
        let zone = exchange.origin.zone.as_ref().filter(|_| route.proxy.is_none());
        if let Some(zone) = zone.filter(|zone| !zone.bytes().all(|byte| byte.is_ascii_digit())) {
            // libcurl 8.22 reads a zone and connects without it.
            easy.interface(&format!("if!{zone}"))?;
        }
        easy.url(&url(exchange, zone.map(|zone| &**zone)))?;
        match (method, upload_buffer) {
            (Method::BitsPost, Some(upload_buffer)) => {
                easy.upload(true)?;
                easy.upload_buffer_size(upload_buffer)?;
                easy.custom_request(self.method(method))?;
            }
            (Method::BitsPost, None) => {
                easy.get(true)?;
                easy.custom_request(self.method(method))?;
            }
            (Method::Head, _) => easy.nobody(true)?,
            (Method::Get, _) => {
                easy.get(true)?;
                easy.buffer_size(buffer)?;
            }
        }
        easy.cookie_list(NO_COOKIE)?; // libcurl keeps cookies from now on
        easy.cookie_list("ALL")?; // none of them so far
        for cookie in &self.cookies {
            bitsup_wipe::set(easy, Text::KeptCookie, cookie)?;
        }
        if let Some((_, own)) = exchange.headers.iter().find(|(name, _)| is_cookie(name)) {
            bitsup_wipe::set(easy, Text::Cookie, own)?;
        }
        if !self.options.user_agent.is_empty() {
            easy.useragent(&self.options.user_agent)?;
        }
        if let Some(credentials) = &exchange.auth {
            bitsup_wipe::set(easy, Text::User, &credentials.user)?;
            bitsup_wipe::set(easy, Text::Password, &credentials.password)?;
            easy.http_auth(&credentials.scheme.mask())?;
        }
        self.configure_route(easy, exchange, route)?;
        self.configure_tls(easy)?;
        easy.connect_timeout(exchange.limits.connect.max(Duration::from_millis(1)))?;
        easy.tcp_keepalive(true)?;
        easy.tcp_keepidle(KEEP_ALIVE)?;
        easy.tcp_keepintvl(KEEP_ALIVE)?;
        easy.maxage_conn(MAX_IDLE)
    }

    fn configure_route(
        &self,
        easy: &mut Easy2<ExchangeHandler>,
        exchange: &Exchange,
        route: &Route,
    ) -> Result<(), curl::Error> {
        let mut name = self.invented_name();
        let port = route.connect_port;
        // The proxy was chosen before: libcurl shall not choose again.
        easy.noproxy("")?;
        match &route.proxy {
            None => {
                easy.proxy("")?;
                let mut connect_to = List::new();
                connect_to.append(&format!("::{name}:{port}"))?;
                easy.connect_to(connect_to)?;
            }
            Some(proxy) => {
                if proxy.kind == ProxyKind::Https {
                    self.configure_proxy_tls(easy, &name, route.origin.is_https())?;
                    name = bracketed(&proxy.host).into_owned();
                }
                bitsup_wipe::set(easy, Text::Proxy, &proxy.url_with_host(&name))?;
                if let Some(credentials) = route.proxy_login(exchange) {
                    bitsup_wipe::set(easy, Text::ProxyUser, &credentials.user)?;
                    bitsup_wipe::set(easy, Text::ProxyPassword, &credentials.password)?;
                    easy.proxy_auth(&credentials.scheme.mask())?;
                }
            }
        }
        let literal: Option<IpAddr> = route.connect_host.parse().ok();
        let known = self.pins.get(&route.key()).map(|pin| pin.addresses.as_slice());
        let addresses: Vec<String> = known
            .unwrap_or(literal.as_slice())
            .iter()
            .map(|address| bracketed(&address.to_string()).into_owned())
            .collect();
        // With the plus the entry leaves libcurl's cache again.
        let mut resolve = List::new();
        resolve.append(&format!("+{name}:{port}:{}", addresses.join(",")))?;
        easy.resolve(resolve)
    }

    /// Its certificate is checked against its name, so that no other can be invented for it.
    /// libcurl keeps connections apart whose ciphers were chosen by other words, too, and
    /// OpenSSL passes over a cipher that it does not know.
    fn configure_proxy_tls(
        &self,
        easy: &mut Easy2<ExchangeHandler>,
        pinned: &str,
        to_tls: bool,
    ) -> Result<(), curl::Error> {
        let ciphers = format!("DEFAULT:{pinned}");
        easy.proxy_ssl_cipher_list(&ciphers)?;
        if !to_tls {
            // 7.88 compares the words for the server instead, where that has no TLS of its own.
            easy.ssl_cipher_list(&ciphers)?;
        }
        easy.proxy_ssl_min_max_version(SslVersion::Tlsv12, SslVersion::Default)?;
        easy.proxy_ssl_verify_peer(true)?;
        easy.proxy_ssl_verify_host(true)?;
        match &self.options.tls.proxy_ca_file {
            Some(file) => easy.proxy_cainfo(&file.to_string_lossy()),
            // A libcurl of our own has no path built in.
            None if cfg!(feature = "bundled") => match openssl_probe::probe().cert_file {
                Some(file) => easy.proxy_cainfo(&file.to_string_lossy()),
                None => Ok(()),
            },
            None => Ok(()),
        }
    }

    fn configure_tls(&self, easy: &mut Easy2<ExchangeHandler>) -> Result<(), curl::Error> {
        let tls = &self.options.tls;
        easy.ssl_min_max_version(SslVersion::Tlsv12, SslVersion::Default)?;
        easy.ssl_verify_peer(!tls.insecure)?;
        easy.ssl_verify_host(!tls.insecure)?;
        // A session that is taken up again shows no certificate, and logins are bound to it.
        easy.ssl_sessionid_cache(false)?;
        if let Some(path) = &tls.ca_file {
            easy.cainfo(path)?;
        }
        if let Some(path) = &tls.cert {
            easy.ssl_cert(path)?;
            if self.options.cert_is_pkcs12 {
                easy.ssl_cert_type("P12")?;
            }
        }
        if let Some(path) = &tls.key {
            easy.ssl_key(path)?;
        }
        if let Some(password) = &tls.key_password {
            bitsup_wipe::set(easy, Text::KeyPassword, password.expose())?;
        }
        if let Some(key) = &tls.pinned_public_key {
            easy.pinned_public_key(key)?;
        }
        Ok(())
    }

    /// Keeps the connection of an exchange if it is clean enough for another, or drops it.
    pub(super) fn settle_connection(
        &mut self,
        opened: Vec<Socket>,
        certificate: ServerCertificate,
        local_port: u16,
        clean: bool,
        route: &Route,
    ) {
        if let Some(socket) = opened.into_iter().find(|socket| is_used(socket, local_port)) {
            self.serial = self.serial.wrapping_add(1);
            let origin = route.origin.clone();
            // An https proxy that forwards requests is not the server.
            let certificate = match origin.scheme {
                Scheme::Https => certificate,
                Scheme::Http => ServerCertificate::NotReported,
            };
            self.connection = Some(Connection { socket: Arc::new(socket), origin, certificate });
        }
        if !clean {
            self.drop_connection();
        }
    }

    /// Sends the next bytes of a body that goes past libcurl.
    pub(super) fn pass_body(&mut self) {
        let State::Running(running) = &mut self.state else { return };
        let port = running.handle.local_port().unwrap_or_default();
        let own = self.connection.as_ref().map(|connection| &*connection.socket);
        running.handle.get_mut().pass(own, port);
    }

    /// The connection that takes no more of such a body for now.
    pub(super) fn full_connection(&self) -> Option<&Socket> {
        let State::Running(running) = &self.state else { return None };
        let handler = running.handle.get_ref();
        let own = self.connection.as_ref().map(|connection| &*connection.socket);
        let port = || running.handle.local_port().unwrap_or_default();
        (handler.direct_body() == DirectBody::Blocked).then(|| handler.connection(own, port()))?
    }

    /// When the connection's next limit is over, and which one it is.
    pub(super) fn deadline(&self) -> Option<(Instant, Limit)> {
        match &self.state {
            State::Running(running) => running.handle.get_ref().deadline(),
            State::Resolving(resolving) => {
                let end = resolving.started.checked_add(resolving.exchange.limits.connect)?;
                Some((end, Limit::Connect))
            }
            State::Idle(_) | State::Moving => None,
        }
    }

    /// Takes an exchange out that waits for addresses.
    pub(super) fn take_resolving(&mut self) -> Option<Resolving> {
        match std::mem::replace(&mut self.state, State::Moving) {
            State::Resolving(resolving) => Some(*resolving),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Closes the TCP connection, at once for the peer, and makes sure that libcurl does not
    /// find it again.
    pub(super) fn drop_connection(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        if let Some(connection) = self.connection.take() {
            drop(connection.socket.shutdown(Shutdown::Both));
        }
    }

    /// Whether another session may use the connection, if it lives: it is not authenticated, and no
    /// cookie ties it to a server.
    pub(super) fn is_reusable(&self) -> bool {
        matches!(self.state, State::Idle(_))
            && !self.personal
            && self.cookies.is_empty()
            && self.options.tls.cert.is_none()
            && self.is_connected()
    }

    /// Whether it has these settings and a living connection to `host`.
    pub(super) fn serves(&self, options: &ConnectionOptions, host: &str) -> bool {
        let goes_there = |connection: &Connection| {
            // The caller knows of no zone.
            connection.origin.host == host
                && connection.origin.zone.is_none()
                && is_quiet(&connection.socket)
        };
        self.options == *options && self.connection.as_ref().is_some_and(goes_there)
    }

    /// The name libcurl connects to: it keys its connections by name, so one that no other connection
    /// has keeps this one's TCP connection apart. The certificate is checked against the URL's.
    pub(super) fn invented_name(&self) -> String {
        format!("connection-{}-{}.bitsup.invalid", self.id.0, self.generation)
    }
}

impl Route {
    fn key(&self) -> (String, u16) {
        (self.connect_host.clone(), self.connect_port)
    }

    pub(super) fn through_proxy(&self) -> bool {
        self.proxy.is_some()
    }

    /// Whether a proxy forwards the request.
    pub(super) fn is_forwarded(&self) -> bool {
        self.proxy.as_ref().is_some_and(|proxy| !proxy.makes_tunnels(self.origin.scheme))
    }

    /// Whether a request stands on the connection as it is, without TLS around it.
    fn is_plain(&self) -> bool {
        self.origin.scheme == Scheme::Http
            && self.proxy.as_ref().is_none_or(|proxy| proxy.kind != ProxyKind::Https)
    }

    /// What the proxy is shown: at once by the request for a tunnel, else when it has asked.
    pub(super) fn proxy_login<'a>(&self, exchange: &'a Exchange) -> Option<&'a Credentials> {
        let proxy = self.proxy.as_ref()?;
        let wanted = exchange.proxy_asked || proxy.makes_tunnels(self.origin.scheme);
        exchange.proxy_auth.as_deref().filter(|_| wanted)
    }

    /// Host and port for messages.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", bracketed(&self.origin.host), self.origin.port)
    }
}

fn header_list(
    method: Method,
    headers: &[(String, Zeroizing<String>)],
) -> Result<List, curl::Error> {
    let mut list = List::new();
    if method == Method::BitsPost {
        // An `Expect: 100-continue` would cost each fragment a round trip.
        list.append("Expect:")?;
    }
    for (name, value) in headers.iter().filter(|(name, _)| !is_cookie(name)) {
        // libcurl takes "Name:" for "leave it out".
        let end = if value.is_empty() { ";" } else { ": " };
        bitsup_wipe::append(&mut list, &Zeroizing::new([name, end, value].concat()))?;
    }
    Ok(list)
}

/// The caller's own cookies go into one line with those of the site.
fn is_cookie(name: &str) -> bool {
    name.eq_ignore_ascii_case("Cookie")
}

/// The URL that libcurl is given.
fn url(exchange: &Exchange, zone: Option<&str>) -> String {
    let Origin { scheme, host, port, .. } = &exchange.origin;
    let zoned = zone.map(|zone| format!("{host}%25{zone}"));
    let host = bracketed(zoned.as_ref().unwrap_or(host));
    format!("{}://{host}:{port}{}", scheme.name(), exchange.target)
}

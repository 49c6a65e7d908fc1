//! A small BITS peer on raw sockets, in which a test overrides the answer to single packets.
//!
//! Sessions and offsets are kept by [`bitsup_server::model`], and how the bytes go is left to
//! [`bitsup_server::scripted`].

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bitsup::{Client, Error, Receipt, Source, Upload, UploadOptions, UploadState};
use bitsup_server::model::{
    self, Dice, ErrorHeaders, Habits, HeadHabit, Incomplete, Model, SessionIds, Span, Spans,
};
use bitsup_server::scripted::{Reply, Request, Scripted};
use socket2::{Domain, Socket, Type};

/// No test waits longer for anything: a bound for a loaded machine, not a measure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The size of all fragments under [`options`].
pub(crate) const FRAGMENT: u64 = 1000;

/// What a test does about one packet.
pub(crate) enum Turn {
    /// The peer does its work and answers by the book.
    Serve,
    /// The peer answers so and does no work.
    Answer(Reply),
    /// The peer does its work, then answers so.
    After(Reply),
}

/// A packet as a test's override sees it; its body is not there yet.
pub(crate) struct Call<'a> {
    /// The packet type; the method of what is no packet.
    pub(crate) packet: &'a str,
    /// Which of that type at this peer, from 1.
    pub(crate) nth: usize,
    /// The head.
    pub(crate) request: &'a Request,
    /// Number of the connection, from 0.
    pub(crate) connection: usize,
}

impl Call<'_> {
    /// Whether it is the `nth` packet of that type.
    pub(crate) fn is(&self, packet: &str, nth: usize) -> bool {
        self.packet == packet && self.nth == nth
    }
}

/// What the members of a farm share; a farm of one is a server.
#[derive(Clone, Default)]
pub(crate) struct Farm {
    books: Arc<Mutex<Books>>,
}

struct Books {
    model: Model<Spans>,
    most_open: usize,
    closed: Vec<Spans>,
    /// Where the bodies are, by the versions of spans: a member, the number in its log, the first byte.
    bodies: Vec<(SocketAddr, usize, u64)>,
}

impl Default for Books {
    fn default() -> Self {
        let habits = Habits {
            incomplete: Incomplete::Publish,
            head: HeadHabit::Status(404),
            dated: false,
            error_headers: ErrorHeaders::Code,
            ids: SessionIds::Counted,
            ids_in_acks: false,
            ..Habits::conforming()
        };
        let model = Model::with_habits(habits, Dice::seeded(0));
        Self { model, most_open: 0, closed: Vec::new(), bodies: Vec::new() }
    }
}

/// A listening peer.
pub(crate) struct Peer {
    farm: Farm,
    pub(crate) raw: Scripted,
}

impl Peer {
    /// A server of its own on 127.0.0.1.
    pub(crate) fn start(act: impl FnMut(&Call<'_>) -> Turn + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Self::member(&Farm::default(), listener, act)
    }

    /// A server by the book.
    pub(crate) fn plain() -> Self {
        Self::start(|_| Turn::Serve)
    }

    /// A member of a farm.
    pub(crate) fn member(
        farm: &Farm,
        listener: TcpListener,
        mut act: impl FnMut(&Call<'_>) -> Turn + Send + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("an address");
        let books = farm.clone();
        let mut counts = BTreeMap::<String, usize>::new();
        let raw = Scripted::start_on(listener, move |connection, request, number| {
            let packet = name(request);
            let nth = counts.entry(packet.clone()).or_default();
            *nth += 1;
            let call = Call { packet: &packet, nth: *nth, request, connection };
            match act(&call) {
                Turn::Answer(reply) => reply,
                Turn::Serve => books.lock().work(request, address, number),
                Turn::After(reply) => {
                    books.lock().work(request, address, number);
                    reply
                }
            }
        });
        Self { farm: farm.clone(), raw }
    }

    pub(crate) fn url(&self) -> String {
        self.raw.url("/up/x.bin")
    }

    /// The packets in order, fragments with their first byte: `Fragment 1000`.
    pub(crate) fn packets(&self) -> Vec<String> {
        self.raw.requests().iter().map(line).collect()
    }

    pub(crate) fn count(&self, packet: &str) -> usize {
        self.raw.requests().iter().filter(|request| name(request) == packet).count()
    }

    /// Waits until that many packets of the type have arrived.
    pub(crate) fn wait_for(&self, packet: &str, count: usize) {
        let came = self.raw.wait_until(PATIENCE, |raw| {
            raw.requests().iter().filter(|request| name(request) == packet).count() >= count
        });
        assert!(came, "no {count} x {packet}: {:?}", self.packets());
    }

    /// Waits until that many Fragments have arrived with their whole bodies: what the model has stored
    /// of one is there only then.
    pub(crate) fn wait_for_stored(&self, count: usize) {
        let is_whole = |request: &Request| {
            name(request) == "Fragment" && request.body.len() == request.content_length()
        };
        let came = self.raw.wait_until(PATIENCE, |raw| {
            raw.requests().iter().filter(|request| is_whole(request)).count() >= count
        });
        assert!(came, "no {count} whole Fragments: {:?}", self.packets());
    }

    /// The bytes of the files that were closed, from the bodies in the peer's log.
    pub(crate) fn files(&self) -> Vec<Vec<u8>> {
        files(&self.farm, &[self])
    }

    pub(crate) fn open_sessions(&self) -> usize {
        self.farm.lock().model.open_sessions()
    }

    /// The most sessions that were open at a time.
    pub(crate) fn most_open(&self) -> usize {
        self.farm.most_open()
    }
}

/// The files that a farm has closed.
pub(crate) fn files(farm: &Farm, peers: &[&Peer]) -> Vec<Vec<u8>> {
    let logs: Vec<_> = peers.iter().map(|peer| (peer.raw.address(), peer.raw.requests())).collect();
    let books = farm.lock();
    let bytes = |span: Option<Span>| {
        let Span { from, version, length } = span.expect("bytes that were sent");
        let (peer, number, first) = books.bodies[version];
        let (_, log) = logs.iter().find(|(address, _)| *address == peer).expect("a member");
        let from = usize::try_from(from - first).expect("small");
        let to = from + usize::try_from(length).expect("small");
        log[number].body.get(from..to).expect("a body is complete").to_vec()
    };
    books.closed.iter().map(|file| file.parts().flat_map(bytes).collect()).collect()
}

impl Farm {
    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The most sessions that were open at a time.
    pub(crate) fn most_open(&self) -> usize {
        self.lock().most_open
    }

    /// Deletes all sessions, as a server that restarts.
    pub(crate) fn forget_all(&self) {
        self.lock().model.forget();
    }
}

impl Books {
    fn work(&mut self, request: &Request, peer: SocketAddr, number: usize) -> Reply {
        let header = |name: &str| Some(request.header(name)).filter(|value| !value.is_empty());
        let arrived = model::Request::new(&request.method, 0, header);
        let (from, length) = arrived.range.map_or((0, 0), |range| (range.first, range.length()));
        self.bodies.push((peer, number, from));
        let body = Span { from, version: self.bodies.len() - 1, length };
        let answer = self.model.answer(&arrived, &body);
        self.most_open = self.most_open.max(self.model.open_sessions());
        if arrived.packet == model::Packet::Close && answer.status == 200 {
            self.closed.push(self.model.published().expect("closed").clone());
        }
        let reply = Reply::status(answer.status, "By the book");
        answer.headers.iter().fold(reply, |reply, (name, value)| reply.header(name, value))
    }
}

/// An Ack of Create-Session.
pub(crate) fn created(id: &str) -> Reply {
    Reply::ack()
        .header("BITS-Protocol", "{7df0354d-249b-430f-820d-3d2a9bef4931}")
        .header("BITS-Session-Id", id)
}

/// An Ack of a Fragment.
pub(crate) fn received(offset: u64) -> Reply {
    Reply::ack().header("BITS-Received-Content-Range", &offset.to_string())
}

/// "Session not found" with that status.
pub(crate) fn lost(status: u16) -> Reply {
    error(status, "0x8020001F")
}

/// An error of the BITS server.
pub(crate) fn error(status: u16, code: &str) -> Reply {
    Reply::status(status, "Error")
        .header("BITS-Packet-Type", "Ack")
        .header("BITS-Error-Code", code)
        .header("BITS-Error-Context", "0x5")
}

/// A challenge for Basic.
pub(crate) fn challenge() -> Reply {
    Reply::status(401, "Unauthorized").header("WWW-Authenticate", "Basic realm=\"up\"")
}

/// The packet type, or the method of what is no packet.
pub(crate) fn name(request: &Request) -> String {
    if request.method == "BITS_POST" { request.packet_type() } else { request.method.clone() }
}

/// First byte and end of a Fragment.
pub(crate) fn range(request: &Request) -> Option<(u64, u64)> {
    let text = request.header("Content-Range");
    let (range, _) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse::<u64>().ok()? + 1))
}

fn line(request: &Request) -> String {
    match range(request) {
        Some((first, _)) => format!("{} {first}", name(request)),
        None => name(request),
    }
}

/// Options under which a test is quick: fragments of [`FRAGMENT`] bytes, short delays.
pub(crate) fn options() -> UploadOptions {
    let mut options = UploadOptions::default();
    options.fragment_size = Some(FRAGMENT);
    options.retry_delay = Duration::from_millis(2);
    options.max_retry_delay = Duration::from_millis(20);
    options
}

/// Waits until a file was last changed so long ago that the journal's hashes of it count.
pub(crate) fn settle(path: &Path) {
    let changed = std::fs::metadata(path).expect("there").ctime();
    let seconds = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    wait_until("a change time that has settled", || {
        u64::try_from(changed).is_ok_and(|changed| changed + 2 <= seconds())
    });
}

/// Starts an upload of bytes.
pub(crate) fn start(client: &Client, url: &str, bytes: &[u8], options: UploadOptions) -> Upload {
    client.upload(Source::bytes(bytes), url).options(options).start().expect("started")
}

/// Uploads bytes with a client of its own.
pub(crate) fn upload(url: &str, bytes: &[u8], options: UploadOptions) -> Result<Receipt, Error> {
    let client = Client::new().expect("client");
    ended(&start(&client, url, bytes, options))
}

/// How an upload ended, within the patience of all tests.
pub(crate) fn ended(upload: &Upload) -> Result<Receipt, Error> {
    match upload.wait_for(PATIENCE) {
        Some(result) => result,
        None => panic!("the upload hangs: {:?}", upload.progress()),
    }
}

/// Returns when the client has taken all that it was told before: a Ping goes the same way.
pub(crate) fn taken(client: &Client) {
    client.ping(&Peer::plain().url(), &options()).expect("a server answers");
}

/// A port without a listener, as long as the socket is there.
pub(crate) fn unheard() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port");
    let address = socket.local_addr().expect("an address").as_socket().expect("IPv4");
    (socket, address)
}

/// Waits until the upload is in that state.
pub(crate) fn wait_for_state(upload: &Upload, state: UploadState) {
    let begun = Instant::now();
    while upload.progress().state != state {
        assert!(begun.elapsed() < PATIENCE, "never {state:?}: {:?}", upload.progress());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits for a condition.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "never came: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Two listeners on the same port of these addresses: a Host-Id without a port keeps the URL's.
pub(crate) fn same_port(first: &str, second: &str) -> (TcpListener, TcpListener) {
    for _ in 0..100 {
        let one = TcpListener::bind((first, 0)).expect("a port");
        let port = one.local_addr().expect("address").port();
        if let Ok(two) = TcpListener::bind((second, port)) {
            return (one, two);
        }
    }
    panic!("no port is free at both {first} and {second}");
}

pub(crate) fn trusting(host: &str) -> UploadOptions {
    let mut options = options();
    options.trusted_hosts = vec![host.to_owned()];
    options
}

/// Sends uploads to another host with these headers.
pub(crate) fn sending_to(
    headers: &[(&str, &str)],
) -> impl FnMut(&Call<'_>) -> Turn + Send + 'static {
    let headers: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    move |call| match call.packet {
        "Create-Session" => {
            let mut reply = created(&format!("{{session-{}}}", call.nth));
            for (name, value) in &headers {
                reply = reply.header(name, value);
            }
            Turn::After(reply)
        }
        _ => Turn::Serve,
    }
}

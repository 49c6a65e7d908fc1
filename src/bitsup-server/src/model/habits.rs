//! What a server is like: its habits, which stay the same from request to request.

use super::content::Content;
use super::dice::Dice;

/// What is done with a Fragment by its offset, and what is said then. None of them claims bytes that it
/// knows not to have, but those that echo do not look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offsets {
    /// 416 with the wanted offset unless it starts there (MC-BUP §3.2.5.2.6).
    Strict,
    /// The same without the offset in the 416.
    StrictSilent,
    /// Keeps what is new of an overlapping Fragment and says how much is stored; a gap is answered 416.
    Trim,
    /// Keeps what is new and says the Fragment's end; a gap is answered 416.
    TrimEcho,
    /// Appends all that comes and says the Fragment's end.
    AppendEcho,
    /// Appends all that comes and says how much is stored.
    AppendCount,
    /// Writes at the offset and says the Fragment's end.
    SeekEcho,
    /// Writes at the offset and says how long the file is.
    SeekCount,
}

impl Offsets {
    /// Whether the Acks say the request's range instead of what is stored.
    #[must_use]
    pub fn echoes(self) -> bool {
        matches!(self, Self::TrimEcho | Self::AppendEcho | Self::SeekEcho)
    }

    /// Whether a Fragment that begins too far is not stored.
    #[must_use]
    pub fn refuses_gaps(self) -> bool {
        matches!(self, Self::Strict | Self::StrictSilent | Self::Trim | Self::TrimEcho)
    }

    /// Whether bytes are appended wherever they belong.
    #[must_use]
    pub fn appends(self) -> bool {
        matches!(self, Self::AppendEcho | Self::AppendCount)
    }

    /// Stores the body of a Fragment that begins at `first`; the status and the offset of its answer.
    pub fn store<C: Content>(
        self,
        stored: &mut C,
        first: u64,
        body: &C::Body,
    ) -> (u16, Option<u64>) {
        let (end, length) = (first + C::body_length(body), stored.length());
        match self {
            Self::Strict if first != length => return (416, Some(length)),
            Self::StrictSilent if first != length => return (416, None),
            Self::Trim | Self::TrimEcho if first > length => return (416, Some(length)),
            Self::Strict | Self::StrictSilent | Self::Trim | Self::TrimEcho => {
                stored.write(length, body, length - first);
            }
            Self::AppendEcho | Self::AppendCount => stored.write(length, body, 0),
            Self::SeekEcho | Self::SeekCount => stored.write(first, body, 0),
        }
        (200, Some(if self.echoes() { end } else { stored.length() }))
    }
}

/// When the file is at its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publish {
    /// At Close-Session.
    AtClose,
    /// When the last byte has come.
    AtLast,
    /// From Create-Session on: Fragments are written into it.
    InPlace,
}

/// What Close-Session of a session that lacks bytes does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// The part is deleted, and the answer is 200 (Learn: close-session).
    Discard,
    /// It is answered 400.
    Refuse,
    /// The part becomes the file (MC-BUP's state table).
    Publish,
}

/// How a packet of a session is answered that the server does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// 500 with `BG_E_SESSION_NOT_FOUND`.
    NotFound,
    /// This status, with this code if there is one.
    Status(u16, Option<u32>),
}

/// What becomes of a session whose packets come by another connection than its Create-Session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherConnection {
    /// Nothing.
    Same,
    /// It is not known.
    Unknown,
    /// It is never answered.
    Hangs,
    /// 500 with code 1.
    Error,
}

/// How Ping is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingHabit {
    /// As it should be.
    Ack,
    /// 200 without a packet type and with a text.
    Text,
    /// This status without a code.
    Status(u16),
}

/// How HEAD is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadHabit {
    /// By what is at the destination.
    True,
    /// By what is at the destination, without `Last-Modified`.
    Undated,
    /// By what is at the destination, without `Content-Length`.
    NoLength,
    /// By what is at the destination, compressed.
    Encoded,
    /// By this status, for any file: uploads are not served, or the method is not known.
    Status(u16),
    /// By the log-in page of a captive portal.
    Portal,
}

/// What is at the destination before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// A file of another size.
    OtherSize,
    /// A file of the same size, from long ago.
    SameSize,
    /// A file of the same size that was written in the second of the Create Ack.
    SameSizeJustNow,
}

/// Who may upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login {
    /// How it asks.
    pub scheme: Scheme,
    /// What it asks for.
    pub asks: Asks,
    /// Which logins it takes.
    pub accepts: Accepts,
}

/// Which logins a server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// None.
    None,
    /// Any by the right scheme.
    Any,
    /// That of the user with this number, which is all that `Authorization` says after the scheme.
    User(u32),
}

/// How a server asks for a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `Basic`
    Basic,
    /// `Digest`
    Digest,
    /// `NTLM`, and it never says more: the login gets nowhere.
    Ntlm,
    /// A 401 without `WWW-Authenticate`.
    Silent,
}

/// Which packets a login is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// All.
    All,
    /// Ping and Create-Session: the session id stands for the login afterwards.
    PingAndCreate,
    /// Create-Session only.
    Create,
    /// All but Ping.
    AllButPing,
}

/// How a Fragment that is too large is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oversize {
    /// 413.
    TooLarge,
    /// 413 before the body is read, and the connection is closed.
    TooLargeEarly,
    /// 404, as IIS does.
    NotFound,
    /// 500 with `BG_E_TOO_LARGE`.
    Fatal,
}

/// What the Create Ack says of another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostId {
    /// Nothing.
    None,
    /// An empty header.
    Empty,
    /// The server itself.
    Own,
    /// Another host.
    Elsewhere,
    /// Something that is no host.
    Invalid,
    /// A node of a farm, which opens the session there.
    Node {
        /// Its name, as the header has it.
        name: &'static str,
        /// The seconds after which a client may go back.
        fallback: Option<u64>,
        /// Whether the farm's other hosts know the node's sessions too.
        shares: bool,
    },
}

/// How an idle connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// It stays.
    Stays,
    /// It is closed right after each answer, unannounced.
    Closed,
    /// It is closed a moment after each answer, unannounced.
    ClosedSoon,
    /// It is closed after each answer, and `Connection: close` says so.
    Announced,
}

/// How the offset is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// In `BITS-Received-Content-Range`.
    Correct,
    /// In `BITS-Recieved-Content-Range`.
    Misspelt,
    /// Not at all.
    Absent,
    /// In the right header of every Ack, that of Create-Session and Ping included.
    Everywhere,
}

/// The header that tells the offset, and as a public server spells it.
pub(super) const OFFSET: &str = "BITS-Received-Content-Range";
pub(super) const MISSPELT_OFFSET: &str = "BITS-Recieved-Content-Range";

impl Received {
    /// The header of an answer to a Fragment, if there is one.
    pub(super) fn write(self, offset: u64) -> Option<(&'static str, String)> {
        let header = match self {
            Self::Correct | Self::Everywhere => OFFSET,
            Self::Misspelt => MISSPELT_OFFSET,
            Self::Absent => return None,
        };
        Some((header, offset.to_string()))
    }
}

/// What a reply is offered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyUrl {
    /// A path of this server.
    Own,
    /// A URL of another host.
    Elsewhere,
}

/// The headers that carry an error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorHeaders {
    /// `BITS-Error-Code`
    Code,
    /// `BITS-Error`
    Error,
    /// Both.
    Both,
}

/// How error codes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hex {
    /// Eight upper-case digits after this.
    After(&'static str),
    /// `0x` and as few lower-case digits as there are.
    Short,
    /// Eight lower-case digits.
    Lower,
    /// As C writes a constant: `0X8020001FL`.
    Constant,
}

impl Hex {
    pub(super) fn write(self, code: u32) -> String {
        match self {
            Self::After(prefix) => format!("{prefix}{code:08X}"),
            Self::Short => format!("{code:#x}"),
            Self::Lower => format!("{code:08x}"),
            Self::Constant => format!("0X{code:08X}L"),
        }
    }
}

/// What session ids look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionIds {
    /// GUIDs in braces.
    Guid,
    /// As long as they may be, without braces.
    Long,
    /// `{session-1}` and so on.
    Counted,
}

/// All habits of one server.
#[derive(Clone, Debug)]
pub struct Habits {
    /// The names of its quirks.
    pub names: Vec<&'static str>,
    /// What offsets mean.
    pub offsets: Offsets,
    /// Whether the beginning of a body that was cut off is stored.
    pub keeps_cut_bodies: bool,
    /// When the file is at its destination.
    pub publish: Publish,
    /// What a Close-Session that comes too early does.
    pub incomplete: Incomplete,
    /// Whether a session without a Fragment makes an empty file.
    pub makes_empty_files: bool,
    /// How unknown sessions are answered.
    pub unknown: Unknown,
    /// How a second Close-Session is answered; `None`: 200.
    pub second_close: Option<Unknown>,
    /// What other connections mean.
    pub other_connection: OtherConnection,
    /// How Ping is answered.
    pub ping: PingHabit,
    /// The status of an answer to Cancel-Session, which does delete the session.
    pub cancel: u16,
    /// How HEAD is answered.
    pub head: HeadHabit,
    /// Whether answers have a `Date`.
    pub dated: bool,
    /// Whether a second passes between any two requests; without, all happens in one second.
    pub clock_runs: bool,
    /// What was there before.
    pub before: Before,
    /// Who may upload.
    pub login: Option<Login>,
    /// The most bytes in a Fragment, and how more are answered.
    pub ceiling: Option<(u64, Oversize)>,
    /// The most bytes of a file that are stored; further bytes are not, and the offset says so.
    pub quota: Option<u64>,
    /// Which other host is named.
    pub host_id: HostId,
    /// How idle connections end.
    pub idle: Idle,
    /// How the offset is told.
    pub received: Received,
    /// Where a reply is.
    pub reply: Option<ReplyUrl>,
    /// Where error codes are.
    pub error_headers: ErrorHeaders,
    /// How error codes are written.
    pub hex: Hex,
    /// The status of a Create Ack.
    pub created: u16,
    /// Whether a Create Ack has `BITS-Protocol`.
    pub names_protocol: bool,
    /// Whether Acks have the session id.
    pub ids_in_acks: bool,
    /// What session ids look like.
    pub ids: SessionIds,
    /// Whether header names are in lower case.
    pub lower_case: bool,
    /// Whether answers that are no Acks have a page as their body.
    pub pages: bool,
    /// Whether all answers are of HTTP/1.0.
    pub http10: bool,
    /// Whether answers lack a `Content-Length`.
    pub no_length: bool,
    /// Whether each header comes twice.
    pub repeats_headers: bool,
    /// Whether each Fragment is refused and its own first byte is wanted.
    pub stuck: bool,
}

impl Habits {
    /// Those of a server without any quirk.
    #[must_use]
    pub fn conforming() -> Self {
        Self {
            names: Vec::new(),
            offsets: Offsets::Strict,
            keeps_cut_bodies: false,
            publish: Publish::AtClose,
            incomplete: Incomplete::Discard,
            makes_empty_files: true,
            unknown: Unknown::NotFound,
            second_close: Some(Unknown::NotFound),
            other_connection: OtherConnection::Same,
            ping: PingHabit::Ack,
            cancel: 200,
            head: HeadHabit::True,
            dated: true,
            clock_runs: true,
            before: Before::Nothing,
            login: None,
            ceiling: None,
            quota: None,
            host_id: HostId::None,
            idle: Idle::Stays,
            received: Received::Correct,
            reply: None,
            error_headers: ErrorHeaders::Both,
            hex: Hex::After("0x"),
            created: 200,
            names_protocol: true,
            ids_in_acks: true,
            ids: SessionIds::Guid,
            lower_case: false,
            pages: false,
            http10: false,
            no_length: false,
            repeats_headers: false,
            stuck: false,
        }
    }

    /// Chooses habits: a few quirks, seldom many.
    #[must_use]
    pub fn draw(dice: &mut Dice) -> Self {
        let mut habits = Self::conforming();
        let count = dice.pick(&[0, 1, 1, 2, 2, 3, 4, 6]);
        for quirk in (0..count).map(|_| dice.pick(QUIRKS)).collect::<Vec<_>>() {
            quirk.add(&mut habits, dice);
        }
        habits
    }
}

/// A quirk: one way in which servers differ.
#[derive(Clone, Copy, Debug)]
pub struct Quirk {
    /// Its name.
    pub name: &'static str,
    apply: fn(&mut Habits, &mut Dice),
}

impl Quirk {
    /// Gives it to a server; another quirk of the same thing is replaced.
    pub fn add(&self, habits: &mut Habits, dice: &mut Dice) {
        habits.names.push(self.name);
        (self.apply)(habits, dice);
    }
}

const fn quirk(name: &'static str, apply: fn(&mut Habits, &mut Dice)) -> Quirk {
    Quirk { name, apply }
}

/// All quirks.
pub const QUIRKS: &[Quirk] = &[
    quirk("416 without offset", |h, _| h.offsets = Offsets::StrictSilent),
    quirk("trims overlaps", |h, _| h.offsets = Offsets::Trim),
    quirk("trims overlaps, echoes", |h, _| h.offsets = Offsets::TrimEcho),
    quirk("appends, echoes", |h, _| h.offsets = Offsets::AppendEcho),
    quirk("appends, counts", |h, _| h.offsets = Offsets::AppendCount),
    quirk("writes at the offset, echoes", |h, _| h.offsets = Offsets::SeekEcho),
    quirk("writes at the offset, counts", |h, _| h.offsets = Offsets::SeekCount),
    // Once more: an appender that echoes is the most common one, and the most dangerous.
    quirk("appends, echoes", |h, _| h.offsets = Offsets::AppendEcho),
    quirk("keeps cut bodies", |h, _| h.keeps_cut_bodies = true),
    quirk("publishes at the last byte", |h, _| h.publish = Publish::AtLast),
    quirk("writes in place", |h, _| h.publish = Publish::InPlace),
    quirk("refuses an early Close", |h, _| h.incomplete = Incomplete::Refuse),
    quirk("publishes parts", |h, _| h.incomplete = Incomplete::Publish),
    quirk("no empty files", |h, _| h.makes_empty_files = false),
    quirk("unknown session is no code", |h, dice| {
        let codes = [
            (404, None),
            (400, None),
            (400, Some(0x8007_0057)),
            (403, None),
            (500, Some(1)),
            (410, None),
        ];
        let (status, code) = dice.pick(&codes);
        h.unknown = Unknown::Status(status, code);
        h.second_close = Some(h.unknown);
    }),
    quirk("second Close is 400", |h, _| h.second_close = Some(Unknown::Status(400, Some(0)))),
    quirk("second Close is 200", |h, _| h.second_close = None),
    quirk("session bound to connection", |h, _| h.other_connection = OtherConnection::Unknown),
    quirk("other connections hang", |h, _| h.other_connection = OtherConnection::Hangs),
    quirk("other connections are errors", |h, _| h.other_connection = OtherConnection::Error),
    quirk("Ping is no Ack", |h, _| h.ping = PingHabit::Text),
    quirk("no Ping", |h, dice| {
        h.ping = PingHabit::Status(dice.pick(&[400, 404, 405, 501, 403, 500]));
    }),
    quirk("Cancel is refused", |h, dice| h.cancel = dice.pick(&[403, 404, 400, 501])),
    quirk("HEAD is undated", |h, _| h.head = HeadHabit::Undated),
    quirk("HEAD without length", |h, _| h.head = HeadHabit::NoLength),
    quirk("HEAD is compressed", |h, _| h.head = HeadHabit::Encoded),
    quirk("HEAD is refused", |h, dice| {
        h.head = HeadHabit::Status(dice.pick(&[404, 405, 410, 501, 401, 403, 302, 500, 204]));
    }),
    quirk("HEAD meets a portal", |h, _| h.head = HeadHabit::Portal),
    quirk("no Date", |h, _| h.dated = false),
    quirk("fast", |h, _| h.clock_runs = false),
    quirk("older file", |h, dice| {
        h.before = dice.pick(&[Before::OtherSize, Before::SameSize, Before::SameSizeJustNow]);
    }),
    quirk("login", |h, dice| {
        h.login = Some(Login {
            scheme: dice.pick(&[
                Scheme::Basic,
                Scheme::Basic,
                Scheme::Digest,
                Scheme::Digest,
                Scheme::Ntlm,
                Scheme::Silent,
            ]),
            asks: dice.pick(&[Asks::All, Asks::PingAndCreate, Asks::Create, Asks::AllButPing]),
            accepts: if dice.below(8) > 0 { Accepts::Any } else { Accepts::None },
        });
    }),
    quirk("ceiling", |h, dice| {
        let most = 5120 << dice.below(5);
        let how = dice.pick(&[
            Oversize::TooLarge,
            Oversize::TooLargeEarly,
            Oversize::NotFound,
            Oversize::Fatal,
        ]);
        h.ceiling = Some((most, how));
    }),
    quirk("quota", |h, dice| h.quota = Some(dice.below(100_000))),
    quirk("Host-Id of itself", |h, _| h.host_id = HostId::Own),
    quirk("Host-Id of another", |h, dice| {
        h.host_id = dice.pick(&[HostId::Elsewhere, HostId::Empty, HostId::Invalid]);
    }),
    quirk("closes after each answer", |h, _| h.idle = Idle::Closed),
    quirk("closes soon after each answer", |h, _| h.idle = Idle::ClosedSoon),
    quirk("announces its close", |h, _| h.idle = Idle::Announced),
    quirk("offset misspelt", |h, _| h.received = Received::Misspelt),
    quirk("no offsets", |h, _| h.received = Received::Absent),
    quirk("offsets everywhere", |h, _| h.received = Received::Everywhere),
    quirk("offers a reply", |h, dice| {
        h.reply = Some(dice.pick(&[ReplyUrl::Own, ReplyUrl::Own, ReplyUrl::Elsewhere]));
    }),
    quirk("error headers", |h, dice| {
        h.error_headers = dice.pick(&[ErrorHeaders::Code, ErrorHeaders::Error]);
        h.hex = Hex::After(dice.pick(&["0X", "x", ""]));
    }),
    quirk("201 for Create", |h, _| h.created = 201),
    quirk("no protocol named", |h, _| h.names_protocol = false),
    quirk("no ids in Acks", |h, _| h.ids_in_acks = false),
    quirk("long ids", |h, _| h.ids = SessionIds::Long),
    quirk("lower case", |h, _| h.lower_case = true),
    quirk("pages with errors", |h, _| h.pages = true),
    quirk("HTTP/1.0", |h, _| h.http10 = true),
    quirk("no Content-Length", |h, _| h.no_length = true),
];

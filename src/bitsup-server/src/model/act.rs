//! What a server answers by its habits.

use std::time::{Duration, SystemTime};

use super::answer::{Answer, Framing};
use super::content::Content;
use super::habits::{
    Accepts, Asks, ErrorHeaders, HeadHabit, Hex, HostId, MISSPELT_OFFSET, OFFSET, OtherConnection,
    Oversize, PingHabit, Received, ReplyUrl, Scheme, Unknown,
};
use super::request::{Packet, Request};
use super::{Model, REPLY};

const PROTOCOL: &str = "{7df0354d-249b-430f-820d-3d2a9bef4931}";
const SESSION_NOT_FOUND: u32 = 0x8020_001F;
const INVALID_ARGUMENT: u32 = 0x8007_0057;
pub(super) const PAGE: &str = "<html><body><h1>Hello</h1></body></html>";

impl<C: Content> Model<C> {
    /// Acts on a request as the habits say; the answer is whole.
    pub fn answer(&mut self, request: &Request, body: &C::Body) -> Answer {
        self.answer_with(request, body, |_| {})
    }

    /// The same, where something happens to the bytes right after a Fragment was stored.
    pub fn answer_with(
        &mut self,
        request: &Request,
        body: &C::Body,
        happens: impl FnOnce(&mut C),
    ) -> Answer {
        let mut answer = self.act_with(request, body, happens);
        self.dress(&mut answer, request.packet);
        answer
    }

    pub(super) fn act(&mut self, request: &Request, body: &C::Body) -> Answer {
        self.act_with(request, body, |_| {})
    }

    fn act_with(
        &mut self,
        request: &Request,
        body: &C::Body,
        happens: impl FnOnce(&mut C),
    ) -> Answer {
        if let Some(answer) = self.ask_for_login(request) {
            return answer;
        }
        match request.packet {
            Packet::Ping => match self.habits.ping {
                PingHabit::Ack => Answer::ack(),
                PingHabit::Text => {
                    Answer { body: b"unsupported packet".to_vec(), ..Answer::status(200) }
                }
                PingHabit::Status(status) => Answer::status(status),
            },
            Packet::Create => self.answer_create(request),
            Packet::Head => self.head(),
            Packet::Get if request.target.ends_with("/r.bin") => {
                Answer { body: REPLY.to_vec(), ..Answer::status(200) }
            }
            Packet::Get => Answer::status(404),
            Packet::Unknown => Answer::status(400),
            Packet::Fragment | Packet::Close | Packet::Cancel => {
                self.answer_in_session(request, body, happens)
            }
        }
    }

    fn answer_create(&mut self, request: &Request) -> Answer {
        let id = self.create(request);
        let mut answer = Answer { status: self.habits.created, ..Answer::ack() };
        answer = answer.with("BITS-Session-Id", id).with("Accept-Encoding", "Identity");
        if self.habits.names_protocol {
            answer = answer.with("BITS-Protocol", PROTOCOL);
        }
        match self.habits.host_id {
            HostId::None => answer,
            HostId::Empty => answer.with("BITS-Host-Id", ""),
            HostId::Own => answer.with("BITS-Host-Id", "127.0.0.1"),
            HostId::Elsewhere => answer.with("BITS-Host-Id", &self.elsewhere),
            HostId::Invalid => answer.with("BITS-Host-Id", "a b/c"),
            HostId::Node { name, fallback, .. } => {
                let answer = answer.with("BITS-Host-Id", name);
                match fallback {
                    Some(seconds) => answer.with("BITS-Host-Id-Fallback-Timeout", seconds),
                    None => answer,
                }
            }
        }
    }

    fn answer_in_session(
        &mut self,
        request: &Request,
        body: &C::Body,
        happens: impl FnOnce(&mut C),
    ) -> Answer {
        let Some(id) = self.known_session(request) else {
            let named = request.session.as_ref();
            let closed = named.is_some_and(|id| self.closed.contains(id));
            return match (closed && request.packet == Packet::Close, self.habits.second_close) {
                (true, None) => Answer::ack(),
                (true, Some(how)) => self.not_found(how),
                (false, _) => self.not_found(self.habits.unknown),
            };
        };
        if self.is_elsewhere(request) {
            match self.habits.other_connection {
                OtherConnection::Unknown => {
                    self.sessions.remove(&id);
                    return self.not_found(self.habits.unknown);
                }
                OtherConnection::Error => {
                    return self.with_code(Answer { status: 500, ..Answer::ack() }, 1, 5);
                }
                OtherConnection::Same | OtherConnection::Hangs => {}
            }
        }
        let ack = if self.habits.ids_in_acks {
            Answer::ack().with("BITS-Session-Id", &id)
        } else {
            Answer::ack()
        };
        match request.packet {
            Packet::Fragment => self.answer_fragment(request, &id, (body, happens), ack),
            Packet::Close => match self.close(&id) {
                200 => ack,
                status => self.with_code(Answer { status, ..Answer::ack() }, INVALID_ARGUMENT, 5),
            },
            _ => {
                self.cancel(&id);
                Answer { status: self.habits.cancel, ..ack }
            }
        }
    }

    fn answer_fragment(
        &mut self,
        request: &Request,
        id: &str,
        (body, happens): (&C::Body, impl FnOnce(&mut C)),
        ack: Answer,
    ) -> Answer {
        let Some(range) = request.range else {
            return self.with_code(Answer { status: 400, ..Answer::ack() }, INVALID_ARGUMENT, 5);
        };
        match self.is_too_large(request) {
            Some(Oversize::TooLarge | Oversize::TooLargeEarly) => return Answer::status(413),
            Some(Oversize::NotFound) => return Answer::status(404),
            Some(Oversize::Fatal) => {
                return self.with_code(Answer { status: 500, ..Answer::ack() }, 0x8020_0020, 5);
            }
            None => {}
        }
        if self.habits.stuck {
            return self.with_offset(Answer { status: 416, ..ack }, Some(range.first));
        }
        let (status, mut offset) = self.store(id, range, body);
        if let Some(session) = self.sessions.get_mut(id) {
            happens(&mut session.data);
            if let (Some(told), false) = (&mut offset, self.habits.offsets.echoes()) {
                *told = session.data.length();
            }
        }
        if let Some(quota) = self.habits.quota
            && self.length(id) > quota
        {
            self.truncate(id, quota);
            offset = Some(quota);
        }
        let mut answer = self.with_offset(Answer { status, ..ack }, offset);
        if offset == Some(range.total)
            && let Some(url) = self.habits.reply
        {
            let url = match url {
                ReplyUrl::Own => "BITS-Sessions\\Replies\\{1}\\r.bin".to_owned(),
                ReplyUrl::Elsewhere => format!("http://{}/r.bin", self.elsewhere),
            };
            answer = answer.with("BITS-Reply-URL", url);
            self.hand_over(id);
        }
        answer
    }

    /// The answer to HEAD.
    pub fn head(&self) -> Answer {
        match self.habits.head {
            HeadHabit::Status(status) => return Answer::status(status),
            HeadHabit::Portal => {
                let length = PAGE.len() as u64;
                let answer = Answer::status(200).with("Content-Type", "text/html");
                return Answer { framing: Framing::Head(length), ..answer };
            }
            _ => {}
        }
        let Some(published) = &self.published else { return Answer::status(404) };
        let mut answer = Answer::status(200);
        if self.habits.head != HeadHabit::Undated {
            answer = answer.with("Last-Modified", date(published.modified));
        }
        match self.habits.head {
            HeadHabit::NoLength => answer.framing = Framing::Nothing,
            HeadHabit::Encoded => {
                answer = answer.with("Content-Encoding", "gzip");
                answer.framing = Framing::Head(published.data.length());
            }
            _ => answer.framing = Framing::Head(published.data.length()),
        }
        answer
    }

    fn ask_for_login(&mut self, request: &Request) -> Option<Answer> {
        let login = self.habits.login?;
        let asks = match (login.asks, request.packet) {
            (Asks::All, _) => true,
            (Asks::PingAndCreate, packet) => matches!(packet, Packet::Ping | Packet::Create),
            (Asks::Create, packet) => packet == Packet::Create,
            (Asks::AllButPing, packet) => packet != Packet::Ping,
        };
        let shown = request.authorization.as_deref().unwrap_or_default();
        let good = match login.scheme {
            Scheme::Basic => shown.starts_with("Basic "),
            Scheme::Digest => shown.starts_with("Digest ") && shown.contains("response="),
            Scheme::Ntlm | Scheme::Silent => false,
        };
        let taken = match login.accepts {
            Accepts::None => false,
            Accepts::Any => true,
            Accepts::User(number) => {
                shown.split_once(' ').is_some_and(|(_, user)| user == number.to_string())
            }
        };
        (asks && !(good && taken)).then(|| self.challenge(login.scheme))
    }

    pub(super) fn challenge(&mut self, scheme: Scheme) -> Answer {
        let nonce = self.dice.below(u64::MAX);
        let (name, challenge) = match scheme {
            Scheme::Basic => ("Basic", "Basic realm=\"x\"".to_owned()),
            Scheme::Digest => {
                ("Digest", format!("Digest realm=\"x\", nonce=\"{nonce:016x}\", qop=\"auth\""))
            }
            Scheme::Ntlm => ("NTLM", "NTLM".to_owned()),
            Scheme::Silent => return Answer::status(401),
        };
        self.asked.insert(name);
        Answer::status(401).with("WWW-Authenticate", challenge)
    }

    pub(super) fn not_found(&self, how: Unknown) -> Answer {
        match how {
            Unknown::NotFound => {
                self.with_code(Answer { status: 500, ..Answer::ack() }, SESSION_NOT_FOUND, 5)
            }
            Unknown::Status(status, Some(code)) => {
                self.with_code(Answer { status, ..Answer::ack() }, code, 5)
            }
            Unknown::Status(status, None) => Answer::status(status),
        }
    }

    pub(super) fn with_offset(&self, mut answer: Answer, offset: Option<u64>) -> Answer {
        for header in [OFFSET, MISSPELT_OFFSET] {
            answer.remove(header);
        }
        match offset.and_then(|offset| self.habits.received.write(offset)) {
            Some((header, offset)) => answer.with(header, offset),
            None => answer,
        }
    }

    pub(super) fn with_code(&self, mut answer: Answer, code: u32, context: u8) -> Answer {
        let (code, context) = match self.habits.hex {
            Hex::After(prefix) => (self.habits.hex.write(code), format!("{prefix}{context}")),
            hex => (hex.write(code), format!("{context:#x}")),
        };
        if self.habits.error_headers != ErrorHeaders::Error {
            answer = answer.with("BITS-Error-Code", &code);
        }
        if self.habits.error_headers != ErrorHeaders::Code {
            answer = answer.with("BITS-Error", &code);
        }
        answer.with("BITS-Error-Context", context)
    }

    /// Gives an answer what all answers of this server have.
    pub fn dress(&self, answer: &mut Answer, packet: Packet) {
        let habits = &self.habits;
        if habits.dated {
            answer.headers.push(("Date".to_owned(), date(self.now)));
        }
        let ack =
            answer.status == 200 && matches!(packet, Packet::Ping | Packet::Create | Packet::Close);
        if habits.received == Received::Everywhere
            && ack
            && answer.header("BITS-Packet-Type").is_some()
        {
            answer.headers.push((OFFSET.to_owned(), "0".to_owned()));
        }
        if packet == Packet::Head && answer.framing == Framing::Length {
            answer.framing = Framing::Head(answer.body.len() as u64);
        }
        if habits.pages
            && answer.status >= 400
            && answer.framing == Framing::Length
            && answer.body.is_empty()
        {
            answer.body = PAGE.into();
        }
        if habits.no_length && answer.framing == Framing::Length && packet != Packet::Get {
            answer.framing = Framing::Nothing;
        }
        answer.http10 |= habits.http10;
        if habits.lower_case {
            for (name, _) in &mut answer.headers {
                name.make_ascii_lowercase();
            }
        }
        if habits.repeats_headers {
            answer.headers.extend(answer.headers.clone());
        }
    }

    /// The id of the open session that a request names.
    pub(super) fn known_session(&self, request: &Request) -> Option<String> {
        let shares = !matches!(self.habits.host_id, HostId::Node { shares: false, .. });
        let id = request.session.as_ref()?;
        let session = self.sessions.get(id)?;
        (shares || session.at_node == request.at_node).then(|| id.clone())
    }

    /// Whether a packet comes by another connection than its session's Create-Session.
    pub(super) fn is_elsewhere(&self, request: &Request) -> bool {
        let session = request.session.as_ref().and_then(|id| self.sessions.get(id));
        session.is_some_and(|session| {
            session.at_node == request.at_node && session.connection != request.connection
        })
    }

    pub(super) fn is_too_large(&self, request: &Request) -> Option<Oversize> {
        let (most, how) = self.habits.ceiling?;
        (request.packet == Packet::Fragment && request.length > most).then_some(how)
    }
}

fn date(seconds: u64) -> String {
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

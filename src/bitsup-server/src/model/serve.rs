//! What goes over the wire: a server's answers with what goes wrong on the way.

use super::act::PAGE;
use super::answer::{Answer, End, Framing, Pace, Reaction, Reading};
use super::faults::{Fault, Invalid, REFUSALS, Unusual};
use super::habits::{Idle, OFFSET, OtherConnection, Oversize, Scheme};
use super::log::Entry;
use super::request::{Packet, Request};
use super::{Exchange, Model, SECONDS_A_REQUEST};

/// More than a client may want to keep of one answer's headers.
const MANY_HEADERS: usize = 3000;

/// An answer, and how the connection goes on after it.
struct Turn {
    answer: Option<Answer>,
    end: End,
    pace: Pace,
    valid: bool,
    before: Vec<u8>,
    after: Vec<u8>,
    /// How many bytes of the answer go out; all if there are fewer.
    cut: usize,
}

impl Turn {
    fn new(answer: Option<Answer>, end: End) -> Self {
        let (before, after) = (Vec::new(), Vec::new());
        Self { answer, end, pace: Pace::AtOnce, valid: true, before, after, cut: usize::MAX }
    }

    fn answer(answer: Answer) -> Self {
        Self::new(Some(answer), End::Keep)
    }

    fn nothing(end: End) -> Self {
        Self::new(None, end)
    }
}

impl Model {
    /// Takes the head of a request, and says how much of its body to read.
    pub fn begin(&mut self, request: &Request) -> Exchange {
        if self.habits.clock_runs {
            self.now += SECONDS_A_REQUEST;
        }
        self.look_for_violations(request);
        self.note_sent(request);
        let fault = self.draw_fault(request);
        let reading = match fault.map(|fault| fault.fault) {
            Some(Fault::Unread(_) | Fault::RefuseEarly) => Reading::First(0),
            Some(Fault::Cut(_)) => Reading::First(self.dice.below(request.length)),
            None if self.is_too_large(request) == Some(Oversize::TooLargeEarly) => {
                Reading::First(0)
            }
            _ => Reading::All,
        };
        Exchange { reading, fault }
    }

    /// Takes the body of a request, or what came of it, and says what to do.
    pub fn finish(&mut self, request: &Request, exchange: &Exchange, body: &[u8]) -> Reaction {
        if let Some(range) = request.range {
            let right = self.source.get(range.first as usize..).unwrap_or_default();
            if !right.starts_with(body) {
                self.violations.push(format!("a Fragment of other bytes than {range:?}"));
            }
        }
        let fault = exchange.fault.map(|fault| fault.fault);
        let mut turn = self.turn(request, exchange, body);
        let keeps = turn.end == End::Keep;
        if let Some(answer) = &mut turn.answer {
            self.dress(answer, request.packet);
            if answer.http10 && keeps {
                turn.end = End::Close;
            } else if keeps && !matches!(fault, Some(Fault::End(_))) {
                turn.end = idle_end(self.habits.idle, answer);
            } else if let (Some(Fault::End(idle)), true) = (fault, keeps) {
                turn.end = idle_end(idle, answer);
            }
        }
        let offset = turn.answer.as_ref().and_then(|answer| {
            let header = answer.header("BITS-Received-Content-Range");
            header.or_else(|| answer.header("BITS-Recieved-Content-Range")).map(str::to_owned)
        });
        let whole = turn.cut == usize::MAX;
        let status = turn.answer.as_ref().filter(|_| whole).map_or(0, |answer| answer.status);
        let session = request.session.clone().unwrap_or_default();
        self.log.push(Entry {
            connection: request.connection,
            packet: request.packet,
            range: request.range,
            received: body.len() as u64,
            login: request.authorization.is_some(),
            fault: exchange.fault.map(|fault| fault.name),
            status,
            valid: turn.valid,
            offset,
            stored: self.length(&session),
            open: self.sessions.len(),
        });
        let mut own = turn.answer.map(|answer| answer.to_bytes()).unwrap_or_default();
        own.truncate(turn.cut.min(own.len()));
        let mut bytes = self.late.remove(&request.connection).unwrap_or_default();
        if fault == Some(Fault::LateTwin) {
            self.late.insert(request.connection, own.clone());
        }
        bytes.extend(turn.before);
        if fault == Some(Fault::Twin) {
            bytes.extend(&own);
        }
        bytes.extend(own);
        bytes.extend(turn.after);
        Reaction { bytes, pace: turn.pace, end: turn.end }
    }

    /// What happens, by fault and habit.
    fn turn(&mut self, request: &Request, exchange: &Exchange, body: &[u8]) -> Turn {
        let fault = exchange.fault.map(|fault| fault.fault);
        let complete = body.len() as u64 == request.length;
        let early = exchange.reading == Reading::First(0);
        if !complete && !early {
            self.take_part(request, body);
            let end = if let Some(Fault::Cut(end)) = fault { end } else { End::Close };
            return Turn::nothing(end);
        }
        let Some(fault) = fault else {
            return match self.hang_or_act(request, body) {
                Some(answer) => Turn::answer(answer),
                None => Turn::nothing(End::Hang),
            };
        };
        match fault {
            Fault::Unread(end) | Fault::Cut(end) | Fault::Ignore(end) => Turn::nothing(end),
            Fault::Refuse { acted: false } | Fault::RefuseEarly => {
                let allowed = |status: u16| request.packet != Packet::Cancel || status != 404;
                let answer = self.refusal(request, allowed);
                let end = if fault == Fault::RefuseEarly { End::Close } else { End::Keep };
                Turn::new(Some(answer), end)
            }
            Fault::Portal => Self::portal(),
            Fault::InvalidUnacted(invalid) => {
                let offset = request.range.map_or(0, |range| range.last + 1);
                let answer = Answer::ack().with("BITS-Received-Content-Range", offset);
                self.invalid(answer, invalid, request)
            }
            Fault::Redirect => {
                let status = self.dice.pick(&[301, 302, 307, 308]);
                let to = format!("http://{}/", self.elsewhere);
                Turn::answer(Answer::status(status).with("Location", to))
            }
            Fault::Challenge { proxy: false } => Turn::answer(self.challenge(Scheme::Basic)),
            Fault::Challenge { proxy: true } => {
                Turn::answer(Answer::status(407).with("Proxy-Authenticate", "Basic realm=\"p\""))
            }
            Fault::Forget => {
                self.forget();
                match self.hang_or_act(request, body) {
                    Some(answer) => Turn::answer(answer),
                    None => Turn::nothing(End::Hang),
                }
            }
            Fault::Foreign => {
                if let (Some((least, most)), Some(id)) =
                    (self.foreign_offsets(request), request.session.clone())
                {
                    let length = least + self.dice.below(most - least + 1);
                    self.replace_by_foreign(&id, length);
                }
                let Some(id) = request.session.as_deref() else { return Turn::nothing(End::Close) };
                let status = self.dice.pick(&[200, 416]);
                let answer = Answer { status, ..Answer::ack() };
                Turn::answer(self.with_offset(answer, Some(self.length(id))))
            }
            Fault::Crash { acted: false, forgets, .. } => {
                self.crash(forgets, asks_after(request.packet));
                Turn::nothing(End::Reset)
            }
            _ => self.act_faultily(fault, request, body),
        }
    }

    /// The faults of packets that are acted on.
    fn act_faultily(&mut self, fault: Fault, request: &Request, body: &[u8]) -> Turn {
        let part = match fault {
            Fault::Part => 1 + self.dice.below(body.len() as u64 - 1) as usize,
            _ => body.len(),
        };
        let Some(mut answer) = self.hang_or_act(request, &body[..part]) else {
            return Turn::nothing(End::Hang);
        };
        match fault {
            Fault::Swallow(end) => Turn::nothing(end),
            Fault::HalfAnswer => {
                let mut turn = Turn::new(Some(answer), End::Close);
                turn.cut = 10 + self.dice.below(40) as usize;
                turn
            }
            Fault::Refuse { .. } => {
                // Some statuses mean that nothing was done.
                let least = if request.packet == Packet::Create { 500 } else { 400 };
                let allowed = |status| status >= least && !matches!(status, 404 | 413);
                Turn::answer(self.refusal(request, allowed))
            }
            Fault::Garbage => {
                let mut turn = Turn::nothing(End::Close);
                turn.valid = false;
                turn.after = b"\x16\x03\x01\x02\x00\x01\x00\xfe\r\n\r\n".to_vec();
                turn
            }
            Fault::Invalid(invalid) => self.invalid(answer, invalid, request),
            Fault::Stray => {
                let mut turn = Turn::answer(answer);
                turn.after = b"stray bytes".to_vec();
                turn
            }
            Fault::Interim => {
                let mut turn = Turn::answer(answer);
                turn.before =
                    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"
                        .to_vec();
                turn
            }
            Fault::Framing(unusual) => {
                let plain = answer.framing == Framing::Length;
                match unusual {
                    Unusual::Http10 => answer.http10 = true,
                    Unusual::NoLength if plain => answer.framing = Framing::Nothing,
                    Unusual::Chunks if plain => answer.framing = Framing::Chunks,
                    Unusual::Page if plain && answer.body.is_empty() => {
                        answer.body = PAGE.repeat(100).into_bytes();
                    }
                    Unusual::ManyHeaders => {
                        let more = (0..MANY_HEADERS).map(|at| (format!("X-{at}"), "z".repeat(100)));
                        answer.headers.extend(more);
                    }
                    _ => {}
                }
                let mut turn = Turn::answer(answer);
                turn.valid = unusual != Unusual::ManyHeaders;
                turn
            }
            Fault::Slow { trickle } => {
                let mut turn = Turn::answer(answer);
                turn.pace = if trickle { Pace::Trickle } else { Pace::Halves };
                turn
            }
            Fault::Rewind => {
                if let (Some(id), 200) = (self.known_session(request), answer.status) {
                    let length = self.dice.below(self.length(&id));
                    self.truncate(&id, length);
                    answer = self.with_offset(answer, Some(length));
                }
                Turn::answer(answer)
            }
            Fault::Crash { answered, forgets, .. } => {
                self.crash(forgets, !answered && asks_after(request.packet));
                let end = self.dice.pick(&[End::Close, End::CloseSoon]);
                Turn::new(answered.then_some(answer), end)
            }
            Fault::ErrorHeaders => {
                if answer.status == 200 {
                    answer = self.with_code(answer, 1, 5);
                }
                Turn::answer(answer)
            }
            // Twins are made where the bytes are, and ends where the connection is.
            _ => Turn::answer(answer),
        }
    }

    /// Acts on a packet as the habits say; `None` where the server hangs.
    fn hang_or_act(&mut self, request: &Request, body: &[u8]) -> Option<Answer> {
        if self.habits.other_connection == OtherConnection::Hangs && self.is_elsewhere(request) {
            return None;
        }
        Some(self.act(request, body))
    }

    /// An error that `allowed` lets pass.
    fn refusal(&mut self, request: &Request, allowed: impl Fn(u16) -> bool) -> Answer {
        let (status, code) = loop {
            let (status, code) = self.dice.pick(REFUSALS);
            if allowed(status) {
                break (status, code);
            }
        };
        let mut answer = Answer::status(status);
        if let Some((code, context)) = code {
            answer = self.with_code(answer.with("BITS-Packet-Type", "Ack"), code, context);
        }
        if matches!(status, 429 | 503) && self.dice.below(3) == 0 {
            answer = answer.with("Retry-After", self.dice.below(2));
        }
        if request.packet != Packet::Head && (self.habits.pages || self.dice.below(3) == 0) {
            answer.body = PAGE.into();
        }
        answer
    }

    fn portal() -> Turn {
        let mut answer = Answer::status(200).with("Content-Type", "text/html");
        answer.body = PAGE.into();
        let mut turn = Turn::answer(answer);
        turn.valid = false;
        turn
    }

    fn invalid(&mut self, mut answer: Answer, invalid: Invalid, request: &Request) -> Turn {
        match invalid {
            Invalid::Status => answer.status = self.dice.pick(&[202, 203, 206, 207]),
            Invalid::PacketType => {
                answer.remove("BITS-Packet-Type");
                if self.dice.below(2) == 0 {
                    answer = answer.with("BITS-Packet-Type", "Ping");
                }
            }
            Invalid::Id => {
                answer.remove("BITS-Session-Id");
                answer = answer.with("BITS-Session-Id", "{00000000-0000-0000-0000-000000000001}");
            }
            Invalid::NoOffset => answer.remove(OFFSET),
            Invalid::Offset => {
                answer.remove(OFFSET);
                let above = request.range.map_or(0, |range| range.total) + 1;
                let above = above.to_string();
                let odd = ["-1", "5-9", "0x10", "abc", "", "18446744073709551616", &above];
                answer = answer.with(OFFSET, self.dice.pick(&odd));
            }
            Invalid::TwoOffsets => {
                let other = answer.header(OFFSET).and_then(|text| text.parse::<u64>().ok());
                answer = answer.with(OFFSET, other.unwrap_or(0) / 2 + 1);
            }
        }
        let valid = answer.status >= 400;
        let mut turn = Turn::answer(answer);
        turn.valid = valid;
        turn
    }

    fn draw_fault(&mut self, request: &Request) -> Option<super::NamedFault> {
        if self.faults.most == 0 || !self.dice.in_thousand(self.faults.share) {
            return None;
        }
        let able = |fault: &&super::NamedFault| self.can_happen(fault.fault, request);
        let menu: Vec<_> = self.faults.menu.iter().filter(able).copied().collect();
        if menu.is_empty() {
            return None;
        }
        self.faults.most -= 1;
        Some(self.dice.pick(&menu))
    }

    fn look_for_violations(&mut self, request: &Request) {
        let mut say = |text: String| self.violations.push(text);
        if let (Packet::Fragment, range) = (request.packet, request.range) {
            match range {
                Some(range) if range.length() != request.length => {
                    say(format!("a Fragment of {} bytes for {range:?}", request.length));
                }
                Some(_) => {}
                None => say("a Fragment without a valid Content-Range".to_owned()),
            }
        } else if request.length > 0 {
            say(format!("{} with a body", request.packet));
        }
        if request.session.as_ref().is_some_and(|id| !self.ids.contains(id)) {
            say("a session id that this server never gave out".to_owned());
        }
        if let Some(login) = &request.authorization {
            let scheme = login.split(' ').next().unwrap_or_default();
            if !self.asked.contains(scheme) {
                say(format!("a login by {scheme} without a challenge"));
            }
        }
        if request.packet == Packet::Unknown {
            say(format!("a request that is no packet: {}", request.target));
        }
    }
}

/// Whether a client asks what is stored if there is no answer.
fn asks_after(packet: Packet) -> bool {
    matches!(packet, Packet::Fragment | Packet::Close)
}

/// How a connection ends by habit; says so in the answer where it is announced.
fn idle_end(idle: Idle, answer: &mut Answer) -> End {
    match idle {
        Idle::Stays => End::Keep,
        Idle::Closed => End::Close,
        Idle::ClosedSoon => End::CloseSoon,
        Idle::Announced => {
            answer.headers.push(("Connection".to_owned(), "close".to_owned()));
            End::Close
        }
    }
}

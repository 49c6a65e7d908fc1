//! The simulated server: the model of servers, which gets the headers that the client really writes, and what befalls it.

use std::time::{Duration, SystemTime};

use bitsup_proto::verify::Head;
use bitsup_server::model::{
    Accepts, Answer, Content, Dice, Habits, Login, Model, Offsets, Request, Span, Spans,
};

use super::random::Random;
use super::traits::Traits;

/// A packet as it arrives.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedPacket {
    /// The headers as the client wrote them.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The credentials that go with it, by their number.
    pub(crate) credentials: Option<u32>,
    /// The TCP connection, by its number.
    pub(crate) connection: u64,
    /// Whether it comes to the host that a Host-Id named.
    pub(crate) at_node: bool,
    /// The version of the source that the body is from.
    pub(crate) version: usize,
}

impl ReceivedPacket {
    /// The request, and its body if there is one.
    fn request(&self) -> (Request, Span) {
        let mut request = Request::new("BITS_POST", self.connection, |name| {
            let found = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        });
        request.at_node = self.at_node;
        request.authorization = self.credentials.map(|number| format!("Basic {number}"));
        let (from, length) = request.range.map_or((0, 0), |range| (range.first, range.length()));
        request.length = length;
        (request, Span { from, version: self.version, length })
    }
}

/// A server with its disk.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) traits: Traits,
    model: Model<Spans>,
}

impl Server {
    /// A server without sessions; a file from before may be there.
    pub(crate) fn new(traits: Traits) -> Self {
        let mut model = Model::with_habits(traits.habits.clone(), Dice::seeded(0));
        if let Some((length, modified)) = traits.file_before {
            model.publish(Spans::foreign(length, 0), modified);
        }
        Self { traits, model }
    }

    /// Whether it holds this session.
    pub(crate) fn has_session(&self, id: &str) -> bool {
        self.model.content(id).is_some()
    }

    /// How much it holds of a session, if it holds the session.
    pub(crate) fn stored(&self, id: &str) -> Option<u64> {
        self.model.content(id).map(Content::length)
    }

    /// The file under the URL.
    pub(crate) fn destination(&self) -> Option<&Spans> {
        self.model.published()
    }

    /// The number of the credentials it wants now.
    pub(crate) fn credentials(&self) -> Option<u32> {
        credentials(self.model.habits())
    }

    /// It wants others from now on, if it wants some.
    pub(crate) fn expire_credentials(&mut self) {
        if let Some(Login { accepts: Accepts::User(number), .. }) =
            &mut self.model.habits_mut().login
        {
            *number += 1;
        }
    }

    /// Takes a complete request at `unix`, by the client's clock.
    pub(crate) fn handle(
        &mut self,
        wire: &ReceivedPacket,
        unix: u64,
        random: &mut Random,
    ) -> Answer {
        if random.chance(self.traits.restarts) {
            self.restart(random);
        }
        if random.chance(self.traits.forgets) {
            self.model.forget();
        }
        let clock = unix.saturating_add_signed(self.traits.clock_skew);
        self.model.set_time(clock);
        let (request, body) = wire.request();
        let knows = self.credentials().is_none_or(|wanted| wire.credentials == Some(wanted));
        if knows && random.chance(self.traits.busy) {
            let mut answer = busy(clock, random);
            self.model.dress(&mut answer, request.packet);
            return answer;
        }
        let Traits { size, rewinds, holes, .. } = self.traits;
        self.model.answer_with(&request, &body, |stored| {
            let length = stored.length();
            if random.chance(rewinds) {
                stored.truncate(length - random.magnitude(length));
            } else if random.chance(holes) {
                // Always beyond the bytes that came, or it could not be detected.
                stored.append_foreign(random.magnitude(size.saturating_sub(length)), 0);
            }
        })
    }

    /// Takes the first `length` bytes of a Fragment whose rest never came.
    pub(crate) fn handle_part(&mut self, wire: &ReceivedPacket, length: u64) {
        let (request, body) = wire.request();
        let ceiling = self.traits.habits.ceiling;
        if ceiling.is_none_or(|(most, _)| length <= most) {
            self.model.take_part(&request, &Span { length, ..body });
        }
    }

    /// The answer to HEAD.
    pub(crate) fn head(&self) -> Head {
        let answer = self.model.head();
        Head {
            status: answer.status,
            content_length: answer.told_length(),
            encoded: answer.header("Content-Encoding").is_some(),
            last_modified: answer.last_modified(),
            ..Head::default()
        }
    }

    /// Ends while nothing is under way, and comes back: the last bytes may be gone.
    pub(crate) fn crash(&mut self, random: &mut Random) {
        let counts = self.traits.habits.offsets == Offsets::AppendCount;
        for stored in self.model.contents_mut() {
            let length = stored.length();
            let lost = random.magnitude(length);
            // With the probe's byte in place of the one lost, this kind says what one says that trims (OFF-13).
            let lost = if counts && lost == 1 { 0 } else { lost };
            stored.truncate(length - lost);
        }
    }

    /// Sessions stand on disk, the newest bytes perhaps not yet; or nothing does.
    fn restart(&mut self, random: &mut Random) {
        if !self.traits.sessions_survive {
            self.model.forget();
        }
        if self.traits.loses_tail {
            for stored in self.model.contents_mut().filter(|stored| stored.length() > 0) {
                let length = stored.length();
                stored.truncate(length - random.magnitude(length));
            }
        }
    }
}

/// The number of the credentials that a server wants.
pub(crate) fn credentials(habits: &Habits) -> Option<u32> {
    match habits.login?.accepts {
        Accepts::User(number) => Some(number),
        Accepts::None | Accepts::Any => None,
    }
}

fn busy(clock: u64, random: &mut Random) -> Answer {
    let (answer, seconds) = (Answer::status(503), random.magnitude(2000));
    match random.below(3) {
        0 => answer.with("Retry-After", seconds),
        1 => {
            let until = Duration::from_secs(clock.saturating_add(seconds));
            answer.with("Retry-After", httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + until))
        }
        _ => answer.with("Content-Type", "text/html"),
    }
}

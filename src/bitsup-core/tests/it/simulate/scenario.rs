//! What a seed means: the upload, the server, the network and what the caller does when.

use std::time::Duration;

use bitsup_proto::fragment_size::{INITIAL, Limits};
use bitsup_proto::host::HostPolicy;
use bitsup_proto::reply::ReplyMode;
use bitsup_proto::retry::RetryPolicy;
use bitsup_proto::session::{CancelMode, Config, OffsetHandling};
use bitsup_proto::verify::{LostAckPolicy, VerifyPolicy};

use bitsup_server::model::HostId;

use super::random::Random;
use super::traits::Traits;

/// When every simulated upload begins: seconds since 1970.
pub(crate) const BEGUN: u64 = 1_700_000_000;
/// The URL's host.
const ORIGIN: &str = "upload.example.com";

/// One upload and its world.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) config: Config,
    pub(crate) server: Traits,
    pub(crate) network: Network,
    /// What the caller does, in order of time.
    pub(crate) events: Vec<(Duration, Event)>,
    /// The number of the caller's credentials, if there are some.
    pub(crate) credentials: Option<u32>,
    /// The shares of writes to the journal amid which the process is killed, and of looks at which
    /// its disk is not done yet.
    pub(crate) kills: u64,
    pub(crate) slow_disk: u64,
    /// The shares of restarts before which a byte of the journal, or one of the source, is altered.
    pub(crate) damage: u64,
    pub(crate) tampers: u64,
    /// How often the file has another change time then, and perhaps another byte.
    pub(crate) touches: u64,
    /// From when to when nothing can be written.
    pub(crate) disk_full: Option<(Duration, Duration)>,
    /// How often the caller goes on after a failure.
    pub(crate) patience: u32,
    /// Nothing goes wrong: the upload has to succeed.
    pub(crate) calm: bool,
}

/// The way to the server. Shares are in a thousand requests.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) round_trip: Duration,
    /// Bytes a second, at least 1.
    pub(crate) rate: u64,
    /// Requests that something happens to.
    pub(crate) trouble: u64,
    /// Answers that a middlebox gives in the server's place.
    pub(crate) gateway: u64,
    /// From when to when nothing is reached.
    pub(crate) offline: Vec<(Duration, Duration)>,
    /// When the node that a Host-Id names is out of reach.
    pub(crate) node_down: Option<(Duration, Duration)>,
}

/// What the caller does, or what happens to its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Suspend(Duration),
    Resume,
    Cancel(CancelMode),
    /// The process ends, and after a while another one goes on from the journal.
    Crash {
        down: Duration,
        loses: Loses,
        clock: i64,
    },
    /// The source cannot be read, or has changed.
    SourceFails {
        changed: bool,
    },
    /// The file is written to at that byte.
    SourceChanges {
        at: u64,
    },
    /// The server wants new credentials from now on.
    CredentialsExpire,
    /// The caller has got credentials; whether they are the right ones.
    ReplaceCredentials {
        right: bool,
    },
}

/// How much of what is on the disk a crash takes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loses {
    /// The process was killed.
    Nothing,
    /// The power failed: what was not synced.
    NotSynced,
}

impl Scenario {
    /// The world of this seed.
    pub(crate) fn draw(random: &mut Random) -> Self {
        let calm = random.chance(100);
        let fixed = match random.below(4) {
            0 => None,
            1 => Some(700 + random.below(1000)),
            2 => Some(5 * 1024),
            _ => Some(1 + random.magnitude(1 << 20)),
        };
        let size = draw_size(fixed.unwrap_or(INITIAL), random);
        let server =
            if calm { Traits::conforming(size) } else { Traits::draw(size, BEGUN, random) };
        let has_credentials = server.habits.login.is_some() && random.chance(800);
        let credentials = has_credentials.then(|| if random.chance(800) { 1 } else { 2 });
        let fragment = Limits { fixed, ..Limits::default() };
        let config = draw_config(size, fragment, &server, random);
        let config = if calm { without_limits(config) } else { config };
        let network = Network::draw(calm, random);
        // As long as an upload without trouble takes, and a while for retries.
        let least = fixed.unwrap_or(INITIAL).min(size.max(1));
        let fragments = u32::try_from(size / least).unwrap_or(u32::MAX);
        let expected = network.round_trip * 2 * fragments.saturating_add(4)
            + Duration::from_secs(size / network.rate + 30);
        let mut scenario = Self {
            config,
            server,
            network,
            events: Vec::new(),
            credentials,
            kills: 0,
            slow_disk: 0,
            damage: 0,
            tampers: 0,
            touches: 0,
            disk_full: None,
            patience: if calm { 0 } else { random.below(4) as u32 },
            calm,
        };
        if !calm {
            scenario.draw_events(expected, random);
        }
        scenario
    }

    fn draw_events(&mut self, expected: Duration, random: &mut Random) {
        let count = if random.chance(500) { 0 } else { random.below(8) };
        for _ in 0..count {
            let at = random.time(expected);
            let event = match random.below(20) {
                0..5 => Event::Suspend(Duration::from_secs(random.magnitude(100_000))),
                5 => Event::Resume,
                6 => Event::Cancel(CancelMode::Delete),
                7 | 8 => Event::Cancel(CancelMode::Keep),
                9 if random.chance(300) => Event::SourceFails { changed: random.chance(500) },
                9 => Event::SourceChanges { at: random.below(self.config.size.max(1)) },
                10 => Event::CredentialsExpire,
                11 | 12 => Event::ReplaceCredentials { right: random.chance(700) },
                _ => Event::Crash {
                    down: Duration::from_secs(random.magnitude(200_000)),
                    loses: random
                        .pick(&[Loses::Nothing, Loses::Nothing, Loses::NotSynced])
                        .unwrap_or(Loses::Nothing),
                    clock: if random.chance(100) { -100_000 } else { 0 },
                },
            };
            self.events.push((at, event));
        }
        let mut share = |often: u64, most: u64| {
            if random.chance(often) { random.below(most) } else { 0 }
        };
        self.kills = share(300, 60);
        self.slow_disk = share(500, 900);
        self.damage = share(200, 500);
        // A change that no time stamp shows is known by the hashes alone; the last ones may be lost with the power.
        let is_cut =
            |(_, event): &(_, Event)| matches!(event, Event::Crash { loses: Loses::NotSynced, .. });
        self.tampers = if self.events.iter().any(is_cut) { 0 } else { share(200, 500) };
        self.touches = share(300, 700);
        let spells = if random.chance(700) { 0 } else { 1 + random.below(4) };
        let spell = |random: &mut Random| {
            let from = random.time(expected);
            (from, from + Duration::from_secs(random.magnitude(2_000)))
        };
        self.disk_full = random.chance(100).then(|| spell(random));
        self.network.offline = (0..spells).map(|_| spell(random)).collect();
        if self.server.habits.host_id != HostId::None && random.chance(500) {
            self.network.node_down = Some(spell(random));
        }
        self.events.sort_by_key(|(at, _)| *at);
    }
}

impl Network {
    fn draw(calm: bool, random: &mut Random) -> Self {
        let often = !calm && random.chance(700);
        Self {
            round_trip: Duration::from_micros(200 + random.magnitude(2_000_000)),
            rate: 20_000 + random.magnitude(1_000_000_000),
            trouble: if often { random.below(400) } else { 0 },
            gateway: if often && random.chance(300) { random.below(200) } else { 0 },
            offline: Vec::new(),
            node_down: None,
        }
    }
}

/// Sizes at and around multiples of the Fragment's size, none, one, and any.
fn draw_size(fragment: u64, random: &mut Random) -> u64 {
    match random.below(10) {
        0 => random.below(2),
        1..7 => (fragment * random.magnitude(40) + random.below(3)).saturating_sub(1),
        _ => random.magnitude(fragment.saturating_mul(60)),
    }
}

fn draw_config(size: u64, fragment: Limits, server: &Traits, random: &mut Random) -> Config {
    let verify =
        [VerifyPolicy::Auto, VerifyPolicy::Auto, VerifyPolicy::Always, VerifyPolicy::Never];
    let unclear = [
        LostAckPolicy::Auto,
        LostAckPolicy::Auto,
        LostAckPolicy::Resend,
        LostAckPolicy::Restart,
        LostAckPolicy::Accept,
    ];
    let hosts = [HostPolicy::SameSite, HostPolicy::SameSite, HostPolicy::Any, HostPolicy::Ignore];
    let replies = [ReplyMode::None, ReplyMode::Required, ReplyMode::Optional];
    let wants_reply = server.reply.is_some() || random.chance(20);
    let learned = server.habits.ceiling.filter(|_| random.chance(300)).map(|(most, _)| most);
    Config {
        size,
        fragment,
        content_name: random.chance(500).then(|| "file.bin".to_owned()),
        origin: ORIGIN.to_owned(),
        opening_ping: random.chance(300),
        host_policy: random.pick(&hosts).unwrap_or_default(),
        trusted_hosts: random.chance(300).then(|| ".example.net".to_owned()).into_iter().collect(),
        reply: random.pick(&replies).filter(|_| wants_reply).unwrap_or_default(),
        retry: RetryPolicy {
            max_attempts: random.chance(100).then(|| 1 + random.below(20) as u32),
            wait_for_server: Duration::from_secs(if random.chance(200) { 3600 } else { 15 }),
            ..RetryPolicy::default()
        },
        wait_out_fallback: random.chance(500),
        learned_size: learned,
        max_time: random.chance(100).then(|| Duration::from_secs(random.magnitude(10_000))),
        max_bytes: random.chance(50).then(|| random.magnitude(size.saturating_mul(3))),
        refuse_empty: random.chance(50),
        verify: random.pick(&verify).unwrap_or_default(),
        on_lost_ack: random.pick(&unclear).unwrap_or_default(),
        offsets: if server.checks_offsets() && random.chance(200) {
            OffsetHandling::Checks
        } else {
            OffsetHandling::Unknown
        },
        ..Config::default()
    }
}

/// Nothing in it keeps an upload from its end.
fn without_limits(config: Config) -> Config {
    Config {
        reply: ReplyMode::None,
        max_time: None,
        max_bytes: None,
        refuse_empty: false,
        ..config
    }
}

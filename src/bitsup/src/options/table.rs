//! The options: one row each, from which come the constants of C with their documentation, the
//! keywords of Python, the arguments of the tool, `docs/options.md` and the names in the journal.
//!
//! A new option is a row here, what it does, and a test. Numbers are grouped by hundreds; one that
//! is given up is not used again. Names are the same in all languages: `ca_file` is `--ca-file`,
//! `BITSUP_OPTION_CA_FILE`, `ca_file=` and the word in a journal. The name of a list is a plural;
//! the tool takes one value at a time and leaves its s out: `trusted_hosts`, `--trusted-host`.
//! Callbacks are no rows: see [`CALLBACKS`].

use super::resolve::{self, LimitRate};
use super::row::{Choice, ChoiceSet, JournalKeeps, OptionKind, OptionRow, OptionScope, UNLIMITED};
use super::units::LONGEST;
use super::{
    HostPolicy, IfExists, LostAckPolicy, ProxyChoice, ReplyTo, Resolve, ResumeCheck, VerifyPolicy,
};
use crate::transport::Proxy;

/// Every option, by number.
#[rustfmt::skip]
pub static TABLE: &[OptionRow] = &[
    // 100: who logs in.
    OptionRow {
        doc: "The user at the server, also as DOMAIN\\user or user@domain; needs a password.",
        apply: |value, to| put(&mut to.login.user, resolve::checked_user(value.text())?),
        ..row(101, "user", OptionKind::Text)
    },
    OptionRow {
        doc: "The user's password. Copies in bitsup are overwritten as soon as they are not needed.",
        apply: |value, to| put(&mut to.login.password.value, value.secret()),
        ..row(102, "password", OptionKind::Secret)
    },
    OptionRow {
        doc: "A file with the user's password, at most 64 KiB, without one newline at its end. It is read when an upload starts, and again when the server refuses the password.",
        apply: |value, to| put(&mut to.login.password.file, value.path()),
        ..row(103, "password_file", OptionKind::Path)
    },
    OptionRow {
        doc: "A bearer token, which goes with every packet.",
        apply: |value, to| put(&mut to.token.value, value.secret()),
        ..row(104, "token", OptionKind::Secret)
    },
    OptionRow {
        doc: "A file with the bearer token, read as {password_file} is.",
        apply: |value, to| put(&mut to.token.file, value.path()),
        ..row(105, "token_file", OptionKind::Path)
    },
    OptionRow {
        doc: "The scheme that answers the server's challenge.",
        default: Some("any"),
        choices: Some(&AUTH),
        apply: |value, to| {
            to.bearer_only = value.is(&AUTH, "bearer");
            put(&mut to.upload.auth, value.chosen(&AUTH, &AUTH_CHOICES))
        },
        ..row(106, "auth", OptionKind::Choice)
    },
    OptionRow {
        doc: "Send passwords, tokens and secret headers over plain http too, unencrypted.",
        relaxation: true,
        apply: |value, to| put(&mut to.upload.allow_cleartext_credentials, value.flag()),
        ..row(107, "allow_cleartext_credentials", OptionKind::Flag)
    },
    OptionRow {
        doc: "A header for every packet; it replaces one of the same name.",
        apply: |value, to| header(value, to, false),
        ..list(row(108, "headers", OptionKind::Header))
    },
    OptionRow {
        doc: "A header for every packet that is treated like a password: never shown, and not sent over plain http without {allow_cleartext_credentials}.",
        secret: true,
        journal: JournalKeeps::Source,
        apply: |value, to| header(value, to, true),
        ..list(row(109, "secret_headers", OptionKind::Header))
    },
    OptionRow {
        doc: "A .netrc file with the user and the password for the server's host, of {user} if that is set. It is read when an upload starts, and again when the server refuses the password.",
        apply: |value, to| put(&mut to.netrc_file, value.path()),
        ..row(110, "netrc_file", OptionKind::Path)
    },

    // 200: TLS.
    OptionRow {
        doc: "A file of CA certificates (PEM) to trust instead of the system's.",
        relaxation: true,
        apply: |value, to| put(&mut to.upload.tls.ca_file, value.path()),
        ..row(201, "ca_file", OptionKind::Path)
    },
    OptionRow {
        doc: "Do not check the server's certificate. A proxy's is checked always.",
        relaxation: true,
        apply: |value, to| put(&mut to.upload.tls.insecure, value.flag()),
        ..row(202, "insecure", OptionKind::Flag)
    },
    OptionRow {
        doc: "The only public keys that the server may have: sha256//BASE64 as curl writes it, several with ; between them.",
        apply: |value, to| put(&mut to.upload.tls.pinned_public_key, resolve::checked_pin(value.text())?),
        ..row(203, "pinned_public_key", OptionKind::Text)
    },
    OptionRow {
        doc: "A file with the client's certificate: PEM, or PKCS#12 with its key.",
        apply: |value, to| put(&mut to.upload.tls.cert, value.path()),
        ..row(204, "cert", OptionKind::Path)
    },
    OptionRow {
        doc: "A file with the private key (PEM) of {cert}, if it is not in the same file.",
        apply: |value, to| put(&mut to.upload.tls.key, value.path()),
        ..row(205, "key", OptionKind::Path)
    },
    OptionRow {
        doc: "The passphrase of {key}.",
        apply: |value, to| put(&mut to.key_password.value, value.secret()),
        ..row(206, "key_password", OptionKind::Secret)
    },
    OptionRow {
        doc: "A file with the passphrase of {key}, read when an upload starts.",
        apply: |value, to| put(&mut to.key_password.file, value.path()),
        ..row(207, "key_password_file", OptionKind::Path)
    },

    // 300: the way to the server.
    OptionRow {
        doc: "The proxy: http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT, without a login; empty or none: no proxy. Unset, it is what http_proxy and https_proxy in the environment say.",
        relaxation: true,
        apply: |value, to| {
            let url = value.text().unwrap_or_default();
            // As with curl, an empty one is none.
            if url.is_empty() {
                return put(&mut to.upload.proxy, ProxyChoice::Direct);
            }
            if url.contains('@') {
                return Err(crate::Error::invalid("has a user name or password in it")
                    .with_advice("Give them as {proxy_user} and its password."));
            }
            Proxy::parse(&url).map_err(crate::Error::invalid)?;
            put(&mut to.upload.proxy, ProxyChoice::Url(url))
        },
        ..row(301, "proxy", OptionKind::Text)
    },
    OptionRow {
        doc: "Hosts to reach without the proxy, separated by commas; none: all go through it. Unset, it is what no_proxy in the environment says.",
        apply: |value, to| put(&mut to.upload.no_proxy, Some(value.text().unwrap_or_default())),
        ..row(302, "no_proxy", OptionKind::Text)
    },
    OptionRow {
        doc: "The user at the proxy; needs a password.",
        apply: |value, to| put(&mut to.proxy_login.user, resolve::checked_user(value.text())?),
        ..row(303, "proxy_user", OptionKind::Text)
    },
    OptionRow {
        doc: "The password of {proxy_user}.",
        apply: |value, to| put(&mut to.proxy_login.password.value, value.secret()),
        ..row(304, "proxy_password", OptionKind::Secret)
    },
    OptionRow {
        doc: "A file with the password of {proxy_user}, read when an upload starts.",
        apply: |value, to| put(&mut to.proxy_login.password.file, value.path()),
        ..row(305, "proxy_password_file", OptionKind::Path)
    },
    OptionRow {
        doc: "The scheme that answers the proxy's challenge; any takes Basic too, since few proxies have TLS of their own.",
        default: Some("any"),
        choices: Some(&AUTH),
        apply: |value, to| {
            if value.is(&AUTH, "bearer") {
                return Err(crate::Error::invalid("a proxy takes no bearer token"));
            }
            put(&mut to.upload.proxy_auth, value.chosen(&AUTH, &AUTH_CHOICES))
        },
        ..row(306, "proxy_auth", OptionKind::Choice)
    },
    OptionRow {
        doc: "A file of CA certificates (PEM) to trust instead of the system's, for a proxy reached over https.",
        relaxation: true,
        apply: |value, to| put(&mut to.upload.tls.proxy_ca_file, value.path()),
        ..row(307, "proxy_ca_file", OptionKind::Path)
    },
    OptionRow {
        doc: "Addresses for HOST at PORT that are taken instead of a lookup: HOST:PORT:ADDRESS[,ADDRESS], as with curl.",
        relaxation: true,
        apply: |value, to| {
            if let Some(text) = value.text() {
                to.upload.resolve.push(Resolve::parse(&text)?);
            }
            Ok(())
        },
        ..list(row(308, "resolve", OptionKind::Text))
    },
    OptionRow {
        doc: "Send packets as POST with the header X-HTTP-Method-Override: BITS_POST, for a way on which BITS_POST is blocked. Something at its end must turn them back; IIS does not.",
        apply: |value, to| put(&mut to.upload.post_override, value.flag()),
        ..row(309, "post_override", OptionKind::Flag)
    },
    OptionRow {
        doc: "The User-Agent of all requests; bitsup/VERSION if unset.",
        scope: OptionScope::Client,
        apply: |value, to| {
            if let Some(agent) = value.text() {
                super::Header::new("X-User-Agent", &agent).map_err(|_| {
                    crate::Error::invalid("has a character that no header may hold, or is too long")
                })?;
            }
            put(&mut to.client.user_agent, value.text())
        },
        ..row(310, "user_agent", OptionKind::Text)
    },

    // 400: time-outs.
    OptionRow {
        doc: "Abort a connection that is not made within this time (name, TCP, TLS).",
        default: Some("30s"),
        minimum: 1,
        apply: |value, to| put(&mut to.upload.connect_timeout, value.time()),
        ..row(401, "connect_timeout", OptionKind::Duration)
    },
    OptionRow {
        doc: "Abort a packet if no byte of it moves for this time.",
        default: Some("60s"),
        minimum: 1,
        apply: |value, to| put(&mut to.upload.stall_timeout, value.time()),
        ..row(402, "stall_timeout", OptionKind::Duration)
    },
    OptionRow {
        doc: "Abort a packet that is not answered within this time.",
        default: Some("5m"),
        minimum: 1,
        apply: |value, to| put(&mut to.upload.ack_timeout, value.time()),
        ..row(403, "ack_timeout", OptionKind::Duration)
    },
    OptionRow {
        doc: "Abort the last Fragment, or Close-Session, if it is not answered within this time.",
        default: Some("15m"),
        minimum: 1,
        apply: |value, to| put(&mut to.upload.last_ack_timeout, value.time()),
        ..row(404, "last_ack_timeout", OptionKind::Duration)
    },

    // 500: retries, and when to give up.
    OptionRow {
        doc: "Give up after this number of tries without progress.",
        default: Some("unlimited"),
        minimum: 1,
        maximum: u32::MAX as i64,
        unlimited: true,
        apply: |value, to| {
            let tries = value.limit().map(|tries| u32::try_from(tries).unwrap_or(u32::MAX));
            put(&mut to.upload.max_attempts, tries)
        },
        ..row(501, "max_attempts", OptionKind::Count)
    },
    OptionRow {
        doc: "Give up after this time without progress, once the server has answered; 0: at the first failure.",
        default: Some("15m"),
        tool_default: Some("24h"),
        apply: |value, to| put(&mut to.upload.give_up_after, value.time()),
        ..row(502, "give_up_after", OptionKind::Duration)
    },
    OptionRow {
        doc: "Wait this long for a server that never answered, and no longer than three tries take; 0: one try.",
        default: Some("15s"),
        apply: |value, to| put(&mut to.upload.wait_for_server, value.time()),
        ..row(503, "wait_for_server", OptionKind::Duration)
    },
    OptionRow {
        doc: "The bound of the second retry's random delay, which doubles up to {max_retry_delay}; 0: no delay.",
        default: Some("1s"),
        apply: |value, to| put(&mut to.upload.retry_delay, value.time()),
        ..row(504, "retry_delay", OptionKind::Duration)
    },
    OptionRow {
        doc: "The longest bound of a retry's delay; 0: no delay.",
        default: Some("60s"),
        apply: |value, to| put(&mut to.upload.max_retry_delay, value.time()),
        ..row(505, "max_retry_delay", OptionKind::Duration)
    },
    OptionRow {
        doc: "Abort an upload that takes longer.",
        default: Some("unlimited"),
        minimum: 1,
        unlimited: true,
        apply: |value, to| put(&mut to.upload.max_time, value.limit().map(|_| value.time())),
        ..row(506, "max_time", OptionKind::Duration)
    },
    OptionRow {
        doc: "Abort after sending this size, retransmissions included.",
        default: Some("unlimited"),
        minimum: 1,
        unlimited: true,
        apply: |value, to| put(&mut to.upload.max_bytes, value.limit()),
        ..row(507, "max_bytes", OptionKind::Size)
    },

    // 600: sending.
    OptionRow {
        doc: "The size of each Fragment; 0 = automatic.",
        default: Some("auto"),
        apply: |value, to| put(&mut to.upload.fragment_size, Some(value.size()).filter(|size| *size > 0)),
        ..row(601, "fragment_size", OptionKind::Size)
    },
    OptionRow {
        doc: "The largest Fragment of automatic size. IIS refuses requests above 30,000,000 bytes.",
        default: Some("28M"),
        minimum: 1,
        apply: |value, to| put(&mut to.upload.max_fragment, value.size()),
        ..row(602, "max_fragment", OptionKind::Size)
    },
    OptionRow {
        doc: "The smallest Fragment that a server's \"too large\" leads to.",
        default: Some("5K"),
        minimum: 1,
        apply: |value, to| put(&mut to.upload.min_fragment, value.size()),
        ..row(603, "min_fragment", OptionKind::Size)
    },
    OptionRow {
        doc: "Yield to other traffic (background priority): slow down, to 16 KiB a second at the least, as soon as Acks come later than on a free link.",
        apply: |value, to| put(&mut to.upload.polite, value.flag()),
        ..row(604, "polite", OptionKind::Flag)
    },
    OptionRow {
        doc: "The bytes a second of all uploads of the client together, or a timetable of them by the local time: \"08:00-18:00=1M 18:00-08:00=off\".",
        scope: OptionScope::Client,
        default: Some("unlimited"),
        minimum: 1,
        unlimited: true,
        apply: |value, to| {
            let rate = match value.text() {
                Some(text) => Some(LimitRate::Timetable(text.parse()?)),
                None => value.limit().filter(|rate| *rate > 0).map(LimitRate::Always),
            };
            put(&mut to.client.limit_rate, rate)
        },
        ..row(605, "limit_rate", OptionKind::Rate)
    },
    OptionRow {
        doc: "How many uploads to one host hold a session at a time; the others wait for a free slot. IIS deletes the newest of more than 50 sessions a user. 0 = automatic: 2, doubled up to 8 while uploads wait longer for answers than they send.",
        scope: OptionScope::Client,
        journal: JournalKeeps::Nothing,
        default: Some("16"),
        tool_default: Some("0"),
        maximum: 65535,
        apply: |value, to| put(&mut to.client.uploads_per_host, usize::try_from(value.size()).ok()),
        ..row(606, "uploads_per_host", OptionKind::Count)
    },

    // 700: the server, and what it says.
    OptionRow {
        doc: "Which hosts to accept in BITS-Host-Id.",
        relaxation: true,
        default: Some("same-site"),
        choices: Some(&HOST_ID),
        apply: |value, to| put(&mut to.upload.host_id, value.chosen(&HOST_ID, &[HostPolicy::SameSite, HostPolicy::Any, HostPolicy::Ignore])),
        ..row(701, "host_id", OptionKind::Choice)
    },
    OptionRow {
        doc: "A host to accept in BITS-Host-Id, which sees logins, tokens, cookies and secret headers as the URL's host does; .example.com names all below it.",
        relaxation: true,
        apply: |value, to| {
            to.upload.trusted_hosts.extend(value.text());
            Ok(())
        },
        ..list(row(702, "trusted_hosts", OptionKind::Text))
    },
    OptionRow {
        doc: "What to do about a file that exists at the destination.",
        default: Some("try"),
        choices: Some(&IF_EXISTS),
        apply: |value, to| put(&mut to.upload.if_exists, value.chosen(&IF_EXISTS, &[IfExists::Try, IfExists::Skip, IfExists::Fail])),
        ..row(703, "if_exists", OptionKind::Choice)
    },
    OptionRow {
        doc: "When to compare the size of the file on the server after the upload.",
        relaxation: true,
        default: Some("auto"),
        choices: Some(&VERIFY),
        apply: |value, to| put(&mut to.upload.verify, value.chosen(&VERIFY, &[VerifyPolicy::Auto, VerifyPolicy::Always, VerifyPolicy::Never])),
        ..row(704, "verify", OptionKind::Choice)
    },
    OptionRow {
        doc: "What to do when the Ack of a Fragment or of Close-Session is lost. The server is asked first, with one byte that it has already acknowledged.",
        relaxation: true,
        default: Some("auto"),
        choices: Some(&ON_LOST_ACK),
        apply: |value, to| put(&mut to.upload.on_lost_ack, value.chosen(&ON_LOST_ACK, &[LostAckPolicy::Auto, LostAckPolicy::Restart, LostAckPolicy::Resend, LostAckPolicy::Accept])),
        ..row(705, "on_lost_ack", OptionKind::Choice)
    },
    OptionRow {
        doc: "Read a 200 without BITS-Received-Content-Range as \"all received\".",
        relaxation: true,
        apply: |value, to| put(&mut to.upload.lenient, value.flag()),
        ..row(706, "lenient", OptionKind::Flag)
    },
    OptionRow {
        doc: "Compute the SHA-256 of what is sent, for the receipt.",
        apply: |value, to| put(&mut to.upload.sha256, value.flag()),
        ..row(707, "sha256", OptionKind::Flag)
    },
    OptionRow {
        doc: "Fail if the file is empty.",
        apply: |value, to| put(&mut to.upload.refuse_empty, value.flag()),
        ..row(708, "refuse_empty", OptionKind::Flag)
    },
    OptionRow {
        doc: "The Content-Name of the session; the name of the source if unset.",
        scope: OptionScope::Upload,
        apply: |value, to| {
            if let Some(name) = value.text() {
                super::Header::new("X-Content-Name", &name).map_err(|_| {
                    crate::Error::invalid("has a character that no header may hold, or is too long")
                })?;
            }
            put(&mut to.upload.content_name, value.text())
        },
        ..row(709, "content_name", OptionKind::Text)
    },

    // 800: the server's reply.
    OptionRow {
        doc: "Ask for the server's reply and write it to this file, which is replaced when the reply is complete.",
        scope: OptionScope::Upload,
        apply: |value, to| put(&mut to.upload.reply_to, value.path().map_or(ReplyTo::Nowhere, ReplyTo::File)),
        ..row(801, "reply", OptionKind::Path)
    },
    OptionRow {
        doc: "Ask for the server's reply and keep it in memory for the receipt, if it is not larger than this; 0: do not ask. It wins over {reply}.",
        default: Some("0"),
        apply: |value, to| match value.size() {
            0 => Ok(()),
            size => put(&mut to.upload.reply_to, ReplyTo::Memory(size)),
        },
        ..row(802, "reply_memory", OptionKind::Size)
    },
    OptionRow {
        doc: "Abort if the reply to a file is larger.",
        default: Some("1G"),
        minimum: 1,
        apply: |value, to| put(&mut to.upload.reply_max_size, value.size()),
        ..row(803, "reply_max_size", OptionKind::Size)
    },
    OptionRow {
        doc: "Do not fail if the server sends no reply.",
        apply: |value, to| put(&mut to.upload.reply_optional, value.flag()),
        ..row(804, "reply_optional", OptionKind::Flag)
    },

    // 900: interrupted uploads.
    OptionRow {
        doc: "The folder for resume state, made when it is needed: starting an upload again resumes it. None or unset: no resume state is stored.",
        scope: OptionScope::Client,
        journal: JournalKeeps::Nothing,
        apply: |value, to| put(&mut to.client.state_dir, value.path()),
        ..row(901, "state_dir", OptionKind::Path)
    },
    OptionRow {
        doc: "Discard the interrupted upload and restart.",
        journal: JournalKeeps::Nothing,
        apply: |value, to| put(&mut to.upload.fresh, value.flag()),
        ..row(902, "fresh", OptionKind::Flag)
    },
    OptionRow {
        doc: "Do not store resume state, also with {state_dir}.",
        journal: JournalKeeps::Nothing,
        apply: |value, to| put(&mut to.upload.no_resume, value.flag()),
        ..row(903, "no_resume", OptionKind::Flag)
    },
    OptionRow {
        doc: "Fail if resume state cannot be stored.",
        journal: JournalKeeps::Nothing,
        apply: |value, to| put(&mut to.upload.require_resume, value.flag()),
        ..row(904, "require_resume", OptionKind::Flag)
    },
    OptionRow {
        doc: "How much of the file to compare before an upload is resumed.",
        default: Some("full"),
        choices: Some(&RESUME_CHECK),
        apply: |value, to| put(&mut to.upload.resume_check, value.chosen(&RESUME_CHECK, &[ResumeCheck::Full, ResumeCheck::Tail])),
        ..row(905, "resume_check", OptionKind::Choice)
    },
    OptionRow {
        doc: "A text that the resume state keeps for people, such as the command that resumes the upload. It is stored and shown: no secret belongs there.",
        journal: JournalKeeps::Nothing,
        apply: |value, to| put(&mut to.upload.note, value.text()),
        ..row(906, "note", OptionKind::Text)
    },

    // 1000: the program.
    OptionRow {
        doc: "Run callbacks only where the program dispatches, instead of on a thread of the client.",
        scope: OptionScope::Client,
        journal: JournalKeeps::Nothing,
        apply: |value, to| put(&mut to.client.dispatch, value.flag()),
        ..row(1001, "dispatch", OptionKind::Flag)
    },
];

/// The callbacks. C has a setter for each, since each has a type of its own; in Python they are
/// keywords, in the tool nothing. The names are as of options: `bitsup_options_set_on_progress`.
pub static CALLBACKS: &[CallbackRow] = &[
    callback(
        "on_progress",
        OptionScope::Both,
        "Called with a snapshot, at most ten times a second and at every change of state.",
    ),
    callback("on_state", OptionScope::Both, "Called at every change of state."),
    callback("on_retry", OptionScope::Both, "Asked before each retry."),
    callback(
        "on_transcript",
        OptionScope::Both,
        "Called with each exchange, as an entry of a transcript.",
    ),
    callback("on_credentials", OptionScope::Both, "Asked for a login when one is wanted."),
    callback("on_log", OptionScope::Client, "Called with each line of the client's log."),
];

/// A callback.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallbackRow {
    /// Its name.
    pub name: &'static str,
    /// Where it has a meaning.
    pub scope: OptionScope,
    /// What it is called for, in one sentence.
    pub doc: &'static str,
}

/// With which scheme a server's challenge is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthChoice {
    /// The strongest that is offered and this build has: NTLM, Negotiate, Digest, then Basic,
    /// which goes to servers over verified TLS only.
    #[default]
    Any,
    /// Basic.
    Basic,
    /// Digest.
    Digest,
    /// NTLM; at proxies if [`crate::features`] has it.
    Ntlm,
    /// Negotiate: at servers with NTLM inside, or, without credentials, a token and a callback, with
    /// the Kerberos ticket of the system if [`crate::features`] has it; at proxies over https with the
    /// ticket, too, if libcurl has it.
    Negotiate,
}

/// The words for it.
static AUTH: ChoiceSet = ChoiceSet {
    name: "auth",
    prefix: "BITSUP_AUTH_",
    doc: "The scheme that answers a challenge.",
    choices: &[
        choice(
            2001,
            "any",
            "The strongest that is offered and that this build has: NTLM, Negotiate, Digest, then Basic, which goes to servers over verified TLS only.",
        ),
        choice(2002, "basic", "Basic."),
        choice(2003, "digest", "Digest."),
        choice(2004, "ntlm", "NTLM, if this build has it."),
        choice(
            2005,
            "negotiate",
            "Negotiate: with the system's Kerberos ticket if no login is set, else with NTLM inside, at servers only.",
        ),
        choice(2006, "bearer", "A bearer token; not for proxies."),
    ],
};

/// What a word of `auth` and `proxy_auth` stands for; a bearer token needs no scheme.
const AUTH_CHOICES: [AuthChoice; 6] = [
    AuthChoice::Any,
    AuthChoice::Basic,
    AuthChoice::Digest,
    AuthChoice::Ntlm,
    AuthChoice::Negotiate,
    AuthChoice::Any,
];

/// Which hosts are accepted in `BITS-Host-Id`.
static HOST_ID: ChoiceSet = ChoiceSet {
    name: "host_id",
    prefix: "BITSUP_HOST_ID_",
    doc: "The hosts to accept in BITS-Host-Id.",
    choices: &[
        choice(2101, "same-site", "Hosts of the URL's registrable domain, and trusted ones."),
        choice(
            2102,
            "any",
            "Any host; logins, tokens, cookies and secret headers go to those of the URL's registrable domain and to trusted ones only.",
        ),
        choice(2103, "ignore", "None: all packets go to the URL's host."),
    ],
};

/// What to do about a file that exists.
static IF_EXISTS: ChoiceSet = ChoiceSet {
    name: "if_exists",
    prefix: "BITSUP_IF_EXISTS_",
    doc: "What to do about a file that exists at the destination.",
    choices: &[
        choice(2201, "try", "Upload, and let the server decide."),
        choice(2202, "skip", "Ask first (HEAD), and upload nothing if it exists."),
        choice(2203, "fail", "Ask first (HEAD), and fail if it exists."),
    ],
};

/// When the size on the server is compared.
static VERIFY: ChoiceSet = ChoiceSet {
    name: "verify",
    prefix: "BITSUP_VERIFY_",
    doc: "When to compare the size of the file on the server.",
    choices: &[
        choice(2301, "auto", "If a part was sent twice to a server that does not check offsets."),
        choice(2302, "always", "Always; a server that does not tell is an error."),
        choice(2303, "never", "Never."),
    ],
};

/// What a lost Ack leads to.
static ON_LOST_ACK: ChoiceSet = ChoiceSet {
    name: "on_lost_ack",
    prefix: "BITSUP_ON_LOST_ACK_",
    doc: "What to do when an Ack is lost.",
    choices: &[
        choice(
            2401,
            "auto",
            "Start over in a new session if the server does not prove its offset.",
        ),
        choice(
            2402,
            "restart",
            "As auto, and start over too if a lost Ack of Close-Session cannot be decided.",
        ),
        choice(
            2403,
            "resend",
            "Continue where the server says, without proof; the upload is not verified.",
        ),
        choice(2404, "accept", "As auto, but take an undecided Close-Session as acknowledged."),
    ],
};

/// How much is compared before an upload is resumed.
static RESUME_CHECK: ChoiceSet = ChoiceSet {
    name: "resume_check",
    prefix: "BITSUP_RESUME_CHECK_",
    doc: "How much of the file to compare before an upload is resumed.",
    choices: &[
        choice(2501, "full", "All that was acknowledged, while the rest is sent."),
        choice(2502, "tail", "The last block."),
    ],
};

/// Every set of choices.
pub static CHOICES: &[&ChoiceSet] =
    &[&AUTH, &HOST_ID, &IF_EXISTS, &VERIFY, &ON_LOST_ACK, &RESUME_CHECK];

/// The option of a number.
#[must_use]
pub fn by_id(id: i32) -> Option<&'static OptionRow> {
    TABLE.iter().find(|option| option.id == id)
}

/// The option of a name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static OptionRow> {
    TABLE.iter().find(|option| option.name == name)
}

/// A row with what most of its kind say.
const fn row(id: i32, name: &'static str, kind: OptionKind) -> OptionRow {
    let secret = matches!(kind, OptionKind::Secret);
    OptionRow {
        id,
        name,
        kind,
        scope: OptionScope::Both,
        list: false,
        secret,
        relaxation: false,
        default: if matches!(kind, OptionKind::Flag) { Some("false") } else { None },
        tool_default: None,
        minimum: 0,
        maximum: match kind {
            OptionKind::Duration => LONGEST.cast_signed() * 1000,
            OptionKind::Flag => 1,
            _ => UNLIMITED - 1,
        },
        unlimited: false,
        choices: None,
        journal: if secret { JournalKeeps::Source } else { JournalKeeps::Value },
        since: "0.1.0",
        doc: "",
        apply: |_, _| Ok(()),
    }
}

const fn list(row: OptionRow) -> OptionRow {
    OptionRow { list: true, ..row }
}

const fn choice(number: i64, word: &'static str, doc: &'static str) -> Choice {
    Choice { number, word, doc }
}

const fn callback(name: &'static str, scope: OptionScope, doc: &'static str) -> CallbackRow {
    CallbackRow { name, scope, doc }
}

/// Sets a place; the last expression of a row.
#[expect(clippy::unnecessary_wraps, reason = "the result of a row's function")]
fn put<T>(place: &mut T, value: T) -> Result<(), crate::Error> {
    *place = value;
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "the result of a row's function")]
fn header(
    value: &super::row::OptionValue,
    to: &mut resolve::Target,
    secret: bool,
) -> Result<(), crate::Error> {
    if let super::row::OptionValue::Header(header) = value {
        to.set_header(if secret { header.clone().secret() } else { header.clone() });
    }
    Ok(())
}

//! A method for each option: made from the table, never edited.

use std::path::PathBuf;
use std::time::Duration;

use super::row::{OptionValue, milliseconds};
use super::{Header, OptionSet};
use crate::credentials::Secret;

impl OptionSet {
    /// The user at the server, also as DOMAIN\user or user@domain; needs a password.
    #[must_use]
    pub fn user(self, value: impl Into<String>) -> Self {
        self.with(101, |_| Ok(OptionValue::Text(value.into())))
    }

    /// The user's password. Copies in bitsup are overwritten as soon as they are not needed.
    #[must_use]
    pub fn password(self, value: impl Into<String>) -> Self {
        self.with(102, |_| Ok(OptionValue::Secret(Secret::new(value))))
    }

    /// A file with the user's password, at most 64 KiB, without one newline at its end. It is
    /// read when an upload starts, and again when the server refuses the password.
    #[must_use]
    pub fn password_file(self, value: impl Into<PathBuf>) -> Self {
        self.with(103, |_| Ok(OptionValue::Path(value.into())))
    }

    /// A bearer token, which goes with every packet.
    #[must_use]
    pub fn token(self, value: impl Into<String>) -> Self {
        self.with(104, |_| Ok(OptionValue::Secret(Secret::new(value))))
    }

    /// A file with the bearer token, read as `password_file` is.
    #[must_use]
    pub fn token_file(self, value: impl Into<PathBuf>) -> Self {
        self.with(105, |_| Ok(OptionValue::Path(value.into())))
    }

    /// The scheme that answers the server's challenge. One of `any`, `basic`, `digest`, `ntlm`,
    /// `negotiate`, `bearer`. Default: `any`.
    #[must_use]
    pub fn auth(self, value: &str) -> Self {
        self.with(106, |option| option.parse(value))
    }

    /// Send passwords, tokens and secret headers over plain http too, unencrypted. Default:
    /// `false`.
    #[must_use]
    pub fn allow_cleartext_credentials(self, value: bool) -> Self {
        self.with(107, |_| Ok(OptionValue::Number(value.into())))
    }

    /// A header for every packet; it replaces one of the same name. Each call adds one.
    #[must_use]
    pub fn headers(self, name: &str, value: &str) -> Self {
        self.with(108, |_| Header::new(name, value).map(OptionValue::Header))
    }

    /// A header for every packet that is treated like a password: never shown, and not sent over
    /// plain http without `allow_cleartext_credentials`. Each call adds one.
    #[must_use]
    pub fn secret_headers(self, name: &str, value: &str) -> Self {
        self.with(109, |_| Header::new(name, value).map(OptionValue::Header))
    }

    /// A .netrc file with the user and the password for the server's host, of `user` if that is
    /// set. It is read when an upload starts, and again when the server refuses the password.
    #[must_use]
    pub fn netrc_file(self, value: impl Into<PathBuf>) -> Self {
        self.with(110, |_| Ok(OptionValue::Path(value.into())))
    }

    /// A file of CA certificates (PEM) to trust instead of the system's.
    #[must_use]
    pub fn ca_file(self, value: impl Into<PathBuf>) -> Self {
        self.with(201, |_| Ok(OptionValue::Path(value.into())))
    }

    /// Do not check the server's certificate. A proxy's is checked always. Default: `false`.
    #[must_use]
    pub fn insecure(self, value: bool) -> Self {
        self.with(202, |_| Ok(OptionValue::Number(value.into())))
    }

    /// The only public keys that the server may have: sha256//BASE64 as curl writes it, several
    /// with ; between them.
    #[must_use]
    pub fn pinned_public_key(self, value: impl Into<String>) -> Self {
        self.with(203, |_| Ok(OptionValue::Text(value.into())))
    }

    /// A file with the client's certificate: PEM, or PKCS#12 with its key.
    #[must_use]
    pub fn cert(self, value: impl Into<PathBuf>) -> Self {
        self.with(204, |_| Ok(OptionValue::Path(value.into())))
    }

    /// A file with the private key (PEM) of `cert`, if it is not in the same file.
    #[must_use]
    pub fn key(self, value: impl Into<PathBuf>) -> Self {
        self.with(205, |_| Ok(OptionValue::Path(value.into())))
    }

    /// The passphrase of `key`.
    #[must_use]
    pub fn key_password(self, value: impl Into<String>) -> Self {
        self.with(206, |_| Ok(OptionValue::Secret(Secret::new(value))))
    }

    /// A file with the passphrase of `key`, read when an upload starts.
    #[must_use]
    pub fn key_password_file(self, value: impl Into<PathBuf>) -> Self {
        self.with(207, |_| Ok(OptionValue::Path(value.into())))
    }

    /// The proxy: http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT, without a login;
    /// empty or none: no proxy. Unset, it is what `http_proxy` and `https_proxy` in the
    /// environment say.
    #[must_use]
    pub fn proxy(self, value: impl Into<String>) -> Self {
        self.with(301, |_| Ok(OptionValue::Text(value.into())))
    }

    /// Hosts to reach without the proxy, separated by commas; none: all go through it. Unset, it
    /// is what `no_proxy` in the environment says.
    #[must_use]
    pub fn no_proxy(self, value: impl Into<String>) -> Self {
        self.with(302, |_| Ok(OptionValue::Text(value.into())))
    }

    /// The user at the proxy; needs a password.
    #[must_use]
    pub fn proxy_user(self, value: impl Into<String>) -> Self {
        self.with(303, |_| Ok(OptionValue::Text(value.into())))
    }

    /// The password of `proxy_user`.
    #[must_use]
    pub fn proxy_password(self, value: impl Into<String>) -> Self {
        self.with(304, |_| Ok(OptionValue::Secret(Secret::new(value))))
    }

    /// A file with the password of `proxy_user`, read when an upload starts.
    #[must_use]
    pub fn proxy_password_file(self, value: impl Into<PathBuf>) -> Self {
        self.with(305, |_| Ok(OptionValue::Path(value.into())))
    }

    /// The scheme that answers the proxy's challenge; any takes Basic too, since few proxies
    /// have TLS of their own. One of `any`, `basic`, `digest`, `ntlm`, `negotiate`, `bearer`.
    /// Default: `any`.
    #[must_use]
    pub fn proxy_auth(self, value: &str) -> Self {
        self.with(306, |option| option.parse(value))
    }

    /// A file of CA certificates (PEM) to trust instead of the system's, for a proxy reached
    /// over https.
    #[must_use]
    pub fn proxy_ca_file(self, value: impl Into<PathBuf>) -> Self {
        self.with(307, |_| Ok(OptionValue::Path(value.into())))
    }

    /// Addresses for HOST at PORT that are taken instead of a lookup:
    /// HOST:PORT:ADDRESS\[,ADDRESS], as with curl. Each call adds one.
    #[must_use]
    pub fn resolve(self, value: impl Into<String>) -> Self {
        self.with(308, |_| Ok(OptionValue::Text(value.into())))
    }

    /// Send packets as POST with the header X-HTTP-Method-Override: `BITS_POST`, for a way on
    /// which `BITS_POST` is blocked. Something at its end must turn them back; IIS does not.
    /// Default: `false`.
    #[must_use]
    pub fn post_override(self, value: bool) -> Self {
        self.with(309, |_| Ok(OptionValue::Number(value.into())))
    }

    /// The User-Agent of all requests; bitsup/VERSION if unset. Of the client.
    #[must_use]
    pub fn user_agent(self, value: impl Into<String>) -> Self {
        self.with(310, |_| Ok(OptionValue::Text(value.into())))
    }

    /// Abort a connection that is not made within this time (name, TCP, TLS). Default: `30s`.
    #[must_use]
    pub fn connect_timeout(self, value: Duration) -> Self {
        self.with(401, |_| Ok(milliseconds(value)))
    }

    /// Abort a packet if no byte of it moves for this time. Default: `60s`.
    #[must_use]
    pub fn stall_timeout(self, value: Duration) -> Self {
        self.with(402, |_| Ok(milliseconds(value)))
    }

    /// Abort a packet that is not answered within this time. Default: `5m`.
    #[must_use]
    pub fn ack_timeout(self, value: Duration) -> Self {
        self.with(403, |_| Ok(milliseconds(value)))
    }

    /// Abort the last Fragment, or Close-Session, if it is not answered within this time.
    /// Default: `15m`.
    #[must_use]
    pub fn last_ack_timeout(self, value: Duration) -> Self {
        self.with(404, |_| Ok(milliseconds(value)))
    }

    /// Give up after this number of tries without progress. [`crate::UNLIMITED`] is a value.
    /// Default: `unlimited`.
    #[must_use]
    pub fn max_attempts(self, value: i64) -> Self {
        self.with(501, |_| Ok(OptionValue::Number(value)))
    }

    /// Give up after this time without progress, once the server has answered; 0: at the first
    /// failure. Default: `15m`.
    #[must_use]
    pub fn give_up_after(self, value: Duration) -> Self {
        self.with(502, |_| Ok(milliseconds(value)))
    }

    /// Wait this long for a server that never answered, and no longer than three tries take; 0:
    /// one try. Default: `15s`.
    #[must_use]
    pub fn wait_for_server(self, value: Duration) -> Self {
        self.with(503, |_| Ok(milliseconds(value)))
    }

    /// The bound of the second retry's random delay, which doubles up to `max_retry_delay`; 0:
    /// no delay. Default: `1s`.
    #[must_use]
    pub fn retry_delay(self, value: Duration) -> Self {
        self.with(504, |_| Ok(milliseconds(value)))
    }

    /// The longest bound of a retry's delay; 0: no delay. Default: `60s`.
    #[must_use]
    pub fn max_retry_delay(self, value: Duration) -> Self {
        self.with(505, |_| Ok(milliseconds(value)))
    }

    /// Abort an upload that takes longer. `Duration::MAX` is unlimited. Default: `unlimited`.
    #[must_use]
    pub fn max_time(self, value: Duration) -> Self {
        self.with(506, |_| Ok(milliseconds(value)))
    }

    /// Abort after sending this size, retransmissions included. In bytes. [`crate::UNLIMITED`]
    /// is a value. Default: `unlimited`.
    #[must_use]
    pub fn max_bytes(self, value: i64) -> Self {
        self.with(507, |_| Ok(OptionValue::Number(value)))
    }

    /// The size of each Fragment; 0 = automatic. In bytes. Default: `auto`.
    #[must_use]
    pub fn fragment_size(self, value: i64) -> Self {
        self.with(601, |_| Ok(OptionValue::Number(value)))
    }

    /// The largest Fragment of automatic size. IIS refuses requests above 30,000,000 bytes. In
    /// bytes. Default: `28M`.
    #[must_use]
    pub fn max_fragment(self, value: i64) -> Self {
        self.with(602, |_| Ok(OptionValue::Number(value)))
    }

    /// The smallest Fragment that a server's "too large" leads to. In bytes. Default: `5K`.
    #[must_use]
    pub fn min_fragment(self, value: i64) -> Self {
        self.with(603, |_| Ok(OptionValue::Number(value)))
    }

    /// Yield to other traffic (background priority): slow down, to 16 KiB a second at the least,
    /// as soon as Acks come later than on a free link. Default: `false`.
    #[must_use]
    pub fn polite(self, value: bool) -> Self {
        self.with(604, |_| Ok(OptionValue::Number(value.into())))
    }

    /// The bytes a second of all uploads of the client together, or a timetable of them by the
    /// local time: "08:00-18:00=1M 18:00-08:00=off". As text: `5M` is 5 MiB a second. `off` is
    /// unlimited. Default: `unlimited`. Of the client.
    #[must_use]
    pub fn limit_rate(self, value: &str) -> Self {
        self.with(605, |option| option.parse(value))
    }

    /// How many uploads to one host hold a session at a time; the others wait for a free slot.
    /// IIS deletes the newest of more than 50 sessions a user. 0 = automatic: 2, doubled up to 8
    /// while uploads wait longer for answers than they send. Default: `16`. Of the client.
    #[must_use]
    pub fn uploads_per_host(self, value: i64) -> Self {
        self.with(606, |_| Ok(OptionValue::Number(value)))
    }

    /// Which hosts to accept in BITS-Host-Id. One of `same-site`, `any`, `ignore`. Default:
    /// `same-site`.
    #[must_use]
    pub fn host_id(self, value: &str) -> Self {
        self.with(701, |option| option.parse(value))
    }

    /// A host to accept in BITS-Host-Id, which sees logins, tokens, cookies and secret headers
    /// as the URL's host does; .example.com names all below it. Each call adds one.
    #[must_use]
    pub fn trusted_hosts(self, value: impl Into<String>) -> Self {
        self.with(702, |_| Ok(OptionValue::Text(value.into())))
    }

    /// What to do about a file that exists at the destination. One of `try`, `skip`, `fail`.
    /// Default: `try`.
    #[must_use]
    pub fn if_exists(self, value: &str) -> Self {
        self.with(703, |option| option.parse(value))
    }

    /// When to compare the size of the file on the server after the upload. One of `auto`,
    /// `always`, `never`. Default: `auto`.
    #[must_use]
    pub fn verify(self, value: &str) -> Self {
        self.with(704, |option| option.parse(value))
    }

    /// What to do when the Ack of a Fragment or of Close-Session is lost. The server is asked
    /// first, with one byte that it has already acknowledged. One of `auto`, `restart`,
    /// `resend`, `accept`. Default: `auto`.
    #[must_use]
    pub fn on_lost_ack(self, value: &str) -> Self {
        self.with(705, |option| option.parse(value))
    }

    /// Read a 200 without BITS-Received-Content-Range as "all received". Default: `false`.
    #[must_use]
    pub fn lenient(self, value: bool) -> Self {
        self.with(706, |_| Ok(OptionValue::Number(value.into())))
    }

    /// Compute the SHA-256 of what is sent, for the receipt. Default: `false`.
    #[must_use]
    pub fn sha256(self, value: bool) -> Self {
        self.with(707, |_| Ok(OptionValue::Number(value.into())))
    }

    /// Fail if the file is empty. Default: `false`.
    #[must_use]
    pub fn refuse_empty(self, value: bool) -> Self {
        self.with(708, |_| Ok(OptionValue::Number(value.into())))
    }

    /// The Content-Name of the session; the name of the source if unset.
    #[must_use]
    pub fn content_name(self, value: impl Into<String>) -> Self {
        self.with(709, |_| Ok(OptionValue::Text(value.into())))
    }

    /// Ask for the server's reply and write it to this file, which is replaced when the reply is
    /// complete.
    #[must_use]
    pub fn reply(self, value: impl Into<PathBuf>) -> Self {
        self.with(801, |_| Ok(OptionValue::Path(value.into())))
    }

    /// Ask for the server's reply and keep it in memory for the receipt, if it is not larger
    /// than this; 0: do not ask. It wins over `reply`. In bytes. Default: `0`.
    #[must_use]
    pub fn reply_memory(self, value: i64) -> Self {
        self.with(802, |_| Ok(OptionValue::Number(value)))
    }

    /// Abort if the reply to a file is larger. In bytes. Default: `1G`.
    #[must_use]
    pub fn reply_max_size(self, value: i64) -> Self {
        self.with(803, |_| Ok(OptionValue::Number(value)))
    }

    /// Do not fail if the server sends no reply. Default: `false`.
    #[must_use]
    pub fn reply_optional(self, value: bool) -> Self {
        self.with(804, |_| Ok(OptionValue::Number(value.into())))
    }

    /// The folder for resume state, made when it is needed: starting an upload again resumes it.
    /// None or unset: no resume state is stored. Of the client.
    #[must_use]
    pub fn state_dir(self, value: impl Into<PathBuf>) -> Self {
        self.with(901, |_| Ok(OptionValue::Path(value.into())))
    }

    /// Discard the interrupted upload and restart. Default: `false`.
    #[must_use]
    pub fn fresh(self, value: bool) -> Self {
        self.with(902, |_| Ok(OptionValue::Number(value.into())))
    }

    /// Do not store resume state, also with `state_dir`. Default: `false`.
    #[must_use]
    pub fn no_resume(self, value: bool) -> Self {
        self.with(903, |_| Ok(OptionValue::Number(value.into())))
    }

    /// Fail if resume state cannot be stored. Default: `false`.
    #[must_use]
    pub fn require_resume(self, value: bool) -> Self {
        self.with(904, |_| Ok(OptionValue::Number(value.into())))
    }

    /// How much of the file to compare before an upload is resumed. One of `full`, `tail`.
    /// Default: `full`.
    #[must_use]
    pub fn resume_check(self, value: &str) -> Self {
        self.with(905, |option| option.parse(value))
    }

    /// A text that the resume state keeps for people, such as the command that resumes the
    /// upload. It is stored and shown: no secret belongs there.
    #[must_use]
    pub fn note(self, value: impl Into<String>) -> Self {
        self.with(906, |_| Ok(OptionValue::Text(value.into())))
    }

    /// Run callbacks only where the program dispatches, instead of on a thread of the client.
    /// Default: `false`. Of the client.
    #[must_use]
    pub fn dispatch(self, value: bool) -> Self {
        self.with(1001, |_| Ok(OptionValue::Number(value.into())))
    }
}

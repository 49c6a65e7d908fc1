//! A method for each option: made from the table, never edited.

use super::set::setters;

setters! {
    /// The user at the server, also as DOMAIN\user or user@domain; needs a password.
    user: Text,
    /// The user's password. Copies in bitsup are overwritten as soon as they are not needed.
    password: Secret,
    /// A file with the user's password, at most 64 KiB, without one newline at its end. It is
    /// read when an upload starts, and again when the server refuses the password.
    password_file: Path,
    /// A bearer token, which goes with every packet.
    token: Secret,
    /// A file with the bearer token, read as `password_file` is.
    token_file: Path,
    /// The scheme that answers the server's challenge. One of `any`, `basic`, `digest`, `ntlm`,
    /// `negotiate`, `bearer`. Default: `any`.
    auth: Choice,
    /// Send passwords, tokens and secret headers over plain http too, unencrypted. Default:
    /// `false`.
    allow_cleartext_credentials: Flag,
    /// A header for every packet; it replaces one of the same name. Each call adds one.
    headers: Header,
    /// A header for every packet that is treated like a password: never shown, and not sent over
    /// plain http without `allow_cleartext_credentials`. Each call adds one.
    secret_headers: Header,
    /// A .netrc file with the user and the password for the server's host, of `user` if that is
    /// set. It is read when an upload starts, and again when the server refuses the password.
    netrc_file: Path,
    /// A file of CA certificates (PEM) to trust instead of the system's.
    ca_file: Path,
    /// Do not check the server's certificate. A proxy's is checked always. Default: `false`.
    insecure: Flag,
    /// The only public keys that the server may have: sha256//BASE64 as curl writes it, several
    /// with ; between them.
    pinned_public_key: Text,
    /// A file with the client's certificate: PEM, or PKCS#12 with its key.
    cert: Path,
    /// A file with the private key (PEM) of `cert`, if it is not in the same file.
    key: Path,
    /// The passphrase of `key`.
    key_password: Secret,
    /// A file with the passphrase of `key`, read when an upload starts.
    key_password_file: Path,
    /// The proxy: http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT, without a login;
    /// empty or none: no proxy. Unset, it is what `http_proxy` and `https_proxy` in the
    /// environment say.
    proxy: Text,
    /// Hosts to reach without the proxy, separated by commas; none: all go through it. Unset, it
    /// is what `no_proxy` in the environment says.
    no_proxy: Text,
    /// The user at the proxy; needs a password.
    proxy_user: Text,
    /// The password of `proxy_user`.
    proxy_password: Secret,
    /// A file with the password of `proxy_user`, read when an upload starts.
    proxy_password_file: Path,
    /// The scheme that answers the proxy's challenge; any takes Basic too, since few proxies
    /// have TLS of their own. One of `any`, `basic`, `digest`, `ntlm`, `negotiate`, `bearer`.
    /// Default: `any`.
    proxy_auth: Choice,
    /// A file of CA certificates (PEM) to trust instead of the system's, for a proxy reached
    /// over https.
    proxy_ca_file: Path,
    /// Addresses for HOST at PORT that are taken instead of a lookup:
    /// HOST:PORT:ADDRESS\[,ADDRESS], as with curl. Each call adds one.
    resolve: Text,
    /// Send packets as POST with the header X-HTTP-Method-Override: `BITS_POST`, for a way on
    /// which `BITS_POST` is blocked. Something at its end must turn them back; IIS does not.
    /// Default: `false`.
    post_override: Flag,
    /// The User-Agent of all requests; bitsup/VERSION if unset. Of the client.
    user_agent: Text,
    /// Abort a connection that is not made within this time (name, TCP, TLS). Default: `30s`.
    connect_timeout: Duration,
    /// Abort a packet if no byte of it moves for this time. Default: `60s`.
    stall_timeout: Duration,
    /// Abort a packet that is not answered within this time. Default: `5m`.
    ack_timeout: Duration,
    /// Abort the last Fragment, or Close-Session, if it is not answered within this time.
    /// Default: `15m`.
    last_ack_timeout: Duration,
    /// Give up after this number of tries without progress. [`crate::UNLIMITED`] is a value.
    /// Default: `unlimited`.
    max_attempts: Count,
    /// Give up after this time without progress, once the server has answered; 0: at the first
    /// failure. Default: `15m`.
    give_up_after: Duration,
    /// Wait this long for a server that never answered, and no longer than three tries take; 0:
    /// one try. Default: `15s`.
    wait_for_server: Duration,
    /// The bound of the second retry's random delay, which doubles up to `max_retry_delay`; 0:
    /// no delay. Default: `1s`.
    retry_delay: Duration,
    /// The longest bound of a retry's delay; 0: no delay. Default: `60s`.
    max_retry_delay: Duration,
    /// Abort an upload that takes longer. `Duration::MAX` is unlimited. Default: `unlimited`.
    max_time: Duration,
    /// Abort after sending this size, retransmissions included. In bytes. [`crate::UNLIMITED`]
    /// is a value. Default: `unlimited`.
    max_bytes: Size,
    /// The size of each Fragment; 0 = automatic. In bytes. Default: `auto`.
    fragment_size: Size,
    /// The largest Fragment of automatic size. IIS refuses requests above 30,000,000 bytes. In
    /// bytes. Default: `28M`.
    max_fragment: Size,
    /// The smallest Fragment that a server's "too large" leads to. In bytes. Default: `5K`.
    min_fragment: Size,
    /// Yield to other traffic (background priority): slow down, to 16 KiB a second at the least,
    /// as soon as Acks come later than on a free link. Default: `false`.
    polite: Flag,
    /// The bytes a second of all uploads of the client together, or a timetable of them by the
    /// local time: "08:00-18:00=1M 18:00-08:00=off". As text: `5M` is 5 MiB a second. `off` is
    /// unlimited. Default: `unlimited`. Of the client.
    limit_rate: Rate,
    /// How many uploads to one host hold a session at a time; the others wait for a free slot.
    /// IIS deletes the newest of more than 50 sessions a user. 0 = automatic: 2, doubled up to 8
    /// while uploads wait longer for answers than they send. Default: `16`. Of the client.
    uploads_per_host: Count,
    /// Which hosts to accept in BITS-Host-Id. One of `same-site`, `any`, `ignore`. Default:
    /// `same-site`.
    host_id: Choice,
    /// A host to accept in BITS-Host-Id, which sees logins, tokens, cookies and secret headers
    /// as the URL's host does; .example.com names all below it. Each call adds one.
    trusted_hosts: Text,
    /// What to do about a file that exists at the destination. One of `try`, `skip`, `fail`.
    /// Default: `try`.
    if_exists: Choice,
    /// When to compare the size of the file on the server after the upload. One of `auto`,
    /// `always`, `never`. Default: `auto`.
    verify: Choice,
    /// What to do when the Ack of a Fragment or of Close-Session is lost. The server is asked
    /// first, with one byte that it has already acknowledged. One of `auto`, `restart`,
    /// `resend`, `accept`. Default: `auto`.
    on_lost_ack: Choice,
    /// Read a 200 without BITS-Received-Content-Range as "all received". Default: `false`.
    lenient: Flag,
    /// Compute the SHA-256 of what is sent, for the receipt. Default: `false`.
    sha256: Flag,
    /// Fail if the file is empty. Default: `false`.
    refuse_empty: Flag,
    /// The Content-Name of the session; the name of the source if unset.
    content_name: Text,
    /// Ask for the server's reply and write it to this file, which is replaced when the reply is
    /// complete.
    reply: Path,
    /// Ask for the server's reply and keep it in memory for the receipt, if it is not larger
    /// than this; 0: do not ask. It wins over `reply`. In bytes. Default: `0`.
    reply_memory: Size,
    /// Abort if the reply to a file is larger. In bytes. Default: `1G`.
    reply_max_size: Size,
    /// Do not fail if the server sends no reply. Default: `false`.
    reply_optional: Flag,
    /// The folder for resume state, made when it is needed: starting an upload again resumes it.
    /// None or unset: no resume state is stored. Of the client.
    state_dir: Path,
    /// Discard the interrupted upload and restart. Default: `false`.
    fresh: Flag,
    /// Do not store resume state, also with `state_dir`. Default: `false`.
    no_resume: Flag,
    /// Fail if resume state cannot be stored. Default: `false`.
    require_resume: Flag,
    /// How much of the file to compare before an upload is resumed. One of `full`, `tail`.
    /// Default: `full`.
    resume_check: Choice,
    /// A text that the resume state keeps for people, such as the command that resumes the
    /// upload. It is stored and shown: no secret belongs there.
    note: Text,
    /// Run callbacks only where the program dispatches, instead of on a thread of the client.
    /// Default: `false`. Of the client.
    dispatch: Flag,
}

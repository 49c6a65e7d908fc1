"""The keywords. Generated from the table of options by tests/generate.py: do not edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

from ._credentials import AskForLogin
from ._types import Headers, Path, Seconds, Size, Transcript


class ClientOptions(TypedDict, total=False):
    """The keywords of ``Client``; those of uploads are the defaults of its uploads.

    A plain ``dict``: keep one, and pass it with ``**options``. ``None`` is the default.
    """

    user: str | None
    """The user at the server, also as DOMAIN\\user or user@domain; needs a password."""
    password: str | None
    """The user's password. Copies in bitsup are overwritten as soon as they are not needed."""
    password_file: Path | None
    """A file with the user's password, at most 64 KiB, without one newline at its end. It is read when an upload starts, and again when the server refuses the password."""
    token: str | None
    """A bearer token, which goes with every packet."""
    token_file: Path | None
    """A file with the bearer token, read as password_file= is."""
    auth: Literal["any", "basic", "digest", "ntlm", "negotiate", "bearer"] | None
    """The scheme that answers the server's challenge. "any": The strongest that is offered and that this build has: NTLM, Negotiate, Digest, then Basic, which goes to servers over verified TLS only. "basic": Basic. "digest": Digest. "ntlm": NTLM, if this build has it. "negotiate": Negotiate: with the system's Kerberos ticket if no login is set, else with NTLM inside, at servers only. "bearer": A bearer token; not for proxies. Default: any."""
    allow_cleartext_credentials: bool | None
    """Send passwords, tokens and secret headers over plain http too, unencrypted."""
    headers: Headers | None
    """A header for every packet; it replaces one of the same name."""
    secret_headers: Headers | None
    """A header for every packet that is treated like a password: never shown, and not sent over plain http without allow_cleartext_credentials=True."""
    netrc_file: Path | None
    """A .netrc file with the user and the password for the server's host, of user= if that is set. It is read when an upload starts, and again when the server refuses the password."""
    ca_file: Path | None
    """A file of CA certificates (PEM) to trust instead of the system's."""
    insecure: bool | None
    """Do not check the server's certificate. A proxy's is checked always."""
    pinned_public_key: str | None
    """The only public keys that the server may have: sha256//BASE64 as curl writes it, several with ; between them."""
    cert: Path | None
    """A file with the client's certificate: PEM, or PKCS#12 with its key."""
    key: Path | None
    """A file with the private key (PEM) of cert=, if it is not in the same file."""
    key_password: str | None
    """The passphrase of key=."""
    key_password_file: Path | None
    """A file with the passphrase of key=, read when an upload starts."""
    proxy: str | None
    """The proxy: http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT, without a login; empty or none: no proxy. Unset, it is what http_proxy and https_proxy in the environment say."""
    no_proxy: str | Sequence[str] | None
    """Hosts to reach without the proxy, separated by commas; none: all go through it. Unset, it is what no_proxy in the environment says."""
    proxy_user: str | None
    """The user at the proxy; needs a password."""
    proxy_password: str | None
    """The password of proxy_user=."""
    proxy_password_file: Path | None
    """A file with the password of proxy_user=, read when an upload starts."""
    proxy_auth: Literal["any", "basic", "digest", "ntlm", "negotiate", "bearer"] | None
    """The scheme that answers the proxy's challenge; any takes Basic too, since few proxies have TLS of their own. "any": The strongest that is offered and that this build has: NTLM, Negotiate, Digest, then Basic, which goes to servers over verified TLS only. "basic": Basic. "digest": Digest. "ntlm": NTLM, if this build has it. "negotiate": Negotiate: with the system's Kerberos ticket if no login is set, else with NTLM inside, at servers only. "bearer": A bearer token; not for proxies. Default: any."""
    proxy_ca_file: Path | None
    """A file of CA certificates (PEM) to trust instead of the system's, for a proxy reached over https."""
    resolve: Sequence[str] | None
    """Addresses for HOST at PORT that are taken instead of a lookup: HOST:PORT:ADDRESS[,ADDRESS], as with curl."""
    post_override: bool | None
    """Send packets as POST with the header X-HTTP-Method-Override: BITS_POST, for a way on which BITS_POST is blocked. Something at its end must turn them back; IIS does not."""
    user_agent: str | None
    """The User-Agent of all requests; bitsup/VERSION if unset."""
    connect_timeout: Seconds | None
    """Abort a connection that is not made within this time (name, TCP, TLS). In seconds. Default: 30s."""
    stall_timeout: Seconds | None
    """Abort a packet if no byte of it moves for this time. In seconds. Default: 60s."""
    ack_timeout: Seconds | None
    """Abort a packet that is not answered within this time. In seconds. Default: 5m."""
    last_ack_timeout: Seconds | None
    """Abort the last Fragment, or Close-Session, if it is not answered within this time. In seconds. Default: 15m."""
    max_attempts: int | str | None
    """Give up after this number of tries without progress. Default: unlimited."""
    give_up_after: Seconds | None
    """Give up after this time without progress, once the server has answered; 0: at the first failure. In seconds. Default: 15m."""
    wait_for_server: Seconds | None
    """Wait this long for a server that never answered, and no longer than three tries take; 0: one try. In seconds. Default: 15s."""
    retry_delay: Seconds | None
    """The bound of the second retry's random delay, which doubles up to max_retry_delay=; 0: no delay. In seconds. Default: 1s."""
    max_retry_delay: Seconds | None
    """The longest bound of a retry's delay; 0: no delay. In seconds. Default: 60s."""
    max_time: Seconds | None
    """Abort an upload that takes longer. In seconds. Default: unlimited."""
    max_bytes: Size | None
    """Abort after sending this size, retransmissions included. In bytes. Default: unlimited."""
    fragment_size: Size | None
    """The size of each Fragment; 0 = automatic. In bytes. Default: auto."""
    max_fragment: Size | None
    """The largest Fragment of automatic size. IIS refuses requests above 30,000,000 bytes. In bytes. Default: 28M."""
    min_fragment: Size | None
    """The smallest Fragment that a server's "too large" leads to. In bytes. Default: 5K."""
    polite: bool | None
    """Yield to other traffic (background priority): slow down, to 16 KiB a second at the least, as soon as Acks come later than on a free link."""
    limit_rate: Size | None
    """The bytes a second of all uploads of the client together, or a timetable of them by the local time: "08:00-18:00=1M 18:00-08:00=off". In bytes a second. Default: unlimited."""
    uploads_per_host: int | str | None
    """How many uploads to one host hold a session at a time; the others wait for a free slot. IIS deletes the newest of more than 50 sessions a user. 0 = automatic: 2, doubled up to 8 while uploads wait longer for answers than they send. Default: 16."""
    host_id: Literal["same-site", "any", "ignore"] | None
    """Which hosts to accept in BITS-Host-Id. "same-site": Hosts of the URL's registrable domain, and trusted ones. "any": Any host; logins, tokens, cookies and secret headers go to those of the URL's registrable domain and to trusted ones only. "ignore": None: all packets go to the URL's host. Default: same-site."""
    trusted_hosts: Sequence[str] | None
    """A host to accept in BITS-Host-Id, which sees logins, tokens, cookies and secret headers as the URL's host does; .example.com names all below it."""
    if_exists: Literal["try", "skip", "fail"] | None
    """What to do about a file that exists at the destination. "try": Upload, and let the server decide. "skip": Ask first (HEAD), and upload nothing if it exists. "fail": Ask first (HEAD), and fail if it exists. Default: try."""
    verify: Literal["auto", "always", "never"] | None
    """When to compare the size of the file on the server after the upload. "auto": If a part was sent twice to a server that does not check offsets. "always": Always; a server that does not tell is an error. "never": Never. Default: auto."""
    on_lost_ack: Literal["auto", "restart", "resend", "accept"] | None
    """What to do when the Ack of a Fragment or of Close-Session is lost. The server is asked first, with one byte that it has already acknowledged. "auto": Start over in a new session if the server does not prove its offset. "restart": As auto, and start over too if a lost Ack of Close-Session cannot be decided. "resend": Continue where the server says, without proof; the upload is not verified. "accept": As auto, but take an undecided Close-Session as acknowledged. Default: auto."""
    lenient: bool | None
    """Read a 200 without BITS-Received-Content-Range as "all received"."""
    sha256: bool | None
    """Compute the SHA-256 of what is sent, for the receipt."""
    refuse_empty: bool | None
    """Fail if the file is empty."""
    reply_memory: Size | None
    """Ask for the server's reply and keep it in memory for the receipt, if it is not larger than this; 0: do not ask. It wins over reply=. In bytes. Default: 0."""
    reply_max_size: Size | None
    """Abort if the reply to a file is larger. In bytes. Default: 1G."""
    reply_optional: bool | None
    """Do not fail if the server sends no reply."""
    state_dir: Path | None
    """The folder for resume state, made when it is needed: starting an upload again resumes it. None or unset: no resume state is stored."""
    fresh: bool | None
    """Discard the interrupted upload and restart."""
    no_resume: bool | None
    """Do not store resume state, also with state_dir=."""
    require_resume: bool | None
    """Fail if resume state cannot be stored."""
    resume_check: Literal["full", "tail"] | None
    """How much of the file to compare before an upload is resumed. "full": All that was acknowledged, while the rest is sent. "tail": The last block. Default: full."""
    note: str | None
    """A text that the resume state keeps for people, such as the command that resumes the upload. It is stored and shown: no secret belongs there."""
    on_credentials: AskForLogin | None
    """A function that is asked for a login: it gets a ``CredentialRequest`` when the server or the proxy wants one, refused the one it got, or a token is about to expire, and answers ``(user, password)``, a ``BearerToken``, or ``None``: see docs/python.md."""


class Options(TypedDict, total=False):
    """The keywords that ``upload``, ``start``, ``open``, ``ping`` and the like take.

    A plain ``dict``: keep one, and pass it with ``**options``. ``None`` is the default.
    """

    user: str | None
    """The user at the server, also as DOMAIN\\user or user@domain; needs a password."""
    password: str | None
    """The user's password. Copies in bitsup are overwritten as soon as they are not needed."""
    password_file: Path | None
    """A file with the user's password, at most 64 KiB, without one newline at its end. It is read when an upload starts, and again when the server refuses the password."""
    token: str | None
    """A bearer token, which goes with every packet."""
    token_file: Path | None
    """A file with the bearer token, read as password_file= is."""
    auth: Literal["any", "basic", "digest", "ntlm", "negotiate", "bearer"] | None
    """The scheme that answers the server's challenge. "any": The strongest that is offered and that this build has: NTLM, Negotiate, Digest, then Basic, which goes to servers over verified TLS only. "basic": Basic. "digest": Digest. "ntlm": NTLM, if this build has it. "negotiate": Negotiate: with the system's Kerberos ticket if no login is set, else with NTLM inside, at servers only. "bearer": A bearer token; not for proxies. Default: any."""
    allow_cleartext_credentials: bool | None
    """Send passwords, tokens and secret headers over plain http too, unencrypted."""
    headers: Headers | None
    """A header for every packet; it replaces one of the same name."""
    secret_headers: Headers | None
    """A header for every packet that is treated like a password: never shown, and not sent over plain http without allow_cleartext_credentials=True."""
    netrc_file: Path | None
    """A .netrc file with the user and the password for the server's host, of user= if that is set. It is read when an upload starts, and again when the server refuses the password."""
    ca_file: Path | None
    """A file of CA certificates (PEM) to trust instead of the system's."""
    insecure: bool | None
    """Do not check the server's certificate. A proxy's is checked always."""
    pinned_public_key: str | None
    """The only public keys that the server may have: sha256//BASE64 as curl writes it, several with ; between them."""
    cert: Path | None
    """A file with the client's certificate: PEM, or PKCS#12 with its key."""
    key: Path | None
    """A file with the private key (PEM) of cert=, if it is not in the same file."""
    key_password: str | None
    """The passphrase of key=."""
    key_password_file: Path | None
    """A file with the passphrase of key=, read when an upload starts."""
    proxy: str | None
    """The proxy: http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT, without a login; empty or none: no proxy. Unset, it is what http_proxy and https_proxy in the environment say."""
    no_proxy: str | Sequence[str] | None
    """Hosts to reach without the proxy, separated by commas; none: all go through it. Unset, it is what no_proxy in the environment says."""
    proxy_user: str | None
    """The user at the proxy; needs a password."""
    proxy_password: str | None
    """The password of proxy_user=."""
    proxy_password_file: Path | None
    """A file with the password of proxy_user=, read when an upload starts."""
    proxy_auth: Literal["any", "basic", "digest", "ntlm", "negotiate", "bearer"] | None
    """The scheme that answers the proxy's challenge; any takes Basic too, since few proxies have TLS of their own. "any": The strongest that is offered and that this build has: NTLM, Negotiate, Digest, then Basic, which goes to servers over verified TLS only. "basic": Basic. "digest": Digest. "ntlm": NTLM, if this build has it. "negotiate": Negotiate: with the system's Kerberos ticket if no login is set, else with NTLM inside, at servers only. "bearer": A bearer token; not for proxies. Default: any."""
    proxy_ca_file: Path | None
    """A file of CA certificates (PEM) to trust instead of the system's, for a proxy reached over https."""
    resolve: Sequence[str] | None
    """Addresses for HOST at PORT that are taken instead of a lookup: HOST:PORT:ADDRESS[,ADDRESS], as with curl."""
    post_override: bool | None
    """Send packets as POST with the header X-HTTP-Method-Override: BITS_POST, for a way on which BITS_POST is blocked. Something at its end must turn them back; IIS does not."""
    connect_timeout: Seconds | None
    """Abort a connection that is not made within this time (name, TCP, TLS). In seconds. Default: 30s."""
    stall_timeout: Seconds | None
    """Abort a packet if no byte of it moves for this time. In seconds. Default: 60s."""
    ack_timeout: Seconds | None
    """Abort a packet that is not answered within this time. In seconds. Default: 5m."""
    last_ack_timeout: Seconds | None
    """Abort the last Fragment, or Close-Session, if it is not answered within this time. In seconds. Default: 15m."""
    max_attempts: int | str | None
    """Give up after this number of tries without progress. Default: unlimited."""
    give_up_after: Seconds | None
    """Give up after this time without progress, once the server has answered; 0: at the first failure. In seconds. Default: 15m."""
    wait_for_server: Seconds | None
    """Wait this long for a server that never answered, and no longer than three tries take; 0: one try. In seconds. Default: 15s."""
    retry_delay: Seconds | None
    """The bound of the second retry's random delay, which doubles up to max_retry_delay=; 0: no delay. In seconds. Default: 1s."""
    max_retry_delay: Seconds | None
    """The longest bound of a retry's delay; 0: no delay. In seconds. Default: 60s."""
    max_time: Seconds | None
    """Abort an upload that takes longer. In seconds. Default: unlimited."""
    max_bytes: Size | None
    """Abort after sending this size, retransmissions included. In bytes. Default: unlimited."""
    fragment_size: Size | None
    """The size of each Fragment; 0 = automatic. In bytes. Default: auto."""
    max_fragment: Size | None
    """The largest Fragment of automatic size. IIS refuses requests above 30,000,000 bytes. In bytes. Default: 28M."""
    min_fragment: Size | None
    """The smallest Fragment that a server's "too large" leads to. In bytes. Default: 5K."""
    polite: bool | None
    """Yield to other traffic (background priority): slow down, to 16 KiB a second at the least, as soon as Acks come later than on a free link."""
    host_id: Literal["same-site", "any", "ignore"] | None
    """Which hosts to accept in BITS-Host-Id. "same-site": Hosts of the URL's registrable domain, and trusted ones. "any": Any host; logins, tokens, cookies and secret headers go to those of the URL's registrable domain and to trusted ones only. "ignore": None: all packets go to the URL's host. Default: same-site."""
    trusted_hosts: Sequence[str] | None
    """A host to accept in BITS-Host-Id, which sees logins, tokens, cookies and secret headers as the URL's host does; .example.com names all below it."""
    if_exists: Literal["try", "skip", "fail"] | None
    """What to do about a file that exists at the destination. "try": Upload, and let the server decide. "skip": Ask first (HEAD), and upload nothing if it exists. "fail": Ask first (HEAD), and fail if it exists. Default: try."""
    verify: Literal["auto", "always", "never"] | None
    """When to compare the size of the file on the server after the upload. "auto": If a part was sent twice to a server that does not check offsets. "always": Always; a server that does not tell is an error. "never": Never. Default: auto."""
    on_lost_ack: Literal["auto", "restart", "resend", "accept"] | None
    """What to do when the Ack of a Fragment or of Close-Session is lost. The server is asked first, with one byte that it has already acknowledged. "auto": Start over in a new session if the server does not prove its offset. "restart": As auto, and start over too if a lost Ack of Close-Session cannot be decided. "resend": Continue where the server says, without proof; the upload is not verified. "accept": As auto, but take an undecided Close-Session as acknowledged. Default: auto."""
    lenient: bool | None
    """Read a 200 without BITS-Received-Content-Range as "all received"."""
    sha256: bool | None
    """Compute the SHA-256 of what is sent, for the receipt."""
    refuse_empty: bool | None
    """Fail if the file is empty."""
    content_name: str | None
    """The Content-Name of the session; the name of the source if unset."""
    reply: Path | None
    """Ask for the server's reply and write it to this file, which is replaced when the reply is complete."""
    reply_memory: Size | None
    """Ask for the server's reply and keep it in memory for the receipt, if it is not larger than this; 0: do not ask. It wins over reply=. In bytes. Default: 0."""
    reply_max_size: Size | None
    """Abort if the reply to a file is larger. In bytes. Default: 1G."""
    reply_optional: bool | None
    """Do not fail if the server sends no reply."""
    fresh: bool | None
    """Discard the interrupted upload and restart."""
    no_resume: bool | None
    """Do not store resume state, also with state_dir=."""
    require_resume: bool | None
    """Fail if resume state cannot be stored."""
    resume_check: Literal["full", "tail"] | None
    """How much of the file to compare before an upload is resumed. "full": All that was acknowledged, while the rest is sent. "tail": The last block. Default: full."""
    note: str | None
    """A text that the resume state keeps for people, such as the command that resumes the upload. It is stored and shown: no secret belongs there."""
    on_credentials: AskForLogin | None
    """A function that is asked for a login: it gets a ``CredentialRequest`` when the server or the proxy wants one, refused the one it got, or a token is about to expire, and answers ``(user, password)``, a ``BearerToken``, or ``None``: see docs/python.md."""
    transcript: Transcript | None
    """A file, which is replaced, or a function that gets one entry at a time on the client's callback thread, for what was asked and answered, without names, secrets or bytes of the file: see docs/transcripts.md."""

//! The numbers of options and of their choices: made from the table of `bitsup`, never edited.

/// The options. A function's parameter for one is an int.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "numbers come in as integers")]
pub enum bitsup_option {
    /// The user at the server, also as DOMAIN\user or user@domain; needs a
    /// password. A text.
    User = 101,
    /// The user's password. Copies in bitsup are overwritten as soon as they
    /// are not needed. A secret.
    Password = 102,
    /// A file with the user's password, at most 64 KiB, without one newline at
    /// its end. It is read when an upload starts, and again when the server
    /// refuses the password. A path.
    PasswordFile = 103,
    /// A bearer token, which goes with every packet. A secret.
    Token = 104,
    /// A file with the bearer token, read as BITSUP_OPTION_PASSWORD_FILE is. A
    /// path.
    TokenFile = 105,
    /// The scheme that answers the server's challenge. A bitsup_auth; default
    /// BITSUP_AUTH_ANY.
    Auth = 106,
    /// Send passwords, tokens and secret headers over plain http too,
    /// unencrypted. 0 or 1; default 0.
    AllowCleartextCredentials = 107,
    /// A header for every packet; it replaces one of the same name. By
    /// bitsup_options_set_header.
    Headers = 108,
    /// A header for every packet that is treated like a password: never shown,
    /// and not sent over plain http without
    /// BITSUP_OPTION_ALLOW_CLEARTEXT_CREDENTIALS. By
    /// bitsup_options_set_secret_header.
    SecretHeaders = 109,
    /// A .netrc file with the user and the password for the server's host, of
    /// BITSUP_OPTION_USER if that is set. It is read when an upload starts,
    /// and again when the server refuses the password. A path.
    NetrcFile = 110,
    /// A file of CA certificates (PEM) to trust instead of the system's. A
    /// path.
    CaFile = 201,
    /// Do not check the server's certificate. A proxy's is checked always. 0
    /// or 1; default 0.
    Insecure = 202,
    /// The only public keys that the server may have: sha256//BASE64 as curl
    /// writes it, several with ; between them. A text.
    PinnedPublicKey = 203,
    /// A file with the client's certificate: PEM, or PKCS#12 with its key. A
    /// path.
    Cert = 204,
    /// A file with the private key (PEM) of BITSUP_OPTION_CERT, if it is not
    /// in the same file. A path.
    Key = 205,
    /// The passphrase of BITSUP_OPTION_KEY. A secret.
    KeyPassword = 206,
    /// A file with the passphrase of BITSUP_OPTION_KEY, read when an upload
    /// starts. A path.
    KeyPasswordFile = 207,
    /// The proxy: http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT,
    /// without a login; empty or none: no proxy. Unset, it is what http_proxy
    /// and https_proxy in the environment say. A text.
    Proxy = 301,
    /// Hosts to reach without the proxy, separated by commas; none: all go
    /// through it. Unset, it is what no_proxy in the environment says. A text.
    NoProxy = 302,
    /// The user at the proxy; needs a password. A text.
    ProxyUser = 303,
    /// The password of BITSUP_OPTION_PROXY_USER. A secret.
    ProxyPassword = 304,
    /// A file with the password of BITSUP_OPTION_PROXY_USER, read when an
    /// upload starts. A path.
    ProxyPasswordFile = 305,
    /// The scheme that answers the proxy's challenge; any takes Basic too,
    /// since few proxies have TLS of their own. A bitsup_auth; default
    /// BITSUP_AUTH_ANY.
    ProxyAuth = 306,
    /// A file of CA certificates (PEM) to trust instead of the system's, for a
    /// proxy reached over https. A path.
    ProxyCaFile = 307,
    /// Addresses for HOST at PORT that are taken instead of a lookup:
    /// HOST:PORT:ADDRESS[,ADDRESS], as with curl. A list of texts.
    Resolve = 308,
    /// Send packets as POST with the header X-HTTP-Method-Override: BITS_POST,
    /// for a way on which BITS_POST is blocked. Something at its end must turn
    /// them back; IIS does not. 0 or 1; default 0.
    PostOverride = 309,
    /// The User-Agent of all requests; bitsup/VERSION if unset. A text. Of the
    /// client.
    UserAgent = 310,
    /// Abort a connection that is not made within this time (name, TCP, TLS).
    /// In milliseconds, at least 1; default 30000 (30s).
    ConnectTimeout = 401,
    /// Abort a packet if no byte of it moves for this time. In milliseconds,
    /// at least 1; default 60000 (60s).
    StallTimeout = 402,
    /// Abort a packet that is not answered within this time. In milliseconds,
    /// at least 1; default 300000 (5m).
    AckTimeout = 403,
    /// Abort the last Fragment, or Close-Session, if it is not answered within
    /// this time. In milliseconds, at least 1; default 900000 (15m).
    LastAckTimeout = 404,
    /// Give up after this number of tries without progress. A number, at least
    /// 1, or BITSUP_UNLIMITED, which is the default.
    MaxAttempts = 501,
    /// Give up after this time without progress, once the server has answered;
    /// 0: at the first failure. In milliseconds; default 900000 (15m).
    GiveUpAfter = 502,
    /// Wait this long for a server that never answered, and no longer than
    /// three tries take; 0: one try. In milliseconds; default 15000 (15s).
    WaitForServer = 503,
    /// The bound of the second retry's random delay, which doubles up to
    /// BITSUP_OPTION_MAX_RETRY_DELAY; 0: no delay. In milliseconds; default
    /// 1000 (1s).
    RetryDelay = 504,
    /// The longest bound of a retry's delay; 0: no delay. In milliseconds;
    /// default 60000 (60s).
    MaxRetryDelay = 505,
    /// Abort an upload that takes longer. In milliseconds, at least 1, or
    /// BITSUP_UNLIMITED, which is the default.
    MaxTime = 506,
    /// Abort after sending this size, retransmissions included. In bytes, at
    /// least 1, or BITSUP_UNLIMITED, which is the default.
    MaxBytes = 507,
    /// The size of each Fragment; 0 = automatic. In bytes; default 0.
    FragmentSize = 601,
    /// The largest Fragment of automatic size. IIS refuses requests above
    /// 30,000,000 bytes. In bytes, at least 1; default 29360128 (28M).
    MaxFragment = 602,
    /// The smallest Fragment that a server's "too large" leads to. In bytes,
    /// at least 1; default 5120 (5K).
    MinFragment = 603,
    /// Yield to other traffic (background priority): slow down, to 16 KiB a
    /// second at the least, as soon as Acks come later than on a free link. 0
    /// or 1; default 0.
    Polite = 604,
    /// The bytes a second of all uploads of the client together, or a
    /// timetable of them by the local time: "08:00-18:00=1M 18:00-08:00=off".
    /// In bytes a second, or a text, at least 1, or BITSUP_UNLIMITED, which is
    /// the default. Of the client.
    LimitRate = 605,
    /// How many uploads to one host hold a session at a time; the others wait
    /// for a free slot. IIS deletes the newest of more than 50 sessions a
    /// user. 0 = automatic: 2, doubled up to 8 while uploads wait longer for
    /// answers than they send. A number; default 16. Of the client.
    UploadsPerHost = 606,
    /// Which hosts to accept in BITS-Host-Id. A bitsup_host_id; default
    /// BITSUP_HOST_ID_SAME_SITE.
    HostId = 701,
    /// A host to accept in BITS-Host-Id, which sees logins, tokens, cookies
    /// and secret headers as the URL's host does; .example.com names all below
    /// it. A list of texts.
    TrustedHosts = 702,
    /// What to do about a file that exists at the destination. A
    /// bitsup_if_exists; default BITSUP_IF_EXISTS_TRY.
    IfExists = 703,
    /// When to compare the size of the file on the server after the upload. A
    /// bitsup_verify; default BITSUP_VERIFY_AUTO.
    Verify = 704,
    /// What to do when the Ack of a Fragment or of Close-Session is lost. The
    /// server is asked first, with one byte that it has already acknowledged.
    /// A bitsup_on_lost_ack; default BITSUP_ON_LOST_ACK_AUTO.
    OnLostAck = 705,
    /// Read a 200 without BITS-Received-Content-Range as "all received". 0 or
    /// 1; default 0.
    Lenient = 706,
    /// Compute the SHA-256 of what is sent, for the receipt. 0 or 1; default
    /// 0.
    Sha256 = 707,
    /// Fail if the file is empty. 0 or 1; default 0.
    RefuseEmpty = 708,
    /// The Content-Name of the session; the name of the source if unset. A
    /// text. Of uploads.
    ContentName = 709,
    /// Ask for the server's reply and write it to this file, which is replaced
    /// when the reply is complete. A path. Of uploads.
    Reply = 801,
    /// Ask for the server's reply and keep it in memory for the receipt, if it
    /// is not larger than this; 0: do not ask. It wins over
    /// BITSUP_OPTION_REPLY. In bytes; default 0.
    ReplyMemory = 802,
    /// Abort if the reply to a file is larger. In bytes, at least 1; default
    /// 1073741824 (1G).
    ReplyMaxSize = 803,
    /// Do not fail if the server sends no reply. 0 or 1; default 0.
    ReplyOptional = 804,
    /// The folder for resume state, made when it is needed: starting an upload
    /// again resumes it. None or unset: no resume state is stored. A path. Of
    /// the client.
    StateDir = 901,
    /// Discard the interrupted upload and restart. 0 or 1; default 0.
    Fresh = 902,
    /// Do not store resume state, also with BITSUP_OPTION_STATE_DIR. 0 or 1;
    /// default 0.
    NoResume = 903,
    /// Fail if resume state cannot be stored. 0 or 1; default 0.
    RequireResume = 904,
    /// How much of the file to compare before an upload is resumed. A
    /// bitsup_resume_check; default BITSUP_RESUME_CHECK_FULL.
    ResumeCheck = 905,
    /// A text that the resume state keeps for people, such as the command that
    /// resumes the upload. It is stored and shown: no secret belongs there. A
    /// text.
    Note = 906,
    /// Run callbacks only where the program dispatches, instead of on a thread
    /// of the client. 0 or 1; default 0. Of the client.
    Dispatch = 1001,
}

/// The scheme that answers a challenge.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "numbers come in as integers")]
pub enum bitsup_auth {
    /// The strongest that is offered and that this build has: NTLM, Negotiate,
    /// Digest, then Basic, which goes to servers over verified TLS only.
    Any = 2001,
    /// Basic.
    Basic = 2002,
    /// Digest.
    Digest = 2003,
    /// NTLM, if this build has it.
    Ntlm = 2004,
    /// Negotiate: with the system's Kerberos ticket if no login is set, else
    /// with NTLM inside, at servers only.
    Negotiate = 2005,
    /// A bearer token; not for proxies.
    Bearer = 2006,
}

/// The hosts to accept in BITS-Host-Id.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "numbers come in as integers")]
pub enum bitsup_host_id {
    /// Hosts of the URL's registrable domain, and trusted ones.
    SameSite = 2101,
    /// Any host; logins, tokens, cookies and secret headers go to those of the
    /// URL's registrable domain and to trusted ones only.
    Any = 2102,
    /// None: all packets go to the URL's host.
    Ignore = 2103,
}

/// What to do about a file that exists at the destination.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "numbers come in as integers")]
pub enum bitsup_if_exists {
    /// Upload, and let the server decide.
    Try = 2201,
    /// Ask first (HEAD), and upload nothing if it exists.
    Skip = 2202,
    /// Ask first (HEAD), and fail if it exists.
    Fail = 2203,
}

/// When to compare the size of the file on the server.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "numbers come in as integers")]
pub enum bitsup_verify {
    /// If a part was sent twice to a server that does not check offsets.
    Auto = 2301,
    /// Always; a server that does not tell is an error.
    Always = 2302,
    /// Never.
    Never = 2303,
}

/// What to do when an Ack is lost.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "numbers come in as integers")]
pub enum bitsup_on_lost_ack {
    /// Start over in a new session if the server does not prove its offset.
    Auto = 2401,
    /// As auto, and start over too if a lost Ack of Close-Session cannot be
    /// decided.
    Restart = 2402,
    /// Continue where the server says, without proof; the upload is not
    /// verified.
    Resend = 2403,
    /// As auto, but take an undecided Close-Session as acknowledged.
    Accept = 2404,
}

/// How much of the file to compare before an upload is resumed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "numbers come in as integers")]
pub enum bitsup_resume_check {
    /// All that was acknowledged, while the rest is sent.
    Full = 2501,
    /// The last block.
    Tail = 2502,
}

/* bitsup.h: uploads files with the BITS Upload Protocol (BITS_POST).
 *
 * Generated from src/bitsup-capi; never edited.
 *
 * CONVENTIONS
 *
 * Ownership. A function that gives a pointer to bitsup_options, bitsup_client,
 *   bitsup_upload, bitsup_session, bitsup_journal, bitsup_token, bitsup_report
 *   or bitsup_error gives the object too, and the caller ends it with its
 *   _free function, once, as its last use on any thread; what a callback or
 *   bitsup_client_next_ended shows stays with its owner. Text in a const
 *   char * result belongs to the library: it lives as long as the object it
 *   comes from, or for ever where its function says that it is static.
 *   Objects may be freed in any order. A pointer to an object of another type
 *   gives BITSUP_STATUS_INVALID_ARGUMENT, and the error says which it is.
 *
 * Options. One bitsup_options holds any of the options, for a client or for
 *   uploads; a call that takes it takes a copy. An option is unset, set to
 *   none, or set. What an upload has set wins over what its client has set,
 *   and that over the default; lists are replaced as a whole. A setter refuses
 *   what can never work, and keeps the error until the option is set or reset:
 *   bitsup_client_new and the calls that start report the first one, so that
 *   a program may look there only.
 *
 * NULL. Every _free takes NULL and does nothing. Where NULL is allowed, the
 *   function says so; elsewhere it gives BITSUP_STATUS_INVALID_ARGUMENT, or
 *   the empty value named there.
 *
 * Text is UTF-8 and ends with a zero byte. It is copied during the call. The
 *   _bytes variants take a pointer and a length, for paths in any encoding.
 *
 * Units. Sizes are bytes, durations milliseconds (names end in _ms, or the
 *   option says so), points in time seconds since 1970.
 *
 * Errors. A function that can fail returns bitsup_status and takes a
 *   bitsup_error **, which may be NULL. What it points to need not be
 *   initialised: it is NULL after BITSUP_STATUS_OK and BITSUP_STATUS_PENDING,
 *   and otherwise an error that the caller frees.
 *
 * Statuses. Each function that returns one ends with a list of those that it
 *   can give, without BITSUP_STATUS_. Besides those, each can give PANIC and
 *   INTERNAL, which are faults of the library.
 *
 * What is written on failure. A pointer to a new object is set to NULL;
 *   other results are left as they were.
 *
 * Structures of the caller begin with struct_size: set it to the structure's
 *   sizeof before the call. Where header and library differ in age, the part
 *   that both know is read or written, and struct_size tells how much of a
 *   result was written.
 *
 * Enumerations come out as such. Where one goes in, the parameter is an int,
 *   and out-of-range values are rejected. Booleans are int, in and out: 0 is
 *   false, which every language reads alike.
 *
 * Threads. Every object can be used from any thread, and from several at a
 *   time. Only bitsup_upload_wait, bitsup_upload_file, bitsup_ping,
 *   bitsup_doctor, bitsup_journal_cancel and the bitsup_session functions
 *   wait for the network. The library's threads block the signals that are
 *   meant for a process, SIGPIPE included; a thread's own faults and the
 *   signals that language runtimes suspend threads with are left alone.
 *
 * Callbacks run on a thread of the client, one at a time, or inside
 *   bitsup_client_dispatch, if the client was made so. A read_at callback
 *   always runs on a thread of the client. A callback must return: it must
 *   not throw a C++ exception, longjmp or end its thread. It is shown its
 *   upload, and may use any function on it but bitsup_upload_wait, also
 *   bitsup_upload_free. A credential callback
 *   cannot wait for any upload of its client; in the calls that send packets
 *   themselves it runs on the thread that called. No callback runs after the
 *   _free of its upload, session or client returned, and userdata is not used
 *   then. What a callback is shown lives until it returns. A destroy callback
 *   runs once, in the call that frees the last object that has the userdata.
 *
 * To end an upload:
 *
 *               what is sent        session on the server       state
 *   _suspend    the request ends    stays, _resume goes on      suspended
 *   _stop       nothing more        stays, and can be resumed   cancelled
 *   _cancel     nothing more        is deleted                  cancelled
 *   _free       nothing more        stays if the client has a   none: the
 *                                   state directory, else is    handle is gone
 *                                   deleted
 *
 *   All four return at once. The server may be told after that, for a client's
 *   end at most two seconds.
 *
 * Fork. A child process cannot use objects made before the fork (errors
 *   excepted): it gets BITSUP_STATUS_INVALID_ARGUMENT, and _free does nothing
 *   there. It can make new ones.
 *
 * Faults of the library are caught, and give BITSUP_STATUS_PANIC. The object
 *   of that call is then refused and can only be freed.
 *
 * Language. The header is for C99 and C++11 and newer: C89 and C++98 have no
 *   <stdint.h> and no integers of 64 bits.
 *
 * ABI. What is declared here stays until the number in the library's file
 *   name (libbitsup.so.0) changes: see docs/abi.md.
 */

#ifndef BITSUP_H
#define BITSUP_H

#include <stddef.h>
#include <stdint.h>

/** The version of this header; compare bitsup_version. */
#define BITSUP_VERSION "0.1.0"
/** The same as a number; compare bitsup_version_number. */
#define BITSUP_VERSION_NUMBER (0 * 65536 + 1 * 256 + 0)

/** No limit, for options that have that. */
#define BITSUP_UNLIMITED INT64_MAX
/** What bitsup_client_event_fd gives where there is nothing to poll. */
#define BITSUP_EVENT_SOURCE_NONE ((bitsup_event_source)-1)

/* Before every function. With the static library on Windows, define
   BITSUP_STATIC. */
#if !defined(BITSUP_API)
#if defined(_WIN32) && !defined(BITSUP_STATIC)
#define BITSUP_API __declspec(dllimport)
#else
#define BITSUP_API
#endif
#endif

/* Before functions that give an object or an upload's outcome. A program that
   wants no warnings there defines BITSUP_NO_NODISCARD. */
#if !defined(BITSUP_NODISCARD)
#if defined(BITSUP_NO_NODISCARD)
#define BITSUP_NODISCARD
#elif defined(__cplusplus) && __cplusplus >= 201703L
#define BITSUP_NODISCARD [[nodiscard]]
#elif defined(__GNUC__)
#define BITSUP_NODISCARD __attribute__((warn_unused_result))
#else
#define BITSUP_NODISCARD
#endif
#endif

/**
 * There is TLS, so that https works.
 */
#define BITSUP_FEATURE_TLS 1

/**
 * libcurl and the TLS library are part of this library instead of being the
 * system's.
 */
#define BITSUP_FEATURE_BUNDLED 2

/**
 * Servers can be answered with NTLM.
 */
#define BITSUP_FEATURE_NTLM 4

/**
 * Servers can be answered with Negotiate with a password, which is NTLM
 * inside.
 */
#define BITSUP_FEATURE_NEGOTIATE 8

/**
 * Servers can be answered with a Kerberos ticket of the system: it has the
 * library that reads them.
 */
#define BITSUP_FEATURE_KERBEROS 16

/**
 * Such logins are bound to the server's certificate over https (channel
 * binding, Extended Protection).
 */
#define BITSUP_FEATURE_CHANNEL_BINDING 32

/**
 * What became of a call. Numbers never change their meaning; a program built
 * today may see numbers above those it knows, and treats them like
 * BITSUP_STATUS_INTERNAL.
 */
typedef enum {
  /**
   * Done.
   */
  BITSUP_STATUS_OK = 0,
  /**
   * Not done yet: the upload still runs, or more events wait. No error is set.
   */
  BITSUP_STATUS_PENDING = 1,
  /**
   * A fault inside bitsup was caught. The handle can only be freed.
   */
  BITSUP_STATUS_PANIC = 2,
  /**
   * An argument cannot be used.
   */
  BITSUP_STATUS_INVALID_ARGUMENT = 3,
  /**
   * The source cannot be read.
   */
  BITSUP_STATUS_LOCAL_FILE = 4,
  /**
   * The source is not what it was when the upload began.
   */
  BITSUP_STATUS_SOURCE_CHANGED = 5,
  /**
   * Another process or upload holds the session.
   */
  BITSUP_STATUS_SESSION_IN_USE = 6,
  /**
   * The server requires credentials, or refused those it got.
   */
  BITSUP_STATUS_AUTH = 7,
  /**
   * The proxy requires credentials, or refused those it got.
   */
  BITSUP_STATUS_PROXY_AUTH = 8,
  /**
   * The TLS connection could not be made as it must be.
   */
  BITSUP_STATUS_TLS = 9,
  /**
   * The server cannot be reached, or the connection is lost again and again.
   */
  BITSUP_STATUS_NETWORK = 10,
  /**
   * A limit of time passed: no answer, no byte, or the server kept answering
   * "later".
   */
  BITSUP_STATUS_TIMEOUT = 11,
  /**
   * The server understood and said no.
   */
  BITSUP_STATUS_REFUSED = 12,
  /**
   * The server names another host that is not trusted.
   */
  BITSUP_STATUS_HOST_ID_UNTRUSTED = 13,
  /**
   * The answer is none that the protocol allows.
   */
  BITSUP_STATUS_PROTOCOL = 14,
  /**
   * All was sent, and the file on the server is not proven to be right.
   */
  BITSUP_STATUS_VERIFY_FAILED = 15,
  /**
   * A limit that the caller set was reached.
   */
  BITSUP_STATUS_LIMIT_REACHED = 16,
  /**
   * The upload was cancelled.
   */
  BITSUP_STATUS_CANCELLED = 17,
  /**
   * This build or this server lacks what was asked for.
   */
  BITSUP_STATUS_UNSUPPORTED = 18,
  /**
   * A fault of bitsup.
   */
  BITSUP_STATUS_INTERNAL = 19,
} bitsup_status;

/**
 * Where an upload stands.
 */
typedef enum {
  /**
   * Waits for its turn, without a session and with no clock running.
   */
  BITSUP_STATE_QUEUED = 0,
  /**
   * Connects and opens a session, or asks whether the server answers.
   */
  BITSUP_STATE_CONNECTING = 1,
  /**
   * Shows its credentials.
   */
  BITSUP_STATE_AUTHENTICATING = 2,
  /**
   * Sends a part of the file.
   */
  BITSUP_STATE_SENDING = 3,
  /**
   * Has sent a part and waits for the answer.
   */
  BITSUP_STATE_WAITING_ACK = 4,
  /**
   * Waits for the next try.
   */
  BITSUP_STATE_WAITING_RETRY = 5,
  /**
   * Paused.
   */
  BITSUP_STATE_SUSPENDED = 6,
  /**
   * Compares the source with what was sent before, or asks what the server
   * has.
   */
  BITSUP_STATE_CHECKING = 7,
  /**
   * Fetches the reply.
   */
  BITSUP_STATE_REPLY = 8,
  /**
   * Closes or cancels the session.
   */
  BITSUP_STATE_CLOSING = 9,
  /**
   * Complete; nothing more happens.
   */
  BITSUP_STATE_DONE = 10,
  /**
   * Given up; nothing more happens.
   */
  BITSUP_STATE_FAILED = 11,
  /**
   * Cancelled; nothing more happens.
   */
  BITSUP_STATE_CANCELLED = 12,
} bitsup_state;

/**
 * Why a login is wanted.
 */
typedef enum {
  /**
   * There is none, or none that can answer what is offered.
   */
  BITSUP_CREDENTIAL_REASON_MISSING = 0,
  /**
   * The login that was used so far was refused. No upload of the client
   * sends it there again.
   */
  BITSUP_CREDENTIAL_REASON_REFUSED = 1,
  /**
   * Nothing was refused; the token that was used so far is about to expire.
   */
  BITSUP_CREDENTIAL_REASON_EXPIRING = 2,
} bitsup_credential_reason;

/**
 * How much a line of the log matters.
 */
typedef enum {
  /**
   * An upload has failed.
   */
  BITSUP_LOG_LEVEL_ERROR = 1,
  /**
   * Something went wrong and is tried again.
   */
  BITSUP_LOG_LEVEL_WARNING = 2,
  /**
   * Something worth telling.
   */
  BITSUP_LOG_LEVEL_INFO = 3,
  /**
   * Every packet and its answer.
   */
  BITSUP_LOG_LEVEL_DEBUG = 4,
} bitsup_log_level;

/**
 * What values an option takes, and by which function.
 */
typedef enum {
  /**
   * Text in UTF-8: bitsup_options_set_text, for a list _add_text.
   */
  BITSUP_OPTION_KIND_TEXT = 1,
  /**
   * A path: bitsup_options_set_text or _set_bytes.
   */
  BITSUP_OPTION_KIND_PATH = 2,
  /**
   * A password, token or passphrase: bitsup_options_set_text or _set_bytes.
   */
  BITSUP_OPTION_KIND_SECRET = 3,
  /**
   * Bytes: bitsup_options_set_number, as with those below.
   */
  BITSUP_OPTION_KIND_SIZE = 4,
  /**
   * Milliseconds.
   */
  BITSUP_OPTION_KIND_DURATION = 5,
  /**
   * A number of something.
   */
  BITSUP_OPTION_KIND_COUNT = 6,
  /**
   * 0 or 1.
   */
  BITSUP_OPTION_KIND_FLAG = 7,
  /**
   * One of the constants of an enumeration.
   */
  BITSUP_OPTION_KIND_CHOICE = 8,
  /**
   * A header: bitsup_options_set_header or _set_secret_header.
   */
  BITSUP_OPTION_KIND_HEADER = 9,
  /**
   * Bytes a second: bitsup_options_set_number, or a timetable:
   * bitsup_options_set_text.
   */
  BITSUP_OPTION_KIND_RATE = 10,
} bitsup_option_kind;

/**
 * Where an option has a meaning.
 */
typedef enum {
  /**
   * In bitsup_client_new only.
   */
  BITSUP_OPTION_SCOPE_CLIENT = 1,
  /**
   * In calls that start uploads or send packets only.
   */
  BITSUP_OPTION_SCOPE_UPLOAD = 2,
  /**
   * In both: what a client has is the default of its uploads.
   */
  BITSUP_OPTION_SCOPE_BOTH = 3,
} bitsup_option_scope;

/**
 * The options. A function's parameter for one is an int.
 */
typedef enum {
  /**
   * The user at the server, also as DOMAIN\user or user@domain; needs a
   * password. A text.
   */
  BITSUP_OPTION_USER = 101,
  /**
   * The user's password. Copies in bitsup are overwritten as soon as they
   * are not needed. A secret.
   */
  BITSUP_OPTION_PASSWORD = 102,
  /**
   * A file with the user's password, at most 64 KiB, without one newline at
   * its end. It is read when an upload starts, and again when the server
   * refuses the password. A path.
   */
  BITSUP_OPTION_PASSWORD_FILE = 103,
  /**
   * A bearer token, which goes with every packet. A secret.
   */
  BITSUP_OPTION_TOKEN = 104,
  /**
   * A file with the bearer token, read as BITSUP_OPTION_PASSWORD_FILE is. A
   * path.
   */
  BITSUP_OPTION_TOKEN_FILE = 105,
  /**
   * The scheme that answers the server's challenge. A bitsup_auth; default
   * BITSUP_AUTH_ANY.
   */
  BITSUP_OPTION_AUTH = 106,
  /**
   * Send passwords, tokens and secret headers over plain http too,
   * unencrypted. 0 or 1; default 0.
   */
  BITSUP_OPTION_ALLOW_CLEARTEXT_CREDENTIALS = 107,
  /**
   * A header for every packet; it replaces one of the same name. By
   * bitsup_options_set_header.
   */
  BITSUP_OPTION_HEADERS = 108,
  /**
   * A header for every packet that is treated like a password: never shown,
   * and not sent over plain http without
   * BITSUP_OPTION_ALLOW_CLEARTEXT_CREDENTIALS. By
   * bitsup_options_set_secret_header.
   */
  BITSUP_OPTION_SECRET_HEADERS = 109,
  /**
   * A .netrc file with the user and the password for the server's host, of
   * BITSUP_OPTION_USER if that is set. It is read when an upload starts,
   * and again when the server refuses the password. A path.
   */
  BITSUP_OPTION_NETRC_FILE = 110,
  /**
   * A file of CA certificates (PEM) to trust instead of the system's. A
   * path.
   */
  BITSUP_OPTION_CA_FILE = 201,
  /**
   * Do not check the server's certificate. A proxy's is checked always. 0
   * or 1; default 0.
   */
  BITSUP_OPTION_INSECURE = 202,
  /**
   * The only public keys that the server may have: sha256//BASE64 as curl
   * writes it, several with ; between them. A text.
   */
  BITSUP_OPTION_PINNED_PUBLIC_KEY = 203,
  /**
   * A file with the client's certificate: PEM, or PKCS#12 with its key. A
   * path.
   */
  BITSUP_OPTION_CERT = 204,
  /**
   * A file with the private key (PEM) of BITSUP_OPTION_CERT, if it is not
   * in the same file. A path.
   */
  BITSUP_OPTION_KEY = 205,
  /**
   * The passphrase of BITSUP_OPTION_KEY. A secret.
   */
  BITSUP_OPTION_KEY_PASSWORD = 206,
  /**
   * A file with the passphrase of BITSUP_OPTION_KEY, read when an upload
   * starts. A path.
   */
  BITSUP_OPTION_KEY_PASSWORD_FILE = 207,
  /**
   * The proxy: http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT,
   * without a login; empty or none: no proxy. Unset, it is what http_proxy
   * and https_proxy in the environment say. A text.
   */
  BITSUP_OPTION_PROXY = 301,
  /**
   * Hosts to reach without the proxy, separated by commas; none: all go
   * through it. Unset, it is what no_proxy in the environment says. A text.
   */
  BITSUP_OPTION_NO_PROXY = 302,
  /**
   * The user at the proxy; needs a password. A text.
   */
  BITSUP_OPTION_PROXY_USER = 303,
  /**
   * The password of BITSUP_OPTION_PROXY_USER. A secret.
   */
  BITSUP_OPTION_PROXY_PASSWORD = 304,
  /**
   * A file with the password of BITSUP_OPTION_PROXY_USER, read when an
   * upload starts. A path.
   */
  BITSUP_OPTION_PROXY_PASSWORD_FILE = 305,
  /**
   * The scheme that answers the proxy's challenge; any takes Basic too,
   * since few proxies have TLS of their own. A bitsup_auth; default
   * BITSUP_AUTH_ANY.
   */
  BITSUP_OPTION_PROXY_AUTH = 306,
  /**
   * A file of CA certificates (PEM) to trust instead of the system's, for a
   * proxy reached over https. A path.
   */
  BITSUP_OPTION_PROXY_CA_FILE = 307,
  /**
   * Addresses for HOST at PORT that are taken instead of a lookup:
   * HOST:PORT:ADDRESS[,ADDRESS], as with curl. A list of texts.
   */
  BITSUP_OPTION_RESOLVE = 308,
  /**
   * Send packets as POST with the header X-HTTP-Method-Override: BITS_POST,
   * for a way on which BITS_POST is blocked. Something at its end must turn
   * them back; IIS does not. 0 or 1; default 0.
   */
  BITSUP_OPTION_POST_OVERRIDE = 309,
  /**
   * The User-Agent of all requests; bitsup/VERSION if unset. A text. Of the
   * client.
   */
  BITSUP_OPTION_USER_AGENT = 310,
  /**
   * Abort a connection that is not made within this time (name, TCP, TLS).
   * In milliseconds, at least 1; default 30000 (30s).
   */
  BITSUP_OPTION_CONNECT_TIMEOUT = 401,
  /**
   * Abort a packet if no byte of it moves for this time. In milliseconds,
   * at least 1; default 60000 (60s).
   */
  BITSUP_OPTION_STALL_TIMEOUT = 402,
  /**
   * Abort a packet that is not answered within this time. In milliseconds,
   * at least 1; default 300000 (5m).
   */
  BITSUP_OPTION_ACK_TIMEOUT = 403,
  /**
   * Abort the last Fragment, or Close-Session, if it is not answered within
   * this time. In milliseconds, at least 1; default 900000 (15m).
   */
  BITSUP_OPTION_LAST_ACK_TIMEOUT = 404,
  /**
   * Give up after this number of tries without progress. A number, at least
   * 1, or BITSUP_UNLIMITED, which is the default.
   */
  BITSUP_OPTION_MAX_ATTEMPTS = 501,
  /**
   * Give up after this time without progress, once the server has answered;
   * 0: at the first failure. In milliseconds; default 900000 (15m).
   */
  BITSUP_OPTION_GIVE_UP_AFTER = 502,
  /**
   * Wait this long for a server that never answered, and no longer than
   * three tries take; 0: one try. In milliseconds; default 15000 (15s).
   */
  BITSUP_OPTION_WAIT_FOR_SERVER = 503,
  /**
   * The bound of the second retry's random delay, which doubles up to
   * BITSUP_OPTION_MAX_RETRY_DELAY; 0: no delay. In milliseconds; default
   * 1000 (1s).
   */
  BITSUP_OPTION_RETRY_DELAY = 504,
  /**
   * The longest bound of a retry's delay; 0: no delay. In milliseconds;
   * default 60000 (60s).
   */
  BITSUP_OPTION_MAX_RETRY_DELAY = 505,
  /**
   * Abort an upload that takes longer. In milliseconds, at least 1, or
   * BITSUP_UNLIMITED, which is the default.
   */
  BITSUP_OPTION_MAX_TIME = 506,
  /**
   * Abort after sending this size, retransmissions included. In bytes, at
   * least 1, or BITSUP_UNLIMITED, which is the default.
   */
  BITSUP_OPTION_MAX_BYTES = 507,
  /**
   * The size of each Fragment; 0 = automatic. In bytes; default 0.
   */
  BITSUP_OPTION_FRAGMENT_SIZE = 601,
  /**
   * The largest Fragment of automatic size. IIS refuses requests above
   * 30,000,000 bytes. In bytes, at least 1; default 29360128 (28M).
   */
  BITSUP_OPTION_MAX_FRAGMENT = 602,
  /**
   * The smallest Fragment that a server's "too large" leads to. In bytes,
   * at least 1; default 5120 (5K).
   */
  BITSUP_OPTION_MIN_FRAGMENT = 603,
  /**
   * Yield to other traffic (background priority): slow down, to 16 KiB a
   * second at the least, as soon as Acks come later than on a free link. 0
   * or 1; default 0.
   */
  BITSUP_OPTION_POLITE = 604,
  /**
   * The bytes a second of all uploads of the client together, or a
   * timetable of them by the local time: "08:00-18:00=1M 18:00-08:00=off".
   * In bytes a second, or a text, at least 1, or BITSUP_UNLIMITED, which is
   * the default. Of the client.
   */
  BITSUP_OPTION_LIMIT_RATE = 605,
  /**
   * How many uploads to one host hold a session at a time; the others wait
   * for a free slot. IIS deletes the newest of more than 50 sessions a
   * user. 0 = automatic: 2, doubled up to 8 while uploads wait longer for
   * answers than they send. A number; default 16. Of the client.
   */
  BITSUP_OPTION_UPLOADS_PER_HOST = 606,
  /**
   * Which hosts to accept in BITS-Host-Id. A bitsup_host_id; default
   * BITSUP_HOST_ID_SAME_SITE.
   */
  BITSUP_OPTION_HOST_ID = 701,
  /**
   * A host to accept in BITS-Host-Id, which sees logins, tokens, cookies
   * and secret headers as the URL's host does; .example.com names all below
   * it. A list of texts.
   */
  BITSUP_OPTION_TRUSTED_HOSTS = 702,
  /**
   * What to do about a file that exists at the destination. A
   * bitsup_if_exists; default BITSUP_IF_EXISTS_TRY.
   */
  BITSUP_OPTION_IF_EXISTS = 703,
  /**
   * When to compare the size of the file on the server after the upload. A
   * bitsup_verify; default BITSUP_VERIFY_AUTO.
   */
  BITSUP_OPTION_VERIFY = 704,
  /**
   * What to do when the Ack of a Fragment or of Close-Session is lost. The
   * server is asked first, with one byte that it has already acknowledged.
   * A bitsup_on_lost_ack; default BITSUP_ON_LOST_ACK_AUTO.
   */
  BITSUP_OPTION_ON_LOST_ACK = 705,
  /**
   * Read a 200 without BITS-Received-Content-Range as "all received". 0 or
   * 1; default 0.
   */
  BITSUP_OPTION_LENIENT = 706,
  /**
   * Compute the SHA-256 of what is sent, for the receipt. 0 or 1; default
   * 0.
   */
  BITSUP_OPTION_SHA256 = 707,
  /**
   * Fail if the file is empty. 0 or 1; default 0.
   */
  BITSUP_OPTION_REFUSE_EMPTY = 708,
  /**
   * The Content-Name of the session; the name of the source if unset. A
   * text. Of uploads.
   */
  BITSUP_OPTION_CONTENT_NAME = 709,
  /**
   * Ask for the server's reply and write it to this file, which is replaced
   * when the reply is complete. A path. Of uploads.
   */
  BITSUP_OPTION_REPLY = 801,
  /**
   * Ask for the server's reply and keep it in memory for the receipt, if it
   * is not larger than this; 0: do not ask. It wins over
   * BITSUP_OPTION_REPLY. In bytes; default 0.
   */
  BITSUP_OPTION_REPLY_MEMORY = 802,
  /**
   * Abort if the reply to a file is larger. In bytes, at least 1; default
   * 1073741824 (1G).
   */
  BITSUP_OPTION_REPLY_MAX_SIZE = 803,
  /**
   * Do not fail if the server sends no reply. 0 or 1; default 0.
   */
  BITSUP_OPTION_REPLY_OPTIONAL = 804,
  /**
   * The folder for resume state, made when it is needed: starting an upload
   * again resumes it. None or unset: no resume state is stored. A path. Of
   * the client.
   */
  BITSUP_OPTION_STATE_DIR = 901,
  /**
   * Discard the interrupted upload and restart. 0 or 1; default 0.
   */
  BITSUP_OPTION_FRESH = 902,
  /**
   * Do not store resume state, also with BITSUP_OPTION_STATE_DIR. 0 or 1;
   * default 0.
   */
  BITSUP_OPTION_NO_RESUME = 903,
  /**
   * Fail if resume state cannot be stored. 0 or 1; default 0.
   */
  BITSUP_OPTION_REQUIRE_RESUME = 904,
  /**
   * How much of the file to compare before an upload is resumed. A
   * bitsup_resume_check; default BITSUP_RESUME_CHECK_FULL.
   */
  BITSUP_OPTION_RESUME_CHECK = 905,
  /**
   * A text that the resume state keeps for people, such as the command that
   * resumes the upload. It is stored and shown: no secret belongs there. A
   * text.
   */
  BITSUP_OPTION_NOTE = 906,
  /**
   * Run callbacks only where the program dispatches, instead of on a thread
   * of the client. 0 or 1; default 0. Of the client.
   */
  BITSUP_OPTION_DISPATCH = 1001,
} bitsup_option;

/**
 * The scheme that answers a challenge.
 */
typedef enum {
  /**
   * The strongest that is offered and that this build has: NTLM, Negotiate,
   * Digest, then Basic, which goes to servers over verified TLS only.
   */
  BITSUP_AUTH_ANY = 2001,
  /**
   * Basic.
   */
  BITSUP_AUTH_BASIC = 2002,
  /**
   * Digest.
   */
  BITSUP_AUTH_DIGEST = 2003,
  /**
   * NTLM, if this build has it.
   */
  BITSUP_AUTH_NTLM = 2004,
  /**
   * Negotiate: with the system's Kerberos ticket if no login is set, else
   * with NTLM inside, at servers only.
   */
  BITSUP_AUTH_NEGOTIATE = 2005,
  /**
   * A bearer token; not for proxies.
   */
  BITSUP_AUTH_BEARER = 2006,
} bitsup_auth;

/**
 * What to do about a file that exists at the destination.
 */
typedef enum {
  /**
   * Upload, and let the server decide.
   */
  BITSUP_IF_EXISTS_TRY = 2201,
  /**
   * Ask first (HEAD), and upload nothing if it exists.
   */
  BITSUP_IF_EXISTS_SKIP = 2202,
  /**
   * Ask first (HEAD), and fail if it exists.
   */
  BITSUP_IF_EXISTS_FAIL = 2203,
} bitsup_if_exists;

/**
 * The hosts to accept in BITS-Host-Id.
 */
typedef enum {
  /**
   * Hosts of the URL's registrable domain, and trusted ones.
   */
  BITSUP_HOST_ID_SAME_SITE = 2101,
  /**
   * Any host; logins, tokens, cookies and secret headers go to those of the
   * URL's registrable domain and to trusted ones only.
   */
  BITSUP_HOST_ID_ANY = 2102,
  /**
   * None: all packets go to the URL's host.
   */
  BITSUP_HOST_ID_IGNORE = 2103,
} bitsup_host_id;

/**
 * When to compare the size of the file on the server.
 */
typedef enum {
  /**
   * If a part was sent twice to a server that does not check offsets.
   */
  BITSUP_VERIFY_AUTO = 2301,
  /**
   * Always; a server that does not tell is an error.
   */
  BITSUP_VERIFY_ALWAYS = 2302,
  /**
   * Never.
   */
  BITSUP_VERIFY_NEVER = 2303,
} bitsup_verify;

/**
 * What to do when an Ack is lost.
 */
typedef enum {
  /**
   * Start over in a new session if the server does not prove its offset.
   */
  BITSUP_ON_LOST_ACK_AUTO = 2401,
  /**
   * As auto, and start over too if a lost Ack of Close-Session cannot be
   * decided.
   */
  BITSUP_ON_LOST_ACK_RESTART = 2402,
  /**
   * Continue where the server says, without proof; the upload is not
   * verified.
   */
  BITSUP_ON_LOST_ACK_RESEND = 2403,
  /**
   * As auto, but take an undecided Close-Session as acknowledged.
   */
  BITSUP_ON_LOST_ACK_ACCEPT = 2404,
} bitsup_on_lost_ack;

/**
 * How much of the file to compare before an upload is resumed.
 */
typedef enum {
  /**
   * All that was acknowledged, while the rest is sent.
   */
  BITSUP_RESUME_CHECK_FULL = 2501,
  /**
   * The last block.
   */
  BITSUP_RESUME_CHECK_TAIL = 2502,
} bitsup_resume_check;

/**
 * Uploads files: any number at a time, on one thread of its own.
 */
typedef struct bitsup_client bitsup_client;

/**
 * Takes the answer of a bitsup_credential_callback, and lives until that
 * function returns.
 */
typedef struct bitsup_credential_reply bitsup_credential_reply;

/**
 * Why a call failed. It never changes and any thread may read it; its texts
 * live as long as it does.
 */
typedef struct bitsup_error bitsup_error;

/**
 * The sessions that were kept in a client's state directory, as they were when
 * the list was read.
 */
typedef struct bitsup_journal bitsup_journal;

/**
 * Options of a client or of uploads. Each call that takes options copies them.
 */
typedef struct bitsup_options bitsup_options;

/**
 * What bitsup_doctor found. It never changes.
 */
typedef struct bitsup_report bitsup_report;

/**
 * An upload session whose packets the program sends one by one. Nothing is
 * tried again. Packets from several threads wait for each other; a credential
 * callback that is asked for a session can send none of its packets.
 *
 * A packet whose answer is lost may have been carried out: its error says that
 * this is unclear. Bytes that are sent again then stand in the file twice on a
 * server that writes them behind what it has, and no answer tells. Once a
 * server acknowledges bytes that were not sent in the session, it can only be
 * cancelled.
 */
typedef struct bitsup_session bitsup_session;

/**
 * A session as text, to continue it with. It holds no password, but who has it
 * can write to the upload.
 */
typedef struct bitsup_token bitsup_token;

/**
 * An upload under way, or one that has ended.
 */
typedef struct bitsup_upload bitsup_upload;

/**
 * What a program's loop can poll: a file descriptor, on Windows a SOCKET.
 */
#if defined(_WIN32)
typedef uintptr_t bitsup_event_source;
#else
typedef int bitsup_event_source;
#endif

/**
 * A session that was kept. Texts live as long as the list.
 */
typedef struct {
  /**
   * Set it to sizeof(bitsup_journal_entry) before the call; afterwards the
   * bytes that were written.
   */
  size_t struct_size;
  /**
   * Its name in the state directory.
   */
  const char *id;
  /**
   * The destination, without its query.
   */
  const char *url;
  /**
   * The source.
   */
  const char *path;
  /**
   * Size in bytes.
   */
  uint64_t size;
  /**
   * Bytes that the server acknowledged.
   */
  uint64_t acknowledged;
  /**
   * When the upload began, in seconds since 1970.
   */
  uint64_t begun;
  /**
   * When it last got further, in seconds since 1970.
   */
  uint64_t updated;
  /**
   * BITSUP_OPTION_NOTE; NULL if it was not set.
   */
  const char *note;
  /**
   * Whether (not 0) an upload is running in it.
   */
  int in_use;
  /**
   * Whether (not 0) the server may hold a session that is not known here,
   * since the answer to its Create-Session was never stored.
   */
  int may_be_left;
} bitsup_journal_entry;

/**
 * Reads at most length bytes of the source from offset on into buffer, and
 * returns how many: at least one, except at the end of the source. A negative
 * value is an error number (-EIO for instance), and ends the upload. It runs
 * on a thread of the client, also where the client dispatches; never twice at
 * the same time for one upload.
 */
typedef int64_t (*bitsup_read_callback)(
    void *userdata,
    void *buffer,
    size_t length,
    uint64_t offset);

/**
 * Called once with the userdata of a callback, when nothing of the library has
 * it any more; NULL where nothing has to be done.
 */
typedef void (*bitsup_destroy_callback)(void *userdata);

/**
 * A source that is read through a function of the program.
 */
typedef struct {
  /**
   * Set it to sizeof(bitsup_source).
   */
  size_t struct_size;
  /**
   * How many bytes there are.
   */
  uint64_t size;
  /**
   * Reads them.
   */
  bitsup_read_callback read_at;
  /**
   * Goes to read_at as it is, and must be good until bitsup_upload_free
   * returned.
   */
  void *userdata;
  /**
   * The source's name, for a URL that ends in a slash and as the Content-Name;
   * or NULL.
   */
  const char *name;
  /**
   * Called once with userdata, after the last read_at has returned: when the
   * upload is freed, or when the call that takes this structure fails; or
   * NULL.
   */
  bitsup_destroy_callback destroy;
} bitsup_source;

/**
 * A snapshot of an upload.
 */
typedef struct {
  /**
   * Set it to sizeof(bitsup_progress) before the call; afterwards the bytes
   * that were written.
   */
  size_t struct_size;
  /**
   * Size of the file in bytes.
   */
  uint64_t total;
  /**
   * Bytes that the server acknowledged: they are safe. May go back if the
   * server does.
   */
  uint64_t acknowledged;
  /**
   * Bytes handed to the network; at least acknowledged.
   */
  uint64_t sent;
  /**
   * Bytes a second, over the last seconds.
   */
  uint64_t rate;
  /**
   * Milliseconds until the end at this rate; -1 if that cannot be told.
   */
  int64_t eta_ms;
  /**
   * Milliseconds until the next try; -1 if none is waited for.
   */
  int64_t retry_ms;
  /**
   * Where it stands.
   */
  bitsup_state state;
  /**
   * Tries since the last progress.
   */
  uint32_t attempt;
} bitsup_progress;

/**
 * Called with a snapshot of an upload, which lives until the function returns.
 * 0 goes on; anything else stops the upload and keeps its session.
 */
typedef int (*bitsup_progress_callback)(
    void *userdata,
    bitsup_upload *upload,
    const bitsup_progress *progress);

/**
 * Called when an upload is in another state; states that pass quickly may be
 * left out, the last one is not. 0 goes on; anything else stops the upload and
 * keeps its session.
 */
typedef int (*bitsup_state_callback)(
    void *userdata,
    bitsup_upload *upload,
    bitsup_state state);

/**
 * Asked before each retry: error is what went wrong and belongs to the
 * library, attempts is the number of tries since the last progress. 0 retries
 * when bitsup would, a positive number after that many milliseconds, a
 * negative one fails with that error and keeps the session. An answer is
 * awaited for ten seconds, or until the time of the retry if that is later.
 */
typedef int64_t (*bitsup_retry_callback)(
    void *userdata,
    bitsup_upload *upload,
    const bitsup_error *error,
    uint32_t attempts);

/**
 * Called with one exchange as an entry of a transcript, several lines of text
 * without secrets, which lives until the function returns. A transcript is the
 * line "bitsup-transcript 1" and the entries.
 */
typedef void (*bitsup_transcript_callback)(
    void *userdata,
    bitsup_upload *upload,
    const char *entry);

/**
 * What a login is wanted for.
 */
typedef struct {
  /**
   * Bytes that the library wrote.
   */
  size_t struct_size;
  /**
   * The server as "https://host:port", the port only if it is not the
   * scheme's own; or the proxy's URL, without a login.
   */
  const char *site;
  /**
   * Whether (not 0) it is the proxy that asks.
   */
  int proxy;
  /**
   * Why.
   */
  bitsup_credential_reason reason;
  /**
   * Which time in a row this upload asks, from 1. There is no fourth.
   */
  uint32_t attempt;
  /**
   * The realm that the server names; NULL if it names none.
   */
  const char *realm;
  /**
   * The schemes that the server offers, in its order, with a blank between
   * them: negotiate, ntlm, digest, basic, bearer or others. "" when a token
   * is about to expire.
   */
  const char *schemes;
  /**
   * The user of the login that was used so far; NULL if it has none.
   */
  const char *user;
} bitsup_credential_request;

/**
 * Asked for a login when a server or a proxy wants one and the options have
 * none that it takes, and before a token expires. upload is the one that asks,
 * NULL in calls that send packets themselves. It answers through one of the
 * functions for reply, which lives until it returns, as request does.
 * Without an answer the upload ends with BITSUP_STATUS_AUTH or _PROXY_AUTH,
 * and can be continued.
 *
 * For uploads it runs where other callbacks do; in bitsup_ping and the
 * bitsup_session functions, which ask for the server only, on the thread that
 * called. Uploads that need the answer wait for it, others go on: where the
 * client dispatches, wait for them on another thread than the one that
 * dispatches, or in steps. The function itself can wait for no upload of its
 * client.
 *
 * Uploads of one client that have it from the same call of the setter share
 * it: it is asked by one of them at a time for a site, and the answer holds
 * for all.
 */
typedef void (*bitsup_credential_callback)(
    void *userdata,
    bitsup_upload *upload,
    const bitsup_credential_request *request,
    bitsup_credential_reply *reply);

/**
 * Called with one line of text about an upload, which lives until the function
 * returns and holds no secret.
 */
typedef void (*bitsup_log_callback)(
    void *userdata,
    bitsup_upload *upload,
    bitsup_log_level level,
    const char *message);

/**
 * What bitsup_option_info tells about an option. Its texts are static.
 */
typedef struct {
  /**
   * Set it to sizeof(bitsup_option_facts), or to that of a declaration that
   * ends after kind or later, before the call; afterwards the bytes that
   * were written.
   */
  size_t struct_size;
  /**
   * The number, a BITSUP_OPTION_….
   */
  int id;
  /**
   * What values it takes.
   */
  bitsup_option_kind kind;
  /**
   * Where it has a meaning.
   */
  bitsup_option_scope scope;
  /**
   * Whether (not 0) it has any number of values.
   */
  int list;
  /**
   * Whether (not 0) its values are secret.
   */
  int secret;
  /**
   * Whether (not 0) it takes a protection away.
   */
  int relaxation;
  /**
   * The smallest number.
   */
  int64_t minimum;
  /**
   * The largest number.
   */
  int64_t maximum;
  /**
   * Whether (not 0) BITSUP_UNLIMITED is a value.
   */
  int unlimited;
  /**
   * The name, such as "ca_file".
   */
  const char *name;
  /**
   * The unit of its numbers, such as "bytes"; "" if there is none.
   */
  const char *unit;
  /**
   * The default as bitsup_options_set_by_name takes it; NULL if there is none.
   */
  const char *default_text;
  /**
   * The choices with their numbers: "any=2001 basic=2002"; "" if there are
   * none.
   */
  const char *choices;
  /**
   * The version of bitsup that has it first.
   */
  const char *since;
  /**
   * What it does.
   */
  const char *documentation;
} bitsup_option_facts;

/**
 * What is known about a complete upload. Texts and reply live as long as the
 * upload's handle.
 */
typedef struct {
  /**
   * Set it to sizeof(bitsup_receipt) before the call; afterwards the bytes
   * that were written.
   */
  size_t struct_size;
  /**
   * The destination, without its query.
   */
  const char *url;
  /**
   * Size in bytes.
   */
  uint64_t size;
  /**
   * The session's id; NULL if there was no session.
   */
  const char *session_id;
  /**
   * How long it took, in milliseconds.
   */
  uint64_t duration_ms;
  /**
   * Fragments acknowledged.
   */
  uint64_t fragments;
  /**
   * Tries after a failure.
   */
  uint64_t retries;
  /**
   * Sessions that had to be replaced.
   */
  uint32_t restarts;
  /**
   * Parts sent again where the server may have stored them before.
   */
  uint32_t unconfirmed_resends;
  /**
   * Whether (not 0) the end of the session was acknowledged.
   */
  int close_confirmed;
  /**
   * Whether (not 0) no doubt about the file on the server is left.
   */
  int verified;
  /**
   * Whether (not 0) nothing was sent because the destination existed.
   */
  int skipped;
  /**
   * SHA-256 of what was sent, as hexadecimal digits; NULL if it was not asked
   * for.
   */
  const char *sha256;
  /**
   * The file with the reply; NULL if there is none.
   */
  const char *reply_path;
  /**
   * The reply, if it was asked for in memory; else NULL.
   */
  const void *reply;
  /**
   * Bytes of the reply in memory.
   */
  size_t reply_size;
  /**
   * The URL of a reply that the server offered; NULL if it did not.
   */
  const char *reply_url;
  /**
   * Things that a person should know, a line each; NULL if there are none.
   */
  const char *warnings;
} bitsup_receipt;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* VERSION AND FEATURES */

/**
 * Gives the version of the library at run time, such as "0.1.0"; compare
 * BITSUP_VERSION, that of the header. The text is static.
 */
BITSUP_API const char *bitsup_version(void);

/**
 * Gives the version of the library at run time as major * 65536 + minor * 256
 * + patch; compare BITSUP_VERSION_NUMBER.
 */
BITSUP_API uint32_t bitsup_version_number(void);

/**
 * Tells what this build has, as the libraries themselves say at run time: bits
 * of BITSUP_FEATURE_…, combined by |.
 */
BITSUP_API uint32_t bitsup_features(void);

/**
 * Gives the same in words for people, with the versions of libcurl and the TLS
 * library. The text is static.
 */
BITSUP_API const char *bitsup_features_text(void);

/* OPTIONS */

/**
 * Makes options of which none is set. NULL only after a fault inside bitsup.
 */
BITSUP_API BITSUP_NODISCARD bitsup_options *bitsup_options_new(void);

/**
 * Makes *copy of options, with the callbacks, which both then share, and with
 * the errors that are kept.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_options_copy(
    const bitsup_options *options,
    bitsup_options **copy,
    bitsup_error **error);

/**
 * Sets in options all that from has set, lists as a whole, and takes over the
 * errors that are kept in it.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_options_merge(
    bitsup_options *options,
    const bitsup_options *from,
    bitsup_error **error);

/**
 * Unsets an option, a BITSUP_OPTION_…: a client's value or the default holds
 * again. An error that is kept for it is dropped.
 * BITSUP_STATUS_UNSUPPORTED: this library has no such option; an error that
 * is kept for the number is dropped too.
 * Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
 */
BITSUP_API bitsup_status bitsup_options_reset(
    bitsup_options *options,
    int option,
    bitsup_error **error);

/**
 * Gives the first error that a setter has kept, as the call that takes the
 * options will. What can be told only with all options at hand, such as a key
 * without a certificate or a file that does not exist, is looked at there.
 * Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
 */
BITSUP_API bitsup_status bitsup_options_check(
    const bitsup_options *options,
    bitsup_error **error);

/**
 * Frees the options. NULL is allowed.
 */
BITSUP_API void bitsup_options_free(bitsup_options *options);

/**
 * Sets an option of text, a path, a secret or a rate; a list then has this
 * value only. NULL sets it to none: no proxy, no user, no list. A copy of the
 * text is taken. BITSUP_STATUS_INVALID_ARGUMENT: the option takes no text, or
 * this text can never work; BITSUP_STATUS_UNSUPPORTED: this library has no
 * such option. The error is kept too.
 * Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
 */
BITSUP_API bitsup_status bitsup_options_set_text(
    bitsup_options *options,
    int option,
    const char *text,
    bitsup_error **error);

/**
 * Sets an option as bitsup_options_set_text does, to length bytes of UTF-8,
 * which need no zero byte at their end and may have none in them.
 * Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
 */
BITSUP_API bitsup_status bitsup_options_set_text_n(
    bitsup_options *options,
    int option,
    const char *text,
    size_t length,
    bitsup_error **error);

/**
 * Sets a path to the system's bytes, in any encoding (on Windows WTF-8), or a
 * secret to UTF-8. No byte may be zero. NULL with length 0 sets it to none.
 * Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
 */
BITSUP_API bitsup_status bitsup_options_set_bytes(
    bitsup_options *options,
    int option,
    const void *data,
    size_t length,
    bitsup_error **error);

/**
 * Sets a size in bytes, a duration in milliseconds, a count, a flag (0 or 1),
 * a choice (one of its constants) or a rate in bytes a second.
 * BITSUP_UNLIMITED is no limit, where the option has that. What 0 means is
 * said of each option; a negative number is refused.
 * Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
 */
BITSUP_API bitsup_status bitsup_options_set_number(
    bitsup_options *options,
    int option,
    int64_t number,
    bitsup_error **error);

/**
 * Sets a header for every packet; it replaces one of the same name.
 * BITSUP_STATUS_INVALID_ARGUMENT: it is no header, or one that the protocol
 * sets. The error is kept for BITSUP_OPTION_HEADERS, which
 * bitsup_options_reset empties.
 * Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
 */
BITSUP_API bitsup_status bitsup_options_set_header(
    bitsup_options *options,
    const char *name,
    const char *value,
    bitsup_error **error);

/**
 * Sets a header as bitsup_options_set_header does, which is treated like a
 * password: see BITSUP_OPTION_SECRET_HEADERS.
 * Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
 */
BITSUP_API bitsup_status bitsup_options_set_secret_header(
    bitsup_options *options,
    const char *name,
    const char *value,
    bitsup_error **error);

/**
 * Adds a text to a list, such as BITSUP_OPTION_TRUSTED_HOSTS. An upload's list
 * replaces its client's.
 * Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
 */
BITSUP_API bitsup_status bitsup_options_add_text(
    bitsup_options *options,
    int option,
    const char *text,
    bitsup_error **error);

/**
 * Sets an option by its name ("ca_file" is BITSUP_OPTION_CA_FILE) to a text as
 * the tool takes it: "5M", "10m" (seconds without a unit), "true", "skip",
 * "unlimited", "Name: value". A list gets it added. For programs and languages
 * that do not declare the constants.
 * Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
 */
BITSUP_API bitsup_status bitsup_options_set_by_name(
    bitsup_options *options,
    const char *name,
    const char *text,
    bitsup_error **error);

/**
 * Calls the function with a snapshot, at most ten times a second and at every
 * change of state; NULL is none, also where the client has one. userdata goes
 * to it as it is. destroy, if not NULL, is called with it once: when the
 * options, their copies, and the clients and uploads that were made with them
 * are freed and the last callback has returned, or when this call fails. So it
 * is with the setters below.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_options_set_on_progress(
    bitsup_options *options,
    bitsup_progress_callback callback,
    void *userdata,
    bitsup_destroy_callback destroy,
    bitsup_error **error);

/**
 * Calls the function at every change of state.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_options_set_on_state(
    bitsup_options *options,
    bitsup_state_callback callback,
    void *userdata,
    bitsup_destroy_callback destroy,
    bitsup_error **error);

/**
 * Asks the function before each retry.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_options_set_on_retry(
    bitsup_options *options,
    bitsup_retry_callback callback,
    void *userdata,
    bitsup_destroy_callback destroy,
    bitsup_error **error);

/**
 * Calls the function with each exchange, to be written down and played back by
 * a development server.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_options_set_on_transcript(
    bitsup_options *options,
    bitsup_transcript_callback callback,
    void *userdata,
    bitsup_destroy_callback destroy,
    bitsup_error **error);

/**
 * Asks the function for a login when one is wanted.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_options_set_on_credentials(
    bitsup_options *options,
    bitsup_credential_callback callback,
    void *userdata,
    bitsup_destroy_callback destroy,
    bitsup_error **error);

/**
 * Calls the function with each line of the log. It is an option of the client.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_options_set_on_log(
    bitsup_options *options,
    bitsup_log_callback callback,
    void *userdata,
    bitsup_destroy_callback destroy,
    bitsup_error **error);

/**
 * Tells about an option, a BITSUP_OPTION_…. Set facts->struct_size first.
 * BITSUP_STATUS_UNSUPPORTED: this library has no such option.
 * Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
 */
BITSUP_API bitsup_status bitsup_option_info(
    int option,
    bitsup_option_facts *facts,
    bitsup_error **error);

/**
 * Gives the number of the option of a name, such as "ca_file"; 0 if this
 * library has none, and for NULL.
 */
BITSUP_API int bitsup_option_by_name(const char *name);

/**
 * Gives the number of the next option after one, from 0 on; 0 after the last.
 */
BITSUP_API int bitsup_option_next(int option);

/* CLIENTS */

/**
 * Makes *client and starts its thread. options may be NULL, for the defaults;
 * of a client's options those for uploads are the defaults of its uploads.
 * BITSUP_STATUS_INVALID_ARGUMENT: an option cannot be used, or is one of
 * uploads only; BITSUP_STATUS_UNSUPPORTED: this library or build lacks one.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, CANCELLED, UNSUPPORTED.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_client_new(
    const bitsup_options *options,
    bitsup_client **client,
    bitsup_error **error);

/**
 * Changes the limit that all uploads of the client share, in bytes a second,
 * at least 1, or BITSUP_UNLIMITED. It acts at once, and replaces a timetable.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_client_set_limit_rate(
    bitsup_client *client,
    int64_t bytes_per_second,
    bitsup_error **error);

/**
 * Changes the limit that all uploads of the client share to one that follows
 * the local time of day: a timetable as for BITSUP_OPTION_LIMIT_RATE. A change
 * of hour acts within a second.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_client_set_rate_timetable(
    bitsup_client *client,
    const char *timetable,
    bitsup_error **error);

/**
 * Ends the client, within two seconds and the time of a callback that is
 * running. Uploads that still run end with BITSUP_STATUS_CANCELLED, and their
 * sessions are cancelled on the server as far as that goes in this time.
 * Handles of uploads and sessions stay, to be asked and freed. NULL is
 * allowed.
 */
BITSUP_API void bitsup_client_free(bitsup_client *client);

/* UPLOADS */

/**
 * Uploads a file and waits for the end, with the options of the client:
 * bitsup_upload_start, _wait and _free in one.
 * Statuses: any.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_upload_file(
    bitsup_client *client,
    const char *path,
    const char *url,
    bitsup_error **error);

/**
 * Starts to upload a file, which must stay as it is until the end. url is of
 * http or https, without a login in it; one that ends in a slash gets the
 * file's name appended. options may be NULL. *upload is the new upload, which
 * runs.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
 * CANCELLED, UNSUPPORTED.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_upload_start(
    bitsup_client *client,
    const char *path,
    const char *url,
    const bitsup_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * Starts to upload as bitsup_upload_start does, with a path of path_length
 * bytes, in any encoding.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
 * CANCELLED, UNSUPPORTED.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_upload_start_bytes(
    bitsup_client *client,
    const char *path,
    size_t path_length,
    const char *url,
    const bitsup_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * Starts to upload length bytes in memory, which is not copied: it must stay
 * as it is until bitsup_upload_free returned. data may be NULL if length is 0;
 * options may be NULL.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
 * CANCELLED, UNSUPPORTED.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_upload_start_memory(
    bitsup_client *client,
    const void *data,
    size_t length,
    const char *url,
    const bitsup_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * Starts to upload what a function of the program reads: source->size bytes.
 * The structure is copied; options may be NULL. Set source->struct_size first.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
 * CANCELLED, UNSUPPORTED.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_upload_start_callbacks(
    bitsup_client *client,
    const bitsup_source *source,
    const char *url,
    const bitsup_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * Waits for the end, at most timeout_ms milliseconds; 0 does not wait, a
 * negative number waits for ever. BITSUP_STATUS_PENDING: the upload still
 * runs. BITSUP_STATUS_OK: the server confirmed the file. Everything else is
 * why there is no such file, or that its reply could not be written, as the
 * message says. It can be called again, and gives the same.
 * Callbacks on the client's thread have told of the end then, unless they take
 * over a second. Not in a callback of the same upload.
 * Statuses: any.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_upload_wait(
    bitsup_upload *upload,
    int64_t timeout_ms,
    bitsup_error **error);

/**
 * Pauses: the request under way ends, then nothing is sent. Returns at once;
 * the state tells. An upload that has ended stays as it is, as with the next
 * three.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_upload_suspend(
    bitsup_upload *upload,
    bitsup_error **error);

/**
 * Resumes an upload after bitsup_upload_suspend.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_upload_resume(
    bitsup_upload *upload,
    bitsup_error **error);

/**
 * Stops, and tells the server to delete what it has. Returns at once; the
 * upload then ends with BITSUP_STATUS_CANCELLED.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_upload_cancel(
    bitsup_upload *upload,
    bitsup_error **error);

/**
 * Stops, and leaves the session on the server. Returns at once; the upload
 * then ends with BITSUP_STATUS_CANCELLED.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_upload_stop(
    bitsup_upload *upload,
    bitsup_error **error);

/**
 * Takes a snapshot; never waits. Set progress->struct_size first.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_upload_progress(
    const bitsup_upload *upload,
    bitsup_progress *progress);

/**
 * Tells why the upload waits for its next try, in one line: written to buffer,
 * cut to size bytes with the zero at its end. Returns the bytes of the whole
 * text without that zero; 0 while it does not wait, and for NULL. buffer may
 * be NULL if size is 0.
 */
BITSUP_API size_t bitsup_upload_waiting_for(
    const bitsup_upload *upload,
    char *buffer,
    size_t size);

/**
 * Tells about a complete upload; BITSUP_STATUS_PENDING while it runs, and what
 * bitsup_upload_wait returns if it failed. Set receipt->struct_size first.
 * Statuses: any.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_upload_receipt(
    const bitsup_upload *upload,
    bitsup_receipt *receipt,
    bitsup_error **error);

/**
 * Keeps a pointer of the program's with the upload, for callbacks and for
 * bitsup_client_next_ended.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_upload_set_userdata(
    bitsup_upload *upload,
    void *userdata,
    bitsup_error **error);

/**
 * Gives the pointer of bitsup_upload_set_userdata; NULL if none was set, and
 * for NULL.
 */
BITSUP_API void *bitsup_upload_userdata(const bitsup_upload *upload);

/**
 * Frees the upload, without waiting for the network. One that still runs is
 * stopped; its session is kept where the client has a state directory, and
 * else cancelled on the server. Afterwards its callbacks, userdata and memory
 * are not used any more: the call waits for a callback that is running, unless
 * it is made by that callback. NULL is allowed.
 */
BITSUP_API void bitsup_upload_free(bitsup_upload *upload);

/* EVENTS, for programs with a loop of their own, AND LOGINS */

/**
 * Gives what is readable when callbacks wait or an upload has ended, to be
 * polled and nothing else; it belongs to the client. BITSUP_EVENT_SOURCE_NONE
 * without BITSUP_OPTION_DISPATCH, and for NULL.
 */
BITSUP_API bitsup_event_source bitsup_client_event_fd(
    const bitsup_client *client);

/**
 * Gives in *upload one that has ended and was not given so before; the handle
 * stays the program's. BITSUP_STATUS_PENDING: there is none now, and *upload
 * is NULL. Where the client dispatches, the last callbacks of the upload have
 * run.
 * Statuses: OK, PENDING, INVALID_ARGUMENT.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_client_next_ended(
    bitsup_client *client,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * Runs callbacks that wait, at most max_events of them (0: all), on this
 * thread, and never waits. BITSUP_STATUS_PENDING: more wait, or another call
 * dispatches just now; the event source stays readable.
 * Statuses: OK, PENDING, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_client_dispatch(
    bitsup_client *client,
    uint32_t max_events,
    bitsup_error **error);

/**
 * Answers with user and password, which are copied; the copy of the password
 * is overwritten when it is not needed any more. The last answer counts.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_credential_reply_password(
    bitsup_credential_reply *reply,
    const char *user,
    const char *password,
    bitsup_error **error);

/**
 * Answers with a bearer token, which is copied and overwritten as a password
 * is; not for proxies. valid_for_ms says for how many milliseconds the server
 * takes it: shortly before their end a new one is asked for. 0 if that is not
 * known.
 * Statuses: OK, INVALID_ARGUMENT.
 */
BITSUP_API bitsup_status bitsup_credential_reply_token(
    bitsup_credential_reply *reply,
    const char *token,
    uint64_t valid_for_ms,
    bitsup_error **error);

/* ERRORS */

/**
 * Gives the status that the call returned; BITSUP_STATUS_OK for NULL.
 */
BITSUP_API bitsup_status bitsup_error_status(const bitsup_error *error);

/**
 * Says what happened, in one line, with what the server said; "" for NULL. It
 * holds no secret.
 */
BITSUP_API const char *bitsup_error_message(const bitsup_error *error);

/**
 * Says the likely next step, in one or two sentences; "" for NULL.
 */
BITSUP_API const char *bitsup_error_advice(const bitsup_error *error);

/**
 * Gives the HTTP status of the server's answer; 0 if there was none.
 */
BITSUP_API uint32_t bitsup_error_http_status(const bitsup_error *error);

/**
 * Gives the BITS error (an HRESULT such as 0x80200020) of the server's answer,
 * else the code that stands for its HTTP status; 0 if there was none.
 */
BITSUP_API uint32_t bitsup_error_hresult(const bitsup_error *error);

/**
 * Gives BITS-Error-Context of the answer: 5 for the BITS server, 7 for the
 * application behind it; 0 if there was none.
 */
BITSUP_API uint32_t bitsup_error_context(const bitsup_error *error);

/**
 * Gives the system's number where something on this machine failed: errno, on
 * Windows what GetLastError gave; 0 if nothing did.
 */
BITSUP_API int64_t bitsup_error_os_error(const bitsup_error *error);

/**
 * Tells whether (not 0) the server still holds what was sent, so that starting
 * the same upload again continues it.
 */
BITSUP_API int bitsup_error_resumable(const bitsup_error *error);

/**
 * Gives the session that was left on the server, as text to continue it with:
 * see bitsup_upload_import. NULL if there is none. Keep it secret: it allows
 * to write to the upload.
 */
BITSUP_API const char *bitsup_error_token(const bitsup_error *error);

/**
 * Frees the error and its texts. NULL is allowed.
 */
BITSUP_API void bitsup_error_free(bitsup_error *error);

/* KEPT SESSIONS */

/**
 * Reads *journal, the list of the sessions that were kept, oldest first.
 * Refused if the client has no state directory (BITSUP_OPTION_STATE_DIR).
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_journal_read(
    bitsup_client *client,
    bitsup_journal **journal,
    bitsup_error **error);

/**
 * Counts the sessions in the list; 0 for NULL.
 */
BITSUP_API size_t bitsup_journal_count(const bitsup_journal *journal);

/**
 * Tells about one session of the list: index is from 0 on, and below
 * bitsup_journal_count. Where its file cannot be read or understood, that is
 * the error. Set entry->struct_size first.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE.
 */
BITSUP_API bitsup_status bitsup_journal_get(
    const bitsup_journal *journal,
    size_t index,
    bitsup_journal_entry *entry,
    bitsup_error **error);

/**
 * Frees the list and its texts. NULL is allowed.
 */
BITSUP_API void bitsup_journal_free(bitsup_journal *journal);

/**
 * Starts to upload the rest of a file whose session was kept. id is that of a
 * bitsup_journal_entry, as in the functions below. options may be NULL: the
 * journal holds no password and no other option.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
 * CANCELLED, UNSUPPORTED.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_journal_resume(
    bitsup_client *client,
    const char *id,
    const bitsup_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * Tells the server to delete what it has of a kept session, waits for the
 * answer, and forgets the session. options may be NULL.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE, AUTH,
 * PROXY_AUTH, TLS, NETWORK, TIMEOUT, REFUSED, HOST_ID_UNTRUSTED, PROTOCOL,
 * LIMIT_REACHED, CANCELLED, UNSUPPORTED.
 */
BITSUP_API bitsup_status bitsup_journal_cancel(
    bitsup_client *client,
    const char *id,
    const bitsup_options *options,
    bitsup_error **error);

/**
 * Forgets a kept session without telling the server, which keeps what it has
 * until it forgets that too.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE.
 */
BITSUP_API bitsup_status bitsup_journal_forget(
    bitsup_client *client,
    const char *id,
    bitsup_error **error);

/**
 * Makes a token of a kept session, to go on with it here or elsewhere: see
 * bitsup_upload_import.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_journal_export(
    bitsup_client *client,
    const char *id,
    bitsup_token **token,
    bitsup_error **error);

/**
 * Starts to upload the rest of a file in a session from elsewhere: token is
 * the text of bitsup_error_token or bitsup_token_text, and names the
 * destination. The file must hold the same bytes, which is checked before its
 * last part goes out. options may be NULL.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
 * CANCELLED, UNSUPPORTED.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_upload_import(
    bitsup_client *client,
    const char *token,
    const char *path,
    const bitsup_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * Starts as bitsup_upload_import does, with a path of path_length bytes, in
 * any encoding.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
 * CANCELLED, UNSUPPORTED.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_upload_import_bytes(
    bitsup_client *client,
    const char *token,
    const char *path,
    size_t path_length,
    const bitsup_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * Starts as bitsup_upload_import does, with length bytes in memory, as for
 * bitsup_upload_start_memory.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
 * CANCELLED, UNSUPPORTED.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_upload_import_memory(
    bitsup_client *client,
    const char *token,
    const void *data,
    size_t length,
    const bitsup_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * Starts as bitsup_upload_import does, with what a function of the program
 * reads, as for bitsup_upload_start_callbacks. A part of it is read before
 * this returns.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
 * CANCELLED, UNSUPPORTED.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_upload_import_callbacks(
    bitsup_client *client,
    const char *token,
    const bitsup_source *source,
    const bitsup_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * Gives the text: one line of visible ASCII characters, which lives as long as
 * the token; "" for NULL.
 */
BITSUP_API const char *bitsup_token_text(const bitsup_token *token);

/**
 * Frees the token and its text. NULL is allowed.
 */
BITSUP_API void bitsup_token_free(bitsup_token *token);

/* PACKET BY PACKET */

/**
 * Sends Ping, and waits for the answer: whether a BITS server is there and
 * takes the login. options may be NULL.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE, AUTH,
 * PROXY_AUTH, TLS, NETWORK, TIMEOUT, REFUSED, HOST_ID_UNTRUSTED, PROTOCOL,
 * LIMIT_REACHED, CANCELLED, UNSUPPORTED.
 */
BITSUP_API bitsup_status bitsup_ping(
    bitsup_client *client,
    const char *url,
    const bitsup_options *options,
    bitsup_error **error);

/**
 * Sends Create-Session for a file of size bytes, waits for the answer, and
 * makes *session. name is the Content-Name, or NULL for none; options may be
 * NULL.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE, AUTH,
 * PROXY_AUTH, TLS, NETWORK, TIMEOUT, REFUSED, HOST_ID_UNTRUSTED, PROTOCOL,
 * LIMIT_REACHED, CANCELLED, UNSUPPORTED.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_session_create(
    bitsup_client *client,
    const char *url,
    uint64_t size,
    const char *name,
    const bitsup_options *options,
    bitsup_session **session,
    bitsup_error **error);

/**
 * Gives the session's id, which lives as long as the handle; NULL for NULL.
 */
BITSUP_API const char *bitsup_session_id(const bitsup_session *session);

/**
 * Tells where in the file the next Fragment is to start, in bytes; never
 * waits: while a packet is under way, what was known before. 0 for NULL.
 */
BITSUP_API uint64_t bitsup_session_offset(const bitsup_session *session);

/**
 * Sends length bytes, at least one, as a Fragment from bitsup_session_offset
 * on, and waits for the answer. *next_offset, if next_offset is not NULL, is
 * then where the server wants to continue: normally behind what was sent, but
 * it may be anywhere in what has gone out. It is not written on failure.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE, AUTH,
 * PROXY_AUTH, TLS, NETWORK, TIMEOUT, REFUSED, HOST_ID_UNTRUSTED, PROTOCOL,
 * LIMIT_REACHED, CANCELLED, UNSUPPORTED.
 */
BITSUP_API bitsup_status bitsup_session_send(
    bitsup_session *session,
    const void *data,
    size_t length,
    uint64_t *next_offset,
    bitsup_error **error);

/**
 * Sends Close-Session, and waits for the answer. BITSUP_STATUS_OK: the server
 * acknowledged it. Refused, and nothing sent, before the server has all bytes.
 * An upload also asks a server whose connection ended in between whether it
 * still has all bytes, and a HEAD for the file where that is unclear; here
 * nothing does.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE, AUTH,
 * PROXY_AUTH, TLS, NETWORK, TIMEOUT, REFUSED, HOST_ID_UNTRUSTED, PROTOCOL,
 * LIMIT_REACHED, CANCELLED, UNSUPPORTED.
 */
BITSUP_API bitsup_status bitsup_session_close(
    bitsup_session *session,
    bitsup_error **error);

/**
 * Sends Cancel-Session, and waits for the answer: the server deletes what it
 * has.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE, AUTH,
 * PROXY_AUTH, TLS, NETWORK, TIMEOUT, REFUSED, HOST_ID_UNTRUSTED, PROTOCOL,
 * LIMIT_REACHED, CANCELLED, UNSUPPORTED.
 */
BITSUP_API bitsup_status bitsup_session_cancel(
    bitsup_session *session,
    bitsup_error **error);

/**
 * Frees the handle and sends nothing: a session that was neither closed nor
 * cancelled stays on the server until the server forgets it. In a credential
 * callback that one of its packets asks, the packet ends without an answer to
 * the question. NULL is allowed.
 */
BITSUP_API void bitsup_session_free(bitsup_session *session);

/* DOCTOR */

/**
 * Diagnoses the path to a server: proxy, name, connection, certificates,
 * login, and whether a session takes a byte; and waits for the answers. The
 * session is for a file of its own in the folder of url, and is cancelled
 * again: what url names is not touched.
 * BITSUP_STATUS_OK: there is a report, which may be of problems; else the URL
 * or an option cannot be used. options may be NULL.
 * Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, CANCELLED, UNSUPPORTED.
 */
BITSUP_API BITSUP_NODISCARD bitsup_status bitsup_doctor(
    bitsup_client *client,
    const char *url,
    const bitsup_options *options,
    bitsup_report **report,
    bitsup_error **error);

/**
 * Gives the report as one line of JSON, which lives as long as the report: v,
 * which is 1, url, and findings in the order in which a connection comes
 * about, each with check, verdict (good, skipped, warning, unknown or
 * problem), detail and fix. "" for NULL.
 */
BITSUP_API const char *bitsup_report_json(const bitsup_report *report);

/**
 * Gives the first problem, as the error that an upload would end with: its
 * message says what was seen, its advice what to do, and where.
 * BITSUP_STATUS_OK: there is none, and an upload should work, unless a finding
 * is unknown.
 * Statuses: any.
 */
BITSUP_API bitsup_status bitsup_report_problem(
    const bitsup_report *report,
    bitsup_error **error);

/**
 * Frees the report and its text. NULL is allowed.
 */
BITSUP_API void bitsup_report_free(bitsup_report *report);

/* NAMES OF ENUMERATORS */

/**
 * Gives the name of a status without its prefix, such as "SOURCE_CHANGED";
 * "UNKNOWN" for a number that is none. The text is static.
 */
BITSUP_API const char *bitsup_status_name(uint32_t status);

/**
 * Gives the name of a state, such as "waiting_ack"; "unknown" for a number
 * that is none. The text is static.
 */
BITSUP_API const char *bitsup_state_name(uint32_t state);

/**
 * Gives the name of a level, such as "WARNING"; "UNKNOWN" for a number that is
 * none. The text is static.
 */
BITSUP_API const char *bitsup_log_level_name(uint32_t level);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* BITSUP_H */

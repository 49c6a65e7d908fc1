/* bitsup.h: uploads files with the BITS Upload Protocol (BITS_POST).
 *
 * Generated from src/bitsup-capi; never edited.
 *
 * CONVENTIONS
 *
 * Ownership. A function that gives a pointer to bitsup_client, bitsup_config,
 *   bitsup_upload_options, bitsup_upload, bitsup_session, bitsup_journal,
 *   bitsup_token, bitsup_report or bitsup_error gives the object too: end it
 *   with its _free function, once, as its last use on any thread. Text in a
 *   const char * result belongs to the library: it lives as long as the object
 *   it comes from, or for ever where its function says that it is static.
 *   Objects may be freed in any order.
 *
 * NULL. Every _free takes NULL and does nothing. Where NULL is allowed, the
 *   function says so; elsewhere it gives BITSUP_STATUS_INVALID_ARGUMENT, or
 *   the empty value named there.
 *
 * Text is UTF-8 and ends with a zero byte. It is copied during the call. The
 *   _bytes variants take a pointer and a length, for paths in any encoding.
 *
 * Errors. A function that can fail returns bitsup_status and takes a
 *   bitsup_error **, which may be NULL. What it points to need not be
 *   initialised: it is NULL after BITSUP_STATUS_OK and BITSUP_STATUS_PENDING,
 *   and otherwise an error that the caller frees.
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
 *   and a number that is none is refused. Truth is an int, in and out: 0 is
 *   no, which every language reads alike.
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
 *   not throw a C++ exception, longjmp or end its thread. It may use any
 *   function but bitsup_upload_wait on its own upload. A credential callback
 *   cannot wait for any upload of its client; in the calls that send packets
 *   themselves it runs on the thread that called. No callback runs after the
 *   _free of its upload, session or client returned, and userdata is not used
 *   then. What a callback is shown lives until it returns.
 *
 * Fork. A child process cannot use objects made before the fork (errors
 *   excepted): it gets BITSUP_STATUS_INVALID_ARGUMENT, and _free does nothing
 *   there. It can make new ones.
 *
 * Faults of the library are caught, and give BITSUP_STATUS_PANIC. The object
 *   of that call is then refused and can only be freed.
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
   * The server wants credentials, or refused those it got.
   */
  BITSUP_STATUS_AUTH = 7,
  /**
   * The proxy wants credentials, or refused those it got.
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
 * With which scheme to answer a server's challenge.
 */
typedef enum {
  /**
   * The strongest that the server offers and this build has: Negotiate, NTLM,
   * Digest, then Basic, which goes over verified TLS only. The default.
   */
  BITSUP_AUTH_ANY = 0,
  /**
   * Basic.
   */
  BITSUP_AUTH_BASIC = 1,
  /**
   * Digest.
   */
  BITSUP_AUTH_DIGEST = 2,
  /**
   * NTLM, if bitsup_features has it.
   */
  BITSUP_AUTH_NTLM = 3,
  /**
   * Negotiate; at servers with NTLM inside, or, without user, token and
   * credential callback, with the Kerberos ticket of the system.
   */
  BITSUP_AUTH_NEGOTIATE = 4,
} bitsup_auth;

/**
 * What to do about a file that already exists at the destination.
 */
typedef enum {
  /**
   * Upload, and let the server decide. The default.
   */
  BITSUP_IF_EXISTS_TRY = 0,
  /**
   * Ask first; upload nothing if it exists.
   */
  BITSUP_IF_EXISTS_SKIP = 1,
  /**
   * Ask first; fail if it exists.
   */
  BITSUP_IF_EXISTS_FAIL = 2,
} bitsup_if_exists;

/**
 * Which other host to go on with, where the server names one (BITS-Host-Id).
 */
typedef enum {
  /**
   * One of the same registrable domain, and trusted ones. The default.
   */
  BITSUP_HOST_POLICY_SAME_SITE = 0,
  /**
   * Any.
   */
  BITSUP_HOST_POLICY_ANY = 1,
  /**
   * None: all packets go to the host of the URL.
   */
  BITSUP_HOST_POLICY_IGNORE = 2,
} bitsup_host_policy;

/**
 * When to ask for the destination's size afterwards.
 */
typedef enum {
  /**
   * Where it is unclear what the server did. The default.
   */
  BITSUP_VERIFY_AUTO = 0,
  /**
   * Always; an answer that tells nothing is an error.
   */
  BITSUP_VERIFY_ALWAYS = 1,
  /**
   * Never.
   */
  BITSUP_VERIFY_NEVER = 2,
} bitsup_verify;

/**
 * What to do when the answer to a part of the file, or to its end, is lost.
 * The server is always asked first, with one byte that it has already
 * acknowledged.
 */
typedef enum {
  /**
   * Start over in a new session if the server does not prove its offset. The
   * default.
   */
  BITSUP_ON_LOST_ACK_AUTO = 0,
  /**
   * As AUTO, and also if only the answer to Close-Session is missing and
   * cannot be decided.
   */
  BITSUP_ON_LOST_ACK_RESTART = 1,
  /**
   * Continue where the server says, without proof; the upload is not verified.
   */
  BITSUP_ON_LOST_ACK_RESEND = 2,
  /**
   * As AUTO, but an undecided Close-Session counts as acknowledged.
   */
  BITSUP_ON_LOST_ACK_ACCEPT = 3,
} bitsup_on_lost_ack;

/**
 * How much of a source is compared before an upload is continued.
 */
typedef enum {
  /**
   * All that was acknowledged, beside the sending. The default.
   */
  BITSUP_RESUME_CHECK_FULL = 0,
  /**
   * The last block.
   */
  BITSUP_RESUME_CHECK_TAIL = 1,
} bitsup_resume_check;

/**
 * Uploads files: any number at a time, on one thread of its own.
 */
typedef struct bitsup_client bitsup_client;

/**
 * What a client is made with. A client takes a copy.
 */
typedef struct bitsup_config bitsup_config;

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
 * What bitsup_doctor found. It never changes.
 */
typedef struct bitsup_report bitsup_report;

/**
 * An upload session whose packets the program sends one by one. Nothing is
 * tried again. Calls from several threads wait for each other.
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
 * What is chosen for uploads. Each call that takes options copies them.
 */
typedef struct bitsup_upload_options bitsup_upload_options;

/**
 * Called with one line of text, which lives until the function returns and
 * holds no secret.
 */
typedef void (*bitsup_log_callback)(
    void *userdata,
    bitsup_log_level level,
    const char *message);

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
    const bitsup_progress *progress);

/**
 * Called when an upload is in another state; states that pass quickly may be
 * left out, the last one is not. 0 goes on; anything else stops the upload and
 * keeps its session.
 */
typedef int (*bitsup_state_callback)(
    void *userdata,
    bitsup_state state);

/**
 * Asked before each next try: error is what went wrong and belongs to the
 * library, attempts is the number of tries since the last progress. 0 tries
 * again when bitsup would, a positive number after so many milliseconds, a
 * negative one fails with that error and keeps the session. An answer is
 * awaited for ten seconds, or until the time of the next try if that is later.
 */
typedef int64_t (*bitsup_retry_callback)(
    void *userdata,
    const bitsup_error *error,
    uint32_t attempts);

/**
 * Called with one exchange as an entry of a transcript, several lines of text
 * without secrets, which lives until the function returns. A transcript is the
 * line "bitsup-transcript 1" and the entries.
 */
typedef void (*bitsup_transcript_callback)(
    void *userdata,
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
   * scheme's own; or the proxy's URL, "" if the environment named the proxy.
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
 * none that it takes, and before a token expires. It answers through one of
 * the functions for reply, which lives until it returns, as request does.
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
    const bitsup_credential_request *request,
    bitsup_credential_reply *reply);

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
   * What bitsup_upload_options_set_note said; NULL if it said nothing.
   */
  const char *note;
  /**
   * Whether (not 0) an upload is running in it.
   */
  int in_use;
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
} bitsup_source;

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

/**
 * The name of a level, such as "WARNING"; "UNKNOWN" for a number that is none.
 * The text is static.
 */
const char *bitsup_log_level_name(uint32_t level);

/**
 * Makes a client and starts its thread. config may be NULL, for the defaults.
 */
bitsup_status bitsup_client_new(
    const bitsup_config *config,
    bitsup_client **client,
    bitsup_error **error);

/**
 * Changes the limit that all uploads of the client share, in bytes a second; 0
 * is unlimited. It acts at once, and takes the place of a timetable.
 */
bitsup_status bitsup_client_set_rate_limit(
    bitsup_client *client,
    uint64_t bytes_per_second,
    bitsup_error **error);

/**
 * From now on the limit that all uploads of the client share follows the
 * local time of day: a timetable as for bitsup_config_set_rate_timetable. A
 * change of hour acts within a second.
 */
bitsup_status bitsup_client_set_rate_timetable(
    bitsup_client *client,
    const char *timetable,
    bitsup_error **error);

/**
 * A file descriptor that is readable when callbacks wait or an upload has
 * ended, to be polled and nothing else; it belongs to the client. -1 if the
 * client does not dispatch (bitsup_config_set_dispatch).
 */
int bitsup_client_event_fd(const bitsup_client *client);

/**
 * Runs callbacks that wait, at most max_events of them (0: all), on this
 * thread, and never waits. BITSUP_STATUS_PENDING: more wait, or another call
 * dispatches just now; the descriptor stays readable.
 */
bitsup_status bitsup_client_dispatch(
    bitsup_client *client,
    uint32_t max_events,
    bitsup_error **error);

/**
 * Ends the client, within two seconds and the time of a callback that is
 * running. Uploads that still run end with BITSUP_STATUS_CANCELLED, and their
 * sessions are cancelled on the server as far as that goes in this time.
 * Handles of uploads and sessions stay, to be asked and freed. NULL is
 * allowed.
 */
void bitsup_client_free(bitsup_client *client);

/**
 * A configuration with the defaults; NULL only after a fault inside bitsup.
 */
bitsup_config *bitsup_config_new(void);

/**
 * The User-Agent of all requests; default "bitsup/VERSION".
 */
bitsup_status bitsup_config_set_user_agent(
    bitsup_config *config,
    const char *user_agent,
    bitsup_error **error);

/**
 * Bytes a second for all uploads of the client together; 0 is unlimited, which
 * is the default. It takes the place of a timetable.
 */
bitsup_status bitsup_config_set_rate_limit(
    bitsup_config *config,
    uint64_t bytes_per_second,
    bitsup_error **error);

/**
 * A limit for all uploads of the client together that follows the local time
 * of day, such as "08:00-18:00=1M 18:00-08:00=off": spans with blanks or
 * commas between them, which may go over midnight and do not overlap. A rate
 * is bytes a second, with K, M, G or T behind it for powers of 1024; off is
 * unlimited, and so are the hours that no span names. It takes the place of a
 * limit.
 */
bitsup_status bitsup_config_set_rate_timetable(
    bitsup_config *config,
    const char *timetable,
    bitsup_error **error);

/**
 * How many uploads to one host hold a session at a time, at least 1; the
 * others wait as queued. Default 16: IIS deletes the newest of more than 50
 * sessions a user.
 */
bitsup_status bitsup_config_set_uploads_per_host(
    bitsup_config *config,
    size_t uploads,
    bitsup_error **error);

/**
 * A folder for what lets uploads continue after a restart; it is made when it
 * is needed. With it, starting an upload again goes on where it was left.
 * Default: nothing is kept.
 */
bitsup_status bitsup_config_set_state_dir(
    bitsup_config *config,
    const char *path,
    bitsup_error **error);

/**
 * The same with a path of length bytes, in any encoding.
 */
bitsup_status bitsup_config_set_state_dir_bytes(
    bitsup_config *config,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * Whether callbacks run in bitsup_client_dispatch only (not 0), or on a thread
 * of the client (0, the default).
 */
bitsup_status bitsup_config_set_dispatch(
    bitsup_config *config,
    int on,
    bitsup_error **error);

/**
 * Calls the function with each line of the client's log; NULL for none, which
 * is the default. userdata goes to it as it is, and must be good until
 * bitsup_client_free returned.
 */
bitsup_status bitsup_config_set_on_log(
    bitsup_config *config,
    bitsup_log_callback callback,
    void *userdata,
    bitsup_error **error);

/**
 * Sets all that these options have set, for all uploads and sessions of the
 * client, as if by its own setters. A copy is taken.
 */
bitsup_status bitsup_config_set_upload_options(
    bitsup_config *config,
    const bitsup_upload_options *options,
    bitsup_error **error);

/**
 * Frees the configuration. NULL is allowed.
 */
void bitsup_config_free(bitsup_config *config);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_on_progress.
 */
bitsup_status bitsup_config_set_on_progress(
    bitsup_config *config,
    bitsup_progress_callback callback,
    void *userdata,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_on_state.
 */
bitsup_status bitsup_config_set_on_state(
    bitsup_config *config,
    bitsup_state_callback callback,
    void *userdata,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_on_retry.
 */
bitsup_status bitsup_config_set_on_retry(
    bitsup_config *config,
    bitsup_retry_callback callback,
    void *userdata,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_on_transcript.
 */
bitsup_status bitsup_config_set_on_transcript(
    bitsup_config *config,
    bitsup_transcript_callback callback,
    void *userdata,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_credential_callback.
 */
bitsup_status bitsup_config_set_credential_callback(
    bitsup_config *config,
    bitsup_credential_callback callback,
    void *userdata,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_user.
 */
bitsup_status bitsup_config_set_user(
    bitsup_config *config,
    const char *user,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_password.
 */
bitsup_status bitsup_config_set_password(
    bitsup_config *config,
    const char *password,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_password_file.
 */
bitsup_status bitsup_config_set_password_file(
    bitsup_config *config,
    const char *path,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_password_file_bytes.
 */
bitsup_status bitsup_config_set_password_file_bytes(
    bitsup_config *config,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_auth.
 */
bitsup_status bitsup_config_set_auth(
    bitsup_config *config,
    int scheme,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_bearer_token.
 */
bitsup_status bitsup_config_set_bearer_token(
    bitsup_config *config,
    const char *token,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_token_file.
 */
bitsup_status bitsup_config_set_token_file(
    bitsup_config *config,
    const char *path,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_token_file_bytes.
 */
bitsup_status bitsup_config_set_token_file_bytes(
    bitsup_config *config,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_allow_cleartext_credentials.
 */
bitsup_status bitsup_config_set_allow_cleartext_credentials(
    bitsup_config *config,
    int on,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_header.
 */
bitsup_status bitsup_config_set_header(
    bitsup_config *config,
    const char *name,
    const char *value,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_secret_header.
 */
bitsup_status bitsup_config_set_secret_header(
    bitsup_config *config,
    const char *name,
    const char *value,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_fragment_size.
 */
bitsup_status bitsup_config_set_fragment_size(
    bitsup_config *config,
    uint64_t bytes,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_max_fragment.
 */
bitsup_status bitsup_config_set_max_fragment(
    bitsup_config *config,
    uint64_t bytes,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_min_fragment.
 */
bitsup_status bitsup_config_set_min_fragment(
    bitsup_config *config,
    uint64_t bytes,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_connect_timeout_ms.
 */
bitsup_status bitsup_config_set_connect_timeout_ms(
    bitsup_config *config,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_stall_timeout_ms.
 */
bitsup_status bitsup_config_set_stall_timeout_ms(
    bitsup_config *config,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_ack_timeout_ms.
 */
bitsup_status bitsup_config_set_ack_timeout_ms(
    bitsup_config *config,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_last_ack_timeout_ms.
 */
bitsup_status bitsup_config_set_last_ack_timeout_ms(
    bitsup_config *config,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_give_up_after_ms.
 */
bitsup_status bitsup_config_set_give_up_after_ms(
    bitsup_config *config,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_wait_for_server_ms.
 */
bitsup_status bitsup_config_set_wait_for_server_ms(
    bitsup_config *config,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_retry_delay_ms.
 */
bitsup_status bitsup_config_set_retry_delay_ms(
    bitsup_config *config,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_max_retry_delay_ms.
 */
bitsup_status bitsup_config_set_max_retry_delay_ms(
    bitsup_config *config,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_max_attempts.
 */
bitsup_status bitsup_config_set_max_attempts(
    bitsup_config *config,
    uint32_t attempts,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_max_time_ms.
 */
bitsup_status bitsup_config_set_max_time_ms(
    bitsup_config *config,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_max_bytes.
 */
bitsup_status bitsup_config_set_max_bytes(
    bitsup_config *config,
    uint64_t bytes,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_host_id.
 */
bitsup_status bitsup_config_set_host_id(
    bitsup_config *config,
    int policy,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_trusted_host.
 */
bitsup_status bitsup_config_set_trusted_host(
    bitsup_config *config,
    const char *host,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_if_exists.
 */
bitsup_status bitsup_config_set_if_exists(
    bitsup_config *config,
    int policy,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_verify.
 */
bitsup_status bitsup_config_set_verify(
    bitsup_config *config,
    int policy,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_on_lost_ack.
 */
bitsup_status bitsup_config_set_on_lost_ack(
    bitsup_config *config,
    int policy,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_resume_check.
 */
bitsup_status bitsup_config_set_resume_check(
    bitsup_config *config,
    int policy,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_fresh.
 */
bitsup_status bitsup_config_set_fresh(
    bitsup_config *config,
    int on,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_no_resume.
 */
bitsup_status bitsup_config_set_no_resume(
    bitsup_config *config,
    int on,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_require_resume.
 */
bitsup_status bitsup_config_set_require_resume(
    bitsup_config *config,
    int on,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_sha256.
 */
bitsup_status bitsup_config_set_sha256(
    bitsup_config *config,
    int on,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_refuse_empty.
 */
bitsup_status bitsup_config_set_refuse_empty(
    bitsup_config *config,
    int on,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_lenient.
 */
bitsup_status bitsup_config_set_lenient(
    bitsup_config *config,
    int on,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_content_name.
 */
bitsup_status bitsup_config_set_content_name(
    bitsup_config *config,
    const char *name,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_note.
 */
bitsup_status bitsup_config_set_note(
    bitsup_config *config,
    const char *note,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_polite.
 */
bitsup_status bitsup_config_set_polite(
    bitsup_config *config,
    int on,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_post_override.
 */
bitsup_status bitsup_config_set_post_override(
    bitsup_config *config,
    int on,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_proxy.
 */
bitsup_status bitsup_config_set_proxy(
    bitsup_config *config,
    const char *url,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_noproxy.
 */
bitsup_status bitsup_config_set_noproxy(
    bitsup_config *config,
    const char *hosts,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_proxy_user.
 */
bitsup_status bitsup_config_set_proxy_user(
    bitsup_config *config,
    const char *user,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_proxy_password.
 */
bitsup_status bitsup_config_set_proxy_password(
    bitsup_config *config,
    const char *password,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_proxy_password_file.
 */
bitsup_status bitsup_config_set_proxy_password_file(
    bitsup_config *config,
    const char *path,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_proxy_password_file_bytes.
 */
bitsup_status bitsup_config_set_proxy_password_file_bytes(
    bitsup_config *config,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_proxy_auth.
 */
bitsup_status bitsup_config_set_proxy_auth(
    bitsup_config *config,
    int scheme,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_proxy_ca_file.
 */
bitsup_status bitsup_config_set_proxy_ca_file(
    bitsup_config *config,
    const char *path,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_proxy_ca_file_bytes.
 */
bitsup_status bitsup_config_set_proxy_ca_file_bytes(
    bitsup_config *config,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_resolve.
 */
bitsup_status bitsup_config_set_resolve(
    bitsup_config *config,
    const char *addresses,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_reply_path.
 */
bitsup_status bitsup_config_set_reply_path(
    bitsup_config *config,
    const char *path,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_reply_path_bytes.
 */
bitsup_status bitsup_config_set_reply_path_bytes(
    bitsup_config *config,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_reply_memory.
 */
bitsup_status bitsup_config_set_reply_memory(
    bitsup_config *config,
    uint64_t max_bytes,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_reply_max_size.
 */
bitsup_status bitsup_config_set_reply_max_size(
    bitsup_config *config,
    uint64_t bytes,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_reply_optional.
 */
bitsup_status bitsup_config_set_reply_optional(
    bitsup_config *config,
    int on,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_ca_file.
 */
bitsup_status bitsup_config_set_ca_file(
    bitsup_config *config,
    const char *path,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_ca_file_bytes.
 */
bitsup_status bitsup_config_set_ca_file_bytes(
    bitsup_config *config,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_client_cert.
 */
bitsup_status bitsup_config_set_client_cert(
    bitsup_config *config,
    const char *path,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_client_cert_bytes.
 */
bitsup_status bitsup_config_set_client_cert_bytes(
    bitsup_config *config,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_client_key.
 */
bitsup_status bitsup_config_set_client_key(
    bitsup_config *config,
    const char *path,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_client_key_bytes.
 */
bitsup_status bitsup_config_set_client_key_bytes(
    bitsup_config *config,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_client_key_password.
 */
bitsup_status bitsup_config_set_client_key_password(
    bitsup_config *config,
    const char *password,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_client_key_password_file.
 */
bitsup_status bitsup_config_set_client_key_password_file(
    bitsup_config *config,
    const char *path,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_client_key_password_file_bytes.
 */
bitsup_status bitsup_config_set_client_key_password_file_bytes(
    bitsup_config *config,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_pinned_key.
 */
bitsup_status bitsup_config_set_pinned_key(
    bitsup_config *config,
    const char *key,
    bitsup_error **error);

/**
 * For all uploads of the client:
 * bitsup_upload_options_set_insecure.
 */
bitsup_status bitsup_config_set_insecure(
    bitsup_config *config,
    int on,
    bitsup_error **error);

/**
 * Answers with user and password, which are copied; the copy of the password
 * is overwritten when it is not needed any more. The last answer counts.
 */
bitsup_status bitsup_credential_reply_password(
    bitsup_credential_reply *reply,
    const char *user,
    const char *password,
    bitsup_error **error);

/**
 * Answers with a bearer token, which is copied and overwritten as a password
 * is; not for proxies. valid_for_ms says for how many milliseconds the server
 * takes it: shortly before their end a new one is asked for. 0 if that is not
 * known.
 */
bitsup_status bitsup_credential_reply_token(
    bitsup_credential_reply *reply,
    const char *token,
    uint64_t valid_for_ms,
    bitsup_error **error);

/**
 * The status that the call returned; BITSUP_STATUS_OK for NULL.
 */
bitsup_status bitsup_error_status(const bitsup_error *error);

/**
 * What happened, in one line, with what the server said; "" for NULL. It holds
 * no secret.
 */
const char *bitsup_error_message(const bitsup_error *error);

/**
 * The likely next step, in one or two sentences; "" for NULL.
 */
const char *bitsup_error_advice(const bitsup_error *error);

/**
 * The HTTP status of the server's answer; 0 if there was none.
 */
uint32_t bitsup_error_http_status(const bitsup_error *error);

/**
 * The BITS error (an HRESULT such as 0x80200020) of the server's answer, else
 * the code that stands for its HTTP status; 0 if there was none.
 */
uint32_t bitsup_error_hresult(const bitsup_error *error);

/**
 * BITS-Error-Context of the answer: 5 for the BITS server, 7 for the
 * application behind it; 0 if there was none.
 */
uint32_t bitsup_error_context(const bitsup_error *error);

/**
 * The value of errno where something on this machine failed; 0 if nothing did.
 */
int32_t bitsup_error_os_error(const bitsup_error *error);

/**
 * Whether (not 0) the server still holds what was sent, so that starting the
 * same upload again continues it.
 */
int bitsup_error_resumable(const bitsup_error *error);

/**
 * The session that was left on the server, as text to continue it with; NULL
 * if there is none. Who has this text can write to the upload.
 */
const char *bitsup_error_token(const bitsup_error *error);

/**
 * Frees the error and its texts. NULL is allowed.
 */
void bitsup_error_free(bitsup_error *error);

/**
 * Reads the list of the sessions that were kept, oldest first. Refused if the
 * client has no state directory (bitsup_config_set_state_dir).
 */
bitsup_status bitsup_journal_read(
    bitsup_client *client,
    bitsup_journal **journal,
    bitsup_error **error);

/**
 * How many sessions are in the list; 0 for NULL.
 */
size_t bitsup_journal_count(const bitsup_journal *journal);

/**
 * Tells about one session of the list, from 0 on. Where its file cannot be
 * read or understood, that is the error. Set entry->struct_size first.
 */
bitsup_status bitsup_journal_get(
    const bitsup_journal *journal,
    size_t index,
    bitsup_journal_entry *entry,
    bitsup_error **error);

/**
 * Frees the list and its texts. NULL is allowed.
 */
void bitsup_journal_free(bitsup_journal *journal);

/**
 * Starts to upload the rest of a file whose session was kept. options may be
 * NULL: the journal holds no password and no other option.
 */
bitsup_status bitsup_journal_resume(
    bitsup_client *client,
    const char *id,
    const bitsup_upload_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * Tells the server to delete what it has of a kept session, waits for the
 * answer, and forgets the session. options may be NULL.
 */
bitsup_status bitsup_journal_cancel(
    bitsup_client *client,
    const char *id,
    const bitsup_upload_options *options,
    bitsup_error **error);

/**
 * Forgets a kept session without telling the server, which keeps what it has
 * until it forgets that too.
 */
bitsup_status bitsup_journal_forget(
    bitsup_client *client,
    const char *id,
    bitsup_error **error);

/**
 * Makes a token of a kept session, to go on with it here or elsewhere: see
 * bitsup_upload_import.
 */
bitsup_status bitsup_journal_export(
    bitsup_client *client,
    const char *id,
    bitsup_token **token,
    bitsup_error **error);

/**
 * Starts to upload the rest of a file in a session from elsewhere: token is
 * the text of bitsup_error_token or bitsup_token_text, and names the
 * destination. The file must hold the same bytes, which is checked before its
 * last part goes out. options may be NULL.
 */
bitsup_status bitsup_upload_import(
    bitsup_client *client,
    const char *token,
    const char *path,
    const bitsup_upload_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * bitsup_upload_import with a path of path_length bytes, in any encoding.
 */
bitsup_status bitsup_upload_import_bytes(
    bitsup_client *client,
    const char *token,
    const char *path,
    size_t path_length,
    const bitsup_upload_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * bitsup_upload_import with length bytes in memory, as for
 * bitsup_upload_start_memory.
 */
bitsup_status bitsup_upload_import_memory(
    bitsup_client *client,
    const char *token,
    const void *data,
    size_t length,
    const bitsup_upload_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * bitsup_upload_import with what a function of the program reads, as for
 * bitsup_upload_start_callbacks. A part of it is read before this returns.
 */
bitsup_status bitsup_upload_import_callbacks(
    bitsup_client *client,
    const char *token,
    const bitsup_source *source,
    const bitsup_upload_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * Options with the defaults; NULL only after a fault inside bitsup.
 */
bitsup_upload_options *bitsup_upload_options_new(void);

/**
 * Sets all that others has set, as if by its own setters; a copy is taken. A
 * credential callback is then shared with others.
 */
bitsup_status bitsup_upload_options_merge(
    bitsup_upload_options *options,
    const bitsup_upload_options *others,
    bitsup_error **error);

/**
 * Frees the options. NULL is allowed.
 */
void bitsup_upload_options_free(bitsup_upload_options *options);

/**
 * Calls the function at most ten times a second and at every change of state;
 * NULL for none. userdata goes to it as it is, and must be good until
 * bitsup_upload_free returned.
 */
bitsup_status bitsup_upload_options_set_on_progress(
    bitsup_upload_options *options,
    bitsup_progress_callback callback,
    void *userdata,
    bitsup_error **error);

/**
 * Calls the function at every change of state; NULL for none. userdata goes to
 * it as it is, and must be good until bitsup_upload_free returned.
 */
bitsup_status bitsup_upload_options_set_on_state(
    bitsup_upload_options *options,
    bitsup_state_callback callback,
    void *userdata,
    bitsup_error **error);

/**
 * Asks the function before each next try; NULL for none. userdata goes to it
 * as it is, and must be good until bitsup_upload_free returned.
 */
bitsup_status bitsup_upload_options_set_on_retry(
    bitsup_upload_options *options,
    bitsup_retry_callback callback,
    void *userdata,
    bitsup_error **error);

/**
 * Calls the function with each exchange, to be written down and played back by
 * a development server; NULL for none. userdata goes to it as it is, and must
 * be good until bitsup_upload_free returned.
 */
bitsup_status bitsup_upload_options_set_on_transcript(
    bitsup_upload_options *options,
    bitsup_transcript_callback callback,
    void *userdata,
    bitsup_error **error);

/**
 * Asks the function for a login when one is wanted; NULL for none. userdata
 * goes to it as it is, and must be good until bitsup_upload_free returned, or
 * bitsup_session_free.
 */
bitsup_status bitsup_upload_options_set_credential_callback(
    bitsup_upload_options *options,
    bitsup_credential_callback callback,
    void *userdata,
    bitsup_error **error);

/**
 * The user, also as DOMAIN\user or user@domain; goes with a password.
 */
bitsup_status bitsup_upload_options_set_user(
    bitsup_upload_options *options,
    const char *user,
    bitsup_error **error);

/**
 * The password. Copies inside bitsup are overwritten when they are not needed
 * any more.
 */
bitsup_status bitsup_upload_options_set_password(
    bitsup_upload_options *options,
    const char *password,
    bitsup_error **error);

/**
 * A file whose content is the password, without one newline at its end. It is
 * read when an upload or session starts, at most 64 KiB.
 */
bitsup_status bitsup_upload_options_set_password_file(
    bitsup_upload_options *options,
    const char *path,
    bitsup_error **error);

/**
 * The same with a path of length bytes, in any encoding.
 */
bitsup_status bitsup_upload_options_set_password_file_bytes(
    bitsup_upload_options *options,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * With which scheme to answer the server's challenge: a bitsup_auth.
 */
bitsup_status bitsup_upload_options_set_auth(
    bitsup_upload_options *options,
    int scheme,
    bitsup_error **error);

/**
 * A bearer token, which goes with every packet. It is treated like the
 * password.
 */
bitsup_status bitsup_upload_options_set_bearer_token(
    bitsup_upload_options *options,
    const char *token,
    bitsup_error **error);

/**
 * A file with the bearer token, which is read like that of the password.
 */
bitsup_status bitsup_upload_options_set_token_file(
    bitsup_upload_options *options,
    const char *path,
    bitsup_error **error);

/**
 * The same with a path of length bytes, in any encoding.
 */
bitsup_status bitsup_upload_options_set_token_file_bytes(
    bitsup_upload_options *options,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * Whether (not 0) passwords, tokens and secret headers may go over plain http.
 * Default 0.
 */
bitsup_status bitsup_upload_options_set_allow_cleartext_credentials(
    bitsup_upload_options *options,
    int on,
    bitsup_error **error);

/**
 * A header for every packet; it takes the place of one of the same name.
 */
bitsup_status bitsup_upload_options_set_header(
    bitsup_upload_options *options,
    const char *name,
    const char *value,
    bitsup_error **error);

/**
 * A header that is treated like a password: never shown, and not sent over
 * plain http unless that is allowed.
 */
bitsup_status bitsup_upload_options_set_secret_header(
    bitsup_upload_options *options,
    const char *name,
    const char *value,
    bitsup_error **error);

/**
 * Bytes in each Fragment; 0 chooses by itself, which is the default.
 */
bitsup_status bitsup_upload_options_set_fragment_size(
    bitsup_upload_options *options,
    uint64_t bytes,
    bitsup_error **error);

/**
 * The most bytes in a Fragment that is chosen by itself, at least 1. Default
 * 28 MiB: IIS refuses requests above 30,000,000 bytes.
 */
bitsup_status bitsup_upload_options_set_max_fragment(
    bitsup_upload_options *options,
    uint64_t bytes,
    bitsup_error **error);

/**
 * The fewest bytes in a Fragment to which a server's "too large" leads, at
 * least 1. Default 5 KiB.
 */
bitsup_status bitsup_upload_options_set_min_fragment(
    bitsup_upload_options *options,
    uint64_t bytes,
    bitsup_error **error);

/**
 * How long connecting may take (name, TCP, TLS). Default 30 s.
 */
bitsup_status bitsup_upload_options_set_connect_timeout_ms(
    bitsup_upload_options *options,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * How long no byte may move while a packet is sent. Default 60 s.
 */
bitsup_status bitsup_upload_options_set_stall_timeout_ms(
    bitsup_upload_options *options,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * How long an answer may take. Default 5 min.
 */
bitsup_status bitsup_upload_options_set_ack_timeout_ms(
    bitsup_upload_options *options,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * How long the answers to the last Fragment and to Close-Session may take.
 * Default 15 min.
 */
bitsup_status bitsup_upload_options_set_last_ack_timeout_ms(
    bitsup_upload_options *options,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * How long to go on without progress once a server has answered. Default 15
 * min.
 */
bitsup_status bitsup_upload_options_set_give_up_after_ms(
    bitsup_upload_options *options,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * How long to wait for a server that never answered. Default 15 s, and 3
 * tries.
 */
bitsup_status bitsup_upload_options_set_wait_for_server_ms(
    bitsup_upload_options *options,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * The bound of the second retry's delay, which doubles up to the longest.
 * Default 1 s.
 */
bitsup_status bitsup_upload_options_set_retry_delay_ms(
    bitsup_upload_options *options,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * The longest bound of a retry's delay. Default 60 s.
 */
bitsup_status bitsup_upload_options_set_max_retry_delay_ms(
    bitsup_upload_options *options,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * How many tries without progress; 0 is unlimited, which is the default.
 */
bitsup_status bitsup_upload_options_set_max_attempts(
    bitsup_upload_options *options,
    uint32_t attempts,
    bitsup_error **error);

/**
 * How long the whole upload may take; 0 is unlimited, which is the default.
 */
bitsup_status bitsup_upload_options_set_max_time_ms(
    bitsup_upload_options *options,
    uint64_t milliseconds,
    bitsup_error **error);

/**
 * How many bytes may be sent, repetitions included; 0 is unlimited, which is
 * the default.
 */
bitsup_status bitsup_upload_options_set_max_bytes(
    bitsup_upload_options *options,
    uint64_t bytes,
    bitsup_error **error);

/**
 * Sets one option by name, for programs that would rather not declare each of
 * the functions below: name is the rest of a function's name after
 * bitsup_upload_options_set_, such as "fragment_size". value is its argument
 * as text: a decimal number; 0 or 1, false or true; an enumerator's last words
 * such as "skip"; for "header" and "secret_header", "Name: value". Callbacks
 * cannot be set so.
 */
bitsup_status bitsup_upload_options_set(
    bitsup_upload_options *options,
    const char *name,
    const char *value,
    bitsup_error **error);

/**
 * Which other host to go on with: a bitsup_host_policy.
 */
bitsup_status bitsup_upload_options_set_host_id(
    bitsup_upload_options *options,
    int policy,
    bitsup_error **error);

/**
 * Adds a host to go on with whatever the policy, which is shown logins,
 * tokens, cookies and secret headers as the URL's host is; a leading dot names
 * all hosts below. Without it BITSUP_HOST_POLICY_ANY shows them to hosts of
 * the URL's registrable domain only.
 */
bitsup_status bitsup_upload_options_set_trusted_host(
    bitsup_upload_options *options,
    const char *host,
    bitsup_error **error);

/**
 * What to do about a file that exists: a bitsup_if_exists.
 */
bitsup_status bitsup_upload_options_set_if_exists(
    bitsup_upload_options *options,
    int policy,
    bitsup_error **error);

/**
 * When to ask for the destination's size afterwards: a bitsup_verify.
 */
bitsup_status bitsup_upload_options_set_verify(
    bitsup_upload_options *options,
    int policy,
    bitsup_error **error);

/**
 * What to do where an answer was lost: a bitsup_on_lost_ack.
 */
bitsup_status bitsup_upload_options_set_on_lost_ack(
    bitsup_upload_options *options,
    int policy,
    bitsup_error **error);

/**
 * How much of the source is compared before an upload is continued: a
 * bitsup_resume_check.
 */
bitsup_status bitsup_upload_options_set_resume_check(
    bitsup_upload_options *options,
    int policy,
    bitsup_error **error);

/**
 * Whether (not 0) a kept session of the same source and destination is
 * cancelled, and the upload starts anew. Default 0.
 */
bitsup_status bitsup_upload_options_set_fresh(
    bitsup_upload_options *options,
    int on,
    bitsup_error **error);

/**
 * Whether (not 0) nothing is kept for a later continuation, also where the
 * client has a state directory. Default 0.
 */
bitsup_status bitsup_upload_options_set_no_resume(
    bitsup_upload_options *options,
    int on,
    bitsup_error **error);

/**
 * Whether (not 0) it is an error that nothing can be kept in the state
 * directory, instead of a warning. Default 0.
 */
bitsup_status bitsup_upload_options_set_require_resume(
    bitsup_upload_options *options,
    int on,
    bitsup_error **error);

/**
 * Whether (not 0) the receipt gets the SHA-256 of the file. Default 0.
 */
bitsup_status bitsup_upload_options_set_sha256(
    bitsup_upload_options *options,
    int on,
    bitsup_error **error);

/**
 * Whether (not 0) an empty file is an error. Default 0.
 */
bitsup_status bitsup_upload_options_set_refuse_empty(
    bitsup_upload_options *options,
    int on,
    bitsup_error **error);

/**
 * Whether (not 0) a 200 without BITS-Received-Content-Range is taken for "all
 * received". Default 0.
 */
bitsup_status bitsup_upload_options_set_lenient(
    bitsup_upload_options *options,
    int on,
    bitsup_error **error);

/**
 * The Content-Name; default: the name of the source.
 */
bitsup_status bitsup_upload_options_set_content_name(
    bitsup_upload_options *options,
    const char *name,
    bitsup_error **error);

/**
 * Words that the journal keeps for people, such as the command that continues
 * the upload. No secret: they are stored and shown.
 */
bitsup_status bitsup_upload_options_set_note(
    bitsup_upload_options *options,
    const char *note,
    bitsup_error **error);

/**
 * Whether (not 0) others go first on the way: the upload slows down as soon as
 * Acks come later or the system refuses bytes for longer than on a free way,
 * to 16 KiB a second at the least, and its packets are marked as lower effort
 * (RFC 8622). Default 0.
 */
bitsup_status bitsup_upload_options_set_polite(
    bitsup_upload_options *options,
    int on,
    bitsup_error **error);

/**
 * Whether (not 0) packets go as POST with the header X-HTTP-Method-Override:
 * BITS_POST, for a way on which the method BITS_POST is blocked. Something at
 * its end must turn them back: IIS does not. Default 0.
 */
bitsup_status bitsup_upload_options_set_post_override(
    bitsup_upload_options *options,
    int on,
    bitsup_error **error);

/**
 * The proxy to go through: http://host:port, https://host:port or
 * socks5h://host:port, without a password; "" for none. Default: what
 * http_proxy, https_proxy, all_proxy and no_proxy in the environment say.
 */
bitsup_status bitsup_upload_options_set_proxy(
    bitsup_upload_options *options,
    const char *url,
    bitsup_error **error);

/**
 * Hosts to reach without the proxy, separated by commas. Default: what
 * no_proxy in the environment says.
 */
bitsup_status bitsup_upload_options_set_noproxy(
    bitsup_upload_options *options,
    const char *hosts,
    bitsup_error **error);

/**
 * The user for the proxy; goes with a password.
 */
bitsup_status bitsup_upload_options_set_proxy_user(
    bitsup_upload_options *options,
    const char *user,
    bitsup_error **error);

/**
 * The password for the proxy, treated like that for the server.
 */
bitsup_status bitsup_upload_options_set_proxy_password(
    bitsup_upload_options *options,
    const char *password,
    bitsup_error **error);

/**
 * A file with the password for the proxy, which is read like that for the
 * server.
 */
bitsup_status bitsup_upload_options_set_proxy_password_file(
    bitsup_upload_options *options,
    const char *path,
    bitsup_error **error);

/**
 * The same with a path of length bytes, in any encoding.
 */
bitsup_status bitsup_upload_options_set_proxy_password_file_bytes(
    bitsup_upload_options *options,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * With which scheme to answer the proxy's challenge: a bitsup_auth.
 * BITSUP_AUTH_ANY takes Basic too: few proxies have TLS of their own.
 */
bitsup_status bitsup_upload_options_set_proxy_auth(
    bitsup_upload_options *options,
    int scheme,
    bitsup_error **error);

/**
 * A file of CA certificates (PEM) for a proxy that is reached over https,
 * instead of those of the system.
 */
bitsup_status bitsup_upload_options_set_proxy_ca_file(
    bitsup_upload_options *options,
    const char *path,
    bitsup_error **error);

/**
 * The same with a path of length bytes, in any encoding.
 */
bitsup_status bitsup_upload_options_set_proxy_ca_file_bytes(
    bitsup_upload_options *options,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * Adds the addresses to take for a name instead of looking it up:
 * HOST:PORT:ADDRESS[,ADDRESS]…, as for curl's --resolve.
 */
bitsup_status bitsup_upload_options_set_resolve(
    bitsup_upload_options *options,
    const char *addresses,
    bitsup_error **error);

/**
 * Asks for a reply, into this file, which is replaced when the reply is
 * complete.
 */
bitsup_status bitsup_upload_options_set_reply_path(
    bitsup_upload_options *options,
    const char *path,
    bitsup_error **error);

/**
 * The same with a path of length bytes, in any encoding.
 */
bitsup_status bitsup_upload_options_set_reply_path_bytes(
    bitsup_upload_options *options,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * Asks for a reply, into memory: at most max_bytes, at least 1. The receipt
 * has it.
 */
bitsup_status bitsup_upload_options_set_reply_memory(
    bitsup_upload_options *options,
    uint64_t max_bytes,
    bitsup_error **error);

/**
 * How many bytes a reply to a file may have, at least 1; a larger one is an
 * error. Default 1 GiB.
 */
bitsup_status bitsup_upload_options_set_reply_max_size(
    bitsup_upload_options *options,
    uint64_t bytes,
    bitsup_error **error);

/**
 * Whether (not 0) a missing reply is no error. Default 0.
 */
bitsup_status bitsup_upload_options_set_reply_optional(
    bitsup_upload_options *options,
    int on,
    bitsup_error **error);

/**
 * A file of CA certificates (PEM) instead of those of the system.
 */
bitsup_status bitsup_upload_options_set_ca_file(
    bitsup_upload_options *options,
    const char *path,
    bitsup_error **error);

/**
 * The same with a path of length bytes, in any encoding.
 */
bitsup_status bitsup_upload_options_set_ca_file_bytes(
    bitsup_upload_options *options,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * A file with a certificate that shows the server who we are: PEM, or
 * PKCS#12 with its key.
 */
bitsup_status bitsup_upload_options_set_client_cert(
    bitsup_upload_options *options,
    const char *path,
    bitsup_error **error);

/**
 * The same with a path of length bytes, in any encoding.
 */
bitsup_status bitsup_upload_options_set_client_cert_bytes(
    bitsup_upload_options *options,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * A file with that certificate's private key (PEM). Default: it is in the
 * certificate's file.
 */
bitsup_status bitsup_upload_options_set_client_key(
    bitsup_upload_options *options,
    const char *path,
    bitsup_error **error);

/**
 * The same with a path of length bytes, in any encoding.
 */
bitsup_status bitsup_upload_options_set_client_key_bytes(
    bitsup_upload_options *options,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * The private key's passphrase, treated like a password.
 */
bitsup_status bitsup_upload_options_set_client_key_password(
    bitsup_upload_options *options,
    const char *password,
    bitsup_error **error);

/**
 * A file with the private key's passphrase, which is read like that of a
 * password.
 */
bitsup_status bitsup_upload_options_set_client_key_password_file(
    bitsup_upload_options *options,
    const char *path,
    bitsup_error **error);

/**
 * The same with a path of length bytes, in any encoding.
 */
bitsup_status bitsup_upload_options_set_client_key_password_file_bytes(
    bitsup_upload_options *options,
    const char *path,
    size_t length,
    bitsup_error **error);

/**
 * The server's public key, as curl writes it: sha256//BASE64. A server with
 * another one is refused.
 */
bitsup_status bitsup_upload_options_set_pinned_key(
    bitsup_upload_options *options,
    const char *key,
    bitsup_error **error);

/**
 * Whether (not 0) certificates are not checked at all. Default 0.
 */
bitsup_status bitsup_upload_options_set_insecure(
    bitsup_upload_options *options,
    int on,
    bitsup_error **error);

/**
 * The name of a state, such as "waiting_ack"; "unknown" for a number that is
 * none. The text is static.
 */
const char *bitsup_state_name(uint32_t state);

/**
 * Diagnoses the path to a server: proxy, name, connection, certificates,
 * login, and whether a session takes a byte; and waits for the answers. The
 * session is for a file of its own in the folder of url, and is cancelled
 * again: what url names is not touched.
 * BITSUP_STATUS_OK: there is a report, which may be of problems; else the URL
 * or an option cannot be used. options may be NULL.
 */
bitsup_status bitsup_doctor(
    bitsup_client *client,
    const char *url,
    const bitsup_upload_options *options,
    bitsup_report **report,
    bitsup_error **error);

/**
 * The report as one line of JSON, which lives as long as the report: v, which
 * is 1, url, and findings in the order in which a connection comes about, each
 * with check, verdict (good, skipped, warning, unknown or problem), detail and
 * fix. "" for NULL.
 */
const char *bitsup_report_json(const bitsup_report *report);

/**
 * The first problem, as the error that an upload would end with: its message
 * says what was seen, its advice what to do, and where. BITSUP_STATUS_OK:
 * there is none, and an upload should work, unless a finding is unknown.
 */
bitsup_status bitsup_report_problem(
    const bitsup_report *report,
    bitsup_error **error);

/**
 * Frees the report and its text. NULL is allowed.
 */
void bitsup_report_free(bitsup_report *report);

/**
 * Sends Ping, and waits for the answer: whether a BITS server is there and
 * lets us in. options may be NULL.
 */
bitsup_status bitsup_ping(
    bitsup_client *client,
    const char *url,
    const bitsup_upload_options *options,
    bitsup_error **error);

/**
 * Sends Create-Session for a file of size bytes, and waits for the answer.
 * name is the Content-Name, or NULL for none; options may be NULL.
 */
bitsup_status bitsup_session_create(
    bitsup_client *client,
    const char *url,
    uint64_t size,
    const char *name,
    const bitsup_upload_options *options,
    bitsup_session **session,
    bitsup_error **error);

/**
 * The session's id, which lives as long as the handle; NULL for NULL.
 */
const char *bitsup_session_id(const bitsup_session *session);

/**
 * Where the next fragment is to start; 0 for NULL.
 */
uint64_t bitsup_session_offset(const bitsup_session *session);

/**
 * Sends length bytes, at least one, as a Fragment from bitsup_session_offset
 * on, and waits for the answer. *next_offset, if next_offset is not NULL, is
 * then where the server wants to continue: normally behind what was sent, but
 * it may be anywhere in the file. It is not written on failure.
 */
bitsup_status bitsup_session_send(
    bitsup_session *session,
    const void *data,
    size_t length,
    uint64_t *next_offset,
    bitsup_error **error);

/**
 * Sends Close-Session, and waits for the answer. BITSUP_STATUS_OK: the server
 * confirmed the file. Refused, and nothing sent, before the server has all
 * bytes.
 */
bitsup_status bitsup_session_close(
    bitsup_session *session,
    bitsup_error **error);

/**
 * Sends Cancel-Session, and waits for the answer: the server deletes what it
 * has.
 */
bitsup_status bitsup_session_cancel(
    bitsup_session *session,
    bitsup_error **error);

/**
 * Frees the handle and sends nothing: a session that was neither closed nor
 * cancelled stays on the server until the server forgets it. NULL is allowed.
 */
void bitsup_session_free(bitsup_session *session);

/**
 * The name of a status without its prefix, such as "SOURCE_CHANGED"; "UNKNOWN"
 * for a number that is none. The text is static.
 */
const char *bitsup_status_name(uint32_t status);

/**
 * The text: one line of visible ASCII characters, which lives as long as the
 * token; "" for NULL.
 */
const char *bitsup_token_text(const bitsup_token *token);

/**
 * Frees the token and its text. NULL is allowed.
 */
void bitsup_token_free(bitsup_token *token);

/**
 * Uploads a file and waits for the end: bitsup_upload_start, _wait and _free
 * in one. A URL that ends in a slash gets the file's name appended.
 */
bitsup_status bitsup_upload_file(
    bitsup_client *client,
    const char *path,
    const char *url,
    bitsup_error **error);

/**
 * Starts to upload a file, which must stay as it is until the end. A URL that
 * ends in a slash gets the file's name appended. options may be NULL.
 */
bitsup_status bitsup_upload_start(
    bitsup_client *client,
    const char *path,
    const char *url,
    const bitsup_upload_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * bitsup_upload_start with a path of path_length bytes, in any encoding.
 */
bitsup_status bitsup_upload_start_bytes(
    bitsup_client *client,
    const char *path,
    size_t path_length,
    const char *url,
    const bitsup_upload_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * Starts to upload length bytes in memory, which is not copied: it must stay
 * as it is until bitsup_upload_free returned. data may be NULL if length is 0;
 * options may be NULL.
 */
bitsup_status bitsup_upload_start_memory(
    bitsup_client *client,
    const void *data,
    size_t length,
    const char *url,
    const bitsup_upload_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * Starts to upload what a function of the program reads. The structure is
 * copied; options may be NULL.
 */
bitsup_status bitsup_upload_start_callbacks(
    bitsup_client *client,
    const bitsup_source *source,
    const char *url,
    const bitsup_upload_options *options,
    bitsup_upload **upload,
    bitsup_error **error);

/**
 * Waits for the end, at most timeout_ms milliseconds; 0 does not wait, a
 * negative number waits for ever. BITSUP_STATUS_PENDING: the upload still
 * runs. BITSUP_STATUS_OK: the server confirmed the file. Everything else is
 * why there is no such file. Callbacks on the client's thread have told of the
 * end then, unless they take over a second. Not in a callback of the same
 * upload.
 */
bitsup_status bitsup_upload_wait(
    bitsup_upload *upload,
    int64_t timeout_ms,
    bitsup_error **error);

/**
 * Pauses: the request under way ends, then nothing is sent. Returns at once;
 * the state tells.
 */
bitsup_status bitsup_upload_suspend(
    bitsup_upload *upload,
    bitsup_error **error);

/**
 * Goes on after bitsup_upload_suspend.
 */
bitsup_status bitsup_upload_resume(
    bitsup_upload *upload,
    bitsup_error **error);

/**
 * Stops, and tells the server to delete what it has. Returns at once; the
 * upload then ends with BITSUP_STATUS_CANCELLED.
 */
bitsup_status bitsup_upload_cancel(
    bitsup_upload *upload,
    bitsup_error **error);

/**
 * Stops, and leaves the session on the server. Returns at once; the upload
 * then ends with BITSUP_STATUS_CANCELLED.
 */
bitsup_status bitsup_upload_stop(
    bitsup_upload *upload,
    bitsup_error **error);

/**
 * Takes a snapshot; never waits. Set progress->struct_size first.
 */
bitsup_status bitsup_upload_progress(
    const bitsup_upload *upload,
    bitsup_progress *progress);

/**
 * Why the upload waits for its next try, in one line: written to buffer, cut
 * to size bytes with the zero at its end. Returns the bytes of the whole text
 * without that zero; 0 while it does not wait. buffer may be NULL if size is
 * 0.
 */
size_t bitsup_upload_waiting_for(
    const bitsup_upload *upload,
    char *buffer,
    size_t size);

/**
 * Tells about a complete upload; BITSUP_STATUS_PENDING while it runs, and what
 * bitsup_upload_wait returns if it failed. Set receipt->struct_size first.
 */
bitsup_status bitsup_upload_receipt(
    const bitsup_upload *upload,
    bitsup_receipt *receipt,
    bitsup_error **error);

/**
 * Frees the upload. One that still runs is stopped, and its session cancelled
 * on the server, without waiting for that. Afterwards its callbacks, userdata
 * and memory are not used any more: the call waits for a callback that is
 * running, unless it is made by that callback. NULL is allowed.
 */
void bitsup_upload_free(bitsup_upload *upload);

/**
 * The version of the library at run time, such as "0.1.0"; compare
 * BITSUP_VERSION, that of the header. The text is static.
 */
const char *bitsup_version(void);

/**
 * The version of the library at run time as major * 65536 + minor * 256 +
 * patch; compare BITSUP_VERSION_NUMBER.
 */
uint32_t bitsup_version_number(void);

/**
 * What this build has, as the libraries themselves say at run time:
 * BITSUP_FEATURE_… together.
 */
uint32_t bitsup_features(void);

/**
 * The same in words for people, with the versions of libcurl and the TLS
 * library. The text is static.
 */
const char *bitsup_features_text(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* BITSUP_H */

/** Uploads files with the BITS Upload Protocol, through libbitsup. */
import { promisify } from 'node:util';
import koffi from 'koffi';

const library = koffi.load('libbitsup.so.0');
koffi.struct('bitsup_progress', {
  struct_size: 'size_t', total: 'uint64_t', acknowledged: 'uint64_t', sent: 'uint64_t', rate: 'uint64_t',
  eta_ms: 'int64_t', retry_ms: 'int64_t', state: 'int', attempt: 'uint32_t',
});
koffi.struct('bitsup_receipt', {
  struct_size: 'size_t', url: 'str', size: 'uint64_t', session_id: 'str', duration_ms: 'uint64_t', fragments: 'uint64_t',
  retries: 'uint64_t', restarts: 'uint32_t', unconfirmed_resends: 'uint32_t', close_confirmed: 'int', verified: 'int',
  skipped: 'int', sha256: 'str', reply_path: 'str', reply: 'void *', reply_size: 'size_t', reply_url: 'str', warnings: 'str',
});
koffi.struct('bitsup_option_facts', { struct_size: 'size_t', id: 'int', kind: 'int' }); // the part that is used here
koffi.proto('int bitsup_on_progress(uintptr_t userdata, void *upload, const bitsup_progress *progress)');

// The functions of bitsup.h, without their prefix.
const c = Object.fromEntries(`
  const char *version()
  const char *features_text()
  const char *status_name(uint32_t status)
  const char *state_name(uint32_t state)
  int client_new(void *options, _Out_ void **client, _Out_ void **error)
  int client_event_fd(void *client)
  int client_dispatch(void *client, uint32_t max_events, void *error)
  void client_free(void *client)
  void *options_new()
  int option_by_name(const char *name)
  int option_info(int option, _Inout_ bitsup_option_facts *facts, void *error)
  int options_set_by_name(void *options, const char *name, const char *value, void *error)
  int options_set_on_progress(void *options, bitsup_on_progress *callback, uintptr_t userdata, void *destroy, void *error)
  void options_free(void *options)
  int upload_start(void *client, const char *path, const char *url, void *options, _Out_ void **upload, _Out_ void **error)
  int upload_start_memory(void *client, void *data, size_t length, const char *url, void *options, _Out_ void **upload, _Out_ void **error)
  int upload_wait(void *upload, int64_t timeout_ms, _Out_ void **error)
  int upload_suspend(void *upload, void *error)
  int upload_resume(void *upload, void *error)
  int upload_cancel(void *upload, void *error)
  int upload_receipt(void *upload, _Inout_ bitsup_receipt *receipt, _Out_ void **error)
  void upload_free(void *upload)
  int session_create(void *client, const char *url, uint64_t size, const char *name, void *options, _Out_ void **session, _Out_ void **error)
  const char *session_id(void *session)
  int session_send(void *session, void *data, size_t length, _Out_ uint64_t *next_offset, _Out_ void **error)
  int session_close(void *session, _Out_ void **error)
  int session_cancel(void *session, _Out_ void **error)
  void session_free(void *session)
  const char *error_message(void *error)
  const char *error_advice(void *error)
  uint32_t error_http_status(void *error)
  uint32_t error_hresult(void *error)
  int error_resumable(void *error)
  void error_free(void *error)
`.trim().split('\n').map((line) => {
  const [, result, name, parameters] = line.match(/^\s*(.*?[ *])(\w+)(\(.*\))$/);
  return [name, library.func(`${result}bitsup_${name}${parameters}`)];
}));
const DURATION = 5; // a kind of options
const DONE = 10; // the first of the states at the end

/** Why there is no such file on the server. */
export class BitsupError extends Error {
  /** Takes the C error that belongs to a status. */
  constructor(status, error, options) {
    super(c.error_message(error), options);
    this.name = 'BitsupError';
    /** The kind of failure, such as "REFUSED". */
    this.status = c.status_name(status);
    /** The likely next step. */
    this.advice = c.error_advice(error);
    /** What the server said; 0 if nothing. */
    this.httpStatus = c.error_http_status(error);
    this.hresult = c.error_hresult(error);
    /** Whether the server still holds what was sent. */
    this.resumable = c.error_resumable(error) !== 0;
    c.error_free(error);
  }
}

/** Calls a function whose last argument is the place for an error; throws that. */
function call(name, ...parameters) {
  const error = [null];
  const status = c[name](...parameters, error);
  if (status !== 0) throw new BitsupError(status, error[0]);
}

/** The same for functions that wait: on a thread of Node's pool. */
async function callAsync(name, ...parameters) {
  const error = [null];
  const status = await promisify(c[name].async)(...parameters, error);
  if (status !== 0) throw new BitsupError(status, error[0]);
}

/** C options from { fragment_size: 65536, … }, for as long as `use` takes. They keep what is wrong until then. */
function withOptions(values, use) {
  const options = c.options_new();
  let used;
  try {
    for (const [name, value] of Object.entries(values)) {
      const facts = { struct_size: koffi.sizeof('bitsup_option_facts') };
      c.option_info(c.option_by_name(name), facts, null);
      const unit = facts.kind === DURATION && typeof value !== 'string' ? 'ms' : '';
      for (const each of [value].flat()) c.options_set_by_name(options, name, each + unit, null);
    }
    used = use(options);
    return used;
  } finally {
    Promise.resolve(used).catch(() => {}).then(() => c.options_free(options));
  }
}

// One C callback for all uploads; they are told apart by a number.
const uploads = new Map();
let lastNumber = 0;
const onProgress = koffi.register((number, _upload, pointer) => {
  const upload = uploads.get(number);
  const { struct_size: _, ...progress } = koffi.decode(pointer, 'bitsup_progress');
  const isEnd = progress.state >= DONE;
  progress.state = c.state_name(progress.state);
  try {
    upload.onProgress?.(progress);
  } catch (thrown) {
    upload.thrown ??= thrown;
  }
  if (isEnd) upload.end();
  return upload.thrown === undefined ? 0 : 1;
}, 'bitsup_on_progress *');

export const version = () => c.version();
/** What this build has, with the versions of libcurl and the TLS library. */
export const features = () => c.features_text();

/** Uploads any number of files at a time; all callbacks run on the event loop, which is never blocked. */
export class Client {
  #client = [null];
  #poll;
  #running = 0;

  constructor() {
    withOptions({ dispatch: true }, (options) => call('client_new', options, this.#client));
    this.#poll = koffi.node.poll(c.client_event_fd(this.#client[0]), () => c.client_dispatch(this.#client[0], 0, null));
    this.#poll.unref();
  }

  /**
   * Uploads a file, or the bytes of a Buffer, and resolves to the receipt. Aborting `signal` tells the server to
   * delete what it has; `onProgress` stops the upload by throwing. Other options are named as in bitsup.h:
   * fragment_size for BITSUP_OPTION_FRAGMENT_SIZE. A value is a text as the tool takes it, a number in the unit of
   * bitsup.h (durations are milliseconds), a boolean, or an array of texts for a list.
   */
  async upload(source, url, { signal, onProgress: listener, ...values } = {}) {
    signal?.throwIfAborted();
    const number = ++lastNumber;
    const state = { onProgress: listener };
    const ended = new Promise((resolve) => { state.end = resolve; });
    const place = [null];
    uploads.set(number, state);
    try {
      await withOptions(values, (options) => {
        c.options_set_on_progress(options, onProgress, number, null, null);
        if (typeof source === 'string') call('upload_start', this.#client[0], source, url, options, place);
        else call('upload_start_memory', this.#client[0], koffi.address(source), source.length, url, options, place);
      });
      const abort = () => c.upload_cancel(place[0], null);
      signal?.addEventListener('abort', abort);
      if (this.#running++ === 0) this.#poll.ref();
      await ended;
      if (--this.#running === 0) this.#poll.unref();
      signal?.removeEventListener('abort', abort);
      if (state.thrown !== undefined) throw state.thrown;
      call('upload_wait', place[0], 0n);
      const receipt = { struct_size: koffi.sizeof('bitsup_receipt') };
      call('upload_receipt', place[0], receipt);
      const { struct_size, reply, reply_size, ...rest } = receipt;
      for (const name of ['close_confirmed', 'verified', 'skipped']) rest[name] = rest[name] !== 0;
      return rest;
    } finally {
      c.upload_free(place[0]);
      uploads.delete(number);
      void source; // which the library has read until now
    }
  }

  /** Sends Create-Session; the packets that follow are sent one by one, and nothing is tried again. */
  async session(url, size, values = {}) {
    const place = [null];
    await withOptions(values, (options) => callAsync('session_create', this.#client[0], url, size, null, options, place));
    return new Session(place[0]);
  }

  /** Ends the client. All uploads and sessions must have ended. */
  async close() {
    this.#poll.close();
    await promisify(c.client_free.async)(this.#client[0]);
  }
}

class Session {
  #session;

  constructor(session) {
    this.#session = session;
  }

  get id() {
    return c.session_id(this.#session);
  }

  /** Sends a Fragment; resolves to where the server wants to continue. */
  async send(data) {
    const next = [0];
    await callAsync('session_send', this.#session, data, data.length, next);
    return next[0];
  }

  /** Sends Close-Session: afterwards the server has confirmed the file. */
  close() {
    return callAsync('session_close', this.#session);
  }

  /** Sends Cancel-Session: the server deletes what it has. */
  cancel() {
    return callAsync('session_cancel', this.#session);
  }

  /** Frees the session and sends nothing. */
  free() {
    c.session_free(this.#session);
    this.#session = null;
  }
}

/* A callback is asked for logins. */

#define _POSIX_C_SOURCE 200809L

#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static _Atomic(const char *) armed;

int bitsup_fault_at(const char *point);
int bitsup_fault_at(const char *point)
{
  const char *wanted = atomic_load(&armed);
  return wanted && !strcmp(point, wanted) &&
         atomic_compare_exchange_strong(&armed, &wanted, NULL);
}

/* argv: a server with Basic, one with tokens, a proxy with Basic. */
static const char *guarded, *token_url, *proxy_url;

/* What a callback answers, one password after the other, and what it saw. */
struct asked {
  const char *passwords[3];
  atomic_int calls;
  pthread_t thread;
};

static void on_credential(void *userdata, bitsup_upload *shown,
                          const bitsup_credential_request *request,
                          bitsup_credential_reply *reply)
{
  (void)shown;
  struct asked *asked = userdata;
  int call = atomic_fetch_add(&asked->calls, 1);
  const char *password = call < 3 ? asked->passwords[call] : NULL;
  CHECK(request->struct_size == sizeof *request);
  CHECK(!strncmp(guarded, request->site, strlen(request->site)));
  CHECK(strlen(request->site) > strlen("http://127.0.0.1:") &&
        !request->proxy && request->realm && *request->realm);
  CHECK(!strcmp(request->schemes, "basic"));
  CHECK(request->attempt == (uint32_t)call + 1);
  CHECK(request->reason == (call ? BITSUP_CREDENTIAL_REASON_REFUSED
                                 : BITSUP_CREDENTIAL_REASON_MISSING));
  CHECK(call ? !strcmp(request->user, "u") : !request->user);
  asked->thread = pthread_self();
  if (password)
    GIVES(OK, bitsup_credential_reply_password(reply, "u", password, &error));
}

static bitsup_options *options_with(bitsup_credential_callback callback,
                                           void *userdata)
{
  bitsup_options *options = bitsup_options_new();
  GIVES(OK, bitsup_options_set_on_credentials(options, callback, userdata,
          NULL, &error));
  GIVES(OK, bitsup_options_set_number(options,
          BITSUP_OPTION_ALLOW_CLEARTEXT_CREDENTIALS, 1, &error));
  return options;
}

static bitsup_upload *start(bitsup_client *client, const char *url,
                            bitsup_options *options)
{
  bitsup_upload *upload;
  GIVES(OK, bitsup_upload_start_memory(client, "data", 4, url, options,
                                       &upload, &error));
  return upload;
}

static bitsup_status finish(bitsup_upload *upload)
{
  bitsup_status status = bitsup_upload_wait(upload, -1, NULL);
  bitsup_upload_free(upload);
  return status;
}

static bitsup_client *new_client(int dispatch)
{
  bitsup_client *client;
  bitsup_options *config = bitsup_options_new();
  GIVES(OK, bitsup_options_set_number(config, BITSUP_OPTION_DISPATCH,
          dispatch, &error));
  GIVES(OK, bitsup_client_new(config, &client, &error));
  bitsup_options_free(config);
  return client;
}

static void wait_until_asking(bitsup_upload *upload)
{
  bitsup_progress progress = {0};
  progress.struct_size = sizeof progress;
  while (progress.state != BITSUP_STATE_AUTHENTICATING) {
    GIVES(PENDING, bitsup_upload_wait(upload, 5, &error));
    CHECK(bitsup_upload_progress(upload, &progress) == BITSUP_STATUS_OK);
  }
}

/* These passwords give this status after this number of questions. */
static void answers(const char *first, const char *second, const char *third,
                    bitsup_status wanted, int calls)
{
  struct asked asked = {{first, second, third}, 0, 0};
  bitsup_options *options = options_with(on_credential, &asked);
  bitsup_client *client = new_client(0);
  bitsup_status status = finish(start(client, guarded, options));
  if (status != wanted)
    fprintf(stderr, "%s\n", bitsup_status_name(status));
  CHECK(status == wanted && atomic_load(&asked.calls) == calls);
  CHECK(!pthread_equal(asked.thread, pthread_self()));

  /* The same of single packets, where the question is part of the call. */
  atomic_store(&asked.calls, 0);
  bitsup_client_free(client);
  client = new_client(0);
  CHECK(bitsup_ping(client, guarded, options, NULL) == wanted);
  CHECK(atomic_load(&asked.calls) == calls);
  CHECK(pthread_equal(asked.thread, pthread_self()));
  bitsup_options_free(options);
  bitsup_client_free(client);
}

static void uploads_share_an_answer(void)
{
  enum { UPLOADS = 8 };
  struct asked asked = {{"pass word"}, 0, 0};
  struct asked own = {{NULL}, 0, 0};
  bitsup_options *options = options_with(on_credential, &asked);
  bitsup_options *merged = bitsup_options_new();
  bitsup_options *config = bitsup_options_new();
  bitsup_client *client = new_client(0);
  bitsup_upload *uploads[UPLOADS];
  size_t at;

  GIVES(OK, bitsup_options_merge(merged, options, &error));
  for (at = 0; at < UPLOADS; at++)
    uploads[at] = start(client, guarded, at % 2 ? options : merged);
  for (at = 0; at < UPLOADS; at++)
    CHECK(finish(uploads[at]) == BITSUP_STATUS_OK);
  CHECK(atomic_load(&asked.calls) == 1);
  bitsup_client_free(client);

  /* The client's callback, where an upload has none of its own. */
  atomic_store(&asked.calls, 0);
  GIVES(OK, bitsup_options_set_on_credentials(config, on_credential, &asked,
          NULL, &error));
  GIVES(OK, bitsup_options_set_number(config,
          BITSUP_OPTION_ALLOW_CLEARTEXT_CREDENTIALS, 1, &error));
  GIVES(OK, bitsup_client_new(config, &client, &error));
  bitsup_options_free(config);
  CHECK(finish(start(client, guarded, NULL)) == BITSUP_STATUS_OK);
  CHECK(finish(start(client, guarded, NULL)) == BITSUP_STATUS_OK);
  CHECK(atomic_load(&asked.calls) == 1);
  bitsup_options_free(options);
  options = options_with(on_credential, &own);
  CHECK(finish(start(client, guarded, options)) == BITSUP_STATUS_AUTH);
  CHECK(atomic_load(&own.calls) == 1 && atomic_load(&asked.calls) == 1);
  bitsup_options_free(options);
  options = options_with(NULL, NULL);
  CHECK(finish(start(client, guarded, options)) == BITSUP_STATUS_AUTH);
  CHECK(atomic_load(&own.calls) == 1 && atomic_load(&asked.calls) == 1);
  bitsup_client_free(client);
  bitsup_options_free(options);
  bitsup_options_free(merged);
}

static void dispatching(void)
{
  struct asked asked = {{"pass word"}, 0, 0};
  bitsup_options *options = options_with(on_credential, &asked);
  bitsup_client *client = new_client(1);
  bitsup_upload *upload = start(client, guarded, options), *other;
  bitsup_status status;

  wait_until_asking(upload);
  CHECK(atomic_load(&asked.calls) == 0);
  do {
    CHECK(bitsup_client_dispatch(client, 0, NULL) <= BITSUP_STATUS_PENDING);
    status = bitsup_upload_wait(upload, 5, NULL);
  } while (status == BITSUP_STATUS_PENDING);
  CHECK(status == BITSUP_STATUS_OK && atomic_load(&asked.calls) == 1);
  CHECK(pthread_equal(asked.thread, pthread_self()));
  bitsup_upload_free(upload);
  bitsup_client_free(client);

  /* Who is freed is not asked; another upload then asks in its place. */
  atomic_store(&asked.calls, 0);
  client = new_client(1);
  upload = start(client, guarded, options);
  wait_until_asking(upload);
  bitsup_upload_free(upload);
  CHECK(bitsup_client_dispatch(client, 0, NULL) <= BITSUP_STATUS_PENDING);
  CHECK(atomic_load(&asked.calls) == 0);
  upload = start(client, guarded, options);
  wait_until_asking(upload);
  other = start(client, guarded, options);
  wait_until_asking(other);
  bitsup_upload_free(upload);
  do {
    CHECK(bitsup_client_dispatch(client, 0, NULL) <= BITSUP_STATUS_PENDING);
    status = bitsup_upload_wait(other, 5, NULL);
  } while (status == BITSUP_STATUS_PENDING);
  CHECK(status == BITSUP_STATUS_OK && atomic_load(&asked.calls) == 1);
  bitsup_upload_free(other);

  /* A limit holds while no answer comes. */
  bitsup_client_free(client);
  client = new_client(1);
  atomic_store(&asked.calls, 0);
  GIVES(OK, bitsup_options_set_number(options, BITSUP_OPTION_MAX_TIME, 300,
          &error));
  CHECK(finish(start(client, guarded, options)) ==
        BITSUP_STATUS_LIMIT_REACHED);
  bitsup_client_free(client);
  CHECK(atomic_load(&asked.calls) == 0);
  bitsup_options_free(options);
}

/* A callback that waits until it may go on. */
struct held {
  bitsup_client *client;
  bitsup_upload *upload, *other;
  bitsup_options *options;
  atomic_int entered, calls, may_return, done;
};

static void nap(void)
{
  struct timespec time = {0, 2000000};
  nanosleep(&time, NULL);
}

static void on_held(void *userdata, bitsup_upload *shown,
        const bitsup_credential_request *request,
                    bitsup_credential_reply *reply)
{
  (void)shown;
  struct held *held = userdata;
  (void)request;
  atomic_fetch_add(&held->calls, 1);
  atomic_store(&held->entered, 1);
  while (!atomic_load(&held->may_return))
    nap();
  GIVES(OK, bitsup_credential_reply_password(reply, "u", "pass word", &error));
  atomic_store(&held->done, 1);
}

static void *let_go(void *userdata)
{
  struct held *held = userdata;
  int naps;
  for (naps = 0; naps < 50; naps++)
    nap();
  atomic_store(&held->may_return, 1);
  return NULL;
}

/* _free waits for the callback, and there is no other one afterwards. */
static void frees_wait(int of_client)
{
  struct held held = {0};
  pthread_t thread;
  held.options = options_with(on_held, &held);
  held.client = new_client(0);
  held.upload = start(held.client, guarded, held.options);
  while (!atomic_load(&held.entered))
    nap();
  CHECK(pthread_create(&thread, NULL, let_go, &held) == 0);
  if (of_client)
    bitsup_client_free(held.client);
  else
    bitsup_upload_free(held.upload);
  CHECK(atomic_load(&held.done) && atomic_load(&held.calls) == 1);
  if (of_client)
    bitsup_upload_free(held.upload);
  else
    bitsup_client_free(held.client);
  CHECK(pthread_join(thread, NULL) == 0);
  bitsup_options_free(held.options);
}

/* What a callback may call, and what it may not. */
static void on_busy(void *userdata, bitsup_upload *shown,
        const bitsup_credential_request *request,
                    bitsup_credential_reply *reply)
{
  (void)shown;
  struct held *held = userdata;
  atomic_fetch_add(&held->calls, 1);
  while (!atomic_load(&held->entered)) /* both uploads are there */
    nap();
  CHECK(request->attempt == 1);
  GIVES(INVALID_ARGUMENT, bitsup_upload_wait(held->upload, -1, &error));
  GIVES(INVALID_ARGUMENT, bitsup_upload_wait(held->other, -1, &error));
  /* It is not asked for its own Ping. */
  GIVES(AUTH, bitsup_ping(held->client, guarded, held->options, &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_credential_reply_password(reply, NULL, "p", &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_credential_reply_password(reply, "u", NULL, &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_credential_reply_password(reply, "u", "\xff", &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_credential_reply_token(reply, "\xc3", 0, &error));
  CHECK(bitsup_credential_reply_token(reply, NULL, 0, NULL) ==
        BITSUP_STATUS_INVALID_ARGUMENT);
  if (!atomic_load(&held->may_return))
    return;
  /* The last answer counts. */
  GIVES(OK, bitsup_credential_reply_token(reply, "wrong", 0, &error));
  GIVES(OK, bitsup_credential_reply_password(reply, "u", "pass word", &error));
  bitsup_upload_free(held->upload);
}

static void inside_a_callback(void)
{
  struct held held = {0};
  held.options = options_with(on_busy, &held);
  held.client = new_client(0);
  held.upload = start(held.client, guarded, held.options);
  held.other = start(held.client, guarded, held.options);
  wait_until_asking(held.upload);
  wait_until_asking(held.other);
  atomic_store(&held.entered, 1);
  /* What was no answer is none. */
  CHECK(finish(held.upload) == BITSUP_STATUS_AUTH);
  CHECK(finish(held.other) == BITSUP_STATUS_AUTH);
  CHECK(atomic_load(&held.calls) == 1);

  /* It frees its own upload; the answer serves the other one. */
  atomic_store(&held.entered, 0);
  atomic_store(&held.calls, 0);
  atomic_store(&held.may_return, 1);
  held.upload = start(held.client, guarded, held.options);
  wait_until_asking(held.upload);
  held.other = start(held.client, guarded, held.options);
  wait_until_asking(held.other);
  atomic_store(&held.entered, 1);
  CHECK(finish(held.other) == BITSUP_STATUS_OK);
  CHECK(atomic_load(&held.calls) == 1);
  bitsup_client_free(held.client);
  bitsup_options_free(held.options);
}

static void sessions(void)
{
  struct asked asked = {{"wrong", "pass word"}, 0, 0};
  bitsup_options *options = options_with(on_credential, &asked);
  bitsup_client *client = new_client(0);
  bitsup_session *session;
  GIVES(OK, bitsup_session_create(client, guarded, 4, NULL, options, &session,
                                  &error));
  bitsup_options_free(options);
  CHECK(atomic_load(&asked.calls) == 2);
  GIVES(OK, bitsup_session_send(session, "data", 4, NULL, &error));
  GIVES(OK, bitsup_session_close(session, &error));
  CHECK(atomic_load(&asked.calls) == 2);
  bitsup_session_free(session);
  bitsup_client_free(client);
}

static void on_token(void *userdata, bitsup_upload *shown,
        const bitsup_credential_request *request,
                     bitsup_credential_reply *reply)
{
  (void)shown;
  int call = atomic_fetch_add((atomic_int *)userdata, 1);
  CHECK(!request->proxy && !request->user);
  CHECK(request->reason == (call ? BITSUP_CREDENTIAL_REASON_EXPIRING
                                 : BITSUP_CREDENTIAL_REASON_MISSING));
  CHECK(!strcmp(request->schemes, call ? "" : "bearer"));
  GIVES(OK, bitsup_credential_reply_token(reply, "good token", 1, &error));
}

static void on_proxy(void *userdata, bitsup_upload *shown,
        const bitsup_credential_request *request,
                     bitsup_credential_reply *reply)
{
  (void)shown;
  int call = atomic_fetch_add((atomic_int *)userdata, 1);
  CHECK(request->proxy && !strcmp(request->site, proxy_url));
  CHECK(!strcmp(request->realm, "way"));
  GIVES(OK, bitsup_credential_reply_password(
                reply, "u", call ? "pass word" : "wrong", &error));
}

static void tokens_and_proxies(void)
{
  atomic_int calls = 0;
  bitsup_client *client = new_client(0);
  bitsup_options *options = options_with(on_token, &calls);
  CHECK(finish(start(client, token_url, options)) == BITSUP_STATUS_OK);
  CHECK(atomic_load(&calls) >= 2);
  bitsup_options_free(options);

  atomic_store(&calls, 0);
  options = options_with(on_proxy, &calls);
  GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_PROXY, proxy_url,
          &error));
  CHECK(finish(start(client, "http://origin.invalid/x.bin", options)) ==
        BITSUP_STATUS_OK);
  CHECK(atomic_load(&calls) == 2);
  bitsup_options_free(options);
  bitsup_client_free(client);
}

/* A fault of ours spoils the upload that asked, and no other one. */
static void faults(const char *point)
{
  struct asked asked = {{"pass word", "pass word"}, 0, 0};
  bitsup_options *options = options_with(on_credential, &asked);
  bitsup_options *other = options_with(on_credential, &asked);
  bitsup_client *client = new_client(0);
  bitsup_upload *upload;
  bitsup_session *session;
  atomic_store(&armed, point);
  upload = start(client, guarded, options);
  GIVES(PANIC, bitsup_upload_wait(upload, -1, &error));
  GIVES(PANIC, bitsup_upload_suspend(upload, &error));
  bitsup_upload_free(upload);
  CHECK(atomic_load(&armed) == NULL);
  atomic_store(&asked.calls, 0);
  CHECK(finish(start(client, guarded, options)) == BITSUP_STATUS_OK);

  /* In a call of the client, the client. */
  atomic_store(&asked.calls, 0);
  GIVES(OK, bitsup_session_create(client, guarded, 4, NULL, options, &session,
                                  &error));
  atomic_store(&asked.calls, 0);
  atomic_store(&armed, point);
  /* The answer of the first callback is known, so another one is asked. */
  GIVES(PANIC, bitsup_ping(client, guarded, other, &error));
  GIVES(PANIC, bitsup_ping(client, guarded, other, &error));
  GIVES(OK, bitsup_session_cancel(session, &error));
  bitsup_session_free(session);
  bitsup_client_free(client);
  bitsup_options_free(other);
  bitsup_options_free(options);
}

int main(int argc, char **argv)
{
  CHECK(argc == 5);
  guarded = argv[1];
  token_url = argv[2];
  proxy_url = argv[3];
  answers("pass word", NULL, NULL, BITSUP_STATUS_OK, 1);
  answers(NULL, NULL, NULL, BITSUP_STATUS_AUTH, 1);
  answers("wrong", "pass word", NULL, BITSUP_STATUS_OK, 2);
  answers("wrong", "worse", "worst", BITSUP_STATUS_AUTH, 3);
  uploads_share_an_answer();
  dispatching();
  frees_wait(0);
  frees_wait(1);
  inside_a_callback();
  sessions();
  tokens_and_proxies();
  if (!strcmp(argv[4], "faults")) {
    faults("before credential");
    faults("after credential");
  }
  return 0;
}

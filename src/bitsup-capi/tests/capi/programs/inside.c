/* What a callback frees is used no more, and what it asks does not wait for
 * itself. */

#include "check.h"

/* argv: a server, one that asks for a login at a Fragment, one that asks at
 * once. */
static const char *plain, *late, *guarded;

/* What callbacks share, as long as it is there. */
struct shared {
  bitsup_client *client;
  bitsup_session *session;
  bitsup_options *options;
  int frees, calls;
};

static struct shared *new_shared(void)
{
  struct shared *shared = calloc(1, sizeof *shared);
  CHECK(shared != NULL);
  return shared;
}

static bitsup_client *new_client(int dispatch)
{
  bitsup_client *client;
  bitsup_options *options = bitsup_options_new();
  GIVES(OK, bitsup_options_set_number(options, BITSUP_OPTION_DISPATCH,
                                      dispatch, &error));
  GIVES(OK, bitsup_client_new(options, &client, &error));
  bitsup_options_free(options);
  return client;
}

/* Frees the upload, or its client, at the end, with what the callbacks have. */
static int on_state(void *userdata, bitsup_upload *upload, bitsup_state state)
{
  struct shared *shared = userdata;
  if (state < BITSUP_STATE_DONE)
    return 0;
  if (shared->client)
    bitsup_client_free(shared->client);
  else
    bitsup_upload_free(upload);
  free(shared);
  return 0;
}

static int on_progress(void *userdata, bitsup_upload *upload,
                       const bitsup_progress *progress)
{
  struct shared *shared = userdata;
  (void)progress;
  shared->calls++;
  CHECK(bitsup_upload_userdata(upload) == NULL);
  return 0;
}

static void a_callback_frees_what_the_next_one_is_for(int of_client)
{
  struct shared *shared = new_shared();
  bitsup_options *options = bitsup_options_new();
  bitsup_client *client = new_client(1);
  bitsup_upload *upload, *ended;

  shared->client = of_client ? client : NULL;
  GIVES(OK, bitsup_options_set_on_state(options, on_state, shared, NULL,
                                        &error));
  GIVES(OK, bitsup_options_set_on_progress(options, on_progress, shared, NULL,
                                           &error));
  GIVES(OK, bitsup_upload_start_memory(client, "data", 4, plain, options,
                                       &upload, &error));
  bitsup_options_free(options);
  GIVES(OK, bitsup_upload_wait(upload, -1, &error));
  /* All that it has to tell waits for this call. */
  GIVES(OK, bitsup_client_dispatch(client, 0, &error));
  if (of_client) {
    GIVES(OK, bitsup_upload_wait(upload, -1, &error));
    bitsup_upload_free(upload);
  } else {
    GIVES(PENDING, bitsup_client_next_ended(client, &ended, &error));
    bitsup_client_free(client);
  }
}

static void use_session(void *userdata, bitsup_upload *upload,
                        const bitsup_credential_request *request,
                        bitsup_credential_reply *reply)
{
  struct shared *shared = userdata;
  uint64_t next;
  (void)request;
  CHECK(upload == NULL && shared->calls++ == 0);
  CHECK(bitsup_session_offset(shared->session) == 1);
  CHECK(bitsup_session_id(shared->session) != NULL);
  GIVES(INVALID_ARGUMENT,
        bitsup_session_send(shared->session, "a", 1, &next, &error));
  GIVES(INVALID_ARGUMENT, bitsup_session_close(shared->session, &error));
  GIVES(INVALID_ARGUMENT, bitsup_session_cancel(shared->session, &error));
  if (shared->frees)
    bitsup_session_free(shared->session);
  else
    GIVES(OK, bitsup_credential_reply_password(reply, "u", "pass word",
                                               &error));
}

static void free_client(void *userdata, bitsup_upload *upload,
                        const bitsup_credential_request *request,
                        bitsup_credential_reply *reply)
{
  struct shared *shared = userdata;
  (void)upload, (void)request, (void)reply;
  CHECK(shared->calls++ == 0);
  bitsup_client_free(shared->client);
}

static bitsup_options *asking(bitsup_credential_callback callback,
                              struct shared *shared)
{
  bitsup_options *options = bitsup_options_new();
  GIVES(OK, bitsup_options_set_on_credentials(options, callback, shared, NULL,
                                              &error));
  GIVES(OK, bitsup_options_set_number(
                options, BITSUP_OPTION_ALLOW_CLEARTEXT_CREDENTIALS, 1,
                &error));
  return options;
}

static void a_session_is_used_where_it_asks(int frees)
{
  struct shared *shared = new_shared();
  bitsup_options *options = asking(use_session, shared);
  bitsup_client *client = new_client(0);
  uint64_t next = 9;

  shared->frees = frees;
  GIVES(OK, bitsup_session_create(client, late, 4, NULL, options,
                                  &shared->session, &error));
  bitsup_options_free(options);
  CHECK(bitsup_session_offset(shared->session) == 0);
  GIVES(OK, bitsup_session_send(shared->session, "d", 1, NULL, &error));
  CHECK(bitsup_session_offset(shared->session) == 1);
  if (frees) {
    GIVES(AUTH, bitsup_session_send(shared->session, "ata", 3, &next, &error));
    CHECK(next == 9);
  } else {
    GIVES(OK, bitsup_session_send(shared->session, "ata", 3, &next, &error));
    CHECK(next == 4 && bitsup_session_offset(shared->session) == 4);
    GIVES(OK, bitsup_session_close(shared->session, &error));
    bitsup_session_free(shared->session);
  }
  CHECK(shared->calls == 1);
  bitsup_client_free(client);
  free(shared);
}

static void a_client_is_freed_where_it_asks(void)
{
  struct shared *shared = new_shared();
  bitsup_options *options = asking(free_client, shared);
  bitsup_session *session;
  bitsup_report *report;

  shared->client = new_client(0);
  CHECK(bitsup_ping(shared->client, guarded, options, NULL) !=
        BITSUP_STATUS_OK);
  CHECK(shared->calls == 1);
  shared->calls = 0;
  shared->client = new_client(0);
  CHECK(bitsup_session_create(shared->client, guarded, 4, NULL, options,
                              &session, NULL) != BITSUP_STATUS_OK);
  CHECK(shared->calls == 1 && session == NULL);
  shared->calls = 0;
  shared->client = new_client(0);
  if (bitsup_doctor(shared->client, guarded, options, &report, NULL) ==
      BITSUP_STATUS_OK)
    bitsup_report_free(report);
  CHECK(shared->calls == 1);
  bitsup_options_free(options);
  free(shared);
}

/* Uses the options from which its callback is taken away. */
static void end_of_userdata(void *userdata)
{
  struct shared *shared = userdata;
  shared->calls++;
  GIVES(OK, bitsup_options_check(shared->options, &error));
}

static void options_are_used_where_an_end_is_told(void)
{
  struct shared shared = {0};
  bitsup_options *other = bitsup_options_new();

  shared.options = bitsup_options_new();
  GIVES(OK, bitsup_options_set_on_progress(shared.options, on_progress,
                                           &shared, end_of_userdata, &error));
  GIVES(OK, bitsup_options_set_on_progress(other, NULL, NULL, NULL, &error));
  GIVES(OK, bitsup_options_merge(shared.options, other, &error));
  CHECK(shared.calls == 1);
  bitsup_options_free(other);
  bitsup_options_free(shared.options);
}

int main(int argc, char **argv)
{
  CHECK(argc == 4);
  plain = argv[1];
  late = argv[2];
  guarded = argv[3];
  a_callback_frees_what_the_next_one_is_for(0);
  a_callback_frees_what_the_next_one_is_for(1);
  a_session_is_used_where_it_asks(0);
  a_session_is_used_where_it_asks(1);
  a_client_is_freed_where_it_asks();
  options_are_used_where_an_end_is_told();
  return 0;
}

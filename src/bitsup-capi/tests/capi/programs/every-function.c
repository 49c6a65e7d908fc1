/* The beginning of programs that call every function: what comes after it is
 * written by the tests. */

/* What calls give is looked at by another function, or not at all. */
#define BITSUP_NO_NODISCARD
#include <bitsup.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
  const char *url;
  const char *path;
  const char *state;
  char id[100];
  char token_text[4000];
  bitsup_client *client;
  bitsup_options *config;
  bitsup_options *options;
  bitsup_upload *upload;
  bitsup_session *session;
  bitsup_journal *journal;
  bitsup_token *token;
  bitsup_report *report;
  bitsup_error *error;
  bitsup_credential_reply *reply;
  bitsup_options *new_options;
  bitsup_client *new_client;
  bitsup_upload *new_upload;
  bitsup_session *new_session;
  bitsup_journal *new_journal;
  bitsup_token *new_token;
  bitsup_report *new_report;
  bitsup_option_facts facts;
  bitsup_journal_entry entry;
  bitsup_progress progress;
  bitsup_receipt receipt;
  bitsup_source source;
  uint64_t offset;
  char buffer[100];
};

static void call_all(struct arguments *a);

static int64_t read_at(void *userdata, void *buffer, size_t length,
                       uint64_t offset)
{
  (void)userdata;
  (void)offset;
  memset(buffer, 'x', length);
  return (int64_t)length;
}

static void on_log(void *userdata, bitsup_upload *shown,
        bitsup_log_level level, const char *text)
{
  (void)shown;
  (void)userdata;
  (void)level;
  (void)text;
}

static int on_progress(void *userdata, bitsup_upload *shown,
        const bitsup_progress *progress)
{
  (void)shown;
  (void)userdata;
  (void)progress;
  return 0;
}

static int64_t on_retry(void *userdata, bitsup_upload *shown,
        const bitsup_error *error,
                        uint32_t attempts)
{
  (void)shown;
  (void)userdata;
  (void)error;
  (void)attempts;
  return 0;
}

static void on_credential(void *userdata, bitsup_upload *shown,
                          const bitsup_credential_request *request,
                          bitsup_credential_reply *reply)
{
  (void)shown;
  (void)userdata;
  (void)request;
  (void)reply;
}

static void on_transcript(void *userdata, bitsup_upload *shown,
        const char *entry)
{
  (void)shown;
  (void)userdata;
  (void)entry;
}

static int on_state(void *userdata, bitsup_upload *shown, bitsup_state state)
{
  (void)shown;
  (void)userdata;
  (void)state;
  return 0;
}

/* Asked for: the next point of this name panics (see src/faults.rs). */
static atomic_int armed;

int bitsup_fault_at(const char *point);
int bitsup_fault_at(const char *point)
{
  return !strcmp(point, "entry") && atomic_exchange(&armed, 0);
}

/* What must work. */
static void works(bitsup_status status, int line)
{
  if (status != BITSUP_STATUS_OK) {
    fprintf(stderr, "line %d: %s\n", line, bitsup_status_name(status));
    exit(1);
  }
}

static void renew_config(struct arguments *a)
{
  bitsup_options_free(a->config);
  a->config = bitsup_options_new();
  works(bitsup_options_set_text(a->config, BITSUP_OPTION_STATE_DIR, a->state,
          NULL), __LINE__);
}

static void renew_options(struct arguments *a)
{
  bitsup_options_free(a->options);
  a->options = bitsup_options_new();
}

static void renew_client(struct arguments *a)
{
  bitsup_client_free(a->client);
  renew_config(a);
  works(bitsup_client_new(a->config, &a->client, NULL), __LINE__);
}

static void renew_upload(struct arguments *a)
{
  bitsup_upload_free(a->upload);
  works(bitsup_upload_start_memory(a->client, NULL, 0, a->url, NULL,
                                   &a->upload, NULL),
        __LINE__);
  works(bitsup_upload_wait(a->upload, -1, NULL), __LINE__);
}

static void renew_session(struct arguments *a)
{
  bitsup_session_free(a->session);
  works(bitsup_session_create(a->client, a->url, 10, NULL, NULL, &a->session,
                              NULL),
        __LINE__);
}

static void renew_journal(struct arguments *a)
{
  bitsup_journal_free(a->journal);
  works(bitsup_journal_read(a->client, &a->journal, NULL), __LINE__);
}

static void renew_token(struct arguments *a)
{
  bitsup_token_free(a->token);
  works(bitsup_journal_export(a->client, a->id, &a->token, NULL), __LINE__);
  snprintf(a->token_text, sizeof a->token_text, "%s",
           bitsup_token_text(a->token));
}

static void renew_report(struct arguments *a)
{
  bitsup_report_free(a->report);
  works(bitsup_doctor(a->client, a->url, NULL, &a->report, NULL), __LINE__);
}

/* Leaves an upload after its first part: the server never answers to the
 * second one. Comes before the examination, which sends parts too. */
static void keep(struct arguments *a)
{
  bitsup_upload *upload;
  bitsup_options *options = bitsup_options_new();
  bitsup_options_set_number(options, BITSUP_OPTION_FRAGMENT_SIZE, 500, NULL);
  works(bitsup_upload_start(a->client, a->path, a->url, options, &upload,
                            NULL),
        __LINE__);
  while (a->progress.acknowledged == 0) {
    if (bitsup_upload_wait(upload, 5, NULL) != BITSUP_STATUS_PENDING)
      exit(1);
    works(bitsup_upload_progress(upload, &a->progress), __LINE__);
  }
  works(bitsup_upload_stop(upload, NULL), __LINE__);
  if (bitsup_upload_wait(upload, -1, NULL) != BITSUP_STATUS_CANCELLED)
    exit(1);
  bitsup_upload_free(upload);
  bitsup_options_free(options);
  renew_journal(a);
  works(bitsup_journal_get(a->journal, 0, &a->entry, NULL), __LINE__);
  snprintf(a->id, sizeof a->id, "%s", a->entry.id);
  renew_token(a);
}

/* All is called here, since a reply lives as long as this. */
static void with_reply(void *userdata, bitsup_upload *shown,
                       const bitsup_credential_request *request,
                       bitsup_credential_reply *reply)
{
  (void)shown;
  struct arguments *a = userdata;
  if (request->attempt > 1)
    return;
  a->reply = reply;
  call_all(a);
}

int main(int argc, char **argv)
{
  struct arguments a;
  bitsup_client *asking;
  bitsup_options *with_callback = bitsup_options_new();
  if (argc != 5)
    return 2;
  memset(&a, 0, sizeof a);
  a.url = argv[1];
  a.path = argv[2];
  a.state = argv[3];
  a.progress.struct_size = sizeof a.progress;
  a.receipt.struct_size = sizeof a.receipt;
  a.entry.struct_size = sizeof a.entry;
  a.facts.struct_size = sizeof a.facts;
  a.source.struct_size = sizeof a.source;
  a.source.size = 10;
  a.source.read_at = read_at;
  renew_client(&a);
  renew_options(&a);
  renew_upload(&a);
  renew_session(&a);
  keep(&a);
  renew_report(&a);
  if (bitsup_upload_start(a.client, "/nowhere", a.url, NULL, &a.new_upload,
                          &a.error) != BITSUP_STATUS_LOCAL_FILE)
    return 3;
  works(bitsup_client_new(NULL, &asking, NULL), __LINE__);
  works(bitsup_options_set_number(with_callback,
          BITSUP_OPTION_ALLOW_CLEARTEXT_CREDENTIALS, 1, NULL),
        __LINE__);
  works(bitsup_options_set_on_credentials(with_callback, with_reply, &a, NULL,
          NULL),
        __LINE__);
  if (bitsup_ping(asking, argv[4], with_callback, NULL) !=
          BITSUP_STATUS_AUTH ||
      !a.reply)
    return 4;
  bitsup_options_free(with_callback);
  bitsup_client_free(asking);
  bitsup_report_free(a.report);
  bitsup_token_free(a.token);
  bitsup_journal_free(a.journal);
  bitsup_error_free(a.error);
  bitsup_session_free(a.session);
  bitsup_upload_free(a.upload);
  bitsup_client_free(a.client);
  bitsup_options_free(a.options);
  bitsup_options_free(a.config);
  return 0;
}


/* Written in part by the test: one call for each pointer, with NULL there. */

#include <bitsup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
  const char *url;
  const char *path;
  char id[100];
  bitsup_client *client;
  bitsup_config *config;
  bitsup_upload_options *options;
  bitsup_upload *upload;
  bitsup_session *session;
  bitsup_journal *journal;
  bitsup_token *token;
  bitsup_error *error;
  bitsup_client *new_client;
  bitsup_upload *new_upload;
  bitsup_session *new_session;
  bitsup_journal *new_journal;
  bitsup_token *new_token;
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

static void on_log(void *userdata, bitsup_log_level level, const char *text)
{
  (void)userdata;
  (void)level;
  (void)text;
}

static int on_progress(void *userdata, const bitsup_progress *progress)
{
  (void)userdata;
  (void)progress;
  return 0;
}

static int on_state(void *userdata, bitsup_state state)
{
  (void)userdata;
  (void)state;
  return 0;
}

/* A call that must have failed, with an error that says which pointer. */
static void refused(bitsup_status status, bitsup_error **error,
                    const char *function, const char *pointer)
{
  if (status != BITSUP_STATUS_INVALID_ARGUMENT) {
    fprintf(stderr, "%s without %s: %s\n", function, pointer,
            bitsup_status_name(status));
    exit(1);
  }
  if (error) {
    if (!strstr(bitsup_error_message(*error), "NULL")) {
      fprintf(stderr, "%s without %s: %s\n", function, pointer,
              bitsup_error_message(*error));
      exit(1);
    }
    bitsup_error_free(*error);
    *error = NULL;
  }
}

/* Frees what a call has made. */
static void renew(struct arguments *a, bitsup_error **error)
{
  bitsup_upload_free(a->new_upload);
  bitsup_session_free(a->new_session);
  bitsup_journal_free(a->new_journal);
  bitsup_token_free(a->new_token);
  bitsup_client_free(a->new_client);
  bitsup_error_free(*error);
  a->new_upload = NULL;
  a->new_session = NULL;
  a->new_journal = NULL;
  a->new_token = NULL;
  a->new_client = NULL;
  *error = NULL;
}

/* Leaves an upload after its first part, and reads the journal: the server
 * never answers to the second one. */
static int keep(struct arguments *a)
{
  bitsup_upload *upload;
  bitsup_upload_options *options = bitsup_upload_options_new();
  bitsup_upload_options_set_fragment_size(options, 500, NULL);
  if (bitsup_upload_start(a->client, a->path, a->url, options, &upload,
                          NULL) != BITSUP_STATUS_OK)
    return 0;
  while (a->progress.acknowledged == 0) {
    if (bitsup_upload_wait(upload, 5, NULL) != BITSUP_STATUS_PENDING)
      return 0;
    bitsup_upload_progress(upload, &a->progress);
  }
  bitsup_upload_stop(upload, NULL);
  if (bitsup_upload_wait(upload, -1, NULL) != BITSUP_STATUS_CANCELLED)
    return 0;
  bitsup_upload_free(upload);
  bitsup_upload_options_free(options);
  if (bitsup_journal_read(a->client, &a->journal, NULL) != BITSUP_STATUS_OK ||
      bitsup_journal_get(a->journal, 0, &a->entry, NULL) != BITSUP_STATUS_OK)
    return 0;
  snprintf(a->id, sizeof a->id, "%s", a->entry.id);
  return bitsup_journal_export(a->client, a->id, &a->token, NULL) ==
         BITSUP_STATUS_OK;
}

int main(int argc, char **argv)
{
  struct arguments a;
  bitsup_error *error;
  if (argc != 4)
    return 2;
  memset(&a, 0, sizeof a);
  a.url = argv[1];
  a.path = argv[2];
  a.progress.struct_size = sizeof a.progress;
  a.receipt.struct_size = sizeof a.receipt;
  a.entry.struct_size = sizeof a.entry;
  a.source.struct_size = sizeof a.source;
  a.source.size = 10;
  a.source.read_at = read_at;
  a.config = bitsup_config_new();
  a.options = bitsup_upload_options_new();
  bitsup_config_set_state_dir(a.config, argv[3], NULL);
  if (bitsup_client_new(a.config, &a.client, NULL) != BITSUP_STATUS_OK)
    return 3;
  if (bitsup_upload_start_memory(a.client, NULL, 0, a.url, NULL, &a.upload,
                                 NULL) != BITSUP_STATUS_OK ||
      bitsup_upload_wait(a.upload, -1, &error) != BITSUP_STATUS_OK)
    return 4;
  if (bitsup_session_create(a.client, a.url, 10, NULL, NULL, &a.session,
                            NULL) != BITSUP_STATUS_OK)
    return 5;
  if (bitsup_upload_start(a.client, "/nowhere", a.url, NULL, &a.new_upload,
                          &a.error) != BITSUP_STATUS_LOCAL_FILE)
    return 6;
  if (!keep(&a))
    return 7;
  call_all(&a);
  bitsup_token_free(a.token);
  bitsup_journal_free(a.journal);
  bitsup_error_free(a.error);
  bitsup_session_free(a.session);
  bitsup_upload_free(a.upload);
  bitsup_client_free(a.client);
  bitsup_upload_options_free(a.options);
  bitsup_config_free(a.config);
  return 0;
}

static void call_all(struct arguments *a)
{
  bitsup_error *error = NULL;

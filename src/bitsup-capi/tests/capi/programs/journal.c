/* Uploads that are left and continued: by the journal, by tokens, and by
 * starting them again. */

#include "check.h"

static bitsup_client *client;
static bitsup_options *options;
static const char *path;

/* Starts a slow upload, and leaves it when the server has its first part. */
static void leave(const char *url)
{
  bitsup_upload *upload;
  bitsup_progress progress = {0};
  progress.struct_size = sizeof progress;
  GIVES(OK, bitsup_client_set_limit_rate(client, 4000, &error));
  GIVES(OK, bitsup_upload_start(client, path, url, options, &upload, &error));
  do {
    GIVES(PENDING, bitsup_upload_wait(upload, 5, &error));
    CHECK(bitsup_upload_progress(upload, &progress) == BITSUP_STATUS_OK);
  } while (progress.acknowledged == 0);
  GIVES(OK, bitsup_upload_stop(upload, &error));
  GIVES(CANCELLED, bitsup_upload_wait(upload, -1, &error));
  bitsup_upload_free(upload);
  GIVES(OK, bitsup_client_set_limit_rate(client, BITSUP_UNLIMITED, &error));
}

/* The journal has this number of sessions; the id of the last. */
static char *kept(size_t wanted)
{
  static char id[100];
  bitsup_journal *journal;
  bitsup_journal_entry entry = {0};
  size_t at;
  entry.struct_size = sizeof entry;
  GIVES(OK, bitsup_journal_read(client, &journal, &error));
  CHECK(bitsup_journal_count(journal) == wanted);
  for (at = 0; at < wanted; at++) {
    GIVES(OK, bitsup_journal_get(journal, at, &entry, &error));
    CHECK(entry.size == 100000);
    CHECK(entry.acknowledged >= 1000 && entry.acknowledged < 100000);
    CHECK(!strcmp(entry.path, path) && strstr(entry.url, "http://") &&
          !strcmp(entry.note, "by hand"));
    CHECK(entry.begun > 1600000000 && entry.updated >= entry.begun);
    CHECK(!entry.in_use && !entry.may_be_left);
    snprintf(id, sizeof id, "%s", entry.id);
  }
  GIVES(INVALID_ARGUMENT, bitsup_journal_get(journal, wanted, &entry, &error));
  GIVES(INVALID_ARGUMENT, bitsup_journal_get(journal, SIZE_MAX, &entry,
                                             &error));
  bitsup_journal_free(journal);
  return id;
}

static void complete(bitsup_upload *upload, uint32_t restarts)
{
  bitsup_receipt receipt = {0};
  receipt.struct_size = sizeof receipt;
  GIVES(OK, bitsup_upload_wait(upload, -1, &error));
  GIVES(OK, bitsup_upload_receipt(upload, &receipt, &error));
  CHECK(receipt.size == 100000 && receipt.restarts == restarts);
  bitsup_upload_free(upload);
}

int main(int argc, char **argv)
{
  char url[200], *text;
  bitsup_options *config = bitsup_options_new();
  bitsup_client *other;
  bitsup_upload *upload;
  bitsup_token *token;
  bitsup_journal *journal;
  bitsup_journal_entry entry = {0};
  FILE *file;

  CHECK(argc == 4);
  path = argv[2];
  options = bitsup_options_new();
  GIVES(OK, bitsup_options_set_number(options, BITSUP_OPTION_FRAGMENT_SIZE,
          1000, &error));
  GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_NOTE, "by hand",
          &error));
  GIVES(OK, bitsup_client_new(config, &other, &error));
  GIVES(INVALID_ARGUMENT, bitsup_journal_read(other, &journal, &error));
  CHECK(journal == NULL);
  GIVES(OK, bitsup_options_set_bytes(config, BITSUP_OPTION_STATE_DIR, argv[3],
          strlen(argv[3]), &error));
  GIVES(OK, bitsup_client_new(config, &client, &error));
  bitsup_options_free(config);
  kept(0);

  /* Continued by its id. */
  snprintf(url, sizeof url, "%s/one", argv[1]);
  leave(url);
  GIVES(OK, bitsup_journal_resume(client, kept(1), NULL, &upload, &error));
  complete(upload, 0);
  kept(0);

  /* Continued elsewhere, from other kinds of sources. */
  snprintf(url, sizeof url, "%s/two", argv[1]);
  leave(url);
  GIVES(OK, bitsup_journal_export(client, kept(1), &token, &error));
  text = malloc(100000);
  file = fopen(path, "rb");
  CHECK(text && file && fread(text, 1, 100000, file) == 100000);
  fclose(file);
  GIVES(OK, bitsup_journal_forget(client, kept(1), &error));
  kept(0);
  GIVES(INVALID_ARGUMENT, bitsup_upload_import(other, "x", path, NULL, &upload,
                                               &error));
  CHECK(upload == NULL);
  text[10] ^= 1;
  GIVES(SOURCE_CHANGED,
        bitsup_upload_import_memory(other, bitsup_token_text(token), text,
                                    100000, NULL, &upload, &error));
  GIVES(SOURCE_CHANGED,
        bitsup_upload_import_memory(other, bitsup_token_text(token), text,
                                    99999, NULL, &upload, &error));
  text[10] ^= 1;
  GIVES(OK, bitsup_upload_import_memory(other, bitsup_token_text(token), text,
                                        100000, NULL, &upload, &error));
  complete(upload, 0);
  bitsup_token_free(token);
  free(text);

  /* Continued by starting it again; anew, when that is asked for. */
  snprintf(url, sizeof url, "%s/three", argv[1]);
  leave(url);
  GIVES(OK, bitsup_upload_start(client, path, url, NULL, &upload, &error));
  complete(upload, 0);
  snprintf(url, sizeof url, "%s/four", argv[1]);
  leave(url);
  GIVES(OK, bitsup_options_set_number(options, BITSUP_OPTION_FRESH, 1,
          &error));
  GIVES(OK, bitsup_upload_start(client, path, url, options, &upload, &error));
  complete(upload, 0);
  GIVES(OK, bitsup_options_set_number(options, BITSUP_OPTION_FRESH, 0,
          &error));

  /* Cancelled on the server. */
  snprintf(url, sizeof url, "%s/five", argv[1]);
  leave(url);
  GIVES(OK, bitsup_journal_cancel(client, kept(1), NULL, &error));
  kept(0);
  GIVES(INVALID_ARGUMENT, bitsup_journal_cancel(client, "five", NULL, &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_journal_resume(client, "five", NULL, &upload, &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_journal_export(client, "../five", &token, &error));
  CHECK(upload == NULL && token == NULL);

  /* One that cannot be read is an error in its place. */
  snprintf(url, sizeof url, "%s/six", argv[1]);
  leave(url);
  snprintf(url, sizeof url, "%s/sessions/%s.json", argv[3], kept(1));
  file = fopen(url, "r+");
  CHECK(file && fputs("nothing", file) >= 0);
  fclose(file);
  entry.struct_size = sizeof entry;
  GIVES(OK, bitsup_journal_read(client, &journal, &error));
  CHECK(bitsup_journal_count(journal) == 1);
  CHECK(bitsup_journal_get(journal, 0, &entry, NULL) > BITSUP_STATUS_PANIC);
  bitsup_client_free(client);
  bitsup_journal_free(journal);

  bitsup_client_free(other);
  bitsup_options_free(options);
  return 0;
}

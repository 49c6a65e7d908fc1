/* Faults of the library before, around and after each callback: the upload
 * ends with a status, its handle is refused, and everything else goes on. */

#include "check.h"

#include <stdatomic.h>

static _Atomic(const char *) armed;

int bitsup_fault_at(const char *point);
int bitsup_fault_at(const char *point)
{
  const char *wanted = atomic_load(&armed);
  return wanted && !strcmp(point, wanted) &&
         atomic_compare_exchange_strong(&armed, &wanted, NULL);
}

static char data[1000000];

static int64_t read_at(void *userdata, void *buffer, size_t length,
                       uint64_t offset)
{
  (void)userdata;
  memcpy(buffer, data + offset, length);
  return (int64_t)length;
}

static int on_progress(void *userdata, bitsup_upload *shown,
        const bitsup_progress *progress)
{
  (void)shown;
  (void)userdata;
  (void)progress;
  return 0;
}

static int on_state(void *userdata, bitsup_upload *shown, bitsup_state state)
{
  (void)shown;
  (void)userdata;
  (void)state;
  return 0;
}

static void on_log(void *userdata, bitsup_upload *shown,
        bitsup_log_level level, const char *line)
{
  (void)shown;
  (void)userdata;
  (void)level;
  (void)line;
}

static void on_transcript(void *userdata, bitsup_upload *shown,
        const char *entry)
{
  (void)shown;
  (void)userdata;
  (void)entry;
}

static bitsup_upload *start(bitsup_client *client, const char *url)
{
  bitsup_options *options = bitsup_options_new();
  bitsup_upload *upload;
  bitsup_source source = {0};
  source.struct_size = sizeof source;
  source.size = sizeof data;
  source.read_at = read_at;
  GIVES(OK, bitsup_options_set_on_progress(options, on_progress, NULL, NULL,
          &error));
  GIVES(OK, bitsup_options_set_on_state(options, on_state, NULL, NULL,
          &error));
  GIVES(OK, bitsup_options_set_on_transcript(options, on_transcript, NULL,
          NULL, &error));
  GIVES(OK, bitsup_options_set_number(options, BITSUP_OPTION_MAX_ATTEMPTS, 1,
          &error));
  GIVES(OK, bitsup_upload_start_callbacks(client, &source, url, options,
                                          &upload, &error));
  bitsup_options_free(options);
  return upload;
}

/* Waits, and runs callbacks meanwhile if the client dispatches. */
static bitsup_status finish(bitsup_client *client, bitsup_upload *upload)
{
  bitsup_status status;
  do {
    if (bitsup_client_event_fd(client) >= 0)
      CHECK(bitsup_client_dispatch(client, 0, NULL) <= BITSUP_STATUS_PENDING);
    status = bitsup_upload_wait(upload, 5, NULL);
  } while (status == BITSUP_STATUS_PENDING);
  return status;
}

int main(int argc, char **argv)
{
  static const char *const points[] = {
      "around callbacks", "before log",      "after log",
      "before state",     "after state",     "before progress",
      "after progress",   "around read_at",  "before read_at",
      "after read_at",    "before transcript", "after transcript"};
  size_t at;
  int dispatch;

  CHECK(argc == 2);
  for (dispatch = 0; dispatch <= 1; dispatch++) {
    bitsup_options *config = bitsup_options_new();
    bitsup_client *client;
    GIVES(OK, bitsup_options_set_number(config, BITSUP_OPTION_DISPATCH,
            dispatch, &error));
    GIVES(OK, bitsup_options_set_on_log(config, on_log, NULL, NULL, &error));
    GIVES(OK, bitsup_client_new(config, &client, &error));
    bitsup_options_free(config);
    for (at = 0; at < sizeof points / sizeof points[0]; at++) {
      bitsup_upload *upload;
      bitsup_status status;
      /* Slow, so that it does not end before its callbacks run. */
      GIVES(OK, bitsup_client_set_limit_rate(client, 100000, &error));
      atomic_store(&armed, points[at]);
      upload = start(client, argv[1]);
      status = finish(client, upload);
      if (status != BITSUP_STATUS_PANIC || atomic_load(&armed)) {
        fprintf(stderr, "%s: %s\n", points[at], bitsup_status_name(status));
        return 1;
      }
      GIVES(PANIC, bitsup_upload_wait(upload, -1, &error));
      GIVES(PANIC, bitsup_upload_cancel(upload, &error));
      bitsup_upload_free(upload);
      GIVES(OK, bitsup_client_set_limit_rate(client, BITSUP_UNLIMITED,
              &error));
      upload = start(client, argv[1]);
      CHECK(finish(client, upload) == BITSUP_STATUS_OK);
      bitsup_upload_free(upload);
    }
    bitsup_client_free(client);
  }
  return 0;
}

/* Memory and callbacks as sources, and what callbacks tell. */

#include "check.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>

struct seen {
  int progress, states, logs, reads, last_state, stop_at;
  pthread_t thread;
  const char *data;
  bitsup_upload **free_me;
};

static int64_t read_at(void *userdata, void *buffer, size_t length,
                       uint64_t offset)
{
  struct seen *seen = userdata;
  seen->reads++;
  if (length > 1000)
    length = 1000; /* any number is allowed but none */
  memcpy(buffer, seen->data + offset, length);
  return (int64_t)length;
}

static int on_progress(void *userdata, bitsup_upload *shown,
        const bitsup_progress *progress)
{
  (void)shown;
  struct seen *seen = userdata;
  seen->progress++;
  seen->thread = pthread_self();
  CHECK(progress->struct_size == sizeof *progress);
  CHECK(progress->acknowledged <= progress->sent &&
        progress->sent <= progress->total);
  if (seen->free_me && *seen->free_me) {
    bitsup_upload *upload = *seen->free_me;
    GIVES(INVALID_ARGUMENT, bitsup_upload_wait(upload, -1, &error));
    *seen->free_me = NULL;
    bitsup_upload_free(upload); /* by its own callback */
  }
  return seen->stop_at && seen->progress >= seen->stop_at;
}

static int on_state(void *userdata, bitsup_upload *shown, bitsup_state state)
{
  (void)shown;
  struct seen *seen = userdata;
  seen->states++;
  CHECK(seen->last_state != (int)state);
  seen->last_state = (int)state;
  return 0;
}

static void on_log(void *userdata, bitsup_upload *shown,
        bitsup_log_level level, const char *message)
{
  (void)shown;
  struct seen *seen = userdata;
  CHECK(level >= BITSUP_LOG_LEVEL_ERROR && level <= BITSUP_LOG_LEVEL_DEBUG);
  CHECK(strlen(message) > 0 && !strchr(message, '\n'));
  seen->logs++;
}

static int64_t fails(void *userdata, void *buffer, size_t length,
                     uint64_t offset)
{
  (void)buffer, (void)length, (void)offset;
  return -*(int *)userdata;
}

/* Any negative value ends the upload, also one that asks for another try. */
static void errors_end_the_upload(const char *url)
{
  int numbers[] = {EIO, EAGAIN, EWOULDBLOCK, EINTR, ETIMEDOUT, 0x7fffffff};
  size_t at;
  bitsup_client *client;
  bitsup_upload *upload;
  bitsup_source source = {0};

  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  source.struct_size = sizeof source;
  source.size = 10;
  source.read_at = fails;
  for (at = 0; at < sizeof numbers / sizeof *numbers; at++) {
    source.userdata = &numbers[at];
    GIVES(OK, bitsup_upload_start_callbacks(client, &source, url, NULL,
                                            &upload, &error));
    GIVES(LOCAL_FILE, bitsup_upload_wait(upload, -1, &error));
    bitsup_upload_free(upload);
  }
  bitsup_client_free(client);
}

/* Waits for an event and runs what it calls. */
static void dispatch_one(bitsup_client *client) {
  struct pollfd events = {bitsup_client_event_fd(client), POLLIN, 0};

  CHECK(poll(&events, 1, 30000) == 1);
  CHECK(bitsup_client_dispatch(client, 1, NULL) <= BITSUP_STATUS_PENDING);
}

int main(int argc, char **argv)
{
  enum { SIZE = 3000000 };
  struct seen seen = {0};
  char *data = malloc(SIZE);
  size_t at;
  bitsup_options *config = bitsup_options_new();
  bitsup_options *options = bitsup_options_new();
  bitsup_client *client;
  bitsup_upload *upload;
  bitsup_source source = {0};
  bitsup_receipt receipt = {0};

  CHECK(argc == 3);
  errors_end_the_upload(argv[2]);
  for (at = 0; at < SIZE; at++)
    data[at] = (char)((at * 2654435761u) >> 11);
  GIVES(OK, bitsup_options_set_on_log(config, on_log, &seen, NULL, &error));
  GIVES(OK, bitsup_options_set_number(config, BITSUP_OPTION_DISPATCH, 1,
          &error));
  GIVES(OK, bitsup_options_set_on_progress(options, on_progress, &seen, NULL,
          &error));
  GIVES(OK, bitsup_options_set_on_state(options, on_state, &seen, NULL,
          &error));
  GIVES(OK, bitsup_options_merge(config, options, &error));
  bitsup_options_free(options);
  options = bitsup_options_new();
  GIVES(OK, bitsup_client_new(config, &client, &error));
  bitsup_options_free(config);

  /* A callback as the source, and callbacks on this thread only. */
  seen.data = data;
  seen.last_state = -1;
  source.struct_size = sizeof source;
  source.size = SIZE;
  source.read_at = read_at;
  source.userdata = &seen;
  source.name = "callback.bin";
  GIVES(OK, bitsup_upload_start_callbacks(client, &source, argv[1], options,
                                          &upload, &error));
  GIVES(OK, bitsup_upload_wait(upload, -1, &error));
  CHECK(seen.progress == 0 && seen.states == 0 && seen.logs == 0);
  while (seen.last_state != BITSUP_STATE_DONE)
    dispatch_one(client);
  CHECK(seen.progress > 0 && seen.states > 0 && seen.logs > 4);
  CHECK(pthread_equal(seen.thread, pthread_self()));
  CHECK(seen.reads >= SIZE / 1000);
  receipt.struct_size = sizeof receipt;
  GIVES(OK, bitsup_upload_receipt(upload, &receipt, &error));
  CHECK(receipt.size == SIZE && receipt.close_confirmed && receipt.verified);
  CHECK(strstr(receipt.url, "callback.bin") && receipt.session_id);
  CHECK(!receipt.reply && !receipt.warnings && receipt.fragments > 0);
  bitsup_upload_free(upload);

  /* Memory, with the options of the upload over those of the client. */
  seen.progress = 0;
  seen.states = 0;
  seen.last_state = -1;
  GIVES(OK, bitsup_options_set_on_state(options, NULL, NULL, NULL, &error));
  GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_CONTENT_NAME, "m",
          &error));
  GIVES(OK, bitsup_upload_start_memory(client, data, SIZE, argv[2], options,
                                       &upload, &error));
  GIVES(OK, bitsup_upload_wait(upload, -1, &error));
  while (bitsup_client_dispatch(client, 0, NULL) == BITSUP_STATUS_PENDING)
    ;
  CHECK(seen.progress > 0 && seen.states == 0);
  bitsup_upload_free(upload);
  bitsup_client_free(client);

  /* On a thread of the client: stopped by its callback, freed by it, and
   * freed with its memory while it runs. */
  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  GIVES(OK, bitsup_options_set_number(options, BITSUP_OPTION_FRAGMENT_SIZE,
          10000, &error));
  GIVES(OK, bitsup_options_set_on_progress(options, on_progress, &seen, NULL,
          &error));
  seen.progress = 0;
  seen.stop_at = 2;
  GIVES(OK, bitsup_client_set_limit_rate(client, 1000000, &error));
  GIVES(OK, bitsup_upload_start_memory(client, data, SIZE, argv[2], options,
                                       &upload, &error));
  GIVES(CANCELLED, bitsup_upload_wait(upload, -1, &error));
  bitsup_upload_free(upload);
  CHECK(!pthread_equal(seen.thread, pthread_self()));
  seen.stop_at = 0;
  GIVES(OK, bitsup_upload_start_memory(client, data, SIZE, argv[2], NULL,
                                       &upload, &error));
  GIVES(PENDING, bitsup_upload_wait(upload, 50, &error));
  bitsup_upload_free(upload);
  memset(data, 0, SIZE);
  free(data);
  bitsup_options_free(options);
  bitsup_client_free(client);
  return 0;
}

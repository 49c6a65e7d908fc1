/* Callbacks are shown their upload, a pointer of the program's ends once, and
 * each upload that has ended is told once. */

#include "check.h"

#include <poll.h>
#include <stdatomic.h>

/* What a callback has, and how often its end was told. */
struct owned {
  atomic_int calls, destroyed;
  _Atomic(bitsup_upload *) shown;
};

static void destroy(void *userdata)
{
  struct owned *owned = userdata;
  atomic_fetch_add(&owned->destroyed, 1);
}

static int on_progress(void *userdata, bitsup_upload *upload,
                       const bitsup_progress *progress)
{
  struct owned *owned = userdata;
  CHECK(atomic_load(&owned->destroyed) == 0);
  atomic_fetch_add(&owned->calls, 1);
  atomic_store(&owned->shown, upload);
  /* Also where it is earlier than the end of the call that starts. */
  CHECK(bitsup_upload_userdata(upload) == NULL ||
        bitsup_upload_userdata(upload) == userdata);
  GIVES(OK, bitsup_upload_set_userdata(upload, userdata, &error));
  (void)progress;
  return 0;
}

static void on_log(void *userdata, bitsup_upload *upload,
                   bitsup_log_level level, const char *line)
{
  struct owned *owned = userdata;
  CHECK(upload != NULL && *line);
  (void)level;
  atomic_fetch_add(&owned->calls, 1);
}

static int64_t read_at(void *userdata, void *buffer, size_t length,
                       uint64_t offset)
{
  struct owned *owned = userdata;
  (void)offset;
  CHECK(atomic_load(&owned->destroyed) == 0);
  memset(buffer, 'x', length);
  atomic_fetch_add(&owned->calls, 1);
  return (int64_t)length;
}

/* The pointer ends with the last of options, client and uploads. */
static void pointers(const char *url)
{
  struct owned log = {0}, progress = {0}, other = {0}, source = {0};
  bitsup_options *of_client = bitsup_options_new();
  bitsup_options *options = bitsup_options_new();
  bitsup_options *copy;
  bitsup_client *client;
  bitsup_upload *first, *second, *none;
  bitsup_source from = {0};

  GIVES(OK, bitsup_options_set_on_log(of_client, on_log, &log, destroy,
                                      &error));
  GIVES(OK, bitsup_client_new(of_client, &client, &error));
  bitsup_options_free(of_client);
  GIVES(OK, bitsup_options_set_on_progress(options, on_progress, &progress,
                                           destroy, &error));
  GIVES(OK, bitsup_options_copy(options, &copy, &error));
  /* Another one in the copy; the first is still in the options. */
  GIVES(OK, bitsup_options_set_on_progress(copy, on_progress, &other, destroy,
                                           &error));
  CHECK(atomic_load(&progress.destroyed) == 0);
  GIVES(OK, bitsup_upload_start_memory(client, "data", 4, url, options, &first,
                                       &error));
  from.struct_size = sizeof from;
  from.size = 1000;
  from.read_at = read_at;
  from.userdata = &source;
  from.destroy = destroy;
  GIVES(OK, bitsup_upload_start_callbacks(client, &from, url, copy, &second,
                                          &error));
  bitsup_options_free(options);
  bitsup_options_free(copy);
  GIVES(OK, bitsup_upload_wait(first, -1, &error));
  GIVES(OK, bitsup_upload_wait(second, -1, &error));
  CHECK(atomic_load(&progress.calls) > 0 && atomic_load(&other.calls) > 0);
  CHECK(atomic_load(&source.calls) > 0 && atomic_load(&log.calls) > 0);
  CHECK(atomic_load(&progress.shown) == first);
  CHECK(atomic_load(&other.shown) == second);
  CHECK(bitsup_upload_userdata(first) == &progress);
  CHECK(atomic_load(&progress.destroyed) == 0);
  CHECK(atomic_load(&source.destroyed) == 0);
  bitsup_upload_free(first);
  CHECK(atomic_load(&progress.destroyed) == 1);
  CHECK(atomic_load(&other.destroyed) == 0);
  bitsup_upload_free(second);
  CHECK(atomic_load(&other.destroyed) == 1);
  CHECK(atomic_load(&source.destroyed) == 1);
  CHECK(atomic_load(&log.destroyed) == 0);

  /* A call that fails has the pointer too. */
  GIVES(INVALID_ARGUMENT, bitsup_upload_start_callbacks(
                              client, &from, "nonsense", NULL, &none, &error));
  CHECK(atomic_load(&source.destroyed) == 2);
  GIVES(INVALID_ARGUMENT, bitsup_options_set_on_progress(
                              NULL, on_progress, &other, destroy, &error));
  CHECK(atomic_load(&other.destroyed) == 2);
  bitsup_client_free(client);
  CHECK(atomic_load(&log.destroyed) == 1);
}

/* In a loop of the program's: each upload that has ended comes once. */
static void ends(const char *url)
{
  enum { UPLOADS = 5 };
  bitsup_options *options = bitsup_options_new();
  bitsup_client *client;
  bitsup_upload *uploads[UPLOADS], *ended;
  int seen[UPLOADS] = {0}, at, left = UPLOADS;

  GIVES(OK, bitsup_options_set_number(options, BITSUP_OPTION_DISPATCH, 1,
                                      &error));
  GIVES(OK, bitsup_client_new(options, &client, &error));
  bitsup_options_free(options);
  GIVES(PENDING, bitsup_client_next_ended(client, &ended, &error));
  CHECK(ended == NULL);
  for (at = 0; at < UPLOADS; at++) {
    GIVES(OK, bitsup_upload_start_memory(client, "data", 4, url, NULL,
                                         &uploads[at], &error));
    GIVES(OK, bitsup_upload_set_userdata(uploads[at], &seen[at], &error));
  }
  while (left > 0) {
    struct pollfd events = {bitsup_client_event_fd(client), POLLIN, 0};
    CHECK(poll(&events, 1, 60000) == 1);
    CHECK(bitsup_client_dispatch(client, 0, NULL) <= BITSUP_STATUS_PENDING);
    while (bitsup_client_next_ended(client, &ended, NULL) ==
           BITSUP_STATUS_OK) {
      int *mine = bitsup_upload_userdata(ended);
      CHECK(++*mine == 1);
      GIVES(OK, bitsup_upload_wait(ended, 0, &error));
      bitsup_upload_free(ended);
      left--;
    }
  }
  for (at = 0; at < UPLOADS; at++)
    CHECK(seen[at] == 1);
  /* One that is freed before is not told. */
  GIVES(OK, bitsup_upload_start_memory(client, "data", 4, url, NULL,
                                       &uploads[0], &error));
  GIVES(OK, bitsup_upload_wait(uploads[0], -1, &error));
  bitsup_upload_free(uploads[0]);
  CHECK(bitsup_client_dispatch(client, 0, NULL) <= BITSUP_STATUS_PENDING);
  GIVES(PENDING, bitsup_client_next_ended(client, &ended, &error));
  bitsup_client_free(client);
}

int main(int argc, char **argv)
{
  CHECK(argc == 2);
  pointers(argv[1]);
  ends(argv[1]);
  return 0;
}

/* A client is freed while uploads run that will never end by themselves; their
 * handles still tell. Eight threads use the uploads of one client. */

#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#include <time.h>

static char data[100000];
static bitsup_client *client;
static const char *url;

static void *use(void *number)
{
  int round;
  for (round = 0; round < 8; round++) {
    bitsup_upload *upload;
    bitsup_progress progress = {0};
    bitsup_status status;
    char own[1000];
    snprintf(own, sizeof own, "%s-%d-%d", url, *(int *)number, round);
    progress.struct_size = sizeof progress;
    GIVES(OK, bitsup_upload_start_memory(client, data, sizeof data, own, NULL,
                                         &upload, &error));
    CHECK(bitsup_upload_progress(upload, &progress) == BITSUP_STATUS_OK);
    GIVES(OK, bitsup_upload_suspend(upload, &error));
    GIVES(OK, bitsup_upload_resume(upload, &error));
    if (round % 2 == 0)
      GIVES(OK, bitsup_upload_cancel(upload, &error));
    if (round % 4 < 3) {
      status = bitsup_upload_wait(upload, -1, NULL);
      CHECK(status == (round % 2 ? BITSUP_STATUS_OK : BITSUP_STATUS_CANCELLED));
    }
    bitsup_upload_free(upload);
  }
  return NULL;
}

static void *wait_for_end(void *upload)
{
  GIVES(CANCELLED, bitsup_upload_wait(upload, -1, &error));
  return NULL;
}

int main(int argc, char **argv)
{
  enum { THREADS = 8 };
  pthread_t threads[THREADS], waiter;
  int numbers[THREADS], at;
  bitsup_upload *stuck, *late;
  struct timespec before, after;

  CHECK(argc == 3);
  url = argv[1];
  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  for (at = 0; at < THREADS; at++) {
    numbers[at] = at;
    CHECK(pthread_create(&threads[at], NULL, use, &numbers[at]) == 0);
  }
  for (at = 0; at < THREADS; at++)
    CHECK(pthread_join(threads[at], NULL) == 0);

  /* argv[2] never answers. */
  GIVES(OK, bitsup_upload_start_memory(client, data, sizeof data, argv[2],
                                       NULL, &stuck, &error));
  GIVES(OK, bitsup_upload_start_memory(client, data, sizeof data, argv[2],
                                       NULL, &late, &error));
  CHECK(pthread_create(&waiter, NULL, wait_for_end, stuck) == 0);
  GIVES(PENDING, bitsup_upload_wait(late, 100, &error));
  clock_gettime(CLOCK_MONOTONIC, &before);
  bitsup_client_free(client);
  clock_gettime(CLOCK_MONOTONIC, &after);
  CHECK(after.tv_sec - before.tv_sec < 10);
  CHECK(pthread_join(waiter, NULL) == 0);
  GIVES(CANCELLED, bitsup_upload_wait(late, 0, &error));
  GIVES(OK, bitsup_upload_cancel(late, &error));
  bitsup_upload_free(late);
  bitsup_upload_free(stuck);
  return 0;
}

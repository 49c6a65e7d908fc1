/* Threads of the program share a client; each waits with a stack of 16 KiB,
 * or as little as the system has. Argument: a URL that ends with a slash. */

#define _DEFAULT_SOURCE
#include "check.h"

#include <limits.h>
#include <pthread.h>
#include <unistd.h>

enum { THREADS = 4 };

static bitsup_client *client;
static const char *folder;
/* Both threads write it, one after the other. */
static int64_t reads;

static int64_t read_at(void *userdata, void *buffer, size_t length,
                       uint64_t offset)
{
  int64_t *count = userdata;
  ++*count;
  memset(buffer, (int)(offset % 251), length);
  return (int64_t)length;
}

static void *work(void *userdata)
{
  int64_t count = 0;
  char url[200];
  bitsup_upload *upload;
  bitsup_source source = {0};
  source.struct_size = sizeof source;
  source.size = 100000;
  source.read_at = read_at;
  source.userdata = &count;
  snprintf(url, sizeof url, "%s%d", folder, *(int *)userdata);
  GIVES(OK, bitsup_upload_start_callbacks(client, &source, url, NULL, &upload,
                                          &error));
  GIVES(OK, bitsup_upload_wait(upload, -1, &error));
  /* What the callback wrote is seen after the wait. */
  CHECK(count > 0);
  bitsup_upload_free(upload);
  GIVES(INVALID_ARGUMENT,
        bitsup_upload_file(client, "/dev/null", "no url", &error));
  return NULL;
}

int main(int argc, char **argv)
{
  pthread_t threads[THREADS];
  int numbers[THREADS];
  pthread_attr_t attributes;
  int at;
  CHECK(argc == 2);
  folder = argv[1];
  (void)reads;
  CHECK(pthread_attr_init(&attributes) == 0);
#ifdef SMALL_STACK
  CHECK(pthread_attr_setstacksize(&attributes, SMALL_STACK) == 0);
#endif
  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  for (at = 0; at < THREADS; at++) {
    numbers[at] = at;
    CHECK(pthread_create(&threads[at], &attributes, work, &numbers[at]) == 0);
  }
  for (at = 0; at < THREADS; at++)
    CHECK(pthread_join(threads[at], NULL) == 0);
  CHECK(pthread_attr_destroy(&attributes) == 0);
#ifndef LEAVE
  bitsup_client_free(client);
#endif
  return 0;
}

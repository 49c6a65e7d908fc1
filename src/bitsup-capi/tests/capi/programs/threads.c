/* Threads of the program share a client, and a count that they lock. Argument: a
 * URL that ends with a slash; with one more they race. STACK is what each thread
 * has, and LEAVE lets the client be. */

#include "check.h"

#include <pthread.h>

enum { THREADS = 3 };

static bitsup_client *client;
static const char *folder;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int64_t read_at(void *userdata, void *buffer, size_t length,
                       uint64_t offset)
{
  int64_t *count = userdata;
  pthread_mutex_lock(&lock);
  ++*count;
  pthread_mutex_unlock(&lock);
  memset(buffer, (int)(offset % 251), length);
  return (int64_t)length;
}

static void *work(void *userdata)
{
  int64_t count = 0;
  char url[200];
  bitsup_client *own;
  bitsup_upload *upload;
  bitsup_source source = {0};
  source.struct_size = sizeof source;
  source.size = 100000;
  source.read_at = read_at;
  source.userdata = &count;
  snprintf(url, sizeof url, "%s%d", folder, *(int *)userdata);
  GIVES(OK, bitsup_client_new(NULL, &own, &error));
  GIVES(OK, bitsup_upload_start_callbacks(client, &source, url, NULL, &upload,
                                          &error));
  GIVES(OK, bitsup_upload_wait(upload, -1, &error));
  pthread_mutex_lock(&lock);
  CHECK(count > 0);
  pthread_mutex_unlock(&lock);
  bitsup_upload_free(upload);
  bitsup_client_free(own);
  return NULL;
}

static int shared;

static void *race(void *userdata)
{
  (void)userdata;
  shared++;
  return NULL;
}

static void run(void *(*function)(void *))
{
  pthread_t threads[THREADS];
  int numbers[THREADS];
  pthread_attr_t attributes;
  int at;
  CHECK(pthread_attr_init(&attributes) == 0);
#ifdef STACK
  CHECK(pthread_attr_setstacksize(&attributes, STACK) == 0);
#endif
  for (at = 0; at < THREADS; at++) {
    numbers[at] = at;
    CHECK(pthread_create(&threads[at], &attributes, function, &numbers[at]) ==
          0);
  }
  for (at = 0; at < THREADS; at++)
    CHECK(pthread_join(threads[at], NULL) == 0);
  CHECK(pthread_attr_destroy(&attributes) == 0);
}

int main(int argc, char **argv)
{
  CHECK(argc == 2 || argc == 3);
  folder = argv[1];
  if (argc == 3) {
    run(race);
    return 0;
  }
  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  run(work);
#ifndef LEAVE
  bitsup_client_free(client);
#endif
  return 0;
}

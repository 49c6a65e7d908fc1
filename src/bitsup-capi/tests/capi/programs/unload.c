/* The library is unloaded while its threads run. */

#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <dlfcn.h>
#include <time.h>

typedef bitsup_status (*client_new)(const bitsup_options *, bitsup_client **,
                                    bitsup_error **);
typedef bitsup_status (*start)(bitsup_client *, const void *, size_t,
                               const char *, const bitsup_options *,
                               bitsup_upload **, bitsup_error **);

int main(int argc, char **argv)
{
  static char data[1000000];
  const struct timespec pause = {0, 300000000};
  static bitsup_client *client; /* static: reachable to the end */
  static bitsup_upload *upload;
  client_new make;
  start begin;
  void *library;

  CHECK(argc == 3);
  library = dlopen(argv[2], RTLD_NOW);
  CHECK(library);
  *(void **)&make = dlsym(library, "bitsup_client_new");
  *(void **)&begin = dlsym(library, "bitsup_upload_start_memory");
  CHECK(make && begin);
  CHECK(make(NULL, &client, NULL) == BITSUP_STATUS_OK);
  CHECK(begin(client, data, sizeof data, argv[1], NULL, &upload, NULL) ==
        BITSUP_STATUS_OK);
  CHECK(dlclose(library) == 0);
  nanosleep(&pause, NULL);
  return 0;
}

/* What belongs to the process: its current folder, and how many files it may
   have open. Arguments: a URL, and a file in the current folder. */

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* The lowest descriptor that is free. */
static int lowest(void) {
  int free_one = dup(0);
  CHECK(free_one >= 0);
  close(free_one);
  return free_one;
}

/* Uploads with that many descriptors; whether it worked. */
static int with_files(rlim_t more, const char *file, const char *url) {
  struct rlimit before, lowered;
  bitsup_client *client = NULL;
  bitsup_error *error = NULL;
  CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
  lowered = before;
  lowered.rlim_cur = (rlim_t)lowest() + more;
  CHECK(setrlimit(RLIMIT_NOFILE, &lowered) == 0);
  bitsup_status status = bitsup_client_new(NULL, &client, &error);
  if (status == BITSUP_STATUS_OK) {
    status = bitsup_upload_file(client, file, url, &error);
  }
  CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
  if (status != BITSUP_STATUS_OK) {
    CHECK(status == BITSUP_STATUS_LOCAL_FILE);
    CHECK(bitsup_error_os_error(error) == EMFILE);
    CHECK(strstr(bitsup_error_advice(error), "ulimit -n") != NULL);
  }
  bitsup_error_free(error);
  bitsup_client_free(client);
  return status == BITSUP_STATUS_OK;
}

int main(int argc, char **argv) {
  bitsup_client *client = NULL;
  bitsup_upload *upload = NULL;
  char folder[4096];
  int failed = 0;
  CHECK(argc == 3);
  CHECK(getcwd(folder, sizeof folder) != NULL);

  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  GIVES(OK, bitsup_upload_start(client, argv[2], argv[1], NULL, &upload,
                                &error));
  CHECK(chdir("/") == 0);
  GIVES(OK, bitsup_upload_wait(upload, -1, &error));
  bitsup_upload_free(upload);
  bitsup_client_free(client);
  CHECK(chdir(folder) == 0);

#ifdef __SANITIZE_THREAD__
  /* It needs descriptors itself,
          to know the names in its list of exceptions. */
  return 0;
#endif
  for (rlim_t more = 0; more < 24; more++) {
    if (!with_files(more, argv[2], argv[1])) {
      failed++;
    }
  }
  CHECK(failed > 0 && failed < 24);
  return 0;
}

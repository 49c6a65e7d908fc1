/* A child of a fork gets a clear error, and can make objects of its own. */

#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
  static char data[1000000];
  bitsup_options *config = bitsup_options_new();
  bitsup_client *client, *own;
  bitsup_upload *upload;
  bitsup_session *session;
  int code;
  pid_t child;

  CHECK(argc == 3);
  GIVES(OK, bitsup_client_new(config, &client, &error));
  GIVES(OK, bitsup_client_set_limit_rate(client, 200000, &error));
  GIVES(OK, bitsup_session_create(client, argv[2], 10, NULL, NULL, &session,
                                  &error));
  GIVES(OK, bitsup_upload_start_memory(client, data, sizeof data, argv[1],
                                       NULL, &upload, &error));
  GIVES(PENDING, bitsup_upload_wait(upload, 100, &error));
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    bitsup_error *error;
    CHECK(bitsup_upload_wait(upload, -1, &error) ==
          BITSUP_STATUS_INVALID_ARGUMENT);
    CHECK(strstr(bitsup_error_message(error), "fork"));
    bitsup_error_free(error);
    GIVES(INVALID_ARGUMENT, bitsup_upload_cancel(upload, &error));
    GIVES(INVALID_ARGUMENT,
          bitsup_upload_file(client, "/dev/null", argv[1], &error));
    GIVES(INVALID_ARGUMENT, bitsup_ping(client, argv[1], NULL, &error));
    GIVES(INVALID_ARGUMENT,
          bitsup_session_send(session, "x", 1, NULL, &error));
    GIVES(INVALID_ARGUMENT,
          bitsup_client_set_limit_rate(client, BITSUP_UNLIMITED, &error));
    GIVES(INVALID_ARGUMENT, bitsup_client_new(config, &own, &error));
    bitsup_session_free(session);
    bitsup_upload_free(upload);
    bitsup_client_free(client);
    bitsup_options_free(config);
    GIVES(OK, bitsup_client_new(NULL, &own, &error));
    GIVES(OK, bitsup_ping(own, argv[1], NULL, &error));
    bitsup_client_free(own);
    _exit(0);
  }
  CHECK(waitpid(child, &code, 0) == child);
  CHECK(WIFEXITED(code) && WEXITSTATUS(code) == 0);
  /* The parent goes on undisturbed. */
  GIVES(OK, bitsup_client_set_limit_rate(client, BITSUP_UNLIMITED, &error));
  GIVES(OK, bitsup_upload_wait(upload, -1, &error));
  bitsup_session_free(session);
  bitsup_upload_free(upload);
  bitsup_client_free(client);
  bitsup_options_free(config);
  return 0;
}

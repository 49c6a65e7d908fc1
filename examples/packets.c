/* Sends the five packets of the protocol by hand: packets URL */

#include <bitsup.h>
#include <inttypes.h>
#include <stdio.h>

static const char text[] = "sent in two fragments\n";

/* The error is looked at behind a pointer: which of two arguments a compiler
 * evaluates first is its own choice. */
static int check(const char *packet, bitsup_status status,
                 bitsup_error **error)
{
  printf("%s: %s\n", packet, bitsup_status_name((uint32_t)status));
  if (status != BITSUP_STATUS_OK)
    fprintf(stderr, "%s\n%s\n", bitsup_error_message(*error),
            bitsup_error_advice(*error));
  bitsup_error_free(*error);
  return status == BITSUP_STATUS_OK;
}

int main(int argc, char **argv)
{
  const uint64_t size = sizeof text - 1;
  uint64_t offset = 0;
  bitsup_client *client = NULL;
  bitsup_session *session = NULL, *unwanted = NULL;
  bitsup_error *error = NULL;
  int good;

  if (argc != 2) {
    fprintf(stderr, "usage: packets URL\n");
    return 2;
  }
  good = check("client", bitsup_client_new(NULL, &client, &error), &error);

  good = good && check("Ping", bitsup_ping(client, argv[1], NULL, &error),
                       &error);
  good = good && check("Create-Session",
                       bitsup_session_create(client, argv[1], size, "two.txt",
                                             NULL, &session, &error),
                       &error);
  while (good && offset < size) {
    size_t length = size - offset < 10 ? (size_t)(size - offset) : 10;
    good = check("Fragment",
                 bitsup_session_send(session, text + offset, length, &offset,
                                     &error),
                 &error);
    if (good)
      printf("the server wants to go on at %" PRIu64 "\n", offset);
  }
  good = good && check("Close-Session", bitsup_session_close(session, &error),
                       &error);

  /* A session that is not wanted after all. */
  good = good && check("Create-Session",
                       bitsup_session_create(client, argv[1], size, NULL,
                                             NULL, &unwanted, &error),
                       &error);
  good = good && check("Cancel-Session",
                       bitsup_session_cancel(unwanted, &error), &error);

  bitsup_session_free(unwanted);
  bitsup_session_free(session);
  bitsup_client_free(client);
  return good ? 0 : 1;
}

/* An error on purpose: the library is told of more memory than there is. */

#include "check.h"

int main(int argc, char **argv)
{
  enum { SIZE = 10000 };
  char *data = malloc(SIZE);
  bitsup_client *client;
  bitsup_upload *upload;

  CHECK(argc == 2 && data);
  memset(data, 'x', SIZE);
  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  GIVES(OK, bitsup_upload_start_memory(client, data, SIZE + 1, argv[1], NULL,
                                       &upload, &error));
  CHECK(bitsup_upload_wait(upload, -1, NULL) != BITSUP_STATUS_PENDING);
  bitsup_upload_free(upload);
  bitsup_client_free(client);
  free(data);
  return 0;
}

/* A race on purpose: memory changes while the library sends it. */

#include "check.h"

int main(int argc, char **argv)
{
  enum { SIZE = 1000000 };
  char *data = calloc(1, SIZE);
  size_t at = 0;
  bitsup_client *client;
  bitsup_upload *upload;

  CHECK(argc == 2 && data);
  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  GIVES(OK, bitsup_upload_start_memory(client, data, SIZE, argv[1], NULL,
                                       &upload, &error));
  while (bitsup_upload_wait(upload, 0, NULL) == BITSUP_STATUS_PENDING)
    data[at++ % SIZE]++;
  bitsup_upload_free(upload);
  bitsup_client_free(client);
  free(data);
  return 0;
}

/* Uploads a file: upload FILE URL */

#include <bitsup.h>
#include <stdio.h>

int main(int argc, char **argv)
{
  bitsup_client *client = NULL;
  bitsup_error *error = NULL;
  bitsup_status status;

  if (argc != 3) {
    fprintf(stderr, "usage: upload FILE URL\n");
    return 2;
  }
  status = bitsup_client_new(NULL, &client, &error);
  if (status == BITSUP_STATUS_OK)
    status = bitsup_upload_file(client, argv[1], argv[2], &error);
  if (status == BITSUP_STATUS_OK)
    printf("%s is uploaded\n", argv[1]);
  else
    fprintf(stderr, "upload: %s\n%s\n", bitsup_error_message(error),
            bitsup_error_advice(error));
  bitsup_error_free(error);
  bitsup_client_free(client);
  return status == BITSUP_STATUS_OK ? 0 : 1;
}

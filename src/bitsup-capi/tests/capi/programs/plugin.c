/* A plugin that has the static library in it. */

#include "check.h"

int plugin_uploads(const char *file, const char *url);
int plugin_uploads(const char *file, const char *url)
{
  bitsup_client *client;
  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  GIVES(OK, bitsup_upload_file(client, file, url, &error));
  bitsup_client_free(client);
  return 1;
}

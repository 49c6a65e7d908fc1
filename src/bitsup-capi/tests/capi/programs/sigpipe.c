/* The peer closes abruptly, again and again; SIGPIPE would end this. */

#include "check.h"

#include <signal.h>

int main(int argc, char **argv)
{
  static char data[2000000];
  bitsup_client *client;
  bitsup_options *options = bitsup_options_new();
  bitsup_upload *upload;
  bitsup_receipt receipt = {0};

  CHECK(argc == 3);
  signal(SIGPIPE, SIG_DFL);
  GIVES(OK, bitsup_options_set_number(options, BITSUP_OPTION_RETRY_DELAY, 1,
          &error));
  GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_CA_FILE, argv[2],
          &error));
  /* What stood there before proves a file whose last answer was lost. */
  GIVES(OK, bitsup_options_set_number(options, BITSUP_OPTION_VERIFY,
          BITSUP_VERIFY_ALWAYS, &error));
  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  GIVES(OK, bitsup_upload_start_memory(client, data, sizeof data, argv[1],
                                       options, &upload, &error));
  GIVES(OK, bitsup_upload_wait(upload, -1, &error));
  receipt.struct_size = sizeof receipt;
  GIVES(OK, bitsup_upload_receipt(upload, &receipt, &error));
  CHECK(receipt.retries > 0);
  bitsup_upload_free(upload);
  bitsup_options_free(options);
  bitsup_client_free(client);
  return 0;
}

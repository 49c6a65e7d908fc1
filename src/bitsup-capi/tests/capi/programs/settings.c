/* A client's choices, and those of an upload over them. */

#include "check.h"

/* Counts packets. */
static void on_transcript(void *userdata, bitsup_upload *shown,
        const char *entry)
{
  (void)shown;
  size_t *packets = userdata;
  if (strstr(entry, "Create-Session") || strstr(entry, "Fragment") ||
      strstr(entry, "Close-Session"))
    ++*packets;
  CHECK(!strstr(entry, "pass word") && !strstr(entry, "Authorization"));
}

static bitsup_status upload(bitsup_client *client, const char *url,
                            bitsup_options *options,
                            bitsup_receipt *receipt, bitsup_upload **kept)
{
  bitsup_status status;
  GIVES(OK, bitsup_upload_start_memory(client, "data", 4, url, options, kept,
                                       &error));
  status = bitsup_upload_wait(*kept, -1, NULL);
  receipt->struct_size = sizeof *receipt;
  if (status == BITSUP_STATUS_OK)
    GIVES(OK, bitsup_upload_receipt(*kept, receipt, &error));
  return status;
}

int main(int argc, char **argv)
{
  bitsup_options *config = bitsup_options_new();
  bitsup_options *options = bitsup_options_new();
  bitsup_client *client;
  bitsup_upload *kept;
  bitsup_receipt receipt = {0};
  size_t packets = 0;

  /* argv[2] is a file with the password, argv[3] one with another. */
  CHECK(argc == 4);
  GIVES(OK, bitsup_options_set_text(config, BITSUP_OPTION_USER, "u", &error));
  GIVES(OK, bitsup_options_set_text(config, BITSUP_OPTION_PASSWORD_FILE,
          argv[2], &error));
  GIVES(OK, bitsup_options_set_number(config,
          BITSUP_OPTION_ALLOW_CLEARTEXT_CREDENTIALS, 1, &error));
  GIVES(OK, bitsup_options_set_number(config, BITSUP_OPTION_AUTH,
          BITSUP_AUTH_BASIC, &error));
  GIVES(OK, bitsup_options_set_text(config, BITSUP_OPTION_PROXY, "", &error));
  GIVES(OK, bitsup_options_set_number(config, BITSUP_OPTION_SHA256, 1,
          &error));
  GIVES(OK, bitsup_options_set_on_transcript(config, on_transcript, &packets,
          NULL, &error));
  GIVES(OK, bitsup_client_new(config, &client, &error));
  CHECK(upload(client, argv[1], NULL, &receipt, &kept) == BITSUP_STATUS_OK);
  /* sha256sum of "data" */
  CHECK(!strcmp(receipt.sha256, "3a6eb0790f39ac87c94f3856b2dd2c5d"
                                "110e6811602261a9a923d3bb23adc8b7"));
  bitsup_upload_free(kept);
  CHECK(packets >= 3);

  /* The upload's options win, one by one. */
  GIVES(OK, bitsup_options_set_number(options, BITSUP_OPTION_SHA256, 0,
          &error));
  CHECK(upload(client, argv[1], options, &receipt, &kept) == BITSUP_STATUS_OK);
  CHECK(receipt.sha256 == NULL);
  bitsup_upload_free(kept);
  GIVES(OK, bitsup_options_set_number(options, BITSUP_OPTION_IF_EXISTS,
          BITSUP_IF_EXISTS_SKIP, &error));
  CHECK(upload(client, argv[1], options, &receipt, &kept) == BITSUP_STATUS_OK);
  CHECK(receipt.skipped);
  bitsup_upload_free(kept);
  GIVES(OK, bitsup_options_set_number(options, BITSUP_OPTION_IF_EXISTS,
          BITSUP_IF_EXISTS_TRY, &error));
  GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_PROXY,
          "http://127.0.0.1:1", &error));
  GIVES(OK, bitsup_options_set_number(options, BITSUP_OPTION_MAX_ATTEMPTS, 1,
          &error));
  CHECK(upload(client, argv[1], options, &receipt, &kept) ==
        BITSUP_STATUS_NETWORK);
  bitsup_upload_free(kept);
  bitsup_client_free(client);

  /* Each half of a login goes with the other, wherever it was set. */
  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  bitsup_options_free(options);
  options = bitsup_options_new();
  GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_PROXY_USER, "u",
          &error));
  GIVES(INVALID_ARGUMENT, bitsup_ping(client, argv[1], options, &error));
  GIVES(OK, bitsup_options_set_text(options,
          BITSUP_OPTION_PROXY_PASSWORD_FILE, "/nowhere", &error));
  GIVES(LOCAL_FILE, bitsup_ping(client, argv[1], options, &error));
  bitsup_client_free(client);

  /* A wrong password is refused once, in the words of the status. */
  GIVES(OK, bitsup_options_set_bytes(config, BITSUP_OPTION_PASSWORD_FILE,
          argv[3], strlen(argv[3]), &error));
  GIVES(OK, bitsup_client_new(config, &client, &error));
  GIVES(AUTH, bitsup_ping(client, argv[1], NULL, &error));
  bitsup_client_free(client);
  bitsup_options_free(options);
  bitsup_options_free(config);
  return 0;
}

/* Logins go to who they are meant for. */

#include "check.h"

/* argv: a proxy that asks, a server that sends uploads to another host, files
   with a password and with a token. */
static const char *proxy_url, *farm, *password_file, *token_file;

static bitsup_status upload(const char *url,
                            const bitsup_options *options)
{
  bitsup_client *client;
  bitsup_upload *upload;
  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  GIVES(OK, bitsup_upload_start_memory(client, "data", 4, url, options,
                                       &upload, &error));
  bitsup_status status = bitsup_upload_wait(upload, -1, NULL);
  bitsup_upload_free(upload);
  bitsup_client_free(client);
  return status;
}

static bitsup_status ping(const char *url,
                          const bitsup_options *options)
{
  bitsup_client *client;
  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  bitsup_status status = bitsup_ping(client, url, options, NULL);
  bitsup_client_free(client);
  return status;
}

/* A login of the server from one source or another. */
static bitsup_options *with_login(int source)
{
  bitsup_options *options = bitsup_options_new();
  GIVES(OK, bitsup_options_set_number(options,
          BITSUP_OPTION_ALLOW_CLEARTEXT_CREDENTIALS, 1, &error));
  switch (source) {
  case 0:
    GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_USER, "u",
            &error));
    GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_PASSWORD,
            "hunter2", &error));
    break;
  case 1:
    GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_USER, "u",
            &error));
    GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_PASSWORD_FILE,
            password_file, &error));
    break;
  case 2:
    GIVES(OK,
          bitsup_options_set_text(options, BITSUP_OPTION_TOKEN_FILE,
                  token_file, &error));
    break;
  default:
    GIVES(OK, bitsup_options_set_header(options, "Authorization",
            "Basic hunter2", &error));
    GIVES(OK, bitsup_options_set_secret_header(options, "X-Key", "hunter2",
            &error));
    GIVES(OK, bitsup_options_set_header(options, "Cookie", "id=hunter2",
            &error));
  }
  return options;
}

int main(int argc, char **argv)
{
  CHECK(argc == 5);
  proxy_url = argv[1];
  farm = argv[2];
  password_file = argv[3];
  token_file = argv[4];

  /* A token goes with each packet, also through the proxy: over https only
     the server sees it. */
  for (int source = 0; source < 3; source++) {
    bitsup_options *options = with_login(source);
    GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_PROXY, proxy_url,
            &error));
    const char *url = source < 2 ? "http://far.test/x" : "https://far.test/x";
    CHECK(upload(url, options) == BITSUP_STATUS_PROXY_AUTH);
    CHECK(upload("https://far.test/x", options) == BITSUP_STATUS_PROXY_AUTH);
    CHECK(ping(url, options) == BITSUP_STATUS_PROXY_AUTH);
    bitsup_options_free(options);
  }

  for (int source = 0; source < 4; source++) {
    bitsup_options *options = with_login(source);
    GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_PROXY, "",
            &error));
    GIVES(OK, bitsup_options_set_number(options, BITSUP_OPTION_HOST_ID,
            BITSUP_HOST_ID_ANY, &error));
    CHECK(upload(farm, options) == BITSUP_STATUS_OK);
    bitsup_options_free(options);
  }
  return 0;
}

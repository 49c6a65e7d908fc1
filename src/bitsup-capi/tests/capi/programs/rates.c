/* A rate limit that follows the hours: at the limit the upload takes longer
 * than this program may run. */

#include "check.h"

static char data[4000000];
static const char slow[] = "00:00-12:00=10K 12:00-00:00=10K";

static bitsup_upload *start(bitsup_client *client, const char *url)
{
  bitsup_upload *upload;
  GIVES(OK, bitsup_upload_start_memory(client, data, sizeof data, url, NULL,
                                       &upload, &error));
  return upload;
}

static void runs_slowly(bitsup_upload *upload)
{
  GIVES(PENDING, bitsup_upload_wait(upload, 1000, &error));
}

static void ends(bitsup_upload *upload)
{
  GIVES(OK, bitsup_upload_wait(upload, -1, &error));
  bitsup_upload_free(upload);
}

static void refuses(bitsup_options *config, bitsup_client *client)
{
  static const char *const wrong[] = {
      "", "1M", "08:00-18:00=0", "08:00-18:00=1M 17:00-19:00=2M", "\xff"};
  size_t at;
  for (at = 0; at < sizeof wrong / sizeof wrong[0]; at++) {
    GIVES(INVALID_ARGUMENT,
          bitsup_options_set_text(config, BITSUP_OPTION_LIMIT_RATE, wrong[at],
                  &error));
    GIVES(INVALID_ARGUMENT,
          bitsup_client_set_rate_timetable(client, wrong[at], &error));
  }
}

int main(int argc, char **argv)
{
  bitsup_options *config = bitsup_options_new();
  bitsup_client *client;
  bitsup_upload *upload;

  CHECK(argc == 2);
  GIVES(OK, bitsup_options_set_text(config, BITSUP_OPTION_LIMIT_RATE, slow,
          &error));
  GIVES(OK, bitsup_client_new(config, &client, &error));
  upload = start(client, argv[1]);
  runs_slowly(upload);
  refuses(config, client);
  runs_slowly(upload);
  GIVES(OK,
        bitsup_client_set_rate_timetable(client, "00:00-24:00=off", &error));
  ends(upload);
  GIVES(OK, bitsup_client_set_rate_timetable(client, slow, &error));
  upload = start(client, argv[1]);
  runs_slowly(upload);
  GIVES(OK, bitsup_client_set_limit_rate(client, BITSUP_UNLIMITED, &error));
  ends(upload);
  bitsup_client_free(client);

  /* The later one of limit and timetable counts. */
  GIVES(OK, bitsup_options_set_number(config, BITSUP_OPTION_LIMIT_RATE,
          BITSUP_UNLIMITED, &error));
  GIVES(OK, bitsup_client_new(config, &client, &error));
  ends(start(client, argv[1]));
  bitsup_client_free(client);
  GIVES(OK, bitsup_options_set_number(config, BITSUP_OPTION_LIMIT_RATE, 10000,
          &error));
  GIVES(OK, bitsup_options_set_text(config, BITSUP_OPTION_LIMIT_RATE,
          "00:00-24:00=off", &error));
  GIVES(OK, bitsup_client_new(config, &client, &error));
  ends(start(client, argv[1]));
  bitsup_client_free(client);
  bitsup_options_free(config);
  return 0;
}

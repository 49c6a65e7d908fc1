/* The way to a server is examined. */

#include "check.h"

#include <pthread.h>

static void on_credential(void *userdata, bitsup_upload *shown,
                          const bitsup_credential_request *request,
                          bitsup_credential_reply *reply)
{
  (void)shown;
  CHECK(pthread_equal(*(pthread_t *)userdata, pthread_self()));
  CHECK(request->attempt == 1);
  GIVES(OK, bitsup_credential_reply_password(reply, "u", "pass word", &error));
}

/* The first problem is this one, and both forms of the report say so. */
static void finds(bitsup_client *client, const char *url,
                  bitsup_options *options, bitsup_status wanted)
{
  bitsup_report *report = NULL;
  bitsup_error *problem;
  const char *json;
  GIVES(OK, bitsup_doctor(client, url, options, &report, &error));
  json = bitsup_report_json(report);
  CHECK(!strncmp(json, "{\"v\":1,\"url\":\"", 14) && !strchr(json, '\n'));
  CHECK(strstr(json, "\"check\":\"name\"") && strstr(json, "\"session\""));
  CHECK(strstr(json, "\"fragment\"") && strstr(json, "\"cleanup\""));
  /* Options have their names of C. */
  CHECK(!strstr(json, "--"));
  CHECK(!strstr(json, "pass word") && !strstr(json, "secret-query"));
  if (bitsup_report_problem(report, &problem) != wanted) {
    fprintf(stderr, "%s\n", json);
    exit(1);
  }
  CHECK(bitsup_error_status(problem) == wanted);
  CHECK((strstr(json, "\"problem\"") != NULL) == (wanted != BITSUP_STATUS_OK));
  if (problem) {
    CHECK(strlen(bitsup_error_message(problem)) > 0);
    CHECK(strlen(bitsup_error_advice(problem)) > 0);
    CHECK(!strstr(bitsup_error_advice(problem), "--"));
    if (wanted == BITSUP_STATUS_AUTH)
      CHECK(strstr(bitsup_error_advice(problem),
                   "BITSUP_OPTION_USER"));
  }
  bitsup_report_free(report);
  bitsup_error_free(problem);
}

int main(int argc, char **argv)
{
  char with_query[1000];
  bitsup_client *client;
  bitsup_report *report = (bitsup_report *)1;
  bitsup_options *options = bitsup_options_new();
  pthread_t here = pthread_self();

  /* argv[1] takes uploads, argv[2] from u with "pass word" only. */
  CHECK(argc == 3);
  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  snprintf(with_query, sizeof with_query, "%s?secret-query", argv[1]);
  finds(client, with_query, NULL, BITSUP_STATUS_OK);
  finds(client, "http://127.0.0.1:1/x", NULL, BITSUP_STATUS_NETWORK);
  finds(client, argv[2], NULL, BITSUP_STATUS_AUTH);
  GIVES(OK, bitsup_options_set_number(options,
          BITSUP_OPTION_ALLOW_CLEARTEXT_CREDENTIALS, 1, &error));
  GIVES(OK, bitsup_options_set_on_credentials(options, on_credential, &here,
          NULL, &error));
  finds(client, argv[2], options, BITSUP_STATUS_OK);
  GIVES(INVALID_ARGUMENT,
        bitsup_doctor(client, "nonsense", NULL, &report, &error));
  CHECK(report == NULL && !*bitsup_report_json(report));
  bitsup_options_free(options);
  bitsup_client_free(client);
  return 0;
}

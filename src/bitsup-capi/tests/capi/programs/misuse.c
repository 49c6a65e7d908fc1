/* Wrong numbers, lengths and text, and calls at the wrong time. */

#include "check.h"

static int64_t too_much(void *userdata, void *buffer, size_t length,
                        uint64_t offset)
{
  (void)userdata;
  (void)buffer;
  (void)offset;
  return (int64_t)length + 1;
}

static int64_t broken(void *userdata, void *buffer, size_t length,
                      uint64_t offset)
{
  (void)userdata;
  (void)buffer;
  (void)length;
  (void)offset;
  return -5; /* EIO */
}

static int64_t most_negative(void *userdata, void *buffer, size_t length,
                             uint64_t offset)
{
  (void)userdata;
  (void)buffer;
  (void)length;
  (void)offset;
  return INT64_MIN;
}

static void names_refuse(bitsup_options *options)
{
  static const char *const wrong[][2] = {
      {"fragment_size", "1X"}, {"fragment_size", "-1"},
      {"max_attempts", "4294967296"}, {"insecure", "maybe"},
      {"if_exists", "1"}, {"verify", "sometimes"},
      {"headers", "X-A"}, {"headers", "Host: a"},
      {"headers", "X-A: a\r\nb"}, {"max_fragment", "0"},
      {"user", "\xff\xfe"}, {"connect_timeout", "0"},
      {"fragment_size", "unlimited"}, {"proxy", "::::"},
      {"pinned_public_key", "sha256//x"},
  };
  static const char *const right[][2] = {
      {"fragment_size", "65536"}, {"insecure", "0"}, {"insecure", "false"},
      {"max_attempts", "4294967295"}, {"if_exists", "try"},
      {"headers", "X-A: a: b"}, {"secret_headers", "X-B:c"},
      {"host_id", "same_site"}, {"host_id", "same-site"},
      {"fragment_size", "auto"}, {"fragment_size", "5M"},
      {"max_time", "10m"}, {"max_time", "unlimited"},
  };
  size_t at;
  for (at = 0; at < sizeof wrong / sizeof wrong[0]; at++)
    GIVES(INVALID_ARGUMENT, bitsup_options_set_by_name(options, wrong[at][0],
                                                       wrong[at][1], &error));
  for (at = 0; at < sizeof right / sizeof right[0]; at++)
    GIVES(OK, bitsup_options_set_by_name(options, right[at][0], right[at][1],
                                         &error));
  /* What an older library does not have, and what is no option. */
  GIVES(UNSUPPORTED,
        bitsup_options_set_by_name(options, "no_such_option", "1", &error));
  GIVES(UNSUPPORTED, bitsup_options_set_by_name(options, "", "", &error));
  GIVES(UNSUPPORTED,
        bitsup_options_set_by_name(options, "on_progress", "1", &error));
  GIVES(UNSUPPORTED, bitsup_options_set_number(options, 0, 1, &error));
  GIVES(UNSUPPORTED, bitsup_options_set_number(options, 1999, 1, &error));
}

/* A wrapper that needs the kind alone declares no more. */
static void facts_may_be_short(void)
{
  bitsup_option_facts facts = {0};
  facts.struct_size = offsetof(bitsup_option_facts, kind);
  GIVES(INVALID_ARGUMENT,
        bitsup_option_info(BITSUP_OPTION_MAX_TIME, &facts, &error));
  facts.struct_size = offsetof(bitsup_option_facts, scope);
  GIVES(OK, bitsup_option_info(BITSUP_OPTION_MAX_TIME, &facts, &error));
  CHECK(facts.struct_size == offsetof(bitsup_option_facts, scope));
  CHECK(facts.kind == BITSUP_OPTION_KIND_DURATION && !facts.name);
}

/* The bounds of each number hold, and what is beyond them is refused. */
static void numbers_refuse(void)
{
  int option, tried = 0;
  for (option = bitsup_option_next(0); option;
       option = bitsup_option_next(option)) {
    bitsup_options *options = bitsup_options_new();
    bitsup_option_facts facts = {0};
    facts.struct_size = sizeof facts;
    GIVES(OK, bitsup_option_info(option, &facts, &error));
    CHECK(facts.id == option && *facts.name && *facts.documentation);
    CHECK(bitsup_option_by_name(facts.name) == option);
    if (facts.kind >= BITSUP_OPTION_KIND_SIZE &&
        facts.kind <= BITSUP_OPTION_KIND_FLAG) {
      tried++;
      GIVES(OK, bitsup_options_set_number(options, option, facts.minimum,
                                          &error));
      GIVES(OK, bitsup_options_set_number(options, option, facts.maximum,
                                          &error));
      GIVES(INVALID_ARGUMENT,
            bitsup_options_set_number(options, option, facts.minimum - 1,
                                      &error));
      GIVES(INVALID_ARGUMENT,
            bitsup_options_set_number(options, option, INT64_MIN, &error));
      CHECK((bitsup_options_set_number(options, option, BITSUP_UNLIMITED,
                                       NULL) == BITSUP_STATUS_OK) ==
            (facts.unlimited != 0));
    }
    bitsup_options_free(options);
  }
  CHECK(tried > 25);
  CHECK(bitsup_option_next(INT32_MAX) == 0);
}

static void options_refuse(bitsup_options *options)
{
  static const int choices[] = {
      BITSUP_OPTION_IF_EXISTS,   BITSUP_OPTION_HOST_ID,
      BITSUP_OPTION_VERIFY,      BITSUP_OPTION_ON_LOST_ACK,
      BITSUP_OPTION_RESUME_CHECK, BITSUP_OPTION_AUTH,
  };
  static const int64_t wrong[] = {-1,        0,         3,
                                  1000,      INT64_MIN, INT64_MAX,
                                  INT32_MAX, 2000,      2999};
  size_t at, of;
  for (of = 0; of < sizeof choices / sizeof choices[0]; of++)
    for (at = 0; at < sizeof wrong / sizeof wrong[0]; at++)
      GIVES(INVALID_ARGUMENT, bitsup_options_set_number(
                                  options, choices[of], wrong[at], &error));
  /* A constant of another choice is none of this one. */
  GIVES(INVALID_ARGUMENT,
        bitsup_options_set_number(options, BITSUP_OPTION_VERIFY,
                                  BITSUP_IF_EXISTS_SKIP, &error));
  GIVES(INVALID_ARGUMENT, bitsup_options_set_text(options, BITSUP_OPTION_USER,
                                                  "\xff\xfe", &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_options_set_header(options, "X-A", "a\r\nb", &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_options_set_header(options, "Host", "a", &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_options_set_bytes(options, BITSUP_OPTION_CA_FILE, "a\0b", 3,
                                 &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_options_set_bytes(options, BITSUP_OPTION_CA_FILE, "a", SIZE_MAX,
                                 &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_options_set_bytes(options, BITSUP_OPTION_CA_FILE, "a", 0,
                                 &error));
  GIVES(INVALID_ARGUMENT, bitsup_options_set_number(
                              options, BITSUP_OPTION_CA_FILE, 1, &error));
  GIVES(INVALID_ARGUMENT, bitsup_options_set_text(
                              options, BITSUP_OPTION_MAX_BYTES, "1", &error));
}

/* An object of another type is named, and nothing is done to it. */
static void types_are_told_apart(bitsup_client *client)
{
  static const char nothing[64] = {0};
  bitsup_options *options = bitsup_options_new();
  bitsup_error *error = NULL;
  CHECK(bitsup_upload_cancel((bitsup_upload *)client, &error) ==
        BITSUP_STATUS_INVALID_ARGUMENT);
  CHECK(strstr(bitsup_error_message(error), "bitsup_client"));
  CHECK(strstr(bitsup_error_message(error), "not bitsup_upload"));
  /* An error is no client either. */
  CHECK(bitsup_client_dispatch((bitsup_client *)error, 0, NULL) ==
        BITSUP_STATUS_INVALID_ARGUMENT);
  bitsup_client_free((bitsup_client *)options);
  bitsup_error_free(error);
  CHECK(bitsup_options_check((bitsup_options *)client, &error) ==
        BITSUP_STATUS_INVALID_ARGUMENT);
  bitsup_error_free(error);
  CHECK(bitsup_options_check((const bitsup_options *)nothing, &error) ==
        BITSUP_STATUS_INVALID_ARGUMENT);
  CHECK(strstr(bitsup_error_message(error), "no object of this library"));
  bitsup_error_free(error);
  GIVES(OK, bitsup_options_check(options, &error));
  bitsup_options_free(options);
}

static void sources_refuse(bitsup_client *client, const char *url)
{
  bitsup_options *none = NULL;
  bitsup_upload *upload = (bitsup_upload *)1;
  bitsup_source source = {0};
  GIVES(INVALID_ARGUMENT,
        bitsup_upload_start_memory(client, "x", SIZE_MAX, url, none, &upload,
                                   &error));
  CHECK(upload == NULL);
  GIVES(INVALID_ARGUMENT, bitsup_upload_start_callbacks(
                              client, &source, url, none, &upload, &error));
  source.struct_size = SIZE_MAX;
  GIVES(INVALID_ARGUMENT, bitsup_upload_start_callbacks(
                              client, &source, url, none, &upload, &error));
  source.struct_size = sizeof source;
  GIVES(INVALID_ARGUMENT, bitsup_upload_start_callbacks(
                              client, &source, url, none, &upload, &error));
  source.read_at = broken;
  source.name = "\xc3\x28";
  GIVES(INVALID_ARGUMENT, bitsup_upload_start_callbacks(
                              client, &source, url, none, &upload, &error));
  source.name = NULL;
  GIVES(INVALID_ARGUMENT, bitsup_upload_start_callbacks(
                              client, &source, "\xff", none, &upload, &error));
  GIVES(INVALID_ARGUMENT, bitsup_upload_start_callbacks(
                              client, &source, "", none, &upload, &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_upload_start_callbacks(client, &source, "ftp://x/y", none,
                                      &upload, &error));
  source.size = 100;
  GIVES(OK, bitsup_upload_start_callbacks(client, &source, url, none, &upload,
                                          &error));
  GIVES(LOCAL_FILE, bitsup_upload_wait(upload, -1, &error));
  bitsup_upload_free(upload);
  source.read_at = too_much;
  GIVES(OK, bitsup_upload_start_callbacks(client, &source, url, none, &upload,
                                          &error));
  GIVES(LOCAL_FILE, bitsup_upload_wait(upload, -1, &error));
  bitsup_upload_free(upload);
  source.read_at = most_negative;
  GIVES(OK, bitsup_upload_start_callbacks(client, &source, url, none, &upload,
                                          &error));
  GIVES(LOCAL_FILE, bitsup_upload_wait(upload, -1, &error));
  bitsup_upload_free(upload);
}

/* Options of the client at a start, and those of an upload at a client. */
static void scopes_are_kept(bitsup_client *client, const char *url)
{
  bitsup_options *options = bitsup_options_new();
  bitsup_client *other;
  bitsup_upload *upload;
  GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_STATE_DIR, "/tmp",
                                    &error));
  GIVES(INVALID_ARGUMENT, bitsup_upload_start_memory(client, "x", 1, url,
                                                     options, &upload,
                                                     &error));
  GIVES(INVALID_ARGUMENT, bitsup_ping(client, url, options, &error));
  bitsup_options_free(options);
  options = bitsup_options_new();
  GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_CONTENT_NAME, "a",
                                    &error));
  GIVES(INVALID_ARGUMENT, bitsup_client_new(options, &other, &error));
  GIVES(OK, bitsup_ping(client, url, options, &error));
  /* Relations and files are looked at by then. */
  GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_CA_FILE, "/nowhere",
                                    &error));
  GIVES(LOCAL_FILE, bitsup_ping(client, url, options, &error));
  GIVES(OK, bitsup_options_reset(options, BITSUP_OPTION_CA_FILE, &error));
  GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_KEY, "/nowhere",
                                    &error));
  GIVES(INVALID_ARGUMENT, bitsup_ping(client, url, options, &error));
  bitsup_options_free(options);
}

static void after_cancel(bitsup_client *client, const char *url)
{
  static char data[1000000];
  bitsup_upload *upload;
  bitsup_progress progress = {0};
  bitsup_receipt receipt = {0};
  char words[10];
  GIVES(OK, bitsup_client_set_limit_rate(client, 1000, &error));
  GIVES(OK, bitsup_upload_start_memory(client, data, sizeof data, url, NULL,
                                       &upload, &error));
  receipt.struct_size = sizeof receipt;
  GIVES(PENDING, bitsup_upload_wait(upload, 1, &error));
  GIVES(PENDING, bitsup_upload_receipt(upload, &receipt, &error));
  GIVES(OK, bitsup_upload_suspend(upload, &error));
  GIVES(OK, bitsup_upload_resume(upload, &error));
  GIVES(OK, bitsup_upload_cancel(upload, &error));
  GIVES(OK, bitsup_upload_cancel(upload, &error));
  GIVES(CANCELLED, bitsup_upload_wait(upload, INT64_MIN, &error));
  GIVES(CANCELLED, bitsup_upload_wait(upload, INT64_MAX, &error));
  GIVES(CANCELLED, bitsup_upload_receipt(upload, &receipt, &error));
  GIVES(OK, bitsup_upload_resume(upload, &error));
  GIVES(OK, bitsup_upload_suspend(upload, &error));
  GIVES(OK, bitsup_upload_stop(upload, &error));
  GIVES(CANCELLED, bitsup_upload_wait(upload, 0, &error));
  CHECK(bitsup_upload_waiting_for(upload, words, sizeof words) == 0);
  CHECK(words[0] == 0);
  CHECK(bitsup_upload_progress(upload, &progress) ==
        BITSUP_STATUS_INVALID_ARGUMENT);
  progress.struct_size = sizeof progress;
  CHECK(bitsup_upload_progress(upload, &progress) == BITSUP_STATUS_OK);
  CHECK(progress.state == BITSUP_STATE_CANCELLED);
  bitsup_upload_free(upload);
  GIVES(OK, bitsup_client_set_limit_rate(client, BITSUP_UNLIMITED, &error));
}

static void larger_structures(bitsup_client *client, const char *url)
{
  struct {
    bitsup_progress progress;
    unsigned char more[64];
  } newer;
  bitsup_upload *upload;
  memset(&newer, 0xaa, sizeof newer);
  newer.progress.struct_size = sizeof newer;
  GIVES(OK, bitsup_upload_start_memory(client, NULL, 0, url, NULL, &upload,
                                       &error));
  GIVES(OK, bitsup_upload_wait(upload, -1, &error));
  CHECK(bitsup_upload_progress(upload, &newer.progress) == BITSUP_STATUS_OK);
  CHECK(newer.progress.struct_size == sizeof(bitsup_progress));
  CHECK(newer.more[0] == 0xaa && newer.more[63] == 0xaa);
  bitsup_upload_free(upload);
}

static void sessions_refuse(bitsup_client *client, const char *url)
{
  bitsup_session *session;
  uint64_t offset = 77;
  GIVES(OK, bitsup_session_create(client, url, 10, NULL, NULL, &session,
                                  &error));
  CHECK(strlen(bitsup_session_id(session)) > 0);
  GIVES(INVALID_ARGUMENT,
        bitsup_session_send(session, "x", 0, &offset, &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_session_send(session, "x", 11, &offset, &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_session_send(session, "x", SIZE_MAX, &offset, &error));
  CHECK(offset == 77);
  GIVES(INVALID_ARGUMENT, bitsup_session_close(session, &error));
  GIVES(OK, bitsup_session_send(session, "12345", 5, &offset, &error));
  CHECK(offset == 5 && bitsup_session_offset(session) == 5);
  GIVES(OK, bitsup_session_cancel(session, &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_session_send(session, "12345", 5, &offset, &error));
  GIVES(INVALID_ARGUMENT, bitsup_session_close(session, &error));
  GIVES(INVALID_ARGUMENT, bitsup_session_cancel(session, &error));
  bitsup_session_free(session);
}

int main(int argc, char **argv)
{
  bitsup_options *options = bitsup_options_new();
  bitsup_options *config = bitsup_options_new();
  bitsup_client *client = (bitsup_client *)1;
  CHECK(argc == 3);
  options_refuse(options);
  names_refuse(options);
  numbers_refuse();
  facts_may_be_short();
  /* What was refused and not mended is refused by who takes the options. */
  GIVES(OK, bitsup_options_merge(config, options, &error));
  GIVES(INVALID_ARGUMENT, bitsup_options_check(config, &error));
  GIVES(INVALID_ARGUMENT, bitsup_client_new(options, &client, &error));
  CHECK(client == NULL);
  bitsup_options_free(options);
  bitsup_options_free(config);
  config = bitsup_options_new();
  GIVES(INVALID_ARGUMENT,
        bitsup_options_set_number(config, BITSUP_OPTION_UPLOADS_PER_HOST, -1,
                                  &error));
  GIVES(INVALID_ARGUMENT, bitsup_client_new(config, &client, &error));
  GIVES(OK, bitsup_options_reset(config, BITSUP_OPTION_UPLOADS_PER_HOST,
                                 &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_options_set_text(config, BITSUP_OPTION_USER_AGENT, "a\nb",
                                &error));
  GIVES(INVALID_ARGUMENT, bitsup_client_new(config, &client, &error));
  CHECK(client == NULL);
  bitsup_options_free(config);
  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  CHECK(bitsup_client_event_fd(client) == BITSUP_EVENT_SOURCE_NONE);
  GIVES(INVALID_ARGUMENT, bitsup_client_dispatch(client, 1, &error));
  types_are_told_apart(client);
  sources_refuse(client, argv[1]);
  scopes_are_kept(client, argv[1]);
  after_cancel(client, argv[1]);
  larger_structures(client, argv[1]);
  sessions_refuse(client, argv[1]);
  bitsup_client_free(client);
  CHECK(!strcmp(bitsup_status_name(5), "SOURCE_CHANGED"));
  CHECK(!strcmp(bitsup_status_name(UINT32_MAX), "UNKNOWN"));
  CHECK(!strcmp(bitsup_state_name(4), "waiting_ack"));
  CHECK(!strcmp(bitsup_state_name(13), "unknown"));
  CHECK(!strcmp(bitsup_log_level_name(2), "WARNING"));
  CHECK(!strcmp(bitsup_log_level_name(0), "UNKNOWN"));
  CHECK(!strcmp(bitsup_version(), BITSUP_VERSION));
  CHECK(bitsup_version_number() == BITSUP_VERSION_NUMBER);
  CHECK(bitsup_features() & BITSUP_FEATURE_TLS);
  CHECK(strstr(bitsup_features_text(), "libcurl"));
  /* The system's libcurl is this program's too, and its memory functions stay. */
  CHECK(!!strstr(bitsup_features_text(), "not overwritten") ==
        !(bitsup_features() & BITSUP_FEATURE_BUNDLED));
  return 0;
}

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

static void names_refuse(bitsup_upload_options *options)
{
  static const char *const wrong[][2] = {
      {"no_such_option", "1"}, {"", ""},
      {"fragment_size", "1K"}, {"fragment_size", "-1"},
      {"max_attempts", "4294967296"}, {"insecure", "yes"},
      {"if_exists", "1"}, {"verify", "sometimes"},
      {"header", "X-A"}, {"header", "Host: a"},
      {"header", "X-A: a\r\nb"}, {"max_fragment", "0"},
      {"user", "\xff\xfe"}, {"on_progress", "1"},
  };
  static const char *const right[][2] = {
      {"fragment_size", "65536"}, {"insecure", "0"}, {"insecure", "false"},
      {"max_attempts", "4294967295"}, {"if_exists", "try"},
      {"header", "X-A: a: b"}, {"secret_header", "X-B:c"},
      {"host_id", "same_site"}, {"fragment_size", "0"},
  };
  size_t at;
  for (at = 0; at < sizeof wrong / sizeof wrong[0]; at++)
    GIVES(INVALID_ARGUMENT, bitsup_upload_options_set(options, wrong[at][0],
                                                      wrong[at][1], &error));
  for (at = 0; at < sizeof right / sizeof right[0]; at++)
    GIVES(OK, bitsup_upload_options_set(options, right[at][0], right[at][1],
                                        &error));
}

static void options_refuse(bitsup_upload_options *options)
{
  static const int wrong[] = {-1, 3, 1000, -2147483647 - 1, 2147483647};
  size_t at;
  for (at = 0; at < sizeof wrong / sizeof wrong[0]; at++) {
    int number = wrong[at];
    GIVES(INVALID_ARGUMENT,
          bitsup_upload_options_set_if_exists(options, number, &error));
    GIVES(INVALID_ARGUMENT,
          bitsup_upload_options_set_host_id(options, number, &error));
    GIVES(INVALID_ARGUMENT,
          bitsup_upload_options_set_verify(options, number, &error));
    if (number != 3) /* which is to accept */
      GIVES(INVALID_ARGUMENT,
            bitsup_upload_options_set_on_lost_ack(options, number, &error));
    GIVES(INVALID_ARGUMENT,
          bitsup_upload_options_set_resume_check(options, number, &error));
    if (number != 3) /* which is NTLM */
      GIVES(INVALID_ARGUMENT,
            bitsup_upload_options_set_auth(options, number, &error));
  }
  GIVES(INVALID_ARGUMENT,
        bitsup_upload_options_set_user(options, "\xff\xfe", &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_upload_options_set_header(options, "X-A", "a\r\nb", &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_upload_options_set_header(options, "Host", "a", &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_upload_options_set_max_fragment(options, 0, &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_upload_options_set_ack_timeout_ms(options, 0, &error));
  GIVES(INVALID_ARGUMENT, bitsup_upload_options_set_ca_file_bytes(
                              options, "a\0b", 3, &error));
  GIVES(INVALID_ARGUMENT, bitsup_upload_options_set_ca_file_bytes(
                              options, "a", SIZE_MAX, &error));
  GIVES(INVALID_ARGUMENT,
        bitsup_upload_options_set_ca_file_bytes(options, "a", 0, &error));
  /* The largest numbers are good ones. */
  GIVES(OK, bitsup_upload_options_set_give_up_after_ms(options, UINT64_MAX,
                                                       &error));
  GIVES(OK, bitsup_upload_options_set_max_time_ms(options, UINT64_MAX,
                                                  &error));
  GIVES(OK, bitsup_upload_options_set_max_retry_delay_ms(options, UINT64_MAX,
                                                         &error));
  GIVES(OK, bitsup_upload_options_set_connect_timeout_ms(options, UINT64_MAX,
                                                         &error));
  GIVES(OK, bitsup_upload_options_set_stall_timeout_ms(options, UINT64_MAX,
                                                       &error));
  GIVES(OK, bitsup_upload_options_set_ack_timeout_ms(options, UINT64_MAX,
                                                     &error));
  GIVES(OK, bitsup_upload_options_set_fragment_size(options, UINT64_MAX,
                                                    &error));
  GIVES(OK, bitsup_upload_options_set_max_bytes(options, UINT64_MAX, &error));
}

static void sources_refuse(bitsup_client *client, const char *url)
{
  bitsup_upload_options *none = NULL;
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

static void after_cancel(bitsup_client *client, const char *url)
{
  static char data[1000000];
  bitsup_upload *upload;
  bitsup_progress progress = {0};
  bitsup_receipt receipt = {0};
  char words[10];
  GIVES(OK, bitsup_client_set_rate_limit(client, 1000, &error));
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
  GIVES(OK, bitsup_client_set_rate_limit(client, 0, &error));
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
  bitsup_upload_options *options = bitsup_upload_options_new();
  bitsup_config *config = bitsup_config_new();
  bitsup_client *client = (bitsup_client *)1;
  CHECK(argc == 3);
  options_refuse(options);
  names_refuse(options);
  bitsup_upload_options_free(options);
  GIVES(INVALID_ARGUMENT,
        bitsup_config_set_uploads_per_host(config, 0, &error));
  GIVES(OK, bitsup_config_set_user_agent(config, "a\nb", &error));
  GIVES(INVALID_ARGUMENT, bitsup_client_new(config, &client, &error));
  CHECK(client == NULL);
  bitsup_config_free(config);
  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  CHECK(bitsup_client_event_fd(client) == -1);
  GIVES(INVALID_ARGUMENT, bitsup_client_dispatch(client, 1, &error));
  sources_refuse(client, argv[1]);
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
  return 0;
}

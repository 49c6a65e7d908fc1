/* A callback decides about next tries. */

#include "check.h"

#include <stdatomic.h>

static _Atomic(const char *) armed;

int bitsup_fault_at(const char *point);
int bitsup_fault_at(const char *point)
{
  const char *wanted = atomic_load(&armed);
  return wanted && !strcmp(point, wanted) &&
         atomic_compare_exchange_strong(&armed, &wanted, NULL);
}

struct seen {
  int calls, fail_at;
};

static int64_t on_retry(void *userdata, bitsup_upload *shown,
        const bitsup_error *error,
                        uint32_t attempts)
{
  (void)shown;
  struct seen *seen = userdata;
  CHECK(bitsup_error_http_status(error) == 503 && attempts >= 1);
  CHECK(strlen(bitsup_error_message(error)) > 0);
  seen->calls++;
  return seen->calls == seen->fail_at ? -1 : 1;
}

static bitsup_status upload(bitsup_client *client, const char *url,
                            bitsup_options *options)
{
  bitsup_upload *upload;
  bitsup_status status;
  GIVES(OK, bitsup_upload_start_memory(client, "data", 4, url, options,
          &upload,
                                       &error));
  status = bitsup_upload_wait(upload, -1, NULL);
  if (status == BITSUP_STATUS_PANIC)
    GIVES(PANIC, bitsup_upload_wait(upload, -1, &error));
  bitsup_upload_free(upload);
  return status;
}

int main(int argc, char **argv)
{
  struct seen seen = {0};
  bitsup_client *client;
  bitsup_options *options = bitsup_options_new();
  bitsup_status status;

  /* argv[1] answers 503 to the first 9 tries to create a session. */
  CHECK(argc == 2);
  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  GIVES(OK, bitsup_options_set_on_retry(options, on_retry, &seen, NULL,
          &error));
  seen.fail_at = 2;
  status = upload(client, argv[1], options);
  CHECK(status != BITSUP_STATUS_OK && status > BITSUP_STATUS_PANIC);
  CHECK(seen.calls == 2);
  atomic_store(&armed, "before retry");
  CHECK(upload(client, argv[1], options) == BITSUP_STATUS_PANIC);
  atomic_store(&armed, "after retry");
  CHECK(upload(client, argv[1], options) == BITSUP_STATUS_PANIC);
  CHECK(atomic_load(&armed) == NULL);
  CHECK(upload(client, argv[1], options) == BITSUP_STATUS_OK);
  CHECK(seen.calls > 3);
  bitsup_options_free(options);
  bitsup_client_free(client);
  return 0;
}

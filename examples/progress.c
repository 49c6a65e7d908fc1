/* Uploads a file with a progress bar; Ctrl-C stops it: progress FILE URL */

#include <bitsup.h>
#include <signal.h>
#include <stdio.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
  (void)number;
  interrupted = 1;
}

/* Runs on a thread of the client. */
static int show(void *userdata, bitsup_upload *upload,
        const bitsup_progress *progress)
{
  (void)upload;
  static const char line[] = "########################################";
  int width = 40;
  (void)userdata;
  if (progress->total > 0)
    width = (int)((double)progress->acknowledged /
                  (double)progress->total * 40);
  printf("\r[%.*s%*s] %5.1f MiB/s %-15s", width, line, 40 - width, "",
         (double)progress->rate / 1048576,
         bitsup_state_name((uint32_t)progress->state));
  fflush(stdout);
  return 0;
}

int main(int argc, char **argv)
{
  bitsup_client *client = NULL;
  bitsup_options *options = bitsup_options_new();
  bitsup_upload *upload = NULL;
  bitsup_error *error = NULL;
  bitsup_status status;
  int stopped = 0;

  if (argc != 3) {
    fprintf(stderr, "usage: progress FILE URL\n");
    return 2;
  }
  signal(SIGINT, on_interrupt);
  status = bitsup_options_set_on_progress(options, show, NULL, NULL, &error);
  if (status == BITSUP_STATUS_OK)
    status = bitsup_client_new(NULL, &client, &error);
  if (status == BITSUP_STATUS_OK)
    status = bitsup_upload_start(client, argv[1], argv[2], options, &upload,
                                 &error);
  if (status == BITSUP_STATUS_OK) {
    do {
      status = bitsup_upload_wait(upload, 100, &error);
      if (interrupted && !stopped) {
        bitsup_upload_cancel(upload, NULL);
        stopped = 1;
      }
    } while (status == BITSUP_STATUS_PENDING);
  }
  bitsup_upload_free(upload); /* no callback after this */
  putchar('\n');
  if (status == BITSUP_STATUS_OK)
    puts("done");
  else
    fprintf(stderr, "progress: %s\n", bitsup_error_message(error));
  bitsup_error_free(error);
  bitsup_options_free(options);
  bitsup_client_free(client);
  return status == BITSUP_STATUS_OK ? 0 : 1;
}

/* Uploads files within an event loop, with all callbacks on its thread:
 * event_loop URL FILE... (a URL that ends in a slash) */

#include <bitsup.h>
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { MOST = 16 };

struct job {
  const char *file;
};

static int on_state(void *userdata, bitsup_upload *upload, bitsup_state state)
{
  const struct job *job = userdata;
  (void)upload;
  printf("%s: %s\n", job->file, bitsup_state_name((uint32_t)state));
  return 0;
}

static int fail(const char *what, bitsup_error *error)
{
  fprintf(stderr, "event_loop: %s: %s\n", what, bitsup_error_message(error));
  bitsup_error_free(error);
  return 1;
}

/* Takes what has ended; returns how many did. */
static int collect(bitsup_client *client, int *failures)
{
  bitsup_upload *upload;
  int ended = 0;
  while (bitsup_client_next_ended(client, &upload, NULL) == BITSUP_STATUS_OK) {
    const struct job *job = bitsup_upload_userdata(upload);
    bitsup_error *error = NULL;
    if (bitsup_upload_wait(upload, 0, &error) != BITSUP_STATUS_OK)
      *failures += fail(job->file, error);
    bitsup_upload_free(upload);
    ended++;
  }
  return ended;
}

int main(int argc, char **argv)
{
  struct job jobs[MOST];
  int count = argc - 2, failures = 0, running = 0, at, loop;
  bitsup_options *config = bitsup_options_new();
  bitsup_client *client = NULL;
  bitsup_error *error = NULL;
  struct epoll_event event = {0};

  if (count < 1 || count > MOST) {
    fprintf(stderr, "usage: event_loop URL FILE... (at most %d)\n", MOST);
    return 2;
  }
  bitsup_options_set_number(config, BITSUP_OPTION_DISPATCH, 1, NULL);
  if (bitsup_client_new(config, &client, &error) != BITSUP_STATUS_OK)
    return fail("client", error);
  bitsup_options_free(config);

  loop = epoll_create1(EPOLL_CLOEXEC);
  event.events = EPOLLIN;
  epoll_ctl(loop, EPOLL_CTL_ADD, bitsup_client_event_fd(client), &event);

  for (at = 0; at < count; at++) {
    bitsup_options *options = bitsup_options_new();
    bitsup_upload *upload;
    jobs[at].file = argv[at + 2];
    bitsup_options_set_on_state(options, on_state, &jobs[at], NULL, NULL);
    if (bitsup_upload_start(client, jobs[at].file, argv[1], options, &upload,
                            &error) != BITSUP_STATUS_OK) {
      failures += fail(jobs[at].file, error);
    } else {
      bitsup_upload_set_userdata(upload, &jobs[at], NULL);
      running++;
    }
    bitsup_options_free(options);
  }

  while ((running -= collect(client, &failures)) > 0) {
    /* A program's own descriptors would be waited for here, too. */
    if (epoll_wait(loop, &event, 1, -1) < 0 && errno != EINTR)
      break;
    bitsup_client_dispatch(client, 0, NULL);
  }
  close(loop);
  bitsup_client_free(client);
  return failures > 0;
}

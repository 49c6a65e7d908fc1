/* Uploads with a login and stops where its memory is to be searched. */

#define _POSIX_C_SOURCE 200809L

#include "check.h"

#include <fcntl.h>
#include <unistd.h>

#ifdef OWN_CURL
#include <curl/curl.h>
#include <malloc.h>

/* The libcurl is the program's too. Its memory functions are the program's
 * choice, and the library's first call comes after it. */
static void release(void *block)
{
  if (block) {
    volatile unsigned char *byte = block;
    size_t size = malloc_usable_size(block);
    while (size--)
      *byte++ = 0;
    free(block);
  }
}

static void *resize(void *block, size_t size)
{
  size_t had = block ? malloc_usable_size(block) : 0;
  void *larger;
  if (block && size <= had)
    return block;
  larger = malloc(size);
  if (larger && block) {
    memcpy(larger, block, had);
    release(block);
  }
  return larger;
}

static void begin(void)
{
  CHECK(curl_global_init_mem(CURL_GLOBAL_ALL, malloc, release, resize, strdup,
                             calloc) == CURLE_OK);
}
#else
#define begin() (void)0
#endif

/* What the program itself holds, by no function with a buffer of its own. */
static char held[100];

static void hold(const char *path)
{
  int file = open(path, O_RDONLY);
  CHECK(file >= 0 && read(file, held, sizeof held - 1) > 0);
  close(file);
}

static void forget(void)
{
  volatile char *byte = held;
  while (byte < held + sizeof held)
    *byte++ = 0;
}

static void stop(const char *word)
{
  char line[2];
  printf("process %d has come to: %s\n", (int)getpid(), word);
  fflush(stdout);
  CHECK(fgets(line, sizeof line, stdin));
}

static void upload(const char *url, const char *file)
{
  bitsup_options *options = bitsup_options_new();
  bitsup_upload *upload;
  bitsup_client *client;
  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_USER, "operator",
          &error));
  if (file)
    GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_PASSWORD_FILE,
            file, &error));
  else
    GIVES(OK, bitsup_options_set_text(options, BITSUP_OPTION_PASSWORD, held,
            &error));
  GIVES(OK, bitsup_options_set_number(options,
          BITSUP_OPTION_ALLOW_CLEARTEXT_CREDENTIALS, 1, &error));
  GIVES(OK, bitsup_upload_start_memory(client, "data", 4, url, options,
                                       &upload, &error));
  GIVES(OK, bitsup_upload_wait(upload, -1, &error));
  bitsup_upload_free(upload);
  bitsup_options_free(options);
  bitsup_client_free(client);
}

/* argv: a URL, and a file with the password. */
int main(int argc, char **argv)
{
  CHECK(argc == 3);
  begin();
  upload(argv[1], argv[2]);
  hold(argv[2]);
  upload(argv[1], NULL);
  stop("one is held");
  forget();
  stop("all is over");
  return 0;
}

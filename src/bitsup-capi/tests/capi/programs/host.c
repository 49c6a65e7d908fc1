/* A program that has what the static library has too, each by a macro: an
 * OpenSSL (OWN_OPENSSL), a libcurl (OWN_CURL) and two Rust libraries
 * (OWN_RUST). All of it works, before and after an upload.
 * Arguments: a URL and a file. */

#include "check.h"

#ifdef OWN_OPENSSL
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

static void own_openssl(void)
{
  unsigned char digest[EVP_MAX_MD_SIZE];
  SSL_CTX *context;
  CHECK(!strcmp(OpenSSL_version(OPENSSL_VERSION), OPENSSL_VERSION_TEXT));
  CHECK(EVP_Digest("abc", 3, digest, NULL, EVP_sha256(), NULL) == 1);
  CHECK(digest[0] == 0xba && digest[31] == 0xad);
  context = SSL_CTX_new(TLS_client_method());
  CHECK(context);
  SSL_CTX_free(context);
}
#else
#define own_openssl() (void)0
#endif

#ifdef OWN_CURL
#include <curl/curl.h>

/* Memory functions of the program, which count. */
static size_t blocks;

static void *allocate(size_t size)
{
  blocks++;
  return malloc(size);
}

static void *allocate_zeroed(size_t count, size_t size)
{
  blocks++;
  return calloc(count, size);
}

static void *resize(void *block, size_t size)
{
  blocks++;
  return realloc(block, size);
}

static char *duplicate(const char *text)
{
  size_t size = strlen(text) + 1;
  char *copy = allocate(size);
  return copy ? memcpy(copy, text, size) : NULL;
}

/* The first initialisation in the process is the one that counts. */
static void begin_curl(void)
{
  CHECK(curl_global_init_mem(CURL_GLOBAL_ALL, allocate, free, resize,
                             duplicate, allocate_zeroed) == CURLE_OK);
}

static void own_curl(void)
{
  size_t before = blocks;
  CURL *handle;
  CHECK(!strcmp(curl_version_info(CURLVERSION_NOW)->version,
                LIBCURL_VERSION));
  handle = curl_easy_init();
  CHECK(handle);
  CHECK(curl_easy_setopt(handle, CURLOPT_URL, "http://127.0.0.1:1/") ==
        CURLE_OK);
  CHECK(curl_easy_perform(handle) == CURLE_COULDNT_CONNECT);
  curl_easy_cleanup(handle);
  CHECK(blocks > before);
}
#else
#define begin_curl() (void)0
#define own_curl() (void)0
#endif

#ifdef OWN_RUST
/* The one shows all its symbols, the other was made as ours is. */
int plain_catches_a_panic(void);
int bitsup_other_catches_a_panic(void);

static void own_rust(void)
{
  CHECK(plain_catches_a_panic() == 1);
  CHECK(bitsup_other_catches_a_panic() == 1);
}
#else
#define own_rust() (void)0
#endif

/* In builds of the library with debug assertions. */
static int armed;

int bitsup_fault_at(const char *point);
int bitsup_fault_at(const char *point)
{
  int now = armed && !strcmp(point, "entry");
  armed = armed && !now;
  return now;
}

static void panic(void)
{
#ifdef FAULTS
  bitsup_client *client;
  armed = 1;
  GIVES(PANIC, bitsup_client_new(NULL, &client, &error));
#endif
}

extern char **environ;

/* What the library must leave as it is. */
static size_t environment(char *copy, size_t room)
{
  size_t used = 0;
  char **at;
  for (at = environ; *at; at++)
    used += (size_t)snprintf(copy + used, room - used, "%s\n", *at);
  return used;
}

int main(int argc, char **argv)
{
  static char before[100000], after[100000];
  size_t length = environment(before, sizeof before);
  bitsup_client *client;
  CHECK(argc == 3);
  begin_curl();
  own_openssl();
  own_curl();
  own_rust();
  panic();
  GIVES(OK, bitsup_client_new(NULL, &client, &error));
  GIVES(OK, bitsup_upload_file(client, argv[2], argv[1], &error));
  own_openssl();
  own_curl();
  own_rust();
  panic();
  bitsup_client_free(client);
  own_openssl();
  own_curl();
  own_rust();
  CHECK(environment(after, sizeof after) == length && !strcmp(before, after));
  return 0;
}

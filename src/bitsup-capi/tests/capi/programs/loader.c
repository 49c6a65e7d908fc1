/* Loads a plugin for itself alone, as programs do, and unloads it.
 * Arguments: a URL, a file and the plugin. */

#include "check.h"

#include <dlfcn.h>
#include <openssl/evp.h>

static void own_openssl(void)
{
  unsigned char digest[EVP_MAX_MD_SIZE];
  CHECK(EVP_Digest("abc", 3, digest, NULL, EVP_sha256(), NULL) == 1);
  CHECK(digest[0] == 0xba && digest[31] == 0xad);
}

int main(int argc, char **argv)
{
  int (*uploads)(const char *, const char *);
  void *plugin;
  CHECK(argc == 4);
  own_openssl();
  plugin = dlopen(argv[3], RTLD_NOW | RTLD_LOCAL);
  if (!plugin)
    fprintf(stderr, "%s\n", dlerror());
  CHECK(plugin);
  *(void **)&uploads = dlsym(plugin, "plugin_uploads");
  CHECK(uploads && uploads(argv[2], argv[1]));
  own_openssl();
  CHECK(dlclose(plugin) == 0);
  own_openssl();
  return 0;
}

// The program's exceptions, in frames around those of the library.
// Arguments: a URL and a file.

#include "check.h"

#include <stdexcept>
#include <string>

static int caught;

// Between the library and this function no exception may pass.
static int64_t read_at(void *, void *buffer, size_t length, uint64_t offset)
{
  try {
    throw std::runtime_error(std::to_string(offset));
  } catch (const std::runtime_error &error) {
    caught++;
    CHECK(error.what() == std::to_string(offset));
  }
  memset(buffer, 'x', length);
  return static_cast<int64_t>(length);
}

struct Client {
  bitsup_client *client = nullptr;
  ~Client() { bitsup_client_free(client); }
};

static void upload(const char *file, const char *url)
{
  Client owner;
  bitsup_upload *upload = nullptr;
  bitsup_source source = {};
  source.struct_size = sizeof source;
  source.size = 10000;
  source.read_at = read_at;
  GIVES(OK, bitsup_client_new(nullptr, &owner.client, &error));
  GIVES(OK, bitsup_upload_start_callbacks(owner.client, &source, url, nullptr,
                                          &upload, &error));
  GIVES(OK, bitsup_upload_wait(upload, -1, &error));
  bitsup_upload_free(upload);
  GIVES(OK, bitsup_upload_file(owner.client, file, url, &error));
  throw std::logic_error("passes the destructor");
}

int main(int argc, char **argv)
{
  CHECK(argc == 3);
  for (int time = 0; time < 2; time++) {
    try {
      upload(argv[2], argv[1]);
      CHECK(!"an exception came");
    } catch (const std::logic_error &) {
      caught++;
    }
  }
  CHECK(caught >= 4);
  return 0;
}

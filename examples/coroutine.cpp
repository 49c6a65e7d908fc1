// Uploads files at a time from coroutines of one thread (C++20):
// coroutine URL FILE... (a URL that ends in a slash)

#include <bitsup.hpp>
#include <coroutine>
#include <iostream>
#include <map>
#include <poll.h>

// Waits for the client's events, and resumes what waits for an upload's end.
class event_loop {
public:
  explicit event_loop(bitsup::client &client) : client_(client) {}

  // What a coroutine awaits.
  auto end_of(const bitsup::upload &upload) {
    struct awaiter {
      event_loop &own;
      const bitsup_upload *upload;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> waiting) { own.waiting_[upload] = waiting; }
      void await_resume() const noexcept {}
    };
    return awaiter{*this, upload.native()};
  }

  void run() {
    while (!waiting_.empty()) {
      // A program's own descriptors would be waited for here, too.
      pollfd event{client_.event_source(), POLLIN, 0};
      poll(&event, 1, -1);
      client_.dispatch().value();
      while (auto *ended = client_.next_ended().value())
        if (auto found = waiting_.extract(ended))
          found.mapped().resume();
    }
  }

private:
  bitsup::client &client_;
  std::map<const bitsup_upload *, std::coroutine_handle<>> waiting_;
};

// A coroutine that nothing waits for.
struct task {
  struct promise_type {
    task get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

static task upload(event_loop &loop, bitsup::client &client, std::string url, std::string file, int &failures) {
  auto started = client.start(file, url);
  if (started)
    co_await loop.end_of(*started);
  auto ended = started ? started->wait() : bitsup::result<bitsup::receipt>(started.why());
  if (ended) {
    std::cout << ended->url << " has " << ended->size << " bytes\n";
  } else {
    std::cerr << file << ": " << ended.why().message() << '\n';
    failures++;
  }
}

int main(int argc, char **argv) {
  if (argc < 3) {
    std::cerr << "usage: coroutine URL FILE...\n";
    return 2;
  }
  auto made = bitsup::client::make(bitsup::options().dispatch());
  if (!made) {
    std::cerr << "coroutine: " << made.why().message() << '\n';
    return 1;
  }
  auto &client = *made;
  event_loop loop(client);
  int failures = 0;
  for (int at = 2; at < argc; at++)
    upload(loop, client, argv[1], argv[at], failures);
  loop.run();
  return failures > 0;
}

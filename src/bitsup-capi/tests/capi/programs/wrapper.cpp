// bitsup.hpp, built with exceptions and without.

#include <bitsup.hpp>
#include <bitsup.hpp>

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      std::fprintf(stderr, "%d: not so: %s\n", __LINE__, #condition);         \
      std::exit(1);                                                           \
    }                                                                         \
  } while (0)

static_assert(!std::is_copy_constructible_v<bitsup::client>);
static_assert(!std::is_copy_constructible_v<bitsup::upload>);
static_assert(!std::is_copy_constructible_v<bitsup::session>);
static_assert(std::is_nothrow_move_constructible_v<bitsup::client>);
static_assert(std::is_nothrow_move_constructible_v<bitsup::upload>);
static_assert(std::is_copy_constructible_v<bitsup::options>);

static void sources(bitsup::client &client, const std::string &url) {
  std::vector<std::uint32_t> numbers(100000, 7);
  std::atomic<int> states{0}, entries{0};
  auto options = bitsup::options()
                     .on_transcript([&](const char *) { entries++; })
                     .header("X-Test", "yes")
                     .fragment_size(100000)
                     .give_up_after(std::chrono::seconds(30))
                     .on_state([&](bitsup::state) {
                       states++;
                       return bitsup::flow::go_on;
                     });
  auto first = client.start_memory(numbers, url + "numbers", options);
  CHECK(first);
  auto moved = std::move(*first);
  auto receipt = moved.wait();
  CHECK(receipt && receipt->size == 400000 && receipt->fragments == 4);
  CHECK(moved.progress().state == BITSUP_STATE_DONE);
  CHECK(moved.waiting_for().empty());
  CHECK(!moved.wait_for(std::chrono::milliseconds(0))->operator->()->skipped);

  std::string_view text = "read by a function";
  bitsup::reader reader;
  reader.size = text.size();
  reader.name = "function.txt";
  reader.read_at = [&](void *buffer, std::size_t length, std::uint64_t at) {
    auto count = std::min<std::size_t>(length, 5);
    std::memcpy(buffer, text.data() + at, count);
    return static_cast<std::int64_t>(count);
  };
  auto second = client.start_reader(reader, url);
  CHECK(second && second->wait());
  moved = std::move(*second); // frees the first
  CHECK(moved.progress().total == text.size());
}

static void failures(bitsup::client &client, const std::string &url) {
  auto none = client.start("/nowhere", url);
  CHECK(!none && none.why().status() == BITSUP_STATUS_LOCAL_FILE);
  CHECK(none.why().os_error() == 2 && none.why().token().empty());
  CHECK(none.why().native() && !none.has_value());
  auto wrong = client.start_memory({}, url + "x",
                                   bitsup::options().header("Host", "x"));
  CHECK(!wrong && wrong.why().status() == BITSUP_STATUS_INVALID_ARGUMENT);
  bitsup::options refused;
  refused.user_agent("a\nb");
  CHECK(!refused.check() && !bitsup::client::make(refused));
  CHECK(!client.dispatch() && client.event_source() == BITSUP_EVENT_SOURCE_NONE);

  refused.reset(BITSUP_OPTION_USER_AGENT).limit_rate("08:00");
  CHECK(!bitsup::client::make(refused));
  CHECK(bitsup::client::make(refused.limit_rate(bitsup::unlimited)));

  // Nothing is cut or changed on its way to C.
  using namespace std::string_view_literals;
  CHECK(!bitsup::options().user("u\0x"sv).check());
  CHECK(!bitsup::options().header("X-A\0"sv, "b").check());
  CHECK(!bitsup::options().ca_file("a\0b"sv).check());
  CHECK(!bitsup::options().trusted_hosts("a\0b"sv).check());
  CHECK(!bitsup::options().connect_timeout(std::chrono::milliseconds(-1)).check());
  CHECK(!bitsup::options().max_bytes(UINT64_MAX).check());
  CHECK(!client.start_memory({}, "http://127.0.0.1:1/a\0b"sv));
  CHECK(!client.create_session(url + "x", 1, "a\0b"sv));
  CHECK(bitsup::options().max_bytes(bitsup::unlimited).set("fragment_size", "5M").none(BITSUP_OPTION_PROXY).check());
  CHECK(bitsup::options().ca_file(std::filesystem::path("a")).check());

  // What was moved from gives an error.
  auto gone = bitsup::options();
  auto there = std::move(gone);
  CHECK(there.check() && !gone.check());
  CHECK(!client.ping(url, gone) && !bitsup::client::make(gone));
  CHECK(!client.start_memory({}, url + "x", gone));
  auto first = bitsup::client::make().value();
  auto second = std::move(first);
  CHECK(second.ping(url) && !first.ping(url) && !first.dispatch());

  CHECK(client.set_rate_timetable("00:00-24:00=100K"));
  std::vector<char> data(1000000);
  auto upload = client.start_memory(data, url + "cancelled");
  CHECK(upload && !upload->wait_for(std::chrono::milliseconds(20)));
  CHECK(upload->suspend() && upload->resume() && upload->cancel());
  auto ended = upload->wait();
  CHECK(!ended && ended.why().status() == BITSUP_STATUS_CANCELLED);
  auto later = std::move(*upload);
  CHECK(!upload->wait() && !upload->suspend() && upload->waiting_for().empty());
  CHECK(!later.wait_for(std::chrono::milliseconds(-1))->has_value());
  CHECK(client.set_limit_rate(bitsup::unlimited) && !client.set_limit_rate(0));
}

// A callback ends what calls it; what it needs lives until it returns.
static void endings(const std::string &url) {
  std::vector<char> data(3000000);
  auto client = std::make_unique<bitsup::client>(bitsup::client::make().value());
  std::atomic<bool> freed{false}, kept{false};
  struct witness {
    std::atomic<bool> *flag;
    ~witness() { *flag = true; }
  };
  std::unique_ptr<bitsup::upload> upload;
  std::mutex lock;
  {
    auto seen = std::make_shared<witness>(witness{&freed});
    freed = false;
    auto options = bitsup::options().on_progress([&, seen](const auto &) {
      std::lock_guard<std::mutex> guard(lock);
      upload.reset();
      kept = !*seen->flag; // not yet, since this runs
      return bitsup::flow::go_on;
    });
    CHECK(client->set_limit_rate(100000));
    std::lock_guard<std::mutex> guard(lock);
    upload = std::make_unique<bitsup::upload>(client->start_memory(data, url + "ending", options).value());
  }
  while (!freed)
    std::this_thread::yield();
  CHECK(kept && !upload);
  std::lock_guard<std::mutex> guard(lock); // the callback has returned

  // A client in its own log.
  std::unique_ptr<bitsup::client> talker;
  std::mutex talking;
  std::atomic<bool> silent{false};
  auto log = bitsup::options().on_log([&](bitsup_log_level, const char *) {
    std::lock_guard<std::mutex> held(talking);
    talker.reset();
    silent = true;
  });
  std::optional<bitsup::upload> last;
  {
    std::lock_guard<std::mutex> held(talking);
    talker = std::make_unique<bitsup::client>(bitsup::client::make(log).value());
    last = talker->start_memory(data, url + "talker").value();
  }
  while (!silent)
    std::this_thread::yield();
  CHECK(!last->wait() && !talker);

  // One upload after the other, as they end.
  CHECK(client->set_limit_rate(bitsup::unlimited));
  auto one = client->start_memory(std::string_view("1"), url + "one").value();
  auto two = client->start_memory(std::string_view("2"), url + "two").value();
  CHECK(one.wait() && two.wait());
  auto first = client->next_ended().value(), second = client->next_ended().value();
  CHECK(first != second && first && second);
  CHECK(first == one.native() || first == two.native());
  CHECK(client->next_ended().value() == nullptr);
}

static void packets(bitsup::client &client, const std::string &url) {
  CHECK(client.ping(url));
  auto report = client.doctor(url + "packets");
  CHECK(report && !report->problem && report->json.front() == '{');
  auto unreachable = client.doctor("http://127.0.0.1:1/").value();
  CHECK(unreachable.problem && *unreachable.problem->advice());
  CHECK(unreachable.problem->status() == BITSUP_STATUS_NETWORK);
  CHECK(!client.doctor("nonsense"));
  auto session = client.create_session(url + "packets", 6);
  CHECK(session && !session->id().empty());
  std::array<char, 3> half{'a', 'b', 'c'};
  auto next = session->send(half);
  CHECK(next && *next == 3 && session->offset() == 3);
  CHECK(session->send(half) && session->close());
  auto unwanted = client.create_session(url + "unwanted", 6, "name");
  CHECK(unwanted && unwanted->cancel());
}

// Left after its first part, and continued here and elsewhere.
static void sessions(bitsup::client &client, const std::string &url,
                     const std::string &path, const std::string &state) {
  CHECK(!client.sessions());
  auto keeper = bitsup::client::make(bitsup::options().state_dir(state)).value();
  auto slow = bitsup::options().fragment_size(1000).note("by hand").proxy("");
  auto leave = [&](const std::string &name) {
    CHECK(keeper.set_limit_rate(4000));
    auto upload = keeper.start(path, url + name, slow).value();
    while (upload.progress().acknowledged == 0)
      CHECK(!upload.wait_for(std::chrono::milliseconds(5)));
    CHECK(upload.stop() && !upload.wait() && keeper.set_limit_rate(bitsup::unlimited));
    auto kept = keeper.sessions().value();
    CHECK(kept.size() == 1 && kept[0] && kept[0]->note == "by hand");
    CHECK(kept[0]->path == path && kept[0]->size == 100000);
    auto age = std::chrono::system_clock::now() - kept[0]->begun;
    CHECK(age < std::chrono::hours(1) && !kept[0]->in_use);
    return kept[0]->id;
  };
  auto resumed = keeper.resume(leave("resumed")).value();
  CHECK(resumed.wait());
  auto id = leave("imported");
  auto token = keeper.export_session(id).value();
  CHECK(keeper.forget_session(id) && !keeper.export_session(id));
  auto imported = client.import_file(token, path).value();
  auto receipt = imported.wait();
  CHECK(receipt && receipt->size == 100000);
  CHECK(keeper.cancel_session(leave("unwanted")));
  CHECK(keeper.sessions().value().empty());
  std::vector<char> zeros(100000);
  auto other = client.import_memory(token, zeros);
  CHECK(!other && other.why().status() == BITSUP_STATUS_SOURCE_CHANGED);
  bitsup::reader reader;
  CHECK(!client.import_reader(token, reader));
  CHECK(!client.import_file("a\0b", path));
}

// One server lets in who knows the password.
static void credentials(const std::string &guarded) {
  int asked = 0;
  auto options = bitsup::options()
                     .allow_cleartext_credentials()
                     .on_credentials([&](const auto &request, auto &reply) {
                       asked++;
                       CHECK(!reply.token("\xff"));
                       bool refused = request.reason == BITSUP_CREDENTIAL_REASON_REFUSED;
                       CHECK(reply.password("u", refused ? "pass word" : "wrong"));
                     });
  auto client = bitsup::client::make().value();
  std::vector<bitsup::upload> uploads;
  for (int at = 0; at < 4; at++)
    uploads.push_back(client.start_memory(std::string_view("data"), guarded, options).value());
  for (auto &upload : uploads)
    CHECK(upload.wait());
  CHECK(asked == 2);

  asked = 0;
  auto other = bitsup::client::make(options).value();
  CHECK(other.ping(guarded) && asked == 2);
  auto session = other.create_session(guarded, 3).value();
  std::array<char, 3> data{'a', 'b', 'c'};
  CHECK(session.send(data) && session.close());
  std::unique_ptr<bitsup::client> gone;
  gone = std::make_unique<bitsup::client>(
      bitsup::client::make(bitsup::options().on_credentials([&](const auto &, auto &) {
        gone.reset();
      })).value());
  CHECK(!gone->ping(guarded) && !gone);
  auto silent = bitsup::options().on_credentials(nullptr);
  auto refused = other.ping(guarded, silent);
  CHECK(!refused && refused.why().status() == BITSUP_STATUS_AUTH);
}

#if defined(__cpp_exceptions)
static void refusals(const std::string &guarded) {
  auto throwing = bitsup::options().on_credentials(
      [](const auto &, auto &) { throw std::logic_error("no login"); });
  auto client = bitsup::client::make().value();
  auto throws = [](auto &&function) {
    try {
      function();
    } catch (const std::logic_error &error) {
      return !std::strcmp(error.what(), "no login");
    }
    return false;
  };
  auto data = std::string_view("data");
  auto first = client.start_memory(data, guarded, throwing).value();
  auto second = client.start_memory(data, guarded, throwing).value();
  CHECK(throws([&] { (void)first.wait(); }));
  CHECK(throws([&] { (void)second.wait(); }));
  auto ended = first.wait();
  CHECK(!ended && ended.why().status() == BITSUP_STATUS_AUTH);
  CHECK(throws([&] { (void)client.ping(guarded, throwing); }));
  CHECK(throws([&] { (void)client.create_session(guarded, 1, "", throwing); }));
  CHECK(!client.ping("http://127.0.0.1:1", throwing.max_attempts(1)));
}

// The last callback may throw as well, after wait() has thrown already.
static void only_the_first(const std::string &url) {
  auto client = bitsup::client::make(bitsup::options().dispatch()).value();
  int calls = 0;
  auto throwing = bitsup::options().on_progress(
      [&](const auto &) -> bitsup::flow { throw ++calls; });
  auto upload = client.start_memory(std::string_view("x"), url + "thrown", throwing).value();
  while (calls == 0) {
    CHECK(client.dispatch(1));
  }
  int thrown = 0;
  try {
    (void)upload.wait();
  } catch (int number) {
    thrown = number;
  }
  CHECK(thrown == 1);
  while (calls < 2) {
    CHECK(client.dispatch());
  }
  auto ended = upload.wait();
  CHECK(!ended && ended.why().status() == BITSUP_STATUS_CANCELLED);
}

static void exceptions(bitsup::client &client, const std::string &url) {
  auto throwing = bitsup::options().on_progress(
      [](const auto &) -> bitsup::flow { throw std::logic_error("mine"); });
  std::vector<char> data(3000000);
  CHECK(client.set_limit_rate(1000000));
  auto upload = client.start_memory(data, url + "thrown", throwing).value();
  try {
    upload.wait().value();
    CHECK(!"thrown");
  } catch (const std::logic_error &error) {
    CHECK(!std::strcmp(error.what(), "mine"));
  }
  auto ended = upload.wait();
  CHECK(!ended && ended.why().status() == BITSUP_STATUS_CANCELLED);
  bitsup::reader reader;
  reader.size = 10;
  reader.read_at = [](void *, std::size_t, std::uint64_t) -> std::int64_t {
    throw 7;
  };
  auto second = client.start_reader(reader, url + "read").value();
  try {
    (void)second.wait();
    CHECK(!"thrown");
  } catch (int number) {
    CHECK(number == 7);
  }
  CHECK(client.set_limit_rate(bitsup::unlimited));
  try {
    client.start("/nowhere", url).value();
    CHECK(!"thrown");
  } catch (const bitsup::error &error) {
    CHECK(error.status() == BITSUP_STATUS_LOCAL_FILE);
  }
}
#endif

int main(int argc, char **argv) {
  CHECK(argc == 5);
  std::string url = argv[1];
  std::atomic<int> lines{0};
  auto defaults = bitsup::options()
                      .on_log([&](bitsup_log_level, const char *) { lines++; })
                      .retry_delay(std::chrono::milliseconds(1));
  auto client = bitsup::client::make(defaults).value();
  sources(client, url);
  failures(client, url);
  endings(url);
  packets(client, url);
  sessions(client, url, argv[2], argv[3]);
  credentials(argv[4]);
#if defined(__cpp_exceptions)
  refusals(argv[4]);
  exceptions(client, url);
  only_the_first(url);
#endif
  CHECK(lines > 0);
  client = bitsup::client::make().value(); // frees the first, with its log
  CHECK(client.ping(url));
}

// bitsup.hpp: bitsup.h for C++17. Header only; link the C library.
//
// Objects are move-only and free themselves. A call that can fail gives a
// result: look at it, or take its value(), which throws bitsup::error, or ends
// the program where exceptions are switched off. The first exception of an
// upload's callbacks stops it and comes out of wait(), where there are
// exceptions; the next wait() tells how the upload ended. One of a credential
// callback is no answer, and comes out of each call that fails for want of it.
// Threads, and what callbacks may do, are as at the head of bitsup.h. Text is
// UTF-8.

#ifndef BITSUP_HPP
#define BITSUP_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "bitsup.h"

namespace bitsup {

/// Why a call failed. Copies share one error.
class failure {
public:
  /// Takes over an error.
  explicit failure(bitsup_error *error)
      : error_(error, [](bitsup_error *e) { bitsup_error_free(e); }) {}

  bitsup_status status() const { return bitsup_error_status(get()); }
  const char *message() const { return bitsup_error_message(get()); }
  const char *advice() const { return bitsup_error_advice(get()); }
  /// 0 where there is none, as with the next three.
  unsigned http_status() const { return bitsup_error_http_status(get()); }
  std::uint32_t hresult() const { return bitsup_error_hresult(get()); }
  std::uint32_t context() const { return bitsup_error_context(get()); }
  int os_error() const { return bitsup_error_os_error(get()); }
  bool resumable() const { return bitsup_error_resumable(get()) != 0; }
  /// Empty where there is none. Who has it can write to the upload.
  std::string token() const {
    const char *text = bitsup_error_token(get());
    return text ? text : "";
  }

private:
  const bitsup_error *get() const { return error_.get(); }
  std::shared_ptr<bitsup_error> error_;
};

/// A failure that is thrown.
class error : public std::runtime_error {
public:
  explicit error(failure why)
      : std::runtime_error(why.message()), why_(std::move(why)) {}
  const failure &why() const noexcept { return why_; }
  bitsup_status status() const { return why_.status(); }

private:
  failure why_;
};

namespace detail {

[[noreturn]] inline void raise(const failure &why) {
#if defined(__cpp_exceptions)
  throw error(why);
#else
  std::fprintf(stderr, "bitsup: %s\n", why.message());
  std::abort();
#endif
}

} // namespace detail

/// A value, or why there is none.
template <class T> class [[nodiscard]] result {
public:
  result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  result(failure why) : content_(std::in_place_index<1>, std::move(why)) {}

  explicit operator bool() const { return content_.index() == 0; }
  /// The value; there must be one.
  T &operator*() & { return *std::get_if<0>(&content_); }
  T &&operator*() && { return std::move(*std::get_if<0>(&content_)); }
  T *operator->() { return std::get_if<0>(&content_); }
  /// Why there is no value; there must be none.
  const failure &why() const { return *std::get_if<1>(&content_); }
  /// The value, or bitsup::error is thrown.
  T value() && {
    if (!*this)
      detail::raise(why());
    return std::move(*std::get_if<0>(&content_));
  }

private:
  std::variant<T, failure> content_;
};

/// Nothing, or why it was not done.
template <> class [[nodiscard]] result<void> {
public:
  result() = default;
  result(failure why) : why_(std::move(why)) {}

  explicit operator bool() const { return !why_; }
  const failure &why() const { return *why_; }
  void value() const {
    if (why_)
      detail::raise(*why_);
  }

private:
  std::optional<failure> why_;
};

namespace detail {

template <class T, void (*end)(T *)> struct ender {
  void operator()(T *pointer) const { end(pointer); }
};
template <class T, void (*end)(T *)>
using owner = std::unique_ptr<T, ender<T, end>>;

inline result<void> done(bitsup_status status, bitsup_error *error) {
  if (status == BITSUP_STATUS_OK || status == BITSUP_STATUS_PENDING)
    return {};
  return failure(error);
}

/// Calls something that takes a place for an error.
template <class F> result<void> attempt(F &&function) {
  bitsup_error *error = nullptr;
  auto status = function(&error);
  return done(status, error);
}

inline std::string text(const char *text) { return text ? text : ""; }

} // namespace detail

/// What a callback wants.
enum class flow { go_on, stop };

using progress = bitsup_progress;
using state = bitsup_state;
using progress_callback = std::function<flow(const progress &)>;
using state_callback = std::function<flow(state)>;
/// 0: try again when bitsup would; more: after so many milliseconds; less: fail.
using retry_callback = std::function<std::int64_t(const bitsup_error *, std::uint32_t)>;
using transcript_callback = std::function<void(const char *)>;
using log_callback = std::function<void(bitsup_log_level, const char *)>;

using credential_request = bitsup_credential_request;

/// Takes the answer to such a request, as long as the callback runs.
class credential_reply {
public:
  explicit credential_reply(bitsup_credential_reply *reply) : reply_(reply) {}

  result<void> password(const char *user, const char *password) {
    return detail::attempt([&](auto **e) { return bitsup_credential_reply_password(reply_, user, password, e); });
  }
  /// 0: how long it is valid is not known.
  result<void> token(const char *token, std::chrono::milliseconds valid_for = std::chrono::milliseconds(0)) {
    auto limit = valid_for.count() < 0 ? 0 : static_cast<std::uint64_t>(valid_for.count());
    return detail::attempt([&](auto **e) { return bitsup_credential_reply_token(reply_, token, limit, e); });
  }

private:
  bitsup_credential_reply *reply_;
};

using credential_callback = std::function<void(const credential_request &, credential_reply &)>;

namespace detail {

/// A credential callback, for all uploads that share it.
struct asker {
  credential_callback ask;
  /// Options that set it, once, so that uploads share what it answers.
  owner<bitsup_upload_options, bitsup_upload_options_free> set;
  result<void> is_set;
  std::mutex lock;
  std::exception_ptr thrown;

  explicit asker(credential_callback callback)
      : ask(std::move(callback)), set(bitsup_upload_options_new()),
        is_set(attempt([&](auto **e) {
          return bitsup_upload_options_set_credential_callback(set.get(), ask ? call : nullptr, this, e);
        })) {}

  static void call(void *self, const bitsup_credential_request *request, bitsup_credential_reply *reply) noexcept {
    auto *asker = static_cast<detail::asker *>(self);
    credential_reply answer(reply);
#if defined(__cpp_exceptions)
    asker->keep(nullptr);
    try {
      asker->ask(*request, answer);
    } catch (...) {
      asker->keep(std::current_exception());
    }
#else
    asker->ask(*request, answer);
#endif
  }

  void keep(std::exception_ptr exception) {
    std::lock_guard<std::mutex> held(lock);
    thrown = std::move(exception);
  }

  /// Throws what the last question ended with, where a login was missing.
  void rethrow(const result<void> &ended) {
#if defined(__cpp_exceptions)
    if (ended || (ended.why().status() != BITSUP_STATUS_AUTH && ended.why().status() != BITSUP_STATUS_PROXY_AUTH))
      return;
    std::unique_lock<std::mutex> held(lock);
    auto last = thrown;
    held.unlock();
    if (last)
      std::rethrow_exception(last);
#else
    (void)ended;
#endif
  }
};

} // namespace detail

/// Bytes that somebody else owns; made from anything with data() and size().
struct memory_view {
  const void *data = nullptr;
  std::size_t size = 0;

  memory_view() = default;
  memory_view(const void *data_, std::size_t size_)
      : data(data_), size(size_) {}
  template <class C, class E = std::remove_pointer_t<
                         decltype(std::declval<const C &>().data())>>
  memory_view(const C &c) : data(c.data()), size(c.size() * sizeof(E)) {
    static_assert(std::is_trivially_copyable_v<E>, "plain bytes only");
  }
};

/// A source that is read by a function: at most so many bytes from an offset
/// on; it gives how many, at least one before the end, or a negative errno.
struct reader {
  std::uint64_t size = 0;
  std::function<std::int64_t(void *, std::size_t, std::uint64_t)> read_at;
  std::string name;
};

/// Choices for uploads; what is not set is as in bitsup.h. Can be copied, and
/// used for any number of uploads. What cannot be used fails in the call that
/// gets the options.
class options {
public:
  options &user(std::string_view v) { return text_(bitsup_upload_options_set_user, v); }
  options &password(std::string_view v) { return text_(bitsup_upload_options_set_password, v); }
  /// A file with it, without one newline at its end.
  options &password_file(std::string_view v) { return text_(bitsup_upload_options_set_password_file, v); }
  options &auth(bitsup_auth scheme) { return plain_(bitsup_upload_options_set_auth, static_cast<int>(scheme)); }
  options &bearer_token(std::string_view v) { return text_(bitsup_upload_options_set_bearer_token, v); }
  options &token_file(std::string_view v) { return text_(bitsup_upload_options_set_token_file, v); }
  options &allow_cleartext_credentials(bool on = true) { return plain_(bitsup_upload_options_set_allow_cleartext_credentials, on ? 1 : 0); }
  options &header(std::string_view name, std::string_view value) { return pair_(bitsup_upload_options_set_header, name, value); }
  options &secret_header(std::string_view name, std::string_view value) { return pair_(bitsup_upload_options_set_secret_header, name, value); }
  options &ca_file(std::string_view v) { return text_(bitsup_upload_options_set_ca_file, v); }
  options &client_cert(std::string_view v) { return text_(bitsup_upload_options_set_client_cert, v); }
  options &client_key(std::string_view v) { return text_(bitsup_upload_options_set_client_key, v); }
  options &client_key_password(std::string_view v) { return text_(bitsup_upload_options_set_client_key_password, v); }
  options &client_key_password_file(std::string_view v) { return text_(bitsup_upload_options_set_client_key_password_file, v); }
  options &pinned_key(std::string_view v) { return text_(bitsup_upload_options_set_pinned_key, v); }
  options &insecure(bool on = true) { return plain_(bitsup_upload_options_set_insecure, on ? 1 : 0); }
  /// Empty: none.
  options &proxy(std::string_view v) { return text_(bitsup_upload_options_set_proxy, v); }
  options &noproxy(std::string_view v) { return text_(bitsup_upload_options_set_noproxy, v); }
  options &proxy_user(std::string_view v) { return text_(bitsup_upload_options_set_proxy_user, v); }
  options &proxy_password(std::string_view v) { return text_(bitsup_upload_options_set_proxy_password, v); }
  options &proxy_password_file(std::string_view v) { return text_(bitsup_upload_options_set_proxy_password_file, v); }
  options &proxy_auth(bitsup_auth scheme) { return plain_(bitsup_upload_options_set_proxy_auth, static_cast<int>(scheme)); }
  options &proxy_ca_file(std::string_view v) { return text_(bitsup_upload_options_set_proxy_ca_file, v); }
  /// HOST:PORT:ADDRESS[,ADDRESS]…
  options &resolve(std::string_view v) { return text_(bitsup_upload_options_set_resolve, v); }
  /// 0 chooses by itself.
  options &fragment_size(std::uint64_t bytes) { return plain_(bitsup_upload_options_set_fragment_size, bytes); }
  options &max_fragment(std::uint64_t bytes) { return plain_(bitsup_upload_options_set_max_fragment, bytes); }
  options &min_fragment(std::uint64_t bytes) { return plain_(bitsup_upload_options_set_min_fragment, bytes); }
  options &connect_timeout(std::chrono::milliseconds t) { return time_(bitsup_upload_options_set_connect_timeout_ms, t); }
  options &stall_timeout(std::chrono::milliseconds t) { return time_(bitsup_upload_options_set_stall_timeout_ms, t); }
  options &ack_timeout(std::chrono::milliseconds t) { return time_(bitsup_upload_options_set_ack_timeout_ms, t); }
  options &last_ack_timeout(std::chrono::milliseconds t) { return time_(bitsup_upload_options_set_last_ack_timeout_ms, t); }
  options &give_up_after(std::chrono::milliseconds t) { return time_(bitsup_upload_options_set_give_up_after_ms, t); }
  options &wait_for_server(std::chrono::milliseconds t) { return time_(bitsup_upload_options_set_wait_for_server_ms, t); }
  options &retry_delay(std::chrono::milliseconds t) { return time_(bitsup_upload_options_set_retry_delay_ms, t); }
  options &max_retry_delay(std::chrono::milliseconds t) { return time_(bitsup_upload_options_set_max_retry_delay_ms, t); }
  /// 0 is unlimited, as with the next two.
  options &max_attempts(std::uint32_t attempts) { return plain_(bitsup_upload_options_set_max_attempts, attempts); }
  options &max_time(std::chrono::milliseconds t) { return time_(bitsup_upload_options_set_max_time_ms, t); }
  options &max_bytes(std::uint64_t bytes) { return plain_(bitsup_upload_options_set_max_bytes, bytes); }
  options &host_id(bitsup_host_policy policy) { return plain_(bitsup_upload_options_set_host_id, static_cast<int>(policy)); }
  options &trusted_host(std::string_view v) { return text_(bitsup_upload_options_set_trusted_host, v); }
  options &if_exists(bitsup_if_exists policy) { return plain_(bitsup_upload_options_set_if_exists, static_cast<int>(policy)); }
  options &verify(bitsup_verify policy) { return plain_(bitsup_upload_options_set_verify, static_cast<int>(policy)); }
  options &on_lost_ack(bitsup_on_lost_ack policy) { return plain_(bitsup_upload_options_set_on_lost_ack, static_cast<int>(policy)); }
  options &resume_check(bitsup_resume_check policy) { return plain_(bitsup_upload_options_set_resume_check, static_cast<int>(policy)); }
  options &fresh(bool on = true) { return plain_(bitsup_upload_options_set_fresh, on ? 1 : 0); }
  options &no_resume(bool on = true) { return plain_(bitsup_upload_options_set_no_resume, on ? 1 : 0); }
  options &require_resume(bool on = true) { return plain_(bitsup_upload_options_set_require_resume, on ? 1 : 0); }
  options &polite(bool on = true) { return plain_(bitsup_upload_options_set_polite, on ? 1 : 0); }
  options &post_override(bool on = true) { return plain_(bitsup_upload_options_set_post_override, on ? 1 : 0); }
  options &sha256(bool on = true) { return plain_(bitsup_upload_options_set_sha256, on ? 1 : 0); }
  options &reply_path(std::string_view v) { return text_(bitsup_upload_options_set_reply_path, v); }
  options &reply_memory(std::uint64_t max_bytes) { return plain_(bitsup_upload_options_set_reply_memory, max_bytes); }
  options &reply_max_size(std::uint64_t bytes) { return plain_(bitsup_upload_options_set_reply_max_size, bytes); }
  options &reply_optional(bool on = true) { return plain_(bitsup_upload_options_set_reply_optional, on ? 1 : 0); }
  options &refuse_empty(bool on = true) { return plain_(bitsup_upload_options_set_refuse_empty, on ? 1 : 0); }
  options &lenient(bool on = true) { return plain_(bitsup_upload_options_set_lenient, on ? 1 : 0); }
  options &content_name(std::string_view v) { return text_(bitsup_upload_options_set_content_name, v); }
  options &note(std::string_view v) { return text_(bitsup_upload_options_set_note, v); }
  options &on_progress(progress_callback callback) { progress_ = std::move(callback); return *this; }
  options &on_state(state_callback callback) { state_ = std::move(callback); return *this; }
  options &on_retry(retry_callback callback) { retry_ = std::move(callback); return *this; }
  options &on_transcript(transcript_callback callback) { transcript_ = std::move(callback); return *this; }
  /// Copies of these options share the callback and what it answers.
  options &on_credentials(credential_callback callback) { asker_ = std::make_shared<detail::asker>(std::move(callback)); return *this; }

private:
  friend class client;
  using made = detail::owner<bitsup_upload_options, bitsup_upload_options_free>;
  using change = std::function<bitsup_status(bitsup_upload_options *, bitsup_error **)>;
  using text_setter = bitsup_status (*)(bitsup_upload_options *, const char *, bitsup_error **);
  using pair_setter = bitsup_status (*)(bitsup_upload_options *, const char *, const char *, bitsup_error **);
  using time_setter = bitsup_status (*)(bitsup_upload_options *, std::uint64_t, bitsup_error **);

  options &text_(text_setter set, std::string_view v) {
    changes_.push_back([set, v = std::string(v)](auto *o, auto **e) { return set(o, v.c_str(), e); });
    return *this;
  }
  options &pair_(pair_setter set, std::string_view n, std::string_view v) {
    changes_.push_back([set, n = std::string(n), v = std::string(v)](auto *o, auto **e) {
      return set(o, n.c_str(), v.c_str(), e);
    });
    return *this;
  }
  template <class N> options &plain_(bitsup_status (*set)(bitsup_upload_options *, N, bitsup_error **), N v) {
    changes_.push_back([set, v](auto *o, auto **e) { return set(o, v, e); });
    return *this;
  }
  options &time_(time_setter set, std::chrono::milliseconds t) {
    return plain_(set, t.count() < 0 ? std::uint64_t{0} : static_cast<std::uint64_t>(t.count()));
  }
  /// These with the others over them.
  options with(const options &others) const {
    options all = *this;
    all.changes_.insert(all.changes_.end(), others.changes_.begin(), others.changes_.end());
    if (others.progress_) all.progress_ = others.progress_;
    if (others.state_) all.state_ = others.state_;
    if (others.retry_) all.retry_ = others.retry_;
    if (others.transcript_) all.transcript_ = others.transcript_;
    if (others.asker_) all.asker_ = others.asker_;
    return all;
  }
  result<made> make() const {
    made options(bitsup_upload_options_new());
    for (const auto &change : changes_) {
      auto changed = detail::attempt([&](auto **e) { return change(options.get(), e); });
      if (!changed)
        return changed.why();
    }
    if (asker_) {
      if (!asker_->is_set)
        return asker_->is_set.why();
      auto merged = detail::attempt([&](auto **e) { return bitsup_upload_options_merge(options.get(), asker_->set.get(), e); });
      if (!merged)
        return merged.why();
    }
    return options;
  }

  std::vector<change> changes_;
  progress_callback progress_;
  state_callback state_;
  retry_callback retry_;
  transcript_callback transcript_;
  std::shared_ptr<detail::asker> asker_;
};

/// What is known about a complete upload.
struct receipt {
  std::string url;
  std::uint64_t size = 0;
  std::string session_id;
  std::chrono::milliseconds duration{0};
  std::uint64_t fragments = 0;
  std::uint64_t retries = 0;
  std::uint32_t restarts = 0;
  std::uint32_t unconfirmed_resends = 0;
  bool close_confirmed = false;
  bool verified = false;
  bool skipped = false;
  std::string sha256;
  std::string reply_path;
  std::vector<unsigned char> reply;
  std::string reply_url;
  /// A line each.
  std::string warnings;
};

/// A session that was kept in the state directory.
struct kept_session {
  std::string id;
  std::string url;
  std::string path;
  std::uint64_t size = 0;
  std::uint64_t acknowledged = 0;
  std::chrono::system_clock::time_point begun;
  /// When it last got further.
  std::chrono::system_clock::time_point updated;
  std::string note;
  /// Whether an upload is running in it.
  bool in_use = false;
};

/// What stands between this machine and an upload.
struct report {
  /// One line.
  std::string json;
  /// The first problem; nothing if an upload should work.
  std::optional<failure> problem;
};

namespace detail {

/// What the callbacks of one upload need; lives as long as the upload.
struct hooks {
  progress_callback on_progress;
  state_callback on_state;
  retry_callback on_retry;
  transcript_callback on_transcript;
  reader source;
  std::shared_ptr<detail::asker> asker;
  bool told = false;
  std::mutex lock;
  bool threw = false;
  std::exception_ptr thrown;

  /// Calls a function of the program; its first exception is kept for wait().
  template <class R, class F> R guard(R otherwise, F &&function) noexcept {
#if defined(__cpp_exceptions)
    try {
      return function();
    } catch (...) {
      std::lock_guard<std::mutex> held(lock);
      if (!std::exchange(threw, true))
        thrown = std::current_exception();
      return otherwise;
    }
#else
    (void)otherwise;
    return function();
#endif
  }

  std::exception_ptr take() {
    std::lock_guard<std::mutex> held(lock);
    return std::exchange(thrown, nullptr);
  }

  static int progress(void *self, const bitsup_progress *now) {
    auto *hooks = static_cast<detail::hooks *>(self);
    return hooks->guard(1, [&] { return hooks->on_progress(*now) == flow::stop ? 1 : 0; });
  }
  static int state(void *self, bitsup_state now) {
    auto *hooks = static_cast<detail::hooks *>(self);
    return hooks->guard(1, [&] { return hooks->on_state(now) == flow::stop ? 1 : 0; });
  }
  static std::int64_t retry(void *self, const bitsup_error *why, std::uint32_t attempts) {
    auto *hooks = static_cast<detail::hooks *>(self);
    return hooks->guard(std::int64_t{-1}, [&] { return hooks->on_retry(why, attempts); });
  }
  static void transcript(void *self, const char *entry) {
    auto *hooks = static_cast<detail::hooks *>(self);
    hooks->guard(0, [&] { hooks->on_transcript(entry); return 0; });
  }
  static std::int64_t read(void *self, void *buffer, std::size_t length, std::uint64_t offset) {
    auto *hooks = static_cast<detail::hooks *>(self);
    return hooks->guard(std::int64_t{-1}, [&] { return hooks->source.read_at(buffer, length, offset); });
  }
};

/// The source in the hooks, for C.
inline bitsup_source source_of(hooks &hooks) {
  bitsup_source from{};
  from.struct_size = sizeof from;
  from.size = hooks.source.size;
  from.read_at = hooks.source.read_at ? detail::hooks::read : nullptr;
  from.userdata = &hooks;
  from.name = hooks.source.name.empty() ? nullptr : hooks.source.name.c_str();
  return from;
}

} // namespace detail

/// An upload under way, or one that has ended. Its end stops it.
class upload {
public:
  upload(upload &&) noexcept = default;
  upload &operator=(upload &&other) noexcept {
    if (this != &other) {
      upload_.reset();
      hooks_ = std::move(other.hooks_);
      upload_ = std::move(other.upload_);
    }
    return *this;
  }

  /// Waits for the end.
  result<bitsup::receipt> wait() { return finish(wait_ms(-1).second); }

  /// Waits at most so long; nothing while the upload still runs.
  std::optional<result<bitsup::receipt>> wait_for(std::chrono::milliseconds limit) {
    auto [status, ended] = wait_ms(limit.count() < 0 ? 0 : limit.count());
    if (status == BITSUP_STATUS_PENDING)
      return std::nullopt;
    return finish(std::move(ended));
  }

  result<void> suspend() { return call(bitsup_upload_suspend); }
  result<void> resume() { return call(bitsup_upload_resume); }
  /// Stops, and the server deletes what it has.
  result<void> cancel() { return call(bitsup_upload_cancel); }
  /// Stops, and the session stays on the server.
  result<void> stop() { return call(bitsup_upload_stop); }

  /// Why it waits for its next try, in one line; empty while it does not.
  std::string waiting_for() const {
    char line[1000];
    bitsup_upload_waiting_for(upload_.get(), line, sizeof line);
    return line;
  }

  /// A snapshot.
  bitsup::progress progress() const {
    bitsup::progress now{};
    now.struct_size = sizeof now;
    bitsup_upload_progress(upload_.get(), &now);
    return now;
  }

private:
  friend class client;
  using made = detail::owner<bitsup_upload, bitsup_upload_free>;

  upload(std::unique_ptr<detail::hooks> hooks, bitsup_upload *upload)
      : hooks_(std::move(hooks)), upload_(upload) {}

  std::pair<bitsup_status, result<void>> wait_ms(std::int64_t limit) {
    bitsup_error *error;
    auto status = bitsup_upload_wait(upload_.get(), limit, &error);
    return {status, detail::done(status, error)};
  }

  result<bitsup::receipt> finish(result<void> ended) {
#if defined(__cpp_exceptions)
    if (auto thrown = hooks_->take())
      std::rethrow_exception(thrown);
#endif
    if (hooks_->asker && !std::exchange(hooks_->told, true))
      hooks_->asker->rethrow(ended);
    if (!ended)
      return ended.why();
    bitsup_receipt from{};
    from.struct_size = sizeof from;
    auto told = detail::attempt([&](auto **e) { return bitsup_upload_receipt(upload_.get(), &from, e); });
    if (!told)
      return told.why();
    bitsup::receipt to;
    to.url = detail::text(from.url);
    to.size = from.size;
    to.session_id = detail::text(from.session_id);
    to.duration = std::chrono::milliseconds(from.duration_ms);
    to.fragments = from.fragments;
    to.retries = from.retries;
    to.restarts = from.restarts;
    to.unconfirmed_resends = from.unconfirmed_resends;
    to.close_confirmed = from.close_confirmed != 0;
    to.verified = from.verified != 0;
    to.skipped = from.skipped != 0;
    to.sha256 = detail::text(from.sha256);
    to.reply_path = detail::text(from.reply_path);
    auto *reply = static_cast<const unsigned char *>(from.reply);
    if (reply)
      to.reply.assign(reply, reply + from.reply_size);
    to.reply_url = detail::text(from.reply_url);
    to.warnings = detail::text(from.warnings);
    return to;
  }

  result<void> call(bitsup_status (*function)(bitsup_upload *, bitsup_error **)) {
    return detail::attempt([&](auto **e) { return function(upload_.get(), e); });
  }

  // The upload is freed first: its callbacks use the hooks.
  std::unique_ptr<detail::hooks> hooks_;
  made upload_;
};

/// An upload session whose packets the program sends one by one.
class session {
public:
  std::string_view id() const { return bitsup_session_id(session_.get()); }
  std::uint64_t offset() const { return bitsup_session_offset(session_.get()); }

  /// Sends one Fragment; gives where the server wants to continue.
  result<std::uint64_t> send(memory_view data) {
    std::uint64_t next = 0;
    bitsup_error *error;
    auto status = bitsup_session_send(session_.get(), data.data, data.size, &next, &error);
    auto sent = detail::done(status, error);
    if (asker_)
      asker_->rethrow(sent);
    if (!sent)
      return sent.why();
    return next;
  }

  result<void> close() { return call(bitsup_session_close); }
  result<void> cancel() { return call(bitsup_session_cancel); }

private:
  friend class client;
  session(std::shared_ptr<detail::asker> asker, bitsup_session *session)
      : asker_(std::move(asker)), session_(session) {}

  result<void> call(bitsup_status (*function)(bitsup_session *, bitsup_error **)) {
    auto ended = detail::attempt([&](auto **e) { return function(session_.get(), e); });
    if (asker_)
      asker_->rethrow(ended);
    return ended;
  }

  std::shared_ptr<detail::asker> asker_;
  detail::owner<bitsup_session, bitsup_session_free> session_;
};

/// What a client is made with.
struct config {
  /// Empty: bitsup/VERSION.
  std::string user_agent;
  /// Bytes a second for all uploads together; 0 is unlimited.
  std::uint64_t rate_limit = 0;
  /// In its place, by the local time of day: "08:00-18:00=1M 18:00-08:00=off".
  std::string rate_timetable;
  std::size_t uploads_per_host = 16;
  /// A folder for what lets uploads continue; empty: nothing is kept.
  std::string state_dir;
  /// Whether callbacks run in client::dispatch only.
  bool dispatch = false;
  /// Must not throw.
  log_callback on_log;
  /// What uploads start from; their own options win.
  options defaults;
};

/// Uploads files: any number at a time. Its end ends them.
class client {
public:
  client(client &&) noexcept = default;
  client &operator=(client &&other) noexcept {
    if (this != &other) {
      client_.reset();
      config_ = std::move(other.config_);
      client_ = std::move(other.client_);
    }
    return *this;
  }

  static result<client> make(config with = {}) {
    detail::owner<bitsup_config, bitsup_config_free> settings(bitsup_config_new());
    auto *c = settings.get();
    client made(std::move(with));
    const auto &from = *made.config_;
    bitsup_error *error = nullptr;
    auto status = BITSUP_STATUS_OK;
    if (!from.user_agent.empty())
      status = bitsup_config_set_user_agent(c, from.user_agent.c_str(), &error);
    if (status == BITSUP_STATUS_OK)
      status = bitsup_config_set_rate_limit(c, from.rate_limit, &error);
    if (status == BITSUP_STATUS_OK && !from.rate_timetable.empty())
      status = bitsup_config_set_rate_timetable(c, from.rate_timetable.c_str(), &error);
    if (status == BITSUP_STATUS_OK)
      status = bitsup_config_set_uploads_per_host(c, from.uploads_per_host, &error);
    if (status == BITSUP_STATUS_OK && !from.state_dir.empty())
      status = bitsup_config_set_state_dir_bytes(c, from.state_dir.data(), from.state_dir.size(), &error);
    if (status == BITSUP_STATUS_OK)
      status = bitsup_config_set_dispatch(c, from.dispatch ? 1 : 0, &error);
    if (status == BITSUP_STATUS_OK && from.on_log)
      status = bitsup_config_set_on_log(c, log, made.config_.get(), &error);
    bitsup_client *raw = nullptr;
    if (status == BITSUP_STATUS_OK)
      status = bitsup_client_new(c, &raw, &error);
    made.client_.reset(raw);
    if (auto ready = detail::done(status, error); !ready)
      return ready.why();
    return result<client>(std::move(made));
  }

  /// Starts to upload a file.
  result<upload> start(std::string_view path, std::string_view url, const options &own = {}) {
    return begin(own, {}, [&, url = std::string(url)](auto *o, auto &, auto *u, auto *e) {
      return bitsup_upload_start_bytes(client_.get(), path.data(), path.size(), url.c_str(), o, u, e);
    });
  }

  /// Starts to upload memory, which must stay until the upload's end.
  result<upload> start_memory(memory_view data, std::string_view url, const options &own = {}) {
    return begin(own, {}, [&, url = std::string(url)](auto *o, auto &, auto *u, auto *e) {
      return bitsup_upload_start_memory(client_.get(), data.data, data.size, url.c_str(), o, u, e);
    });
  }

  /// Starts to upload what a function reads.
  result<upload> start_reader(reader source, std::string_view url, const options &own = {}) {
    return begin(own, std::move(source), [&, url = std::string(url)](auto *o, auto &hooks, auto *u, auto *e) {
      auto from = detail::source_of(hooks);
      return bitsup_upload_start_callbacks(client_.get(), &from, url.c_str(), o, u, e);
    });
  }

  /// Uploads a file and waits for the end.
  result<receipt> upload_file(std::string_view path, std::string_view url, const options &own = {}) {
    auto started = start(path, url, own);
    if (!started)
      return started.why();
    return started->wait();
  }

  /// The sessions that were kept, oldest first; one whose file cannot be read
  /// is a failure in its place.
  result<std::vector<result<kept_session>>> sessions() {
    bitsup_journal *raw = nullptr;
    auto read = detail::attempt([&](auto **e) { return bitsup_journal_read(client_.get(), &raw, e); });
    detail::owner<bitsup_journal, bitsup_journal_free> journal(raw);
    if (!read)
      return read.why();
    std::vector<result<kept_session>> all;
    for (std::size_t at = 0; at < bitsup_journal_count(raw); at++) {
      bitsup_journal_entry entry{};
      entry.struct_size = sizeof entry;
      auto told = detail::attempt([&](auto **e) { return bitsup_journal_get(raw, at, &entry, e); });
      if (told)
        all.emplace_back(kept(entry));
      else
        all.emplace_back(told.why());
    }
    return all;
  }

  /// Starts to upload the rest of a file whose session was kept.
  result<upload> resume(std::string_view id, const options &own = {}) {
    return begin(own, {}, [&, id = std::string(id)](auto *o, auto &, auto *u, auto *e) {
      return bitsup_journal_resume(client_.get(), id.c_str(), o, u, e);
    });
  }

  /// Has the server delete what it holds of a kept session, and forgets it.
  result<void> cancel_session(std::string_view id, const options &own = {}) {
    return with_options(own, [&](auto *o, auto **e) {
      return bitsup_journal_cancel(client_.get(), std::string(id).c_str(), o, e);
    });
  }

  /// Forgets a kept session without telling the server.
  result<void> forget_session(std::string_view id) {
    return detail::attempt([&](auto **e) { return bitsup_journal_forget(client_.get(), std::string(id).c_str(), e); });
  }

  /// A kept session as text. Who has it can write to the upload.
  result<std::string> export_session(std::string_view id) {
    bitsup_token *raw = nullptr;
    auto made = detail::attempt([&](auto **e) {
      return bitsup_journal_export(client_.get(), std::string(id).c_str(), &raw, e);
    });
    detail::owner<bitsup_token, bitsup_token_free> token(raw);
    if (!made)
      return made.why();
    return std::string(bitsup_token_text(raw));
  }

  /// Starts to upload the rest of a file in a session from elsewhere.
  result<upload> import_file(std::string_view token, std::string_view path, const options &own = {}) {
    return begin(own, {}, [&, token = std::string(token)](auto *o, auto &, auto *u, auto *e) {
      return bitsup_upload_import_bytes(client_.get(), token.c_str(), path.data(), path.size(), o, u, e);
    });
  }

  /// The same with memory, which must stay until the upload's end.
  result<upload> import_memory(std::string_view token, memory_view data, const options &own = {}) {
    return begin(own, {}, [&, token = std::string(token)](auto *o, auto &, auto *u, auto *e) {
      return bitsup_upload_import_memory(client_.get(), token.c_str(), data.data, data.size, o, u, e);
    });
  }

  /// The same with what a function reads.
  result<upload> import_reader(std::string_view token, reader source, const options &own = {}) {
    return begin(own, std::move(source), [&, token = std::string(token)](auto *o, auto &hooks, auto *u, auto *e) {
      auto from = detail::source_of(hooks);
      return bitsup_upload_import_callbacks(client_.get(), token.c_str(), &from, o, u, e);
    });
  }

  /// Asks whether a BITS server is there and lets us in.
  result<void> ping(std::string_view url, const options &own = {}) {
    return with_options(own, [&](auto *o, auto **e) { return bitsup_ping(client_.get(), std::string(url).c_str(), o, e); });
  }

  /// Looks at all that stands between this machine and an upload.
  result<report> doctor(std::string_view url, const options &own = {}) {
    bitsup_report *raw = nullptr;
    auto examined = with_options(own, [&](auto *o, auto **e) {
      return bitsup_doctor(client_.get(), std::string(url).c_str(), o, &raw, e);
    });
    detail::owner<bitsup_report, bitsup_report_free> found(raw);
    if (!examined)
      return examined.why();
    report to;
    to.json = bitsup_report_json(raw);
    auto good = detail::attempt([&](auto **e) { return bitsup_report_problem(raw, e); });
    if (!good)
      to.problem = good.why();
    return to;
  }

  /// Opens a session to be driven packet by packet.
  result<session> create_session(std::string_view url, std::uint64_t size, std::string_view name = {}, const options &own = {}) {
    bitsup_session *made = nullptr;
    auto created = with_options(own, [&](auto *o, auto **e) {
      return bitsup_session_create(client_.get(), std::string(url).c_str(), size, std::string(name).c_str(), o, &made, e);
    });
    if (!created)
      return created.why();
    return session(config_->defaults.with(own).asker_, made);
  }

  /// Bytes a second for all uploads together; 0 is unlimited.
  result<void> set_rate_limit(std::uint64_t bytes_per_second) {
    return detail::attempt([&](auto **e) { return bitsup_client_set_rate_limit(client_.get(), bytes_per_second, e); });
  }

  /// The same by the local time of day, as in config::rate_timetable.
  result<void> set_rate_timetable(std::string_view timetable) {
    return detail::attempt([&](auto **e) { return bitsup_client_set_rate_timetable(client_.get(), std::string(timetable).c_str(), e); });
  }

  /// Readable when callbacks wait; -1 if the client does not dispatch.
  int event_fd() const { return bitsup_client_event_fd(client_.get()); }

  /// Runs callbacks that wait, at most so many (0: all); whether more wait.
  result<bool> dispatch(std::uint32_t max_events = 0) {
    bitsup_error *error;
    auto status = bitsup_client_dispatch(client_.get(), max_events, &error);
    if (auto ran = detail::done(status, error); !ran)
      return ran.why();
    return status == BITSUP_STATUS_PENDING;
  }

private:
  explicit client(config with) : config_(std::make_unique<config>(std::move(with))) {}

  static void log(void *self, bitsup_log_level level, const char *line) noexcept {
    static_cast<config *>(self)->on_log(level, line);
  }

  static kept_session kept(const bitsup_journal_entry &from) {
    auto time = [](std::uint64_t seconds) {
      return std::chrono::system_clock::time_point(std::chrono::seconds(seconds));
    };
    kept_session to;
    to.id = detail::text(from.id);
    to.url = detail::text(from.url);
    to.path = detail::text(from.path);
    to.size = from.size;
    to.acknowledged = from.acknowledged;
    to.begun = time(from.begun);
    to.updated = time(from.updated);
    to.note = detail::text(from.note);
    to.in_use = from.in_use;
    return to;
  }

  /// A call that takes options and waits for the network itself.
  template <class F> result<void> with_options(const options &own, F &&function) {
    auto all = config_->defaults.with(own);
    auto options = all.make();
    if (!options)
      return options.why();
    auto ended = detail::attempt([&](auto **e) { return function(options->get(), e); });
    if (all.asker_)
      all.asker_->rethrow(ended);
    return ended;
  }

  template <class F> result<upload> begin(const options &own, reader source, F &&start) {
    auto all = config_->defaults.with(own);
    auto options = all.make();
    if (!options)
      return options.why();
    auto hooks = std::make_unique<detail::hooks>();
    hooks->on_progress = std::move(all.progress_);
    hooks->on_state = std::move(all.state_);
    hooks->on_retry = std::move(all.retry_);
    hooks->on_transcript = std::move(all.transcript_);
    hooks->asker = all.asker_;
    hooks->source = std::move(source);
    auto *o = options->get();
    bitsup_error *error = nullptr;
    auto status = BITSUP_STATUS_OK;
    if (hooks->on_progress)
      status = bitsup_upload_options_set_on_progress(o, detail::hooks::progress, hooks.get(), &error);
    if (status == BITSUP_STATUS_OK && hooks->on_state)
      status = bitsup_upload_options_set_on_state(o, detail::hooks::state, hooks.get(), &error);
    if (status == BITSUP_STATUS_OK && hooks->on_retry)
      status = bitsup_upload_options_set_on_retry(o, detail::hooks::retry, hooks.get(), &error);
    if (status == BITSUP_STATUS_OK && hooks->on_transcript)
      status = bitsup_upload_options_set_on_transcript(o, detail::hooks::transcript, hooks.get(), &error);
    bitsup_upload *made = nullptr;
    if (status == BITSUP_STATUS_OK)
      status = start(o, *hooks, &made, &error);
    if (auto started = detail::done(status, error); !started)
      return started.why();
    return upload(std::move(hooks), made);
  }

  // The client is freed first: its log uses the configuration.
  std::unique_ptr<config> config_;
  detail::owner<bitsup_client, bitsup_client_free> client_;
};

} // namespace bitsup

#endif

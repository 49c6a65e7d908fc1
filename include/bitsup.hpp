// bitsup.hpp: bitsup.h for C++17. Header only; link the C library.
//
// Objects are move-only and free themselves. A call that can fail gives a
// result: look at it, or take its value(), which throws bitsup::error, or ends
// the program where exceptions are switched off. The first exception of an
// upload's callbacks stops it and comes out of wait(), where there are
// exceptions; the next wait() tells how the upload ended. One of a credential
// callback is no answer, and comes out of each call that fails for want of it.
// Threads, and what callbacks may do, are as at the head of bitsup.h. Text is
// UTF-8, and a zero byte in it is refused. An object that was moved from gives
// an error. A callback may destroy its own upload, session or client.

#ifndef BITSUP_HPP
#define BITSUP_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
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
// Programs may mix files with exceptions and without: their functions differ.
#if defined(__cpp_exceptions)
inline namespace with_exceptions {
#else
inline namespace without_exceptions {
#endif

/// No limit, for options that have that.
inline constexpr std::uint64_t unlimited = BITSUP_UNLIMITED;

/// Why a call failed. Copies share one error.
class failure {
public:
  /// Takes over an error.
  explicit failure(bitsup_error *error)
      : error_(error, [error](const bitsup_error *) { bitsup_error_free(error); }) {}
  /// One that this header finds itself; the text is static.
  failure(bitsup_status status, const char *message)
      : status_(status), message_(message) {}
  /// An error that belongs to the library, for as long as it says.
  static failure borrowed(const bitsup_error *error) {
    failure made(BITSUP_STATUS_OK, "");
    made.error_ = std::shared_ptr<const bitsup_error>(error, [](const bitsup_error *) {});
    return made;
  }

  bitsup_status status() const { return error_ ? bitsup_error_status(native()) : status_; }
  const char *message() const { return error_ ? bitsup_error_message(native()) : message_; }
  const char *advice() const { return bitsup_error_advice(native()); }
  /// 0 where there is none, as with the next three.
  unsigned http_status() const { return bitsup_error_http_status(native()); }
  std::uint32_t hresult() const { return bitsup_error_hresult(native()); }
  std::uint32_t context() const { return bitsup_error_context(native()); }
  std::int64_t os_error() const { return bitsup_error_os_error(native()); }
  bool resumable() const { return bitsup_error_resumable(native()) != 0; }
  /// Empty where there is none. Keep it secret: it allows to write.
  std::string token() const {
    const char *text = bitsup_error_token(native());
    return text ? text : "";
  }
  /// The error of C; NULL if this header found it.
  const bitsup_error *native() const { return error_.get(); }

private:
  std::shared_ptr<const bitsup_error> error_;
  bitsup_status status_ = BITSUP_STATUS_OK;
  const char *message_ = "";
};

/// A failure that is thrown.
class error : public std::runtime_error {
public:
  explicit error(failure reason)
      : std::runtime_error(reason.message()), why_(std::move(reason)) {}
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
  result(failure reason) : content_(std::in_place_index<1>, std::move(reason)) {}

  bool has_value() const { return content_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  /// The value; there must be one.
  T &operator*() & { return *std::get_if<0>(&content_); }
  const T &operator*() const & { return *std::get_if<0>(&content_); }
  T &&operator*() && { return std::move(*std::get_if<0>(&content_)); }
  T *operator->() { return std::get_if<0>(&content_); }
  const T *operator->() const { return std::get_if<0>(&content_); }
  /// Why there is no value; there must be none.
  const failure &why() const { return *std::get_if<1>(&content_); }
  /// The value, or bitsup::error is thrown.
  T &value() & {
    if (!has_value())
      detail::raise(why());
    return **this;
  }
  const T &value() const & {
    if (!has_value())
      detail::raise(why());
    return **this;
  }
  T value() && {
    if (!has_value())
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
  result(failure reason) : why_(std::move(reason)) {}

  bool has_value() const { return !why_; }
  explicit operator bool() const { return has_value(); }
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

inline result<void> done(bitsup_status status, bitsup_error *why) {
  if (status == BITSUP_STATUS_OK || status == BITSUP_STATUS_PENDING)
    return {};
  return failure(why);
}

/// Calls something that takes a place for an error.
template <class F> result<void> attempt(F &&function) {
  bitsup_error *why = nullptr;
  auto status = function(&why);
  return done(status, why);
}

inline std::string text(const char *line) { return line ? line : ""; }

/// Text for C, which would not see what follows a zero byte.
struct c_text {
  explicit c_text(std::string_view view) : text_(view) {}
  /// NULL for text with a zero byte in it, which every function refuses.
  const char *get() const {
    return text_.find('\0') == std::string::npos ? text_.c_str() : nullptr;
  }

private:
  std::string text_;
};

inline failure moved() {
  return failure(BITSUP_STATUS_INVALID_ARGUMENT, "the options were moved from");
}

/// A reference to what callbacks need, as C has it.
template <class T> void *held(std::shared_ptr<T> what) {
  return new std::shared_ptr<T>(std::move(what));
}
template <class T> std::shared_ptr<T> &holder(void *userdata) {
  return *static_cast<std::shared_ptr<T> *>(userdata);
}
template <class T> void let_go(void *userdata) {
  delete static_cast<std::shared_ptr<T> *>(userdata);
}

} // namespace detail

/// What a callback wants.
enum class flow { go_on, stop };

using progress = bitsup_progress;
using state = bitsup_state;
using progress_callback = std::function<flow(const progress &)>;
using state_callback = std::function<flow(state)>;
/// Asked with what went wrong, which lives until it returns, and the number of
/// tries since the last progress. 0: retry when bitsup would; more: after that
/// many milliseconds; less: fail.
using retry_callback = std::function<std::int64_t(const failure &, std::uint32_t)>;
using transcript_callback = std::function<void(const char *)>;
using log_callback = std::function<void(bitsup_log_level, const char *)>;

using credential_request = bitsup_credential_request;

/// Takes the answer to such a request, as long as the callback runs.
class credential_reply {
public:
  explicit credential_reply(bitsup_credential_reply *reply) : reply_(reply) {}

  result<void> password(std::string_view user, std::string_view secret) {
    detail::c_text name(user), word(secret);
    return detail::attempt([&](auto **e) { return bitsup_credential_reply_password(reply_, name.get(), word.get(), e); });
  }
  /// 0: how long it is valid is not known.
  result<void> token(std::string_view secret, std::chrono::milliseconds valid_for = std::chrono::milliseconds(0)) {
    if (valid_for.count() < 0)
      return failure(BITSUP_STATUS_INVALID_ARGUMENT, "valid_for is negative");
    detail::c_text word(secret);
    auto limit = static_cast<std::uint64_t>(valid_for.count());
    return detail::attempt([&](auto **e) { return bitsup_credential_reply_token(reply_, word.get(), limit, e); });
  }

private:
  bitsup_credential_reply *reply_;
};

using credential_callback = std::function<void(const credential_request &, credential_reply &)>;

namespace detail {

/// A credential callback, for all uploads that share it.
struct asker {
  credential_callback ask;
  std::mutex lock;
  std::exception_ptr thrown;

  explicit asker(credential_callback callback) : ask(std::move(callback)) {}

  static void call(void *self, bitsup_upload *, const bitsup_credential_request *request, bitsup_credential_reply *reply) noexcept {
    auto own = holder<asker>(self);
    credential_reply answer(reply);
#if defined(__cpp_exceptions)
    own->keep(nullptr);
    try {
      own->ask(*request, answer);
    } catch (...) {
      own->keep(std::current_exception());
    }
#else
    own->ask(*request, answer);
#endif
  }

  void keep(std::exception_ptr exception) {
    std::lock_guard<std::mutex> guard(lock);
    thrown = std::move(exception);
  }

  /// Throws what the last question ended with, where a login was missing.
  void rethrow(const result<void> &ended) {
#if defined(__cpp_exceptions)
    if (ended || (ended.why().status() != BITSUP_STATUS_AUTH && ended.why().status() != BITSUP_STATUS_PROXY_AUTH))
      return;
    std::unique_lock<std::mutex> guard(lock);
    auto last = thrown;
    guard.unlock();
    if (last)
      std::rethrow_exception(last);
#else
    (void)ended;
#endif
  }
};

} // namespace detail

/// Bytes of another owner; made from anything with data() and size(), such as
/// std::vector and std::span.
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

/// The path of a file, in the system's encoding.
class path_view {
public:
  path_view(const char *path) : bytes_(path ? path : "") {}
  path_view(std::string path) : bytes_(std::move(path)) {}
  path_view(std::string_view path) : bytes_(path) {}
  path_view(const std::filesystem::path &path) : bytes_(path.string()) {}

  const char *data() const { return bytes_.data(); }
  std::size_t size() const { return bytes_.size(); }

private:
  std::string bytes_;
};

/// A source of size bytes that a function reads: read_at(buffer, length,
/// offset) gives how many bytes it read, at least one before the end, or a
/// negative errno. The name is for a URL that ends in a slash.
struct reader {
  std::uint64_t size = 0;
  std::function<std::int64_t(void *, std::size_t, std::uint64_t)> read_at;
  std::string name;
};

/// Options for a client or for uploads; what is not set is as in bitsup.h. Can
/// be copied, and used any number of times. What cannot be used fails in the
/// call that gets the options, and in check().
class options {
public:
  options() : options_(bitsup_options_new()) {}
  options(const options &other) : callbacks_(other.callbacks_) {
    bitsup_options *copy = nullptr;
    if (bitsup_options_copy(other.native(), &copy, nullptr) == BITSUP_STATUS_OK)
      options_.reset(copy);
  }
  options(options &&) noexcept = default;
  options &operator=(options other) noexcept {
    options_ = std::move(other.options_);
    callbacks_ = std::move(other.callbacks_);
    return *this;
  }

  // From the table of options: never edited.
  options &user(std::string_view v) { return text_(BITSUP_OPTION_USER, v); }
  options &password(std::string_view v) { return text_(BITSUP_OPTION_PASSWORD, v); }
  options &password_file(const path_view &v) { return path_(BITSUP_OPTION_PASSWORD_FILE, v); }
  options &token(std::string_view v) { return text_(BITSUP_OPTION_TOKEN, v); }
  options &token_file(const path_view &v) { return path_(BITSUP_OPTION_TOKEN_FILE, v); }
  options &auth(bitsup_auth v) { return number_(BITSUP_OPTION_AUTH, static_cast<std::int64_t>(v)); }
  options &allow_cleartext_credentials(bool on = true) { return number_(BITSUP_OPTION_ALLOW_CLEARTEXT_CREDENTIALS, on ? 1 : 0); }
  options &netrc_file(const path_view &v) { return path_(BITSUP_OPTION_NETRC_FILE, v); }
  options &ca_file(const path_view &v) { return path_(BITSUP_OPTION_CA_FILE, v); }
  options &insecure(bool on = true) { return number_(BITSUP_OPTION_INSECURE, on ? 1 : 0); }
  options &pinned_public_key(std::string_view v) { return text_(BITSUP_OPTION_PINNED_PUBLIC_KEY, v); }
  options &cert(const path_view &v) { return path_(BITSUP_OPTION_CERT, v); }
  options &key(const path_view &v) { return path_(BITSUP_OPTION_KEY, v); }
  options &key_password(std::string_view v) { return text_(BITSUP_OPTION_KEY_PASSWORD, v); }
  options &key_password_file(const path_view &v) { return path_(BITSUP_OPTION_KEY_PASSWORD_FILE, v); }
  options &proxy(std::string_view v) { return text_(BITSUP_OPTION_PROXY, v); }
  options &no_proxy(std::string_view v) { return text_(BITSUP_OPTION_NO_PROXY, v); }
  options &proxy_user(std::string_view v) { return text_(BITSUP_OPTION_PROXY_USER, v); }
  options &proxy_password(std::string_view v) { return text_(BITSUP_OPTION_PROXY_PASSWORD, v); }
  options &proxy_password_file(const path_view &v) { return path_(BITSUP_OPTION_PROXY_PASSWORD_FILE, v); }
  options &proxy_auth(bitsup_auth v) { return number_(BITSUP_OPTION_PROXY_AUTH, static_cast<std::int64_t>(v)); }
  options &proxy_ca_file(const path_view &v) { return path_(BITSUP_OPTION_PROXY_CA_FILE, v); }
  options &resolve(std::string_view v) { return add_(BITSUP_OPTION_RESOLVE, v); }
  options &post_override(bool on = true) { return number_(BITSUP_OPTION_POST_OVERRIDE, on ? 1 : 0); }
  options &user_agent(std::string_view v) { return text_(BITSUP_OPTION_USER_AGENT, v); }
  options &connect_timeout(std::chrono::milliseconds v) { return number_(BITSUP_OPTION_CONNECT_TIMEOUT, v.count()); }
  options &stall_timeout(std::chrono::milliseconds v) { return number_(BITSUP_OPTION_STALL_TIMEOUT, v.count()); }
  options &ack_timeout(std::chrono::milliseconds v) { return number_(BITSUP_OPTION_ACK_TIMEOUT, v.count()); }
  options &last_ack_timeout(std::chrono::milliseconds v) { return number_(BITSUP_OPTION_LAST_ACK_TIMEOUT, v.count()); }
  options &max_attempts(std::uint64_t v) { return size_(BITSUP_OPTION_MAX_ATTEMPTS, v); }
  options &give_up_after(std::chrono::milliseconds v) { return number_(BITSUP_OPTION_GIVE_UP_AFTER, v.count()); }
  options &wait_for_server(std::chrono::milliseconds v) { return number_(BITSUP_OPTION_WAIT_FOR_SERVER, v.count()); }
  options &retry_delay(std::chrono::milliseconds v) { return number_(BITSUP_OPTION_RETRY_DELAY, v.count()); }
  options &max_retry_delay(std::chrono::milliseconds v) { return number_(BITSUP_OPTION_MAX_RETRY_DELAY, v.count()); }
  options &max_time(std::chrono::milliseconds v) { return number_(BITSUP_OPTION_MAX_TIME, v.count()); }
  options &max_bytes(std::uint64_t v) { return size_(BITSUP_OPTION_MAX_BYTES, v); }
  options &fragment_size(std::uint64_t v) { return size_(BITSUP_OPTION_FRAGMENT_SIZE, v); }
  options &max_fragment(std::uint64_t v) { return size_(BITSUP_OPTION_MAX_FRAGMENT, v); }
  options &min_fragment(std::uint64_t v) { return size_(BITSUP_OPTION_MIN_FRAGMENT, v); }
  options &polite(bool on = true) { return number_(BITSUP_OPTION_POLITE, on ? 1 : 0); }
  options &limit_rate(std::uint64_t v) { return size_(BITSUP_OPTION_LIMIT_RATE, v); }
  options &limit_rate(std::string_view v) { return text_(BITSUP_OPTION_LIMIT_RATE, v); }
  options &uploads_per_host(std::uint64_t v) { return size_(BITSUP_OPTION_UPLOADS_PER_HOST, v); }
  options &host_id(bitsup_host_id v) { return number_(BITSUP_OPTION_HOST_ID, static_cast<std::int64_t>(v)); }
  options &trusted_hosts(std::string_view v) { return add_(BITSUP_OPTION_TRUSTED_HOSTS, v); }
  options &if_exists(bitsup_if_exists v) { return number_(BITSUP_OPTION_IF_EXISTS, static_cast<std::int64_t>(v)); }
  options &verify(bitsup_verify v) { return number_(BITSUP_OPTION_VERIFY, static_cast<std::int64_t>(v)); }
  options &on_lost_ack(bitsup_on_lost_ack v) { return number_(BITSUP_OPTION_ON_LOST_ACK, static_cast<std::int64_t>(v)); }
  options &lenient(bool on = true) { return number_(BITSUP_OPTION_LENIENT, on ? 1 : 0); }
  options &sha256(bool on = true) { return number_(BITSUP_OPTION_SHA256, on ? 1 : 0); }
  options &refuse_empty(bool on = true) { return number_(BITSUP_OPTION_REFUSE_EMPTY, on ? 1 : 0); }
  options &content_name(std::string_view v) { return text_(BITSUP_OPTION_CONTENT_NAME, v); }
  options &reply(const path_view &v) { return path_(BITSUP_OPTION_REPLY, v); }
  options &reply_memory(std::uint64_t v) { return size_(BITSUP_OPTION_REPLY_MEMORY, v); }
  options &reply_max_size(std::uint64_t v) { return size_(BITSUP_OPTION_REPLY_MAX_SIZE, v); }
  options &reply_optional(bool on = true) { return number_(BITSUP_OPTION_REPLY_OPTIONAL, on ? 1 : 0); }
  options &state_dir(const path_view &v) { return path_(BITSUP_OPTION_STATE_DIR, v); }
  options &fresh(bool on = true) { return number_(BITSUP_OPTION_FRESH, on ? 1 : 0); }
  options &no_resume(bool on = true) { return number_(BITSUP_OPTION_NO_RESUME, on ? 1 : 0); }
  options &require_resume(bool on = true) { return number_(BITSUP_OPTION_REQUIRE_RESUME, on ? 1 : 0); }
  options &resume_check(bitsup_resume_check v) { return number_(BITSUP_OPTION_RESUME_CHECK, static_cast<std::int64_t>(v)); }
  options &note(std::string_view v) { return text_(BITSUP_OPTION_NOTE, v); }
  options &dispatch(bool on = true) { return number_(BITSUP_OPTION_DISPATCH, on ? 1 : 0); }
  // end

  /// Replaces a header of the same name.
  options &header(std::string_view name, std::string_view value) {
    detail::c_text n(name), v(value);
    bitsup_options_set_header(native(), n.get(), v.get(), nullptr);
    return *this;
  }
  /// The same, treated like a password.
  options &secret_header(std::string_view name, std::string_view value) {
    detail::c_text n(name), v(value);
    bitsup_options_set_secret_header(native(), n.get(), v.get(), nullptr);
    return *this;
  }
  /// An option by its name, as the tool takes it: "5M", "10m", "true".
  options &set(std::string_view name, std::string_view text) {
    detail::c_text n(name), v(text);
    bitsup_options_set_by_name(native(), n.get(), v.get(), nullptr);
    return *this;
  }
  /// Sets an option to none: no proxy, no user, an empty list.
  options &none(bitsup_option option) {
    bitsup_options_set_text(native(), option, nullptr, nullptr);
    return *this;
  }
  /// Unsets an option.
  options &reset(bitsup_option option) {
    bitsup_options_reset(native(), option, nullptr);
    return *this;
  }
  options &on_progress(progress_callback callback) { callbacks_.on_progress = std::move(callback); return *this; }
  options &on_state(state_callback callback) { callbacks_.on_state = std::move(callback); return *this; }
  options &on_retry(retry_callback callback) { callbacks_.on_retry = std::move(callback); return *this; }
  options &on_transcript(transcript_callback callback) { callbacks_.on_transcript = std::move(callback); return *this; }
  /// Copies of these options share the callback and what it answers.
  options &on_credentials(credential_callback callback) {
    auto function = callback ? detail::asker::call : nullptr;
    callbacks_.asker = std::make_shared<detail::asker>(std::move(callback));
    bitsup_options_set_on_credentials(native(), function, detail::held(callbacks_.asker), detail::let_go<detail::asker>, nullptr);
    return *this;
  }
  /// Of the client. Must not throw.
  options &on_log(log_callback callback) {
    auto function = callback ? log_ : nullptr;
    auto held = std::make_shared<log_callback>(std::move(callback));
    bitsup_options_set_on_log(native(), function, detail::held(std::move(held)), detail::let_go<log_callback>, nullptr);
    return *this;
  }
  /// Sets all that others have set.
  options &merge(const options &others) {
    bitsup_options_merge(native(), others.native(), nullptr);
    callbacks_.merge(others.callbacks_);
    return *this;
  }
  /// The first value that was refused.
  result<void> check() const {
    return detail::attempt([&](auto **e) { return bitsup_options_check(native(), e); });
  }
  bitsup_options *native() const { return options_.get(); }

private:
  friend class client;
  struct callbacks {
    progress_callback on_progress;
    state_callback on_state;
    retry_callback on_retry;
    transcript_callback on_transcript;
    std::shared_ptr<detail::asker> asker;

    void merge(const callbacks &others) {
      if (others.on_progress) on_progress = others.on_progress;
      if (others.on_state) on_state = others.on_state;
      if (others.on_retry) on_retry = others.on_retry;
      if (others.on_transcript) on_transcript = others.on_transcript;
      if (others.asker) asker = others.asker;
    }
  };

  static void log_(void *self, bitsup_upload *, bitsup_log_level level, const char *line) noexcept {
    auto own = detail::holder<log_callback>(self);
    (*own)(level, line);
  }
  options &text_(bitsup_option option, std::string_view v) {
    bitsup_options_set_text_n(native(), option, v.data() ? v.data() : "", v.size(), nullptr);
    return *this;
  }
  options &path_(bitsup_option option, const path_view &v) {
    bitsup_options_set_bytes(native(), option, v.data(), v.size(), nullptr);
    return *this;
  }
  options &add_(bitsup_option option, std::string_view v) {
    detail::c_text text(v);
    bitsup_options_add_text(native(), option, text.get(), nullptr);
    return *this;
  }
  options &number_(bitsup_option option, std::int64_t v) {
    bitsup_options_set_number(native(), option, v, nullptr);
    return *this;
  }
  /// What no option can be is refused as a negative number is.
  options &size_(bitsup_option option, std::uint64_t v) {
    return number_(option, v > unlimited ? -1 : static_cast<std::int64_t>(v));
  }

  detail::owner<bitsup_options, bitsup_options_free> options_;
  callbacks callbacks_;
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
  /// Whether the server may hold a session that is not known here.
  bool may_be_left = false;
};

/// What stands between this machine and an upload.
struct report {
  /// One line.
  std::string json;
  /// The first problem; nothing if an upload should work.
  std::optional<failure> problem;
};

namespace detail {

/// What the callbacks of one upload need.
struct hooks {
  progress_callback on_progress;
  state_callback on_state;
  retry_callback on_retry;
  transcript_callback on_transcript;
  reader source;
  std::shared_ptr<detail::asker> asking;
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
      std::lock_guard<std::mutex> guarded(lock);
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
    std::lock_guard<std::mutex> guarded(lock);
    return std::exchange(thrown, nullptr);
  }

  // Each holds the hooks until it returns: the upload may end in it.
  static int progress(void *self, bitsup_upload *, const bitsup_progress *now) {
    auto own = holder<hooks>(self);
    return own->guard(1, [&] { return own->on_progress(*now) == flow::stop ? 1 : 0; });
  }
  static int state(void *self, bitsup_upload *, bitsup_state now) {
    auto own = holder<hooks>(self);
    return own->guard(1, [&] { return own->on_state(now) == flow::stop ? 1 : 0; });
  }
  static std::int64_t retry(void *self, bitsup_upload *, const bitsup_error *error, std::uint32_t attempts) {
    auto own = holder<hooks>(self);
    return own->guard(std::int64_t{-1}, [&] { return own->on_retry(failure::borrowed(error), attempts); });
  }
  static void transcript(void *self, bitsup_upload *, const char *entry) {
    auto own = holder<hooks>(self);
    own->guard(0, [&] { own->on_transcript(entry); return 0; });
  }
  static std::int64_t read(void *self, void *buffer, std::size_t length, std::uint64_t offset) {
    auto own = holder<hooks>(self);
    return own->guard(std::int64_t{-1}, [&] { return own->source.read_at(buffer, length, offset); });
  }
};

/// The source in the hooks, for C.
inline bitsup_source source_of(const std::shared_ptr<hooks> &own) {
  bitsup_source from{};
  from.struct_size = sizeof from;
  from.size = own->source.size;
  from.read_at = own->source.read_at ? hooks::read : nullptr;
  from.userdata = held(own);
  from.name = own->source.name.empty() ? nullptr : own->source.name.c_str();
  from.destroy = let_go<hooks>;
  return from;
}

} // namespace detail

/// An upload under way, or one that has ended. Its end stops it.
class upload {
public:
  upload(upload &&) noexcept = default;
  upload &operator=(upload &&) noexcept = default;

  /// Waits for the end.
  result<bitsup::receipt> wait() { return finish(wait_ms(-1).second); }

  /// Waits at most that long; nothing while the upload still runs.
  std::optional<result<bitsup::receipt>> wait_for(std::chrono::milliseconds limit) {
    if (limit.count() < 0)
      return result<bitsup::receipt>(failure(BITSUP_STATUS_INVALID_ARGUMENT, "limit is negative"));
    auto [status, ended] = wait_ms(limit.count());
    if (status == BITSUP_STATUS_PENDING)
      return std::nullopt;
    return finish(std::move(ended));
  }

  /// Pauses after the request under way. Returns at once, as do the next three.
  result<void> suspend() { return call(bitsup_upload_suspend); }
  /// Resumes after suspend().
  result<void> resume() { return call(bitsup_upload_resume); }
  /// Stops, and the server deletes what it has.
  result<void> cancel() { return call(bitsup_upload_cancel); }
  /// Stops, and the session stays on the server.
  result<void> stop() { return call(bitsup_upload_stop); }

  /// Why it waits for its next try, in one line; empty while it does not.
  std::string waiting_for() const {
    char line[1000] = "";
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

  bitsup_upload *native() const { return upload_.get(); }

private:
  friend class client;
  upload(std::shared_ptr<detail::hooks> hooks, bitsup_upload *made)
      : hooks_(std::move(hooks)), upload_(made) {}

  std::pair<bitsup_status, result<void>> wait_ms(std::int64_t limit) {
    bitsup_error *why;
    auto status = bitsup_upload_wait(upload_.get(), limit, &why);
    return {status, detail::done(status, why)};
  }

  result<bitsup::receipt> finish(result<void> ended) {
#if defined(__cpp_exceptions)
    if (auto thrown = hooks_ ? hooks_->take() : nullptr)
      std::rethrow_exception(thrown);
#endif
    if (hooks_ && hooks_->asking && !std::exchange(hooks_->told, true))
      hooks_->asking->rethrow(ended);
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

  std::shared_ptr<detail::hooks> hooks_;
  detail::owner<bitsup_upload, bitsup_upload_free> upload_;
};

/// An upload session whose packets the program sends one by one.
class session {
public:
  std::string id() const { return detail::text(bitsup_session_id(session_.get())); }
  std::uint64_t offset() const { return bitsup_session_offset(session_.get()); }

  /// Sends one Fragment; gives where the server wants to continue.
  result<std::uint64_t> send(memory_view data) {
    std::uint64_t next = 0;
    bitsup_error *why;
    auto asked = asker_; // The callback may destroy the session.
    auto status = bitsup_session_send(session_.get(), data.data, data.size, &next, &why);
    auto sent = detail::done(status, why);
    if (asked)
      asked->rethrow(sent);
    if (!sent)
      return sent.why();
    return next;
  }

  /// Sends Close-Session: if it does not fail, the server has confirmed the file.
  result<void> close() { return call(bitsup_session_close); }
  /// Sends Cancel-Session: the server deletes what it has.
  result<void> cancel() { return call(bitsup_session_cancel); }
  bitsup_session *native() const { return session_.get(); }

private:
  friend class client;
  session(std::shared_ptr<detail::asker> asked, bitsup_session *made)
      : asker_(std::move(asked)), session_(made) {}

  result<void> call(bitsup_status (*function)(bitsup_session *, bitsup_error **)) {
    auto asked = asker_; // As in send.
    auto ended = detail::attempt([&](auto **e) { return function(session_.get(), e); });
    if (asked)
      asked->rethrow(ended);
    return ended;
  }

  std::shared_ptr<detail::asker> asker_;
  detail::owner<bitsup_session, bitsup_session_free> session_;
};

/// Uploads files: any number at a time. Its end ends them.
class client {
public:
  client(client &&) noexcept = default;
  client &operator=(client &&) noexcept = default;

  /// Of the options, those for uploads are what uploads start from.
  static result<client> make(const options &with = {}) {
    if (!with.native())
      return detail::moved();
    bitsup_client *raw = nullptr;
    auto made = detail::attempt([&](auto **e) { return bitsup_client_new(with.native(), &raw, e); });
    if (!made)
      return made.why();
    return client(with.callbacks_, raw);
  }

  /// Starts to upload a file. The URL is of http or https, without a login; one
  /// that ends in a slash gets the file's name appended.
  result<upload> start(const path_view &path, std::string_view url, const options &own = {}) {
    detail::c_text to(url);
    return begin(own, {}, [&](auto *o, auto &, auto *u, auto *e) {
      return bitsup_upload_start_bytes(native(), path.data(), path.size(), to.get(), o, u, e);
    });
  }

  /// Starts to upload memory, which must stay until the upload's end.
  result<upload> start_memory(memory_view data, std::string_view url, const options &own = {}) {
    detail::c_text to(url);
    return begin(own, {}, [&](auto *o, auto &, auto *u, auto *e) {
      return bitsup_upload_start_memory(native(), data.data, data.size, to.get(), o, u, e);
    });
  }

  /// Starts to upload what a function reads.
  result<upload> start_reader(reader source, std::string_view url, const options &own = {}) {
    detail::c_text to(url);
    return begin(own, std::move(source), [&](auto *o, auto &hooks, auto *u, auto *e) {
      auto from = detail::source_of(hooks);
      return bitsup_upload_start_callbacks(native(), &from, to.get(), o, u, e);
    });
  }

  /// Uploads a file and waits for the end.
  result<receipt> upload_file(const path_view &path, std::string_view url, const options &own = {}) {
    auto started = start(path, url, own);
    if (!started)
      return started.why();
    return started->wait();
  }

  /// The sessions that were kept, oldest first; one whose file cannot be read
  /// is a failure in its place.
  result<std::vector<result<kept_session>>> sessions() {
    bitsup_journal *raw = nullptr;
    auto read = detail::attempt([&](auto **e) { return bitsup_journal_read(native(), &raw, e); });
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
    detail::c_text name(id);
    return begin(own, {}, [&](auto *o, auto &, auto *u, auto *e) {
      return bitsup_journal_resume(native(), name.get(), o, u, e);
    });
  }

  /// Has the server delete what it holds of a kept session, and forgets it.
  result<void> cancel_session(std::string_view id, const options &own = {}) {
    detail::c_text name(id);
    return with_options(own, [&](auto *o, auto **e) { return bitsup_journal_cancel(native(), name.get(), o, e); });
  }

  /// Forgets a kept session without telling the server.
  result<void> forget_session(std::string_view id) {
    detail::c_text name(id);
    return detail::attempt([&](auto **e) { return bitsup_journal_forget(native(), name.get(), e); });
  }

  /// A kept session as text. Keep it secret: it allows to write to the upload.
  result<std::string> export_session(std::string_view id) {
    detail::c_text name(id);
    bitsup_token *raw = nullptr;
    auto made = detail::attempt([&](auto **e) { return bitsup_journal_export(native(), name.get(), &raw, e); });
    detail::owner<bitsup_token, bitsup_token_free> token(raw);
    if (!made)
      return made.why();
    return std::string(bitsup_token_text(raw));
  }

  /// Starts to upload the rest of a file in a session from elsewhere.
  result<upload> import_file(std::string_view token, const path_view &path, const options &own = {}) {
    detail::c_text text(token);
    return begin(own, {}, [&](auto *o, auto &, auto *u, auto *e) {
      return bitsup_upload_import_bytes(native(), text.get(), path.data(), path.size(), o, u, e);
    });
  }

  /// The same with memory, which must stay until the upload's end.
  result<upload> import_memory(std::string_view token, memory_view data, const options &own = {}) {
    detail::c_text text(token);
    return begin(own, {}, [&](auto *o, auto &, auto *u, auto *e) {
      return bitsup_upload_import_memory(native(), text.get(), data.data, data.size, o, u, e);
    });
  }

  /// The same with what a function reads.
  result<upload> import_reader(std::string_view token, reader source, const options &own = {}) {
    detail::c_text text(token);
    return begin(own, std::move(source), [&](auto *o, auto &hooks, auto *u, auto *e) {
      auto from = detail::source_of(hooks);
      return bitsup_upload_import_callbacks(native(), text.get(), &from, o, u, e);
    });
  }

  /// Asks whether a BITS server is there and takes the login.
  result<void> ping(std::string_view url, const options &own = {}) {
    detail::c_text to(url);
    return with_options(own, [&](auto *o, auto **e) { return bitsup_ping(native(), to.get(), o, e); });
  }

  /// Diagnoses the path to a server.
  result<report> doctor(std::string_view url, const options &own = {}) {
    detail::c_text at(url);
    bitsup_report *raw = nullptr;
    auto examined = with_options(own, [&](auto *o, auto **e) { return bitsup_doctor(native(), at.get(), o, &raw, e); });
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
    if (name.find('\0') != std::string_view::npos)
      return failure(BITSUP_STATUS_INVALID_ARGUMENT, "name has a zero byte in it");
    detail::c_text to(url), content(name);
    bitsup_session *made = nullptr;
    auto created = with_options(own, [&](auto *o, auto **e) {
      return bitsup_session_create(native(), to.get(), size, content.get(), o, &made, e);
    });
    if (!created)
      return created.why();
    return session(own.callbacks_.asker ? own.callbacks_.asker : defaults_.asker, made);
  }

  /// Changes the limit in bytes a second, at least 1, of all uploads together;
  /// bitsup::unlimited is none. It replaces a timetable.
  result<void> set_limit_rate(std::uint64_t bytes_per_second) {
    auto rate = bytes_per_second > unlimited ? -1 : static_cast<std::int64_t>(bytes_per_second);
    return detail::attempt([&](auto **e) { return bitsup_client_set_limit_rate(native(), rate, e); });
  }

  /// The same by the local time of day, as options::limit_rate takes it.
  result<void> set_rate_timetable(std::string_view timetable) {
    detail::c_text text(timetable);
    return detail::attempt([&](auto **e) { return bitsup_client_set_rate_timetable(native(), text.get(), e); });
  }

  /// Readable when callbacks wait or an upload has ended;
  /// BITSUP_EVENT_SOURCE_NONE if the client does not dispatch.
  bitsup_event_source event_source() const { return bitsup_client_event_fd(native()); }

  /// Runs callbacks that wait, at most that many (0: all); whether more wait.
  result<bool> dispatch(std::uint32_t max_events = 0) {
    bitsup_error *why;
    auto status = bitsup_client_dispatch(native(), max_events, &why);
    if (auto ran = detail::done(status, why); !ran)
      return ran.why();
    return status == BITSUP_STATUS_PENDING;
  }

  /// An upload that has ended and was not told so before: the native() of one;
  /// NULL if there is none.
  result<const bitsup_upload *> next_ended() {
    bitsup_upload *ended = nullptr;
    auto asked = detail::attempt([&](auto **e) { return bitsup_client_next_ended(native(), &ended, e); });
    if (!asked)
      return asked.why();
    return ended;
  }

  bitsup_client *native() const { return client_.get(); }

private:
  client(options::callbacks defaults, bitsup_client *made) : defaults_(std::move(defaults)), client_(made) {}

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
    to.in_use = from.in_use != 0;
    to.may_be_left = from.may_be_left != 0;
    return to;
  }

  /// A call that takes options and waits for the network itself.
  template <class F> result<void> with_options(const options &own, F &&function) {
    if (!own.native())
      return detail::moved();
    // The callback may destroy the client.
    auto asked = own.callbacks_.asker ? own.callbacks_.asker : defaults_.asker;
    auto ended = detail::attempt([&](auto **e) { return function(own.native(), e); });
    if (asked)
      asked->rethrow(ended);
    return ended;
  }

  template <class F> result<upload> begin(const options &own, reader source, F &&start_it) {
    if (!own.native())
      return detail::moved();
    auto callbacks = defaults_;
    callbacks.merge(own.callbacks_);
    auto hooks = std::make_shared<detail::hooks>();
    hooks->on_progress = std::move(callbacks.on_progress);
    hooks->on_state = std::move(callbacks.on_state);
    hooks->on_retry = std::move(callbacks.on_retry);
    hooks->on_transcript = std::move(callbacks.on_transcript);
    hooks->asking = std::move(callbacks.asker);
    hooks->source = std::move(source);
    options with(own);
    auto *o = with.native();
    auto end = detail::let_go<detail::hooks>;
    if (hooks->on_progress)
      bitsup_options_set_on_progress(o, detail::hooks::progress, detail::held(hooks), end, nullptr);
    if (hooks->on_state)
      bitsup_options_set_on_state(o, detail::hooks::state, detail::held(hooks), end, nullptr);
    if (hooks->on_retry)
      bitsup_options_set_on_retry(o, detail::hooks::retry, detail::held(hooks), end, nullptr);
    if (hooks->on_transcript)
      bitsup_options_set_on_transcript(o, detail::hooks::transcript, detail::held(hooks), end, nullptr);
    bitsup_upload *made = nullptr;
    auto started = detail::attempt([&](auto **e) { return start_it(o, hooks, &made, e); });
    if (!started)
      return started.why();
    return upload(std::move(hooks), made);
  }

  options::callbacks defaults_;
  detail::owner<bitsup_client, bitsup_client_free> client_;
};

} // namespace with_exceptions or without_exceptions
} // namespace bitsup

#endif

#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>

// The result type of everything that can fail. Library exceptions are caught where the library is
// called and turned into an Error there; nothing of ours throws.

namespace tidewaiter {

// Why something failed, outermost context first:
//
//   open bundle: read config.json: No such file or directory
//
// `code` is a positive errno, or 0 when the fault lies in the input and `context` says it all.
struct Error {
  int code = 0;
  std::string context;

  // The line a person reads.
  [[nodiscard]] std::string message() const {
    if (code == 0) return context;
    // strerrordesc_np is thread-safe and untranslated, unlike strerror.
    const char* description = ::strerrordesc_np(code);
    std::string text = description != nullptr ? description : "errno " + std::to_string(code);
    return context.empty() ? text : context + ": " + text;
  }
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

// A failed system call: `code` is the positive errno.
[[nodiscard]] inline tl::unexpected<Error> fail(int code, std::string context) {
  return tl::unexpected(Error{code, std::move(context)});
}

// A fault in the input, told whole by `message`.
[[nodiscard]] inline tl::unexpected<Error> fail(std::string message) {
  return tl::unexpected(Error{0, std::move(message)});
}

// Puts `context` in front of a failure's own; a success passes through.
template <typename T>
[[nodiscard]] Result<T> in_context(std::string_view context, Result<T> result) {
  if (!result) {
    std::string inner = std::move(result.error().context);
    result.error().context = std::string(context) + (inner.empty() ? "" : ": " + inner);
  }
  return result;
}

// What TRY evaluates to. REQUIRES: `result` has a value. (tl::expected<void> has no value() of its own.)
template <typename T>
T take_value(Result<T>&& result) {
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

}  // namespace tidewaiter

// The value of a Result, or return its error from the enclosing function. The counter gives each use a name
// of its own, so that they can be nested.
#define TRY(...) TIDEWAITER_TRY(TIDEWAITER_JOIN(try_result_, __COUNTER__), __VA_ARGS__)
#define TIDEWAITER_JOIN(a, b) TIDEWAITER_JOIN_EXPANDED(a, b)
#define TIDEWAITER_JOIN_EXPANDED(a, b) a##b
#define TIDEWAITER_TRY(result, ...)                                \
  __extension__({                                                  \
    auto result = (__VA_ARGS__);                                   \
    if (!result) return tl::unexpected(std::move(result.error())); \
    ::tidewaiter::take_value(std::move(result));                   \
  })

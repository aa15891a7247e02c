#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "oci/policy/decide.h"
#include "oci/policy/syscalls.h"
#include "supervisor/target/target.h"

namespace tidewaiter::supervisor {

// How a notification ended.
enum class EventVerdict {
  kAllowed,  // decided to be allowed
  kDenied,   // refused, by policy or by the bundle's own profile
  kAudited,  // would have been refused; mode is audit
  kKilled,   // its process was killed
  kStopped,  // its container was asked to end
  kFailed,   // failed before anything was decided: a bad descriptor, an unreadable address, an agent out of
             // memory
};

// What is reported of one notification, or of a container's end by its policy. docs/operations.md (Events)
// describes the fields; what is not known is left out of the line.
struct Event {
  std::string_view container;
  std::string_view policy;
  std::string_view rule;     // JSON pointer of the deciding rule
  std::string_view syscall;  // empty: none was made
  policy::Category category = policy::Category::kProcess;
  pid_t tid = 0;  // who made it
  Identity identity;
  std::optional<policy::Endpoint> endpoint;
  std::string_view unix_name;         // a Unix socket's path, or "@" and its abstract name
  std::string_view path;              // of the program that was to be run
  std::span<const std::string> argv;  // what it was to get
  bool argv_cut = false;              // and more
  std::string_view reason;            // why it ended otherwise than its rule says
  std::optional<std::uint64_t> size;  // bytes
  EventVerdict verdict = EventVerdict::kFailed;
  int errno_value = 0;                               // what the call failed with; 0: it did not
  std::chrono::steady_clock::time_point received{};  // the line says when that was by the wall clock
  std::chrono::nanoseconds duration{};               // from receipt to answer
};

// One JSON object, with a newline.
std::string to_json_line(const Event& event);

}  // namespace tidewaiter::supervisor

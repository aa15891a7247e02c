#pragma once

#include <string>
#include <string_view>

namespace tidewaiter::shim {

// The heading of what event_line() returns, with a newline.
std::string event_heading();

// One line of an event log (docs/operations.md) for people, with a newline: time, verdict, category, syscall,
// what it was about, errno, rule. What is no event is shown as it is.
std::string event_line(std::string_view json);

}  // namespace tidewaiter::shim

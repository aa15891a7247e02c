#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace tidewaiter {

// Appends `text` as a JSON string, quotes included, at most `limit` bytes of it (a cut is marked with
// an ellipsis). Bytes that are not UTF-8 become U+FFFD, so that a line stays JSON whatever a target
// chose as its file names (RFC 8259, section 7).
void append_json_string(std::string& out, std::string_view text, std::size_t limit = 4096);

// "2026-01-02T03:04:05.678901Z" : the wall clock now (RFC 3339).
std::string rfc3339_now();
// The same of another time.
std::string rfc3339(std::chrono::system_clock::time_point time);

}  // namespace tidewaiter

#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "oci/base/result.h"

// Times as people write them, and as systemd and Go read them:
//
//   duration = ( digits ( "d" | "h" | "m" | "s" ) )+        each unit at most once, the longest first

namespace tidewaiter::policy {

// What a timer of the kernel's is certain to hold, and nobody waits longer.
inline constexpr std::chrono::seconds kLongestDuration = std::chrono::hours(24 * 365);

// 1 second to kLongestDuration. Errors are faults in the input: what was found, and what would be valid.
Result<std::chrono::seconds> parse_duration(std::string_view text);

// "1h30m". REQUIRES: 1 second at least.
std::string duration_words(std::chrono::seconds duration);

}  // namespace tidewaiter::policy

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "oci/base/result.h"

// Numbers of bytes as people write them. As for podman's --memory and systemd's MemoryMax=, a unit is a power
// of 1024, whatever the letter's case and whether an "i" or a "B" follows:
//
//   size = digits [ "b" ]
//        | digits [ "." digits ] ( "k" | "m" | "g" | "t" ) [ "i" ] [ "b" ]

namespace tidewaiter::policy {

// 1 to 2^63 - 1, which is what config.json holds. Errors are faults in the input: what was found, and what
// would be valid.
Result<std::uint64_t> parse_byte_size(std::string_view text);

// "256M", or "1000 bytes" where no unit divides it.
std::string byte_size_words(std::uint64_t bytes);

}  // namespace tidewaiter::policy

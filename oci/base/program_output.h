#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "oci/base/result.h"

namespace tidewaiter {

// How much of a program's output is waited for.
enum class Until {
  kLineEnd,  // its first line, without the newline
  kEnd,      // all of it
};

// What a program writes to stdout; stdin and stderr are /dev/null. `argv[0]` is its path. It gets a process
// group of its own, no signal blocked, and is killed with its group when enough has come, or `limit` bytes,
// or nothing more within `patience` of its start (ETIMEDOUT). How it ends does not matter.
Result<std::string> output_of(std::vector<std::string> argv, Until until, std::size_t limit,
                              std::chrono::milliseconds patience);

}  // namespace tidewaiter

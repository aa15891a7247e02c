#pragma once

#include <cstdint>
#include <string>

#include "oci/base/result.h"
#include "oci/spec/config.h"

// RLIMIT_NOFILE of a process as config.json, or the file of `exec --process`, describes it.

namespace tidewaiter::spec {

// Whether process.rlimits sets it at all.
Result<bool> sets_open_files(const Json& process, const std::string& place);

// The largest of soft and hard limit; 0 where it sets none.
Result<std::uint64_t> most_open_files(const Json& process, const std::string& place);

// Lowers soft and hard limit, each by itself, to `most`. Where there are none there are none afterwards.
// `place`: the process's JSON pointer, for errors.
Status lower_open_files(Json& process, std::uint64_t most, const std::string& place);

// REQUIRES: it sets none.
void add_open_files(Json& process, std::uint64_t soft, std::uint64_t hard);

}  // namespace tidewaiter::spec

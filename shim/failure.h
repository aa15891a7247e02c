#pragma once

#include <string_view>

#include "oci/base/result.h"
#include "shim/options.h"

namespace tidewaiter::shim {

// Tells people why a command failed, in one line on stderr:
//
//   tidewaiter: create ID: why
//
// and the caller, where it gave --log: the same line in its --log-format, as crun and runc write theirs
// ("text", the default, or "json"), since that is where podman and containerd look for the reason. A log that
// cannot be written is not an error of its own.
void report_failure(const CommandLine& line, std::string_view id, const Error& error);

// The same for what is worth telling and fails nothing; not in the caller's log, whose lines are taken for
// reasons of failure.
void report_warning(const CommandLine& line, std::string_view id, const Error& error);

}  // namespace tidewaiter::shim

#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "oci/base/result.h"
#include "oci/container/settings.h"
#include "shim/options.h"

// The real runtime: which one it is, and the ways to run it.

namespace tidewaiter::shim {

// Its path: $TIDEWAITER_RUNTIME (a path, or a name on PATH), else the settings' `runtime`, else crun, else
// runc, on PATH. Never this program itself, whatever name it is installed under: on PATH it is passed over,
// and named outright it is an error.
Result<std::string> find_runtime(const container::Settings& settings);

// The first program `name` on PATH that is not this one; empty when there is none.
std::string find_on_path(std::string_view name);

// Becomes the runtime, with the caller's arguments. Returns only when that fails.
Error become_runtime(const std::string& runtime, const CommandLine& line);

// Runs the runtime with the caller's arguments, stdio and environment, and waits for it; the result is as
// waitpid(2) gives it.
Result<int> run_runtime(const std::string& runtime, const CommandLine& line);

// Ends this process as the child with this wait status ended, a signal included.
[[noreturn]] void end_like(int wait_status);

// The pid of the container's first process, by the runtime's `state`, under the caller's --root. An error
// where there is no such container, or it has ended.
Result<pid_t> container_pid(const std::string& runtime, const CommandLine& line, const std::string& id);

// Whether the runtime has a container `id` (its `state` succeeds), under the caller's --root.
Result<bool> runtime_knows(const std::string& runtime, const CommandLine& line, const std::string& id);

}  // namespace tidewaiter::shim

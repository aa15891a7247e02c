#pragma once

#include <string>
#include <string_view>

namespace tidewaiter::supervisor {

// The text after "KEY:\t" in a /proc/TID/status (proc_pid_status(5)), up to the end of its line; empty if
// there is none. It is looked for with the end of the line before it, for the name of a thread may hold all
// but that.
inline std::string_view status_field(std::string_view status, std::string_view key) {
  const std::string marker = "\n" + std::string(key) + ":\t";
  const std::size_t at = status.find(marker);
  if (at == std::string_view::npos) return {};
  status.remove_prefix(at + marker.size());
  return status.substr(0, status.find('\n'));
}

}  // namespace tidewaiter::supervisor

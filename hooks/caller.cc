#include "hooks/caller.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include "oci/base/system.h"

namespace tidewaiter::hook {
namespace {

constexpr std::array<std::string_view, 5> kVariables = {"HOME", "TIDEWAITER_CONFIG", "XDG_CONFIG_HOME",
                                                        "XDG_RUNTIME_DIR", "XDG_STATE_HOME"};
constexpr std::size_t kMaxEnvironment = 4U << 20U;  // beyond what execve(2) takes by default

bool goes_nowhere(int fd) {
  constexpr unsigned kMemoryDevices = 1;  // Documentation/admin-guide/devices.txt
  constexpr unsigned kNull = 3;
  const auto status = sys::fstat(fd);
  return !status || (S_ISCHR(status->st_mode) && status->st_rdev == makedev(kMemoryDevices, kNull));
}

// In one line, and harmless to a terminal: an annotation's value may be in it.
std::string printable(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return line;
}

}  // namespace

void adopt_environment(pid_t caller) {
  const auto environment = sys::read_file("/proc/" + std::to_string(caller) + "/environ", kMaxEnvironment);
  if (!environment) return;
  std::string_view rest = *environment;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\0'), rest.size());
    const std::string entry(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t equals = entry.find('=');
    if (equals == std::string::npos) continue;
    const std::string name = entry.substr(0, equals);
    if (std::find(kVariables.begin(), kVariables.end(), name) == kVariables.end()) continue;
    ::setenv(name.c_str(), entry.c_str() + equals + 1, 0);
  }
}

UniqueFd stderr_of(pid_t caller) {
  const auto process = sys::pidfd_open(caller);
  if (!process) return UniqueFd();
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_getfd, process->get(), STDERR_FILENO, 0)));
}

void report_failure(std::string_view verb, std::string_view message, pid_t caller) {
  const std::string text = (verb.empty() ? "" : printable(verb) + ": ") + printable(message);
  const std::string line = "tidewaiter-hook: " + text + "\n";
  if (!goes_nowhere(STDERR_FILENO)) {
    static_cast<void>(sys::write_all(STDERR_FILENO, line));
  } else if (const UniqueFd other = stderr_of(caller); other.valid()) {
    static_cast<void>(sys::write_all(other.get(), line));
  }
  ::openlog("tidewaiter-hook", LOG_PID, LOG_DAEMON);
  ::syslog(LOG_ERR, "%s", text.c_str());
  ::closelog();
}

}  // namespace tidewaiter::hook

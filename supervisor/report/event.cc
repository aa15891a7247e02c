#include "supervisor/report/event.h"

#include <array>
#include <cstdio>
#include <cstring>

#include "oci/base/json_text.h"
#include "oci/policy/address.h"

namespace tidewaiter::supervisor {
namespace {

std::string_view to_text(EventVerdict verdict) {
  switch (verdict) {
    case EventVerdict::kAllowed:
      return "allowed";
    case EventVerdict::kDenied:
      return "denied";
    case EventVerdict::kAudited:
      return "audited";
    case EventVerdict::kKilled:
      return "killed";
    case EventVerdict::kStopped:
      return "stopped";
    case EventVerdict::kFailed:
      return "failed";
  }
  return "failed";
}

std::string_view to_text(policy::Transport transport) {
  switch (transport) {
    case policy::Transport::kTcp:
      return "tcp";
    case policy::Transport::kUdp:
      return "udp";
    case policy::Transport::kIcmp:
      return "icmp";
  }
  return "";
}

void append(std::string& out, std::string_view key, std::string_view value) {
  out += ",\"";
  out += key;
  out += "\":";
  append_json_string(out, value);
}

void append(std::string& out, std::string_view key, long long value) {
  out += ",\"";
  out += key;
  out += "\":";
  out += std::to_string(value);
}

void append_argv(std::string& out, std::span<const std::string> argv, bool cut) {
  out += ",\"argv\":[";
  for (std::size_t i = 0; i < argv.size(); ++i) {
    if (i != 0) out += ',';
    append_json_string(out, argv[i]);
  }
  out += ']';
  if (cut) out += ",\"argv_cut\":true";
}

}  // namespace

std::string to_json_line(const Event& event) {
  const auto ago = std::chrono::steady_clock::now() - event.received;
  const auto time =
      std::chrono::system_clock::now() - std::chrono::duration_cast<std::chrono::system_clock::duration>(ago);
  std::string line = "{\"time\":\"" + rfc3339(time) + "\"";
  append(line, "container", event.container);
  append(line, "policy", event.policy);
  if (!event.rule.empty()) append(line, "rule", event.rule);
  if (!event.syscall.empty()) append(line, "syscall", event.syscall);
  append(line, "category", policy::to_string(event.category));
  if (event.identity.pid != 0) append(line, "pid", event.identity.pid);
  if (!event.syscall.empty()) append(line, "tid", event.tid);
  if (event.identity.parent_pid != 0) append(line, "parent_pid", event.identity.parent_pid);
  if (!event.identity.executable.empty()) append(line, "executable", event.identity.executable);
  if (event.endpoint) {
    append(line, "host", policy::to_string(event.endpoint->address));
    if (event.endpoint->transport != policy::Transport::kIcmp) append(line, "port", event.endpoint->port);
    append(line, "transport", to_text(event.endpoint->transport));
  }
  if (!event.unix_name.empty()) {
    append(line, "transport", "unix");
    append(line, "path", event.unix_name);
  }
  if (!event.path.empty()) append(line, "path", event.path);
  if (!event.argv.empty()) append_argv(line, event.argv, event.argv_cut);
  if (event.size) append(line, "size", static_cast<long long>(*event.size));
  append(line, "verdict", to_text(event.verdict));
  line += ",\"denied\":";
  line += event.verdict == EventVerdict::kDenied || event.verdict == EventVerdict::kAudited ||
                  event.verdict == EventVerdict::kKilled || event.verdict == EventVerdict::kStopped
              ? "true"
              : "false";
  if (event.errno_value != 0) {
    if (const char* name = ::strerrorname_np(event.errno_value)) append(line, "errno", name);
  }
  if (!event.reason.empty()) append(line, "reason", event.reason);
  // Seconds with six decimals: a microsecond is as fine as a notification goes.
  std::array<char, 32> duration{};
  const double seconds = std::chrono::duration<double>(event.duration).count();
  std::snprintf(duration.data(), duration.size(), ",\"duration\":%.6f}\n", seconds);
  line += duration.data();
  return line;
}

}  // namespace tidewaiter::supervisor

#include "oci/base/log.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "oci/base/json_text.h"

namespace tidewaiter::log {
namespace {

std::atomic<Level> threshold{Level::kInfo};
std::atomic<int> output{STDERR_FILENO};
std::atomic<std::uint64_t> written_by_us{0};
std::atomic<std::atomic<std::uint64_t>*> written_bytes{&written_by_us};

std::string_view name_of(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  return "unknown";
}

}  // namespace

void set_threshold(Level level) { threshold.store(level, std::memory_order_relaxed); }

void count_in(std::atomic<std::uint64_t>& counter) {
  written_bytes.store(&counter, std::memory_order_relaxed);
}

void set_output(int fd) { output.store(fd, std::memory_order_relaxed); }

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (level < threshold.load(std::memory_order_relaxed)) return;
  // A caller that logs a failure may still want its errno.
  const int saved = errno;
  std::string line = "{\"time\":";
  append_json_string(line, rfc3339_now());
  line += ",\"level\":";
  append_json_string(line, name_of(level));
  line += ",\"message\":";
  append_json_string(line, message);
  for (const auto& [key, value] : fields) {
    line += ',';
    append_json_string(line, key);
    line += ':';
    append_json_string(line, value);
  }
  line += "}\n";
  auto& written_before = *written_bytes.load(std::memory_order_relaxed);
  const std::uint64_t before = written_before.fetch_add(line.size(), std::memory_order_relaxed);
  if (before >= kMaxWritten) {
    errno = saved;
    return;
  }
  if (before + line.size() >= kMaxWritten) line += "{\"message\":\"no more is logged for now\"}\n";
  ssize_t written = 0;
  do {
    written = ::write(output.load(std::memory_order_relaxed), line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  // A log that cannot be written has nowhere left to be reported.
  errno = saved;
}

}  // namespace tidewaiter::log

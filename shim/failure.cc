#include "shim/failure.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "oci/base/json_text.h"
#include "oci/base/system.h"

namespace tidewaiter::shim {
namespace {

constexpr std::size_t kLongestMessage = 16U << 10U;

// A file name or an id may hold anything; a line stays a line, and a terminal unharmed.
std::string one_line(std::string text) {
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = ' ';
  }
  return text;
}

// crun knows destinations other than files ("journald:", "syslog:"); for those stderr has to do.
std::string log_file(std::string_view destination) {
  if (destination.starts_with("journald:") || destination.starts_with("syslog:")) return "";
  if (destination.starts_with("file:")) destination.remove_prefix(5);
  if (destination == "/dev/stderr") return "";
  return std::string(destination);
}

std::string log_line(std::string_view message, std::string_view format) {
  std::string quoted;
  append_json_string(quoted, message, kLongestMessage);
  if (format == "json") {
    return R"({"level":"error","msg":)" + quoted + R"(,"time":")" + rfc3339_now() + "\"}\n";
  }
  return "time=\"" + rfc3339_now() + "\" level=error msg=" + quoted + "\n";
}

std::string message_of(const CommandLine& line, std::string_view id, const Error& error) {
  std::string message = "tidewaiter: ";
  if (!line.command.empty()) message += line.command;
  if (!id.empty()) message.append(" ").append(id);
  if (!line.command.empty()) message += ": ";
  return one_line(message + error.message());
}

}  // namespace

void report_failure(const CommandLine& line, std::string_view id, const Error& error) {
  const std::string message = message_of(line, id, error);
  static_cast<void>(sys::write_all(STDERR_FILENO, message + "\n"));
  const std::string path = log_file(line.log);
  if (path.empty()) return;
  const auto file = sys::open(path, O_WRONLY | O_APPEND | O_CREAT, 0644);
  if (file) static_cast<void>(sys::write_all(file->get(), log_line(message, line.log_format)));
}

void report_warning(const CommandLine& line, std::string_view id, const Error& error) {
  static_cast<void>(sys::write_all(STDERR_FILENO, message_of(line, id, error) + "\n"));
}

}  // namespace tidewaiter::shim

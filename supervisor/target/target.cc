#include "supervisor/target/target.h"

#include <cerrno>
#include <charconv>
#include <string_view>

namespace tidewaiter::supervisor {
namespace {

// The text after "\nKEY:\t" in a /proc/TID/status, up to the end of its line; empty if there is none.
std::string_view status_field(std::string_view status, std::string_view key) {
  const std::string marker = "\n" + std::string(key) + ":\t";
  const std::size_t at = status.find(marker);
  if (at == std::string_view::npos) return {};
  status.remove_prefix(at + marker.size());
  return status.substr(0, status.find('\n'));
}

template <typename Number>
bool parse(std::string_view text, Number& value, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<int> Target::pidfd() {
  if (!pidfd_.valid()) pidfd_ = TRY(kernel_.open_thread(tid_));
  return pidfd_.get();
}

Result<UniqueFd> Target::duplicate_fd(int number) { return kernel_.duplicate_fd(TRY(pidfd()), number); }

Status Target::open() {
  TRY(pidfd());
  return {};
}

Status Target::kill() { return kernel_.kill(pidfd_.get()); }

Identity Target::identity() const {
  Identity identity;
  if (const auto status = kernel_.read_proc_file(tid_, "status", Kernel::kProcFileLimit)) {
    parse(status_field(*status, "Tgid"), identity.pid);
    parse(status_field(*status, "PPid"), identity.parent_pid);
  }
  if (auto link = kernel_.read_proc_link(tid_, "exe")) identity.executable = std::move(*link);
  return identity;
}

Result<std::string> Target::innermost_number(const char* field) const {
  const std::string status = TRY(kernel_.read_proc_file(tid_, "status", Kernel::kProcFileLimit));
  const std::string_view numbers = status_field(status, field);
  const std::size_t tab = numbers.rfind('\t');
  const std::string_view last = tab == std::string_view::npos ? numbers : numbers.substr(tab + 1);
  pid_t number = 0;
  if (!parse(last, number)) return fail(EPROTO, "no pid namespaces in /proc status");
  return std::to_string(number);
}

Result<bool> Target::has_capability(int capability) const {
  const std::string status = TRY(kernel_.read_proc_file(tid_, "status", Kernel::kProcFileLimit));
  std::uint64_t effective = 0;
  if (!parse(status_field(status, "CapEff"), effective, 16)) return fail(EPROTO, "no CapEff in /proc status");
  return ((effective >> static_cast<unsigned>(capability)) & 1U) != 0;
}

}  // namespace tidewaiter::supervisor

#include "supervisor/target/target.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string_view>
#include <vector>

#include "supervisor/target/proc_status.h"

namespace tidewaiter::supervisor {
namespace {

template <typename Number>
bool parse(std::string_view text, Number& value, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size();
}

// The numbers between white space.
std::vector<std::uint64_t> numbers(std::string_view text) {
  std::vector<std::uint64_t> found;
  while (!text.empty()) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\n"), text.size()));
    const std::string_view word = text.substr(0, text.find_first_of(" \t\n"));
    std::uint64_t value = 0;
    if (word.empty() || !parse(word, value)) break;
    found.push_back(value);
    text.remove_prefix(word.size());
  }
  return found;
}

// Real, effective, saved: the first three of the four in a line of /proc/TID/status.
bool parse_ids(std::string_view line, std::array<std::uint32_t, 3>& ids) {
  const std::vector<std::uint64_t> found = numbers(line);
  if (found.size() < ids.size()) return false;
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::uint32_t>(found[i]);
  return true;
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

Status Target::open_memory() {
  if (!memory_.valid()) memory_ = TRY(kernel_.open_memory(tid_));
  return {};
}

Status Target::break_pipe() { return kernel_.break_pipe(pidfd_.get()); }

Status Target::kill() { return kernel_.kill(pidfd_.get()); }

Identity Target::identity() const {
  Identity identity;
  if (const auto status = kernel_.read_proc_file(tid_, "status", Kernel::kProcFileLimit)) {
    parse(status_field(*status, "Tgid"), identity.pid);
    parse(status_field(*status, "PPid"), identity.parent_pid);
    parse(status_field(*status, "Threads"), identity.threads);
  }
  if (auto link = kernel_.read_proc_link(tid_, "exe")) identity.executable = std::move(*link);
  return identity;
}

Result<pid_t> Target::process() const {
  const std::string status = TRY(kernel_.read_proc_file(tid_, "status", Kernel::kProcFileLimit));
  pid_t process = 0;
  if (!parse(status_field(status, "Tgid"), process)) return fail(EPROTO, "no Tgid in /proc status");
  return process;
}

Result<ThreadGroup> Target::thread_group() const {
  const std::string status = TRY(kernel_.read_proc_file(tid_, "status", Kernel::kProcFileLimit));
  ThreadGroup group;
  if (!parse(status_field(status, "Tgid"), group.pid) ||
      !parse(status_field(status, "Threads"), group.threads)) {
    return fail(EPROTO, "no thread group in /proc status");
  }
  return group;
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

Result<Credentials> Target::credentials() const {
  const std::string status = TRY(kernel_.read_proc_file(tid_, "status", Kernel::kProcFileLimit));
  Credentials credentials;
  const std::vector<std::uint64_t> inwards = numbers(status_field(status, "NStgid"));
  if (inwards.empty() || !parse(status_field(status, "Tgid"), credentials.process) ||
      !parse_ids(status_field(status, "Uid"), credentials.users) ||
      !parse_ids(status_field(status, "Gid"), credentials.groups)) {
    return fail(EPERM, "credentials in /proc status");
  }
  credentials.own_number = static_cast<pid_t>(inwards.back());
  return credentials;
}

Result<std::uint32_t> Target::id_outside(const char* map, std::uint32_t id) const {
  // Of our own namespace the file would say what the one around it calls them.
  if (TRY(kernel_.shares_users(tid_))) return id;
  const std::vector<std::uint64_t> ranges =
      numbers(TRY(kernel_.read_proc_file(tid_, map, Kernel::kProcFileLimit)));
  for (std::size_t i = 0; i + 2 < ranges.size(); i += 3) {
    const std::uint64_t inside = ranges[i];
    if (id >= inside && id - inside < ranges[i + 2]) {
      return static_cast<std::uint32_t>(ranges[i + 1] + (id - inside));
    }
  }
  return fail(EINVAL, map);
}

}  // namespace tidewaiter::supervisor

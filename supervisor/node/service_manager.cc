#include "supervisor/node/service_manager.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

#include "oci/base/unix_socket.h"

namespace tidewaiter::supervisor {
namespace {

// SD_LISTEN_FDS_START (sd_listen_fds(3)).
constexpr int kFirstPassed = 3;

// As many as a service may have kept, with room to spare.
constexpr std::uint64_t kMostPassed = 1U << 20U;

// Taken out of the environment; nullopt: it is not set.
std::optional<std::string> take_variable(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  std::string taken = value;
  ::unsetenv(name);
  return taken;
}

Result<std::uint64_t> number_in(const char* variable, const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return fail(std::string(variable) + " is \"" + text + "\", must be a number");
  }
  return number;
}

Result<UniqueFd> connect_to(const std::string& name) {
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  if ((!name.starts_with('/') && !name.starts_with('@')) || name.size() < 2) {
    return fail("NOTIFY_SOCKET is \"" + name + "\", must be an absolute path or @ and an abstract name");
  }
  if (name.size() >= sizeof address.sun_path) return fail(ENAMETOOLONG, "NOTIFY_SOCKET " + name);
  std::memcpy(address.sun_path, name.data(), name.size());
  auto size = static_cast<socklen_t>(sizeof address);
  if (name.front() == '@') {
    address.sun_path[0] = '\0';
    size = static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) + name.size());
  }
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return fail(errno, "socket");
  if (::connect(socket.get(), reinterpret_cast<const struct sockaddr*>(&address), size) != 0) {
    return fail(errno, "NOTIFY_SOCKET " + name);
  }
  return socket;
}

std::vector<std::string> split(const std::string& names) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t end = names.find(':', begin);
    parts.push_back(names.substr(begin, end - begin));
    if (end == std::string::npos) return parts;
    begin = end + 1;
  }
}

}  // namespace

Result<ServiceManager> ServiceManager::from_environment() {
  const auto notify = take_variable("NOTIFY_SOCKET");
  const auto interval = take_variable("WATCHDOG_USEC");
  const auto watched = take_variable("WATCHDOG_PID");
  ServiceManager manager;
  if (!notify || notify->empty()) return manager;
  manager.socket_ = TRY(connect_to(*notify));
  if (!interval) return manager;
  if (watched && TRY(number_in("WATCHDOG_PID", *watched)) != static_cast<std::uint64_t>(::getpid())) {
    return manager;
  }
  const std::uint64_t microseconds = TRY(number_in("WATCHDOG_USEC", *interval));
  if (microseconds == 0 || microseconds > static_cast<std::uint64_t>(INT64_MAX)) {
    return fail("WATCHDOG_USEC is " + *interval + ", must be a number of microseconds, 1 or more");
  }
  manager.watchdog_ = std::chrono::microseconds(static_cast<std::int64_t>(microseconds));
  return manager;
}

Result<std::vector<ServiceManager::Passed>> ServiceManager::take_passed() {
  const auto pid = take_variable("LISTEN_PID");
  const auto count = take_variable("LISTEN_FDS");
  const auto names = take_variable("LISTEN_FDNAMES");
  std::vector<Passed> passed;
  if (!pid || !count) return passed;
  if (TRY(number_in("LISTEN_PID", *pid)) != static_cast<std::uint64_t>(::getpid())) return passed;
  const std::uint64_t fds = TRY(number_in("LISTEN_FDS", *count));
  if (fds > kMostPassed) return fail("LISTEN_FDS is " + *count + ", which is too many");
  std::vector<std::string> name_of;
  if (names) name_of = split(*names);
  if (names && fds != 0 && name_of.size() != fds) {
    return fail("LISTEN_FDNAMES has " + std::to_string(name_of.size()) + " names, must have " + *count);
  }
  name_of.resize(fds, "unknown");  // sd_listen_fds_with_names(3)
  // All of them first: one that stayed open would get into every process that we start.
  for (std::size_t i = 0; i < fds; ++i) {
    const int fd = kFirstPassed + static_cast<int>(i);
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return fail(errno, "LISTEN_FDS: " + std::to_string(fd));
  }
  for (std::size_t i = 0; i < fds; ++i) {
    passed.push_back({std::move(name_of[i]), UniqueFd(kFirstPassed + static_cast<int>(i))});
  }
  return passed;
}

Status ServiceManager::ready(std::string_view what_we_do) const {
  return say("READY=1\nSTATUS=" + std::string(what_we_do));
}

Status ServiceManager::reloading() const {
  // Both belong together (sd_notify(3), Type=notify-reload).
  struct timespec now {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t microseconds = std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
  return say("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds));
}

Status ServiceManager::stopping() const { return say("STOPPING=1"); }

Status ServiceManager::alive() const { return say("WATCHDOG=1"); }

Status ServiceManager::keep(int fd, std::string_view name) const {
  return say("FDSTORE=1\nFDPOLL=0\nFDNAME=" + std::string(name), std::span(&fd, 1));
}

Status ServiceManager::drop(std::string_view name) const {
  return say("FDSTOREREMOVE=1\nFDNAME=" + std::string(name));
}

Status ServiceManager::say(std::string_view text, std::span<const int> fds) const {
  if (!socket_.valid()) return {};
  const std::array<struct iovec, 1> parts = {{{const_cast<char*>(text.data()), text.size()}}};
  // It blocks while the manager's queue is full (unix(7)): what it is to keep, it has to get.
  return in_context("tell the service manager", send_message(socket_.get(), parts, fds));
}

}  // namespace tidewaiter::supervisor

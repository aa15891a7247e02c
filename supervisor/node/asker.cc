#include "supervisor/node/asker.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>

#include "oci/base/system.h"
#include "oci/base/unique_fd.h"
#include "oci/base/unix_socket.h"

namespace tidewaiter::supervisor {
namespace {

// Since Linux 6.5 (unix(7)); the C library's headers may be older.
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

// Of the process that connected. Before Linux 6.5 by its number, which may be another's when that one has
// gone.
Result<UniqueFd> peer_pidfd(int connection, pid_t pid) {
  int fd = -1;
  socklen_t size = sizeof fd;
  if (::getsockopt(connection, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) == 0) return UniqueFd(fd);
  if (errno != ENOPROTOOPT) return fail(errno, "SO_PEERPIDFD");
  return sys::pidfd_open(pid);
}

// Whether a process is in our pid namespace, and not in one below it. pidfd_open(2): the line NSpid has its
// numbers, as the namespaces see it, beginning with ours; 0 and -1: it is not in there, or has gone.
Result<bool> is_in_our_pid_namespace(const UniqueFd& process) {
  const std::string text = TRY(sys::read_file("/proc/self/fdinfo/" + std::to_string(process.get())));
  constexpr std::string_view kKey = "\nNSpid:";
  const std::size_t at = text.find(kKey);
  if (at == std::string::npos) return fail("the kernel does not tell of pid namespaces");
  std::string_view numbers = std::string_view(text).substr(at + kKey.size());
  numbers = numbers.substr(0, numbers.find('\n'));
  const std::size_t first = numbers.find_first_not_of(" \t");
  if (first == std::string_view::npos) return false;
  numbers.remove_prefix(first);
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(numbers.data(), numbers.data() + numbers.size(), pid);
  return error == std::errc{} && pid > 0 && end == numbers.data() + numbers.size();
}

}  // namespace

Status may_ask(int connection) {
  const auto peer = TRY(peer_credentials(connection));
  if (peer.uid != 0 && peer.uid != ::geteuid()) {
    return fail("user " + std::to_string(peer.uid) + " may not ask the agent of user " +
                std::to_string(::geteuid()));
  }
  const UniqueFd process = TRY(in_context("who asks has gone", peer_pidfd(connection, peer.pid)));
  if (!TRY(is_in_our_pid_namespace(process))) return fail("who asks is in a container, or has gone");
  return {};
}

}  // namespace tidewaiter::supervisor

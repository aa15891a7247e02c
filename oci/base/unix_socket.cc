#include "oci/base/unix_socket.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tidewaiter {
namespace {

Result<struct sockaddr_un> address_of(const std::string& path) {
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  // An empty path would ask the kernel for an abstract name of its own choice (unix(7), autobind).
  if (path.empty()) return fail(EINVAL, "socket path is empty");
  if (path.find('\0') != std::string::npos) return fail(EINVAL, "socket path has a NUL byte");
  if (path.size() >= sizeof address.sun_path) return fail(ENAMETOOLONG, path);
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// sockaddr_un is made to be passed as sockaddr (unix(7)).
const struct sockaddr* generic(const struct sockaddr_un& address) {
  return reinterpret_cast<const struct sockaddr*>(&address);
}

Status remove_old_socket(const std::string& path) {
  struct stat existing {};
  if (::lstat(path.c_str(), &existing) != 0) {
    if (errno == ENOENT) return {};
    return fail(errno, "stat");
  }
  if (!S_ISSOCK(existing.st_mode)) return fail(EEXIST, "not a socket");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail(errno, "unlink");
  return {};
}

Result<UniqueFd> listen_at(const std::string& path, int backlog, int type) {
  const struct sockaddr_un address = TRY(address_of(path));
  TRY(remove_old_socket(path));
  UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return fail(errno, "socket");
  // The file gets the socket's own mode less the umask, so it is never open to others, not even
  // between bind and chmod.
  if (::fchmod(socket.get(), S_IRUSR | S_IWUSR) != 0) return fail(errno, "fchmod");
  if (::bind(socket.get(), generic(address), sizeof address) != 0) return fail(errno, "bind");
  if (::chmod(path.c_str(), S_IRUSR | S_IWUSR) != 0) {
    const int code = errno;
    ::unlink(path.c_str());
    return fail(code, "chmod");
  }
  if (::listen(socket.get(), backlog) != 0) {
    const int code = errno;
    ::unlink(path.c_str());
    return fail(code, "listen");
  }
  return socket;
}

Result<UniqueFd> connect_to(const std::string& path, int type) {
  const struct sockaddr_un address = TRY(address_of(path));
  UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return fail(errno, "socket");
  // A Unix connect that was interrupted has not begun (unix_stream_connect), so it may be asked again.
  int result = 0;
  do {
    result = ::connect(socket.get(), generic(address), sizeof address);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return fail(errno, "connect");
  return socket;
}

}  // namespace

Result<UniqueFd> listen_unix(const std::string& path, int backlog, int type) {
  return in_context("listen on " + path, listen_at(path, backlog, type));
}

Result<UniqueFd> connect_unix(const std::string& path, int type) {
  return in_context("connect to " + path, connect_to(path, type));
}

Result<struct ucred> peer_credentials(int socket) {
  struct ucred credentials {};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return fail(errno, "read the peer's credentials");
  }
  return credentials;
}

void attach_fds(struct msghdr& message, std::span<const int> fds, std::span<char> room) {
  if (fds.empty()) return;
  message.msg_control = room.data();
  message.msg_controllen = CMSG_SPACE(fds.size_bytes());
  struct cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(fds.size_bytes());
  std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
}

std::vector<UniqueFd> take_fds(struct msghdr& message) {
  std::vector<UniqueFd> fds;
  for (struct cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

Status send_message(int socket, std::span<const struct iovec> parts, std::span<const int> fds) {
  if (fds.size() > kMostFds) return fail(EMSGSIZE, "descriptors");
  struct msghdr message {};
  message.msg_iov = const_cast<struct iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  alignas(struct cmsghdr) std::array<char, CMSG_SPACE(kMostFds * sizeof(int))> control{};
  attach_fds(message, fds, control);
  ssize_t count = 0;
  do {
    count = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return fail(errno, "send");
  return {};
}

Result<ReceivedMessage> receive_message(int socket, std::span<struct iovec> parts, std::size_t most_fds) {
  struct msghdr message {};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  alignas(struct cmsghdr) std::array<char, CMSG_SPACE(kMostFds * sizeof(int))> control{};
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(most_fds * sizeof(int));
  ssize_t count = 0;
  do {
    count = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return fail(errno, "receive");
  return ReceivedMessage{static_cast<std::size_t>(count), take_fds(message), message.msg_flags};
}

}  // namespace tidewaiter

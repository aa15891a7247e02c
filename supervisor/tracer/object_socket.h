#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#include <type_traits>

namespace tidewaiter::supervisor {

// Whole objects over a SOCK_SEQPACKET socket between processes of one agent, which are of one program.

// False: the other end is closed, or sent something else.
template <typename Object>
bool receive_object(int socket, Object& object) {
  static_assert(std::is_trivially_copyable_v<Object>);
  ssize_t count = 0;
  do {
    count = ::recv(socket, &object, sizeof object, 0);
  } while (count < 0 && errno == EINTR);
  return count == static_cast<ssize_t>(sizeof object);
}

// False: the other end is closed.
template <typename Object>
bool send_object(int socket, const Object& object) {
  static_assert(std::is_trivially_copyable_v<Object>);
  ssize_t count = 0;
  do {
    count = ::send(socket, &object, sizeof object, MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  return count == static_cast<ssize_t>(sizeof object);
}

}  // namespace tidewaiter::supervisor

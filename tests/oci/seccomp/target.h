#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <cstddef>
#include <cstring>

#include "tests/oci/seccomp/child.h"

// The other side of a notify descriptor: a real process whose calls are answered by the test.

namespace tidewaiter::seccomp {

// By hand, so that what is tested here does not rest on libseccomp.
inline int install_filter(long notified) {
  std::array<struct sock_filter, 4> program = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<__u32>(notified), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const struct sock_fprog filter { static_cast<unsigned short>(program.size()), program.data() };
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return static_cast<int>(
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter));
}

// A message of one byte with one descriptor.
struct FdMessage {
  FdMessage() {
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
  }
  char byte = 0;
  struct iovec vector {
    &byte, 1
  };
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  struct msghdr header {};
};

inline bool send_fd(int socket, int fd) {
  FdMessage message;
  struct cmsghdr* control = CMSG_FIRSTHDR(&message.header);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(control), &fd, sizeof fd);
  return ::sendmsg(socket, &message.header, 0) == 1;
}

inline UniqueFd receive_fd(int socket) {
  FdMessage message;
  if (::recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC) != 1) return {};
  const struct cmsghdr* control = CMSG_FIRSTHDR(&message.header);
  if (control == nullptr || control->cmsg_type != SCM_RIGHTS) return {};
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(control), sizeof fd);
  return UniqueFd(fd);
}

struct SocketPair {
  SocketPair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) std::abort();
    ours.reset(ends[0]);
    theirs.reset(ends[1]);
  }
  UniqueFd ours;
  UniqueFd theirs;
};

// A child in which calls of one number notify.
class Target {
 public:
  // `body` runs in the child once the notify descriptor has been handed over.
  Target(long notified, const std::function<std::vector<long>()>& body)
      : child_([&] {
          hand_over(notified);
          return body();
        }) {
    sockets_.theirs.reset();
    notify_ = receive_fd(sockets_.ours.get());
    if (!notify_.valid()) std::abort();
  }

  [[nodiscard]] int fd() const { return notify_.get(); }
  [[nodiscard]] Child& child() { return child_; }

 private:
  // In the child. It keeps no copy of the descriptor: when the test closes its own, it was the last.
  void hand_over(long notified) {
    const UniqueFd notify(install_filter(notified));
    if (!notify.valid() || !send_fd(sockets_.theirs.get(), notify.get())) ::_exit(2);
  }

  SocketPair sockets_;
  Child child_;
  UniqueFd notify_;
};

}  // namespace tidewaiter::seccomp

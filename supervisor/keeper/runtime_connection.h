#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

namespace tidewaiter::supervisor {

// One connection of a runtime, whose bytes are collected as they come, unread, for whoever understands them:
// in a file, that several may read one after the other. A runtime may connect at `create` and send only at
// `start`, send in several pieces of which only the first carries descriptors, keep the connection open after
// the message, or close it without one: all of that is legal.
class RuntimeConnection {
 public:
  // REQUIRES: `socket` is a connected Unix stream socket that does not block. EACCES when its peer is neither
  // root nor our own user.
  static Result<RuntimeConnection> make(UniqueFd socket);
  // One that another process had. An error: `bytes` is no such file.
  static Result<RuntimeConnection> restore(UniqueFd socket, UniqueFd bytes, std::vector<UniqueFd> fds,
                                           bool closed);

  [[nodiscard]] int socket() const { return socket_.get(); }
  [[nodiscard]] int bytes() const { return bytes_.get(); }  // of the file
  [[nodiscard]] std::size_t size() const { return size_; }  // so many are in it
  // What came with the first bytes.
  [[nodiscard]] std::span<UniqueFd> fds() { return fds_; }
  [[nodiscard]] std::span<const UniqueFd> fds() const { return fds_; }
  [[nodiscard]] bool closed() const { return closed_; }

  // Takes what is there. An error ends the connection.
  Status receive();

  // A message's bound: annotations are part of it, and runtimes bound those far lower.
  static constexpr std::size_t kLimit = 4U << 20U;
  // Descriptors of one message; the kernel takes 253 (SCM_MAX_FD), the specification needs one.
  static constexpr std::size_t kMaxFds = 8;

 private:
  RuntimeConnection(UniqueFd socket, UniqueFd bytes) : socket_(std::move(socket)), bytes_(std::move(bytes)) {}

  UniqueFd socket_;
  UniqueFd bytes_;
  std::size_t size_ = 0;
  std::vector<UniqueFd> fds_;
  bool closed_ = false;
};

}  // namespace tidewaiter::supervisor

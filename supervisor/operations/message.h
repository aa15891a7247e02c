#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "oci/base/result.h"
#include "supervisor/operations/operation.h"

// What a target wants sent, captured from its memory.

namespace tidewaiter::supervisor {

// Of a struct msghdr, or of sendto's arguments. The bytes to be sent are still the target's: nothing is
// decided on them where they may be many, and each is read once, by a PayloadReader.
struct CapturedMessage {
  struct Segment {
    TargetAddress address{};
    std::uint64_t size = 0;
  };
  std::optional<std::vector<std::byte>> name;
  std::vector<std::byte> control;
  std::vector<Segment> segments;
  std::uint64_t size = 0;   // of all segments
  int flags = 0;            // msg_flags
  struct msghdr header {};  // as it was, with the target's addresses; of sendto all zeros
};

// sendto(2). Errors as __sys_sendto (net/socket.c) has them.
Result<CapturedMessage> capture_plain_message(const Call& call);

// The struct msghdr at `header`, as copy_msghdr_from_user and ____sys_sendmsg (net/socket.c) read it: EINVAL,
// EMSGSIZE for too many segments, ENOBUFS for more control data than kernels take by default
// (net.core.optmem_max, which some machines set higher), EFAULT.
Result<CapturedMessage> capture_message(const Call& call, TargetAddress header);

// Reads the bytes of a message from front to back.
class PayloadReader {
 public:
  PayloadReader(const Call& call, const CapturedMessage& message) : call_(call), message_(message) {}

  [[nodiscard]] std::uint64_t left() const { return message_.size - read_; }
  // The next bytes, as many as there are up to `limit`. EFAULT: not all of them can be read.
  Result<std::vector<std::byte>> next(std::size_t limit);

 private:
  const Call& call_;
  const CapturedMessage& message_;
  std::size_t segment_ = 0;
  std::uint64_t offset_ = 0;  // in the segment
  std::uint64_t read_ = 0;
};

}  // namespace tidewaiter::supervisor

#include "supervisor/operations/message.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <limits>
#include <span>

#include "supervisor/operations/socket.h"

namespace tidewaiter::supervisor {
namespace {

// UIO_MAXIOV (include/uapi/linux/uio.h).
constexpr std::size_t kMostSegments = 1024;

// The default of net.core.optmem_max before Linux 6.7; sensible messages need a few hundred.
constexpr std::size_t kMostControl = 20480;

// MAX_RW_COUNT (include/linux/fs.h): what a call moves at most; what is beyond it is left out, and no error.
constexpr std::uint64_t kMostBytes = std::uint64_t{INT_MAX} & ~std::uint64_t{4095};

TargetAddress address_of(const void* pointer) {
  return TargetAddress{reinterpret_cast<std::uintptr_t>(pointer)};
}

template <typename Structure>
std::span<std::byte> bytes_of(Structure& structure) {
  return std::as_writable_bytes(std::span(&structure, 1));
}

Result<std::optional<std::vector<std::byte>>> capture_name(const Call& call, const struct msghdr& header) {
  if (header.msg_name == nullptr || header.msg_namelen == 0) return std::nullopt;
  if (static_cast<int>(header.msg_namelen) < 0) return fail(EINVAL, "msg_namelen");
  const std::size_t size = std::min<std::size_t>(header.msg_namelen, sizeof(struct sockaddr_storage));
  return TRY(capture_address(call, address_of(header.msg_name), size));
}

Result<std::vector<std::byte>> capture_control(const Call& call, const struct msghdr& header) {
  if (header.msg_controllen > kMostControl) return fail(ENOBUFS, "msg_controllen");
  std::vector<std::byte> control(header.msg_controllen);
  if (!control.empty()) TRY(call.target.read(address_of(header.msg_control), control));
  return control;
}

Status add_segment(CapturedMessage& message, TargetAddress address, std::uint64_t size) {
  if (size > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) return fail(EINVAL, "iov_len");
  size = std::min(size, kMostBytes - message.size);
  message.segments.push_back({address, size});
  message.size += size;
  return {};
}

}  // namespace

Result<CapturedMessage> capture_plain_message(const Call& call) {
  CapturedMessage message;
  message.size = std::min(call.argument(2), kMostBytes);
  message.segments.push_back({TargetAddress{call.argument(1)}, message.size});
  if (call.argument(4) != 0) {
    message.name = TRY(capture_address(call, TargetAddress{call.argument(4)}, call.argument(5)));
  }
  return message;
}

Result<CapturedMessage> capture_message(const Call& call, TargetAddress at) {
  struct msghdr header {};
  TRY(call.target.read(at, bytes_of(header)));
  CapturedMessage message;
  message.header = header;
  message.flags = header.msg_flags;
  message.name = TRY(capture_name(call, header));
  if (header.msg_iovlen > kMostSegments) return fail(EMSGSIZE, "msg_iovlen");
  std::vector<struct iovec> segments(header.msg_iovlen);
  if (!segments.empty()) {
    TRY(call.target.read(address_of(header.msg_iov), std::as_writable_bytes(std::span(segments))));
  }
  for (const struct iovec& segment : segments) {
    TRY(add_segment(message, address_of(segment.iov_base), segment.iov_len));
  }
  message.control = TRY(capture_control(call, header));
  return message;
}

Result<std::vector<std::byte>> PayloadReader::next(std::size_t limit) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(std::min<std::uint64_t>(limit, left())));
  for (std::size_t filled = 0; filled < bytes.size();) {
    const CapturedMessage::Segment& segment = message_.segments[segment_];
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(segment.size - offset_, bytes.size() - filled));
    if (count == 0) {
      ++segment_;
      offset_ = 0;
      continue;
    }
    const TargetAddress from{static_cast<std::uint64_t>(segment.address) + offset_};
    TRY(call_.target.read(from, std::span(bytes).subspan(filled, count)));
    filled += count;
    offset_ += count;
  }
  read_ += bytes.size();
  return bytes;
}

}  // namespace tidewaiter::supervisor

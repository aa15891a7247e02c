#pragma once

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "oci/base/log.h"
#include "supervisor/waiting.h"
#include "tests/fuzz/fuzz.h"
#include "tests/supervisor/supervised_call.h"

namespace tidewaiter::supervisor {

// A target's memory that is the input, wherever its pointers lead: the same again at every multiple of kSize,
// and zeros behind it, up to where nothing can be read any more. A hostile one has changed when it is read
// again.
class FuzzedMemory {
 public:
  static constexpr std::size_t kSize = 1U << 20U;
  static constexpr std::uint64_t kEnd = std::uint64_t{1} << 47U;  // of what programs have, on x86-64

  FuzzedMemory(std::string_view bytes, std::size_t readable, bool hostile)
      : readable_(std::min(readable, kSize)), hostile_(hostile) {
    const auto span = std::as_bytes(std::span(bytes));
    bytes_.assign(span.begin(), span.end());
  }

  Status read(TargetAddress address, std::span<std::byte> buffer) {
    auto at = static_cast<std::uint64_t>(address);
    while (!buffer.empty()) {
      const std::size_t offset = at % kSize;
      if (at >= kEnd || offset >= readable_) return fail(EFAULT, "read");
      const auto part = buffer.first(std::min(buffer.size(), readable_ - offset));
      read_image(offset, part);
      buffer = buffer.subspan(part.size());
      at += part.size();
    }
    return {};
  }

 private:
  void read_image(std::size_t offset, std::span<std::byte> buffer) {
    std::fill(buffer.begin(), buffer.end(), std::byte{0});
    if (offset >= bytes_.size()) return;
    const auto there = std::span(bytes_).subspan(offset, std::min(buffer.size(), bytes_.size() - offset));
    std::copy(there.begin(), there.end(), buffer.begin());
    if (hostile_) {
      for (std::byte& each : there) each = ~each;
    }
  }

  std::vector<std::byte> bytes_;
  const std::size_t readable_;
  const bool hostile_;
};

// What tidewaiter-agent does before it starts.
inline void begin_as_agent() {
  static const bool begun = [] {
    log::set_output(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    return Waiting::install_interrupt().has_value();
  }();
  if (!begun) std::abort();
}

// Who calls, in the words of /proc/TID/status.
inline constexpr pid_t kProcess = 90;
inline constexpr pid_t kOwnNumber = 9;
inline constexpr const char* kStatus =
    "Name:\tx\nTgid:\t90\nPid:\t100\nPPid:\t1\nUid:\t1000\t1001\t1002\t1001\nGid:\t2000\t2001\t2002\t2001\n"
    "NStgid:\t90\t9\nNSpid:\t100\t9\nCapEff:\t0000000000000400\n";
inline constexpr const char* kIdMap = "0 1000 10\n10 2000 5\n";

// What a control message may be that goes along with one of a socket of that family.
inline bool may_go_along(int domain, int level, int type) {
  if (domain == AF_UNIX) return level == SOL_SOCKET && (type == SCM_RIGHTS || type == SCM_CREDENTIALS);
  constexpr int kUdpSegment = 103;
  switch (level) {
    case SOL_SOCKET:  // SO_PRIORITY, SO_TIMESTAMPING_OLD and _NEW, SCM_TXTIME
      return type == SO_PRIORITY || type == 37 || type == 65 || type == 61;
    case IPPROTO_IP:  // IP_TOS, IP_TTL, IP_PKTINFO
      return type == 1 || type == 2 || type == 8;
    case IPPROTO_IPV6:  // IPV6_2292PKTINFO, _2292HOPLIMIT, _FLOWINFO, _HOPLIMIT, _PKTINFO, _DONTFRAG, _TCLASS
      return type == 2 || type == 8 || type == 11 || type == 50 || type == 52 || type == 62 || type == 67;
    case IPPROTO_UDP:
      return type == kUdpSegment;
    default:
      return false;
  }
}

// Holds control data that the agent sends against that, as the kernel walks it (for_each_cmsghdr). Returns
// the messages' number.
inline std::size_t check_control(int domain, std::span<const std::byte> control) {
  std::size_t count = 0;
  while (!control.empty()) {
    struct cmsghdr header {};
    MUST(control.size() >= sizeof header);
    std::memcpy(&header, control.data(), sizeof header);
    MUST(header.cmsg_len >= sizeof header && CMSG_ALIGN(header.cmsg_len) <= control.size());
    MUST(may_go_along(domain, header.cmsg_level, header.cmsg_type));
    const auto data = control.subspan(CMSG_LEN(0), header.cmsg_len - CMSG_LEN(0));
    if (header.cmsg_level == SOL_SOCKET && header.cmsg_type == SO_PRIORITY) {
      std::uint32_t priority = 0;
      MUST(data.size() == sizeof priority);
      std::memcpy(&priority, data.data(), sizeof priority);
      MUST(priority <= 6);
    }
    if (domain == AF_UNIX && header.cmsg_type == SCM_CREDENTIALS) {
      struct ucred sender {};
      MUST(count == 0 && data.size() == sizeof sender);
      std::memcpy(&sender, data.data(), sizeof sender);
      MUST(sender.pid == kProcess && sender.uid >= 1000 && sender.uid <= 1002 && sender.gid >= 2000 &&
           sender.gid <= 2002);
    }
    ++count;
    control = control.subspan(CMSG_ALIGN(header.cmsg_len));
  }
  // On Unix sockets it is always said who sends.
  MUST(domain != AF_UNIX || count >= 1);
  return count;
}

}  // namespace tidewaiter::supervisor

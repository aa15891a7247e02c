#pragma once

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "supervisor/answer.h"

namespace tidewaiter::supervisor {

// A call that was performed although its answer never reached the target, as shared memory keeps it
// (operations/repeats.h says what of). All zero: none.
struct LostAnswer {
  std::atomic<std::uint32_t> held;  // 1: the rest counts. Stored last, and cleared first
  std::int32_t tid;
  std::int32_t number;
  std::uint32_t of_thread_alone;
  std::uint64_t socket_cookie;
  std::uint32_t address_size;
  std::uint32_t last_length;
  std::array<std::byte, sizeof(struct sockaddr_storage)> address;
  Answer answer;
};

// The last few of a session. What was never used is not looked at: the kernel would make its page.
struct LostAnswers {
  // A repeat follows its signal at once; a target that interrupts more calls than this gets the kernel's own
  // answer to the second one (EISCONN, EINVAL), which is harmless.
  static constexpr std::size_t kLimit = 64;

  std::atomic<std::uint8_t>& used;  // of the room, from its beginning
  std::span<LostAnswer, kLimit> room;
};

}  // namespace tidewaiter::supervisor

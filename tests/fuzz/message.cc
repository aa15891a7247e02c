#include "supervisor/operations/message.h"

#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <vector>

#include "tests/fuzz/fuzzed_target.h"

// What is to be sent, captured from a target's memory: sendto's arguments, or a struct msghdr at the memory's
// beginning and all that this leads to.
//
//   1 byte    bit 0: sendto
//   4 bytes   how much of the memory can be read
//   4 bytes   how much of the payload is taken at a time
//   32 bytes  sendto only: arguments 1, 2, 4 and 5
//   rest      the memory

namespace tidewaiter::supervisor {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{INT_MAX} & ~std::uint64_t{4095};
constexpr std::uint64_t kMostSegments = 1024;
constexpr std::uint64_t kMostControl = 20480;

struct Asked {
  bool plain = false;
  std::size_t piece = 0;
  FuzzedMemory* memory = nullptr;
};
Asked asked;

void check_bounds(const CapturedMessage& message) {
  MUST(!message.name || message.name->size() <= sizeof(struct sockaddr_storage));
  MUST(message.control.size() <= kMostControl && message.segments.size() <= kMostSegments);
  std::uint64_t size = 0;
  for (const auto& segment : message.segments) size += segment.size;
  MUST(size == message.size && size <= kMostBytes);
}

// As much of the payload as there is patience for, in pieces, holds what the segments hold.
void check_payload(const Call& call, const CapturedMessage& message) {
  constexpr std::uint64_t kPatience = 64U << 10U;
  PayloadReader reader(call, message);
  std::vector<std::byte> payload;
  while (reader.left() > 0 && payload.size() < kPatience) {
    const std::uint64_t left = reader.left();
    const auto next = reader.next(asked.piece);
    if (!next) {
      MUST(next.error().code == EFAULT);
      return;
    }
    MUST(next->size() == std::min<std::uint64_t>(left, asked.piece) && reader.left() == left - next->size());
    payload.insert(payload.end(), next->begin(), next->end());
  }
  std::span<const std::byte> rest(payload);
  for (const auto& segment : message.segments) {
    std::vector<std::byte> there(std::min<std::uint64_t>(segment.size, rest.size()));
    if (there.empty()) continue;
    MUST(asked.memory->read(segment.address, there));
    MUST(std::equal(there.begin(), there.end(), rest.begin()));
    rest = rest.subspan(there.size());
  }
  MUST(rest.empty());
}

Outcome capture(Call& call) {
  const auto message = asked.plain ? capture_plain_message(call) : capture_message(call, TargetAddress{0});
  fuzz::note(message.has_value());
  if (!message) {
    const int code = message.error().code;
    MUST(code == EFAULT || code == EINVAL || code == EMSGSIZE || code == ENOBUFS);
    return {};
  }
  check_bounds(*message);
  check_payload(call, *message);
  return {};
}

void check(fuzz::Input input) {
  begin_as_agent();
  asked.plain = (input.take<std::uint8_t>() & 1U) != 0;
  const auto readable = input.take<std::uint32_t>();
  // Not so small that much takes long.
  asked.piece = std::size_t{256} + input.take<std::uint32_t>() % (256U << 10U);
  struct seccomp_notif notification =
      notification_of(1, asked.plain ? SYS_sendto : SYS_sendmsg, {kSocketNumber});
  if (asked.plain) {
    for (const int index : {1, 2, 4, 5}) notification.data.args[index] = input.take<std::uint64_t>();
  }
  FuzzedMemory memory(input.rest(), readable, false);
  asked.memory = &memory;
  ScriptedKernel kernel;
  kernel.on_read = [&](TargetAddress address, std::span<std::byte> buffer) {
    return memory.read(address, buffer);
  };
  static const Supervision supervision = supervision_of(R"({"version": 1})");
  OperationRun(kernel).run(capture, supervision, notification);
}

}  // namespace
}  // namespace tidewaiter::supervisor

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tidewaiter::supervisor::check(tidewaiter::fuzz::Input(data, size));
  return 0;
}

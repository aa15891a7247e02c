#include "supervisor/operations/control.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <vector>

#include "tests/fuzz/fuzzed_target.h"

// Control messages: what becomes of those that a target wants sent. The first byte says over what socket, and
// whether the target lives in our user namespace; the others are the control data.

namespace tidewaiter::supervisor {
namespace {

constexpr std::array<int, 4> kDomains{AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

struct Asked {
  int domain = AF_UNIX;
  std::span<const std::byte> control;
};
Asked asked;

Outcome make(Call& call) {
  Socket socket;
  socket.domain = asked.domain;
  const auto control = control_for(call, socket, asked.control);
  fuzz::note(control.has_value());
  if (!control) {
    const int code = control.error().code;
    MUST(code == EINVAL || code == EPERM || code == EBADF);
    return {};
  }
  const std::size_t count = check_control(asked.domain, control->bytes);
  const std::size_t without = check_control(asked.domain, control->without_descriptors);
  if (asked.domain != AF_UNIX) {
    MUST(control->descriptors.empty() && control->bytes == control->without_descriptors);
    MUST(asked.domain != AF_NETLINK || count == 0);
    return {};
  }
  // One message with all descriptors, and each of those our own copy.
  MUST(without == 1 && count == (control->descriptors.empty() ? 1U : 2U));
  MUST(control->descriptors.size() <= 253);
  std::vector<int> numbers;
  for (const UniqueFd& each : control->descriptors) numbers.push_back(each.get());
  MUST(std::set<int>(numbers.begin(), numbers.end()).size() == numbers.size());
  if (numbers.empty()) return {};
  const auto sent = std::span(control->bytes).subspan(control->without_descriptors.size() + CMSG_LEN(0));
  MUST(sent.size() >= numbers.size() * sizeof(int));
  MUST(std::memcmp(sent.data(), numbers.data(), numbers.size() * sizeof(int)) == 0);
  return {};
}

void check(fuzz::Input input) {
  begin_as_agent();
  const auto choice = input.take<std::uint8_t>();
  asked.domain = kDomains[choice % kDomains.size()];
  asked.control = std::as_bytes(std::span(input.rest()));
  ScriptedKernel kernel;
  kernel.put_process(kTid, {kStatus, "/bin/x", kIdMap});
  kernel.set_shares_users(choice / kDomains.size() % 2 == 0);
  for (int number = 0; number < 8; ++number) kernel.put_file(number);
  static const Supervision supervision = supervision_of(R"({"version": 1})");
  OperationRun(kernel).run(make, supervision, notification_of(1, SYS_sendmsg, {}));
}

}  // namespace
}  // namespace tidewaiter::supervisor

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tidewaiter::supervisor::check(tidewaiter::fuzz::Input(data, size));
  return 0;
}

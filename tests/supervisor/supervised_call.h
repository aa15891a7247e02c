#pragma once

#include <linux/audit.h>
#include <sys/syscall.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "oci/container/record.h"
#include "supervisor/operations/operation.h"
#include "tests/supervisor/scripted_kernel.h"
#include "tests/supervisor/socket_address.h"

namespace tidewaiter::supervisor {

// A record as the shim would leave it: the policy, and the bundle's own profile with the calls in which the
// agent obeys that.
inline container::Record record_of(const std::string& policy,
                                   const std::optional<nlohmann::ordered_json>& own_seccomp = {},
                                   const std::vector<std::string>& residual = {}) {
  container::Record record;
  record.id = "box";
  record.policy_name = "test";
  record.policy_text = policy;
  record.own_seccomp = own_seccomp;
  record.residual = residual;
  return record;
}

// What the agent decides with; a policy that does not parse is a mistake of the test's.
inline Supervision supervision_of(const std::string& policy,
                                  const std::optional<nlohmann::ordered_json>& own_seccomp = {},
                                  const std::vector<std::string>& residual = {},
                                  const std::optional<container::Record::File>& init = {}) {
  container::Record record = record_of(policy, own_seccomp, residual);
  record.init_file = init;
  auto made = Supervision::make(record);
  if (!made) {
    std::cerr << made.error().message() << '\n';
    std::abort();
  }
  return std::move(*made);
}

#if defined(__x86_64__)
inline constexpr std::uint32_t kNativeAudit = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
inline constexpr std::uint32_t kNativeAudit = AUDIT_ARCH_AARCH64;
#endif

inline constexpr pid_t kTid = 100;
inline constexpr int kSocketNumber = 3;          // of the target's socket
inline constexpr std::uint64_t kPointer = 4096;  // where the target keeps its socket address

inline struct seccomp_notif notification_of(std::uint64_t id, int number,
                                            const std::vector<std::uint64_t>& arguments,
                                            std::uint32_t audit = kNativeAudit) {
  struct seccomp_notif notification {};
  notification.id = id;
  notification.pid = static_cast<__u32>(kTid);
  notification.data.nr = number;
  notification.data.arch = audit;
  for (std::size_t i = 0; i < arguments.size(); ++i) notification.data.args[i] = arguments[i];
  return notification;
}

// connect(kSocketNumber, kPointer, length), or bind.
inline struct seccomp_notif address_call(std::uint64_t id, int number, std::uint64_t length) {
  return notification_of(id, number, {kSocketNumber, kPointer, length});
}

inline constexpr ScriptedKernel::Socket kTcp4{AF_INET, SOCK_STREAM, IPPROTO_TCP, 71};
inline constexpr ScriptedKernel::Socket kTcp6{AF_INET6, SOCK_STREAM, IPPROTO_TCP, 72};
inline constexpr ScriptedKernel::Socket kUdp4{AF_INET, SOCK_DGRAM, IPPROTO_UDP, 73};
inline constexpr ScriptedKernel::Socket kUdp6{AF_INET6, SOCK_DGRAM, IPPROTO_UDP, 74};

// Memory as a session has it for lost answers.
class LostAnswersRoom {
 public:
  operator LostAnswers() { return {used_, std::span<LostAnswer, LostAnswers::kLimit>(room_)}; }

 private:
  std::atomic<std::uint8_t> used_{0};
  std::array<LostAnswer, LostAnswers::kLimit> room_{};
};

// Lets one operation serve one notification, without a session. The notification that is left over answers
// itself, after `run` returned.
class OperationRun {
 public:
  explicit OperationRun(ScriptedKernel& kernel) : kernel_(kernel) {}
  OperationRun(ScriptedKernel& kernel, Tracer& tracer) : kernel_(kernel), tracer_(tracer) {}

  Outcome run(Outcome (*operation)(Call&), const Supervision& supervision,
              const struct seccomp_notif& received) {
    slot_.reset();
    return run_again(operation, supervision, received);
  }

  // As the worker after one that died.
  Outcome run_again(Outcome (*operation)(Call&), const Supervision& supervision,
                    const struct seccomp_notif& received) {
    // Stands, but is not to be received by anybody.
    kernel_.stand(received.id);
    Notification notification(kernel_, -1, received);
    Target target(kernel_, notification.tid());
    (void)waiting_.enter(notification);
    Call call{kernel_, supervision, notification, target, waiting_, repeats_, slot_, tracer_};
    Outcome outcome = operation(call);
    waiting_.end();
    return outcome;
  }

  [[nodiscard]] Repeats& repeats() { return repeats_; }
  // What has been noted of the last call.
  [[nodiscard]] Slot& slot() { return slot_; }
  // No call may wait any more.
  void stop_waiting() { waiting_.stop(); }

 private:
  ScriptedKernel& kernel_;
  LostAnswersRoom lost_;
  Repeats repeats_{lost_};
  Slot slot_;
  LocalTracer local_tracer_{kernel_};
  Tracer& tracer_ = local_tracer_;
  // Never started: nothing of its own receives.
  Waiting waiting_{[](void*) { return false; }, nullptr, 0, 1, -1};
};

}  // namespace tidewaiter::supervisor

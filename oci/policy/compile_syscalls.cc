#include "oci/policy/compile_syscalls.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "oci/policy/baseline.h"
#include "oci/spec/config.h"

namespace tidewaiter::policy {
namespace {

using seccomp::ActionKind;
using seccomp::ProfileAction;

constexpr ProfileAction kAllow{ActionKind::kAllow, 0};
constexpr ProfileAction kNotify{ActionKind::kNotify, 0};
constexpr ProfileAction kKillProcess{ActionKind::kKillProcess, 0};

}  // namespace

std::string_view part_of(Operation operation) {
  switch (operation) {
    case Operation::kNone:
      break;
    case Operation::kConnect:
    case Operation::kBind:
    case Operation::kSend:
      return "/network";
    case Operation::kExec:
      return "/exec";
  }
  return "/syscalls";
}

std::string_view RuleAnswers::why_silent(std::string_view name) const {
  const SyscallEntry* entry = find_syscall(name);
  if (entry != nullptr && !entry->never_notify.empty()) return entry->never_notify;
  return runtime_.why_never_notify(name);
}

// `exempt`: whether the agent has to be asked, for the call may be one that the runtime makes while it
// starts.
RuleAnswers::Answer RuleAnswers::answer_denial(const SyscallRule& rule, std::string_view silent,
                                               bool exempt) const {
  const bool wants_event = policy_.events.denied;
  if (policy_.mode == Mode::kAudit) {
    if (!wants_event) return {.action = kAllow};
    return silent.empty() ? Answer{.action = kNotify} : Answer{.action = kAllow, .unheard = silent};
  }
  const ProfileAction refusal =
      rule.action == Action::kKill
          ? kKillProcess
          : ProfileAction{ActionKind::kErrno, static_cast<std::uint16_t>(rule.errno_value)};
  // The baseline's refusals are not what anybody forbade: probing for a feature is no event, and programs
  // probe.
  if (is_baseline(rule)) return {.action = refusal};
  if (exempt) return {.action = kNotify};
  if (!wants_event) return {.action = refusal};
  return silent.empty() ? Answer{.action = kNotify} : Answer{.action = refusal, .unheard = silent};
}

Result<RuleAnswers::Answer> RuleAnswers::answer(const SyscallRule& rule, const std::string& name) const {
  const std::string_view silent = why_silent(name);
  switch (rule.action) {
    case Action::kAllow:
      return Answer{};
    case Action::kLog:
      if (!silent.empty())
        return fail(rule.pointer + ": `" + name + "` cannot be logged: " + std::string(silent));
      return Answer{.action = kNotify};
    case Action::kErrno:
    case Action::kKill:
      return answer_denial(rule, silent, exempt(rule, name));
  }
  return fail(rule.pointer + ": unknown action");
}

bool RuleAnswers::exempt(const SyscallRule& rule, const std::string& name) const {
  return refuses(rule) && !is_baseline(rule) && hits_start(name) && runtime_.starts_by_execve &&
         why_silent(name).empty();
}

bool RuleAnswers::refuses(const SyscallRule& rule) const {
  return policy_.mode != Mode::kAudit && (rule.action == Action::kErrno || rule.action == Action::kKill);
}

bool RuleAnswers::hits_start(const std::string& name) const {
  const SyscallEntry* entry = find_syscall(name);
  return !spec::no_new_privileges(config_) && entry != nullptr && entry->made_while_starting;
}

}  // namespace tidewaiter::policy

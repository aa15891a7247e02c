#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "oci/base/result.h"
#include "oci/policy/policy.h"
#include "oci/policy/syscalls.h"
#include "oci/runtime/runtime_traits.h"
#include "oci/seccomp/profile.h"

// The part of compile() that is about the `syscalls` list: what its rules come to, call by call.

namespace tidewaiter::policy {

// The part of a policy that makes a call a supervised operation.
std::string_view part_of(Operation operation);

// What the rules come to in one bundle, under one runtime. The arguments outlive it.
class RuleAnswers {
 public:
  RuleAnswers(const Policy& policy, const nlohmann::ordered_json& config, const runtime::Traits& runtime)
      : policy_(policy), config_(config), runtime_(runtime) {}

  // What one rule comes to for one of its calls.
  struct Answer {
    seccomp::ProfileAction action{seccomp::ActionKind::kAllow, 0};
    // Why it will not be in the event log although the policy wants it there.
    std::string_view unheard = {};
  };
  [[nodiscard]] Result<Answer> answer(const SyscallRule& rule, const std::string& name) const;

  // Why a call may not notify; empty when it may.
  [[nodiscard]] std::string_view why_silent(std::string_view name) const;

  // Whether the runtime may make a call all the same that this rule refuses. With noNewPrivileges it makes
  // none of these under the filter.
  [[nodiscard]] bool exempt(const SyscallRule& rule, const std::string& name) const;
  [[nodiscard]] bool refuses(const SyscallRule& rule) const;
  [[nodiscard]] bool hits_start(const std::string& name) const;

 private:
  [[nodiscard]] Answer answer_denial(const SyscallRule& rule, std::string_view silent, bool exempt) const;

  const Policy& policy_;
  const nlohmann::ordered_json& config_;
  const runtime::Traits& runtime_;
};

}  // namespace tidewaiter::policy

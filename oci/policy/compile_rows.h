#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "oci/base/result.h"
#include "oci/policy/compile.h"
#include "oci/policy/compile_syscalls.h"
#include "oci/policy/policy.h"

// The part of compile() that is words: the rows of `policy explain`, of a plan that is finished but for them.
// Those of limits, files and identity are made where these are compiled.

namespace tidewaiter::policy {

// What the rows tell of, beside the plan.
struct Compiled {
  using Names = std::set<std::string, std::less<>>;

  const Policy& policy;
  const RuleAnswers& answers;
  const Names& operations;                                   // calls that notify because they are operations
  const Names& unknown_calls;                                // of the baseline: libseccomp does not know them
  const std::map<std::string, std::string_view>& undecided;  // calls that should be asked about, and why not
  Names allowed_names;                                       // the host names that may be connected to
  bool minds_procfs;         // what may be written to in procfs leads round the policy's rules
  bool closes_procfs;        // and nothing may be
  bool drops_killable_wait;  // the bundle's filter had SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
};

// Adds those of the rules, in policy order.
Status add_rule_rows(const Compiled& compiled, Plan& plan);

// Adds those of what no rule says: what was added, and what is left open.
void add_other_rows(const Compiled& compiled, Plan& plan);

}  // namespace tidewaiter::policy

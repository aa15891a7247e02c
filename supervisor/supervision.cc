#include "supervisor/supervision.h"

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "oci/policy/baseline.h"
#include "oci/policy/load.h"
#include "oci/seccomp/law.h"
#include "oci/seccomp/profile.h"

namespace tidewaiter::supervisor {

Result<Supervision> Supervision::make(const container::Record& record, Resolver& resolver, const Pace& pace,
                                      KeptNames* kept) {
  auto parsed = policy::parse(record.policy_text, record.policy_name + ".json", record.policy_name);
  if (!parsed) {
    const auto& mistake = parsed.error().front();
    return fail(mistake.where + ": " + mistake.message);
  }
  Supervision supervision(policy::complete(*parsed));
  if (supervision.policy_.network) {
    supervision.destinations_ = TRY(in_context(
        "policy " + record.policy_name, Destinations::make(supervision.policy_, resolver, pace, kept)));
  }
  supervision.exempts_start_ = record.exempts_start;
  supervision.told_of_execs_ = record.told_of_execs;
  if (!record.init.empty()) supervision.init_path_ = record.init.front();
  supervision.residual_.insert(record.residual.begin(), record.residual.end());
  if (!record.own_seccomp) return supervision;
  const auto profile = TRY(in_context("linux.seccomp", seccomp::parse_profile(*record.own_seccomp)));
  const seccomp::ActionKind unknown = profile.default_action.kind;
  supervision.spares_unknown_calls_ =
      profile.default_action.allows() || unknown == seccomp::ActionKind::kErrno;
  if (!supervision.residual_.empty()) {
    supervision.own_profile_ = TRY(seccomp::compile(seccomp::part_for(profile, supervision.residual_)));
  }
  return supervision;
}

bool Supervision::supervises(policy::Operation operation) const {
  return policy::supervises(policy_, operation);
}

std::optional<Answer> Supervision::own_profile(std::string_view name, const struct seccomp_data& call) const {
  if (own_profile_.empty() || !residual_.contains(name)) return std::nullopt;
  const auto action = seccomp::profile_answer(own_profile_, call);
  if (!action) return Answer::refuse(EPERM);
  switch (action->kind) {
    case seccomp::ActionKind::kAllow:
    case seccomp::ActionKind::kLog:
      return std::nullopt;
    case seccomp::ActionKind::kErrno:
      // SECCOMP_RET_ERRNO with 0 makes the call return 0 without having run (seccomp(2)).
      return action->data == 0 ? Answer::result(0) : Answer::refuse(action->data);
    case seccomp::ActionKind::kKillThread:
    case seccomp::ActionKind::kKillProcess:
      return Answer::kill();
    case seccomp::ActionKind::kTrap:
    case seccomp::ActionKind::kTrace:
    case seccomp::ActionKind::kNotify:
      break;  // the compiler refuses such bundles
  }
  return Answer::refuse(EPERM);
}

policy::Decision Supervision::decide_syscall(const Syscall& syscall, const struct seccomp_data& call) const {
  std::uint64_t arguments[6];
  std::copy(std::begin(call.args), std::end(call.args), arguments);
  return policy::decide_syscall(policy_, syscall.rules, arguments);
}

policy::Decision Supervision::decide_connect(const policy::Endpoint& destination) const {
  return destinations_->decide(policy_, destination);
}

policy::Decision Supervision::decide_unix(const policy::UnixName& name) const {
  return policy::decide_unix(policy_, name);
}

policy::Decision Supervision::decide_bind(const policy::Endpoint& local) const {
  return policy::decide_bind(policy_, local);
}

policy::Decision Supervision::decide_exec(std::span<const policy::Execution> programs) const {
  // No mount, which the restriction itself forbids, can put another file in its place.
  if (!init_path_.empty() && programs.size() == 1 && programs.front().path == init_path_)
    return {.verdict = policy::Verdict::kAllow, .errno_value = 0, .rule = "", .log = false};
  return policy::decide_exec(policy_, programs);
}

policy::Decision Supervision::unnamed_family(bool harmless) const {
  policy::Decision decision;
  decision.rule = "/network";
  if (harmless) {
    decision.verdict = policy::Verdict::kAllow;
    return decision;
  }
  decision.verdict = policy::Verdict::kDeny;
  decision.errno_value = policy_.network->errno_value;
  decision.log = policy_.events.denied;
  return decision;
}

std::optional<Answer> Supervision::settled(const policy::Decision& decision) const {
  if (policy_.mode == policy::Mode::kAudit) return Answer::let_run();
  switch (decision.verdict) {
    case policy::Verdict::kAllow:
      return std::nullopt;
    case policy::Verdict::kDeny:
      return Answer::refuse(decision.errno_value);
    case policy::Verdict::kKill:
      return Answer::kill();
  }
  return Answer::refuse(EPERM);
}

}  // namespace tidewaiter::supervisor

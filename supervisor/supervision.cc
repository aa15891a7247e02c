#include "supervisor/supervision.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "oci/policy/baseline.h"
#include "oci/policy/load.h"
#include "oci/seccomp/law.h"
#include "oci/seccomp/profile.h"

namespace tidewaiter::supervisor {

// By what they are made of. Who has some holds them; here they are only found again.
class Supervision::SharedRules {
 public:
  static SharedRules& of_process() {
    static SharedRules shared;
    return shared;
  }

  Result<std::shared_ptr<const Rules>> find_or_make(const container::Record& record) {
    std::string own_seccomp = record.own_seccomp ? record.own_seccomp->dump() : std::string();
    std::string key;
    const auto add = [&key](const std::string& part) { key += std::to_string(part.size()) + ":" + part; };
    add(record.policy_name);
    add(record.policy_text);
    add(own_seccomp);
    add(record.sees_others ? "sees others" : "");
    add(record.snapshots ? "snapshots" : "");
    add(record.bounds_memory ? "bounds memory" : "");
    for (const std::string& name : record.residual) add(name);
    if (auto known = find(key)) return known;
    // Without the lock: it takes its time.
    auto made = TRY(make_rules(record, std::move(own_seccomp)));
    const std::lock_guard lock(mutex_);
    std::erase_if(made_, [](const auto& each) { return each.second.expired(); });
    made_[key] = made;
    return made;
  }

 private:
  std::shared_ptr<const Rules> find(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto found = made_.find(key);
    return found == made_.end() ? nullptr : found->second.lock();
  }

  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<const Rules>> made_;
};

Result<std::shared_ptr<const Supervision::Rules>> Supervision::make_rules(const container::Record& record,
                                                                          std::string own_seccomp) {
  auto parsed = policy::parse(record.policy_text, record.policy_name + ".json", record.policy_name);
  if (!parsed) {
    const auto& mistake = parsed.error().front();
    return fail(mistake.where + ": " + mistake.message);
  }
  if (parsed->limits) parsed->limits->sees_others = record.sees_others;
  if (parsed->files) parsed->files->snapshots = record.snapshots;
  auto rules = std::make_shared<Rules>(policy::complete(*parsed));
  rules->residual.insert(record.residual.begin(), record.residual.end());
  rules->own_seccomp = std::move(own_seccomp);
  rules->bounds_memory = record.bounds_memory;
  if (!record.own_seccomp) return rules;
  const auto profile = TRY(in_context("linux.seccomp", seccomp::parse_profile(*record.own_seccomp)));
  const seccomp::ActionKind unknown = profile.default_action.kind;
  rules->spares_unknown_calls = profile.default_action.allows() || unknown == seccomp::ActionKind::kErrno;
  if (!rules->residual.empty()) {
    rules->own_profile = TRY(seccomp::compile(seccomp::part_for(profile, rules->residual)));
  }
  return rules;
}

Result<Supervision> Supervision::make(const container::Record& record, Resolver& resolver, const Pace& pace,
                                      KeptNames* kept) {
  Supervision supervision(TRY(SharedRules::of_process().find_or_make(record)));
  if (supervision.policy().network) {
    supervision.destinations_ = TRY(in_context(
        "policy " + record.policy_name, Destinations::make(supervision.policy(), resolver, pace, kept)));
  }
  supervision.exempts_start_ = record.exempts_start;
  supervision.told_of_execs_ = record.told_of_execs;
  supervision.init_file_ = record.init_file;
  return supervision;
}

bool Supervision::supervises(policy::Operation operation) const {
  return policy::supervises(policy(), operation);
}

std::optional<Answer> Supervision::own_profile(std::string_view name, const struct seccomp_data& call) const {
  if (rules_->own_profile.empty() || !rules_->residual.contains(name)) return std::nullopt;
  const auto action = seccomp::profile_answer(rules_->own_profile, call);
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
  return policy::decide_syscall(policy(), syscalls().rules(syscall), arguments);
}

policy::Decision Supervision::decide_connect(const policy::Endpoint& destination) const {
  return destinations_->decide(policy(), destination);
}

policy::Decision Supervision::decide_unix(const policy::UnixName& name) const {
  return policy::decide_unix(policy(), name);
}

policy::Decision Supervision::decide_bind(const policy::Endpoint& local) const {
  return policy::decide_bind(policy(), local);
}

policy::Decision Supervision::decide_exec(std::span<const policy::Execution> programs) const {
  return policy::decide_exec(policy(), programs);
}

bool Supervision::is_init(dev_t device, ino_t inode) const {
  return init_file_ && *init_file_ == container::Record::File{device, inode};
}

policy::Decision Supervision::unnamed_family(bool harmless) const {
  policy::Decision decision;
  decision.rule = "/network";
  if (harmless) {
    decision.verdict = policy::Verdict::kAllow;
    return decision;
  }
  decision.verdict = policy::Verdict::kDeny;
  decision.errno_value = policy().network->errno_value;
  decision.log = policy().events.denied;
  return decision;
}

std::optional<Answer> Supervision::settled(const policy::Decision& decision) const {
  if (policy().mode == policy::Mode::kAudit) return Answer::let_run();
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

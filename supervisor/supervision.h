#pragma once

#include <linux/seccomp.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "oci/base/result.h"
#include "oci/container/record.h"
#include "oci/policy/decide.h"
#include "oci/policy/policy.h"
#include "oci/seccomp/bpf.h"
#include "supervisor/answer.h"
#include "supervisor/memory_budget.h"
#include "supervisor/names/destinations.h"
#include "supervisor/names/dns_resolver.h"
#include "supervisor/syscalls/syscall_index.h"

namespace tidewaiter::supervisor {

// Everything the agent decides with for one container: its policy, the addresses of the names in it, and the
// bundle's own profile where the agent has to obey that too. Any thread may ask. Immutable once made, but for
// the addresses: those are kept by Destinations, which sees to it that any thread may ask all the same.
//
// What is made of the same texts is the same, and in one process there is one of it (Rules): a node's worker
// has hundreds of containers, and few policies.
class Supervision {
 public:
  // From the shim's record. Host names are resolved here and now; Destinations::make() says what happens to
  // those that do not resolve, and what `kept` is.
  static Result<Supervision> make(const container::Record& record, Resolver& resolver = dns_resolver(),
                                  const Pace& pace = {}, KeptNames* kept = nullptr);

  [[nodiscard]] const policy::Policy& policy() const { return rules_->policy; }
  [[nodiscard]] const SyscallIndex& syscalls() const { return rules_->syscalls; }
  // What may be held of the arguments of its execve calls.
  [[nodiscard]] MemoryBudget& captured_arguments() const { return *captured_arguments_; }

  // What follows the policy's host names; nullptr without network rules.
  [[nodiscard]] Destinations* destinations() const { return destinations_.get(); }

  // Record::own_seccomp, as text; empty: there is none.
  [[nodiscard]] const std::string& own_seccomp() const { return rules_->own_seccomp; }

  // See container::Record.
  [[nodiscard]] bool exempts_start() const { return exempts_start_; }

  [[nodiscard]] bool told_of_execs() const { return told_of_execs_; }

  // Whether the policy restricts this operation.
  [[nodiscard]] bool supervises(policy::Operation operation) const;

  // Whether the bundle's own profile refuses calls that it does not know, or lets them run; false: it kills
  // for them.
  [[nodiscard]] bool spares_unknown_calls() const { return rules_->spares_unknown_calls; }
  // Whether the container's cgroup limits its memory.
  [[nodiscard]] bool bounds_memory() const { return rules_->bounds_memory; }

  // What the bundle's own profile answers to a call whose combination with the policy no OCI rule could
  // express; nullopt when it lets the call run. The first half of the filter law.
  [[nodiscard]] std::optional<Answer> own_profile(std::string_view name,
                                                  const struct seccomp_data& call) const;

  [[nodiscard]] policy::Decision decide_syscall(const Syscall& syscall,
                                                const struct seccomp_data& call) const;
  // REQUIRES: policy().network.
  [[nodiscard]] policy::Decision decide_connect(const policy::Endpoint& destination) const;
  [[nodiscard]] policy::Decision decide_unix(const policy::UnixName& name) const;
  [[nodiscard]] policy::Decision decide_bind(const policy::Endpoint& local) const;
  // REQUIRES: policy().exec.
  [[nodiscard]] policy::Decision decide_exec(std::span<const policy::Execution> programs) const;
  // Whether a file, as stat(2) tells it, is the tidewaiter-init of this container. By its path alone it could
  // be any: whose image has a link on the way may put another there.
  [[nodiscard]] bool is_init(dev_t device, ino_t inode) const;
  // The decision on a socket family that network rules cannot name.
  [[nodiscard]] policy::Decision unnamed_family(bool harmless) const;

  // The answer that follows from a decision at once; nullopt when the operation is to be performed. In audit
  // mode the kernel runs every call itself: nothing is being refused that a changed address could slip past.
  [[nodiscard]] std::optional<Answer> settled(const policy::Decision& decision) const;

 private:
  struct Rules {
    explicit Rules(policy::Policy complete) : policy(std::move(complete)), syscalls(policy.syscalls) {}
    policy::Policy policy;
    SyscallIndex syscalls;
    bool spares_unknown_calls = true;
    bool bounds_memory = false;
    std::set<std::string, std::less<>> residual;
    seccomp::BpfProgram own_profile;
    std::string own_seccomp;
  };
  class SharedRules;
  static Result<std::shared_ptr<const Rules>> make_rules(const container::Record& record,
                                                         std::string own_seccomp);

  explicit Supervision(std::shared_ptr<const Rules> rules) : rules_(std::move(rules)) {}

  std::shared_ptr<const Rules> rules_;
  std::unique_ptr<Destinations> destinations_;  // where policy().network
  // The largest call there can be takes nearly all of it: 6 MiB, as many arguments of no length as the kernel
  // admits.
  std::unique_ptr<MemoryBudget> captured_arguments_ = std::make_unique<MemoryBudget>(std::size_t{80} << 20U);
  bool exempts_start_ = false;
  bool told_of_execs_ = false;
  std::optional<container::Record::File> init_file_;
};

}  // namespace tidewaiter::supervisor

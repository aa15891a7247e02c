#include "oci/policy/decide.h"

#include <algorithm>

#include "oci/policy/address.h"
#include "oci/policy/glob.h"

namespace tidewaiter::policy {
namespace {

bool contains_port(const std::vector<PortRange>& ranges, std::uint16_t port) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const PortRange& range) { return range.contains(port); });
}

bool names_address(const NetworkRule& rule, const ResolvedHosts& hosts, const IpAddress& address) {
  if (std::holds_alternative<AnyHost>(rule.host)) return true;
  if (const auto* prefix = std::get_if<Prefix>(&rule.host)) return prefix->contains(address);
  const auto resolved = hosts.find(std::get<HostName>(rule.host).name);
  if (resolved == hosts.end()) return false;
  return std::any_of(resolved->second.begin(), resolved->second.end(),
                     [&](const IpAddress& candidate) { return unmapped(candidate) == address; });
}

const NetworkRule* first_match(const std::vector<NetworkRule>& rules, const ResolvedHosts& hosts,
                               const Endpoint& destination) {
  const auto match = std::find_if(rules.begin(), rules.end(), [&](const NetworkRule& rule) {
    return admits(rule, destination.transport, destination.port) &&
           names_address(rule, hosts, destination.address);
  });
  return match == rules.end() ? nullptr : &*match;
}

Decision allowed(const Policy& policy, std::string_view rule) {
  return {.verdict = Verdict::kAllow, .errno_value = 0, .rule = rule, .log = policy.events.network};
}

Decision denied(const Policy& policy, std::string_view rule) {
  return {.verdict = Verdict::kDeny,
          .errno_value = policy.network->errno_value,
          .rule = rule,
          .log = policy.events.denied};
}

const UnixRule* first_match(const std::vector<UnixRule>& rules, const UnixName& name) {
  const auto match = std::find_if(rules.begin(), rules.end(), [&](const UnixRule& rule) {
    if (rule.abstract != name.abstract) return false;
    return rule.abstract ? matches_text(rule.name, name.name) : matches_path(rule.name, name.name);
  });
  return match == rules.end() ? nullptr : &*match;
}

bool runs(const ExecRule& rule, const Execution& program) {
  if (!matches_path(rule.path, program.path)) return false;
  if (!rule.argv) return true;
  const auto& globs = *rule.argv;
  const auto& argv = program.argv;
  if (argv.size() < globs.size() || (argv.size() > globs.size() && !rule.more_arguments)) return false;
  return std::equal(globs.begin(), globs.end(), argv.begin(), matches_text);
}

const ExecRule* first_match(const std::vector<ExecRule>& rules, const Execution& program) {
  const auto match =
      std::find_if(rules.begin(), rules.end(), [&](const ExecRule& rule) { return runs(rule, program); });
  return match == rules.end() ? nullptr : &*match;
}

bool hits(const SyscallRule& rule, const std::uint64_t (&args)[6]) {
  return std::all_of(rule.args.begin(), rule.args.end(),
                     [&](const ArgumentTest& test) { return holds(test, args[test.index]); });
}

Decision by_rule(const Policy& policy, const SyscallRule& rule) {
  switch (rule.action) {
    case Action::kAllow:
      return {.verdict = Verdict::kAllow, .errno_value = 0, .rule = rule.pointer, .log = false};
    case Action::kLog:
      return {.verdict = Verdict::kAllow, .errno_value = 0, .rule = rule.pointer, .log = true};
    case Action::kErrno:
      return {.verdict = Verdict::kDeny,
              .errno_value = rule.errno_value,
              .rule = rule.pointer,
              .log = policy.events.denied};
    case Action::kKill:
      return {.verdict = Verdict::kKill, .errno_value = 0, .rule = rule.pointer, .log = policy.events.denied};
  }
  return {};  // not reached: every action returned
}

// Of a call that no rule of `syscalls` is about.
Decision unnamed() { return {.verdict = Verdict::kAllow, .errno_value = 0, .rule = "", .log = false}; }

Decision exec_denied(const Policy& policy, std::string_view rule) {
  return {.verdict = Verdict::kDeny,
          .errno_value = policy.exec->errno_value,
          .rule = rule,
          .log = policy.events.denied};
}

}  // namespace

bool supervises(const Policy& policy, Operation operation) {
  switch (operation) {
    case Operation::kNone:
      return false;
    case Operation::kConnect:
    case Operation::kSend:
      return policy.network && policy.network->restricts_connect();
    case Operation::kBind:
      return policy.network && policy.network->restricts_bind();
    case Operation::kExec:
      return policy.exec && policy.exec->restricts();
  }
  return false;
}

bool admits(const NetworkRule& rule, Transport transport, std::uint16_t port) {
  switch (transport) {
    case Transport::kTcp:
      return rule.tcp && contains_port(rule.ports, port);
    case Transport::kUdp:
      return rule.udp && contains_port(rule.ports, port);
    case Transport::kIcmp:
      return rule.icmp;
  }
  return false;
}

Decision decide_by_rules(const Policy& policy, const NetworkRule* denying, const NetworkRule* allowing) {
  if (denying != nullptr) return denied(policy, denying->pointer);
  if (!policy.network->allow) return allowed(policy, "");
  return allowing != nullptr ? allowed(policy, allowing->pointer) : denied(policy, "/network/allow");
}

Decision decide_connect(const Policy& policy, const ResolvedHosts& hosts, const Endpoint& destination) {
  const NetworkPolicy& network = *policy.network;
  Endpoint effective = destination;
  effective.address = as_destination(destination.address);
  return decide_by_rules(policy, first_match(network.deny, hosts, effective),
                         network.allow ? first_match(*network.allow, hosts, effective) : nullptr);
}

Decision decide_unix(const Policy& policy, const UnixName& name) {
  const NetworkPolicy& network = *policy.network;
  if (const UnixRule* rule = first_match(network.unix_deny, name)) return denied(policy, rule->pointer);
  if (!network.allow) return allowed(policy, "");
  const UnixRule* rule = first_match(network.unix_allow, name);
  return rule != nullptr ? allowed(policy, rule->pointer) : denied(policy, "/network/allow");
}

Decision decide_bind(const Policy& policy, const Endpoint& local) {
  const NetworkPolicy& network = *policy.network;
  if (!network.bind) return allowed(policy, "");
  for (const BindRule& rule : *network.bind)
    if (contains_port(rule.ports, local.port)) return allowed(policy, rule.pointer);
  return denied(policy, "/network/bind");
}

Decision decide_exec(const Policy& policy, std::span<const Execution> programs) {
  const ExecPolicy& exec = *policy.exec;
  for (const Execution& program : programs) {
    if (const ExecRule* rule = first_match(exec.deny, program)) return exec_denied(policy, rule->pointer);
  }
  Decision decision{.verdict = Verdict::kAllow, .errno_value = 0, .rule = "", .log = policy.events.exec};
  if (!exec.allow) return decision;
  // The event names the rule of what was asked for; of an interpreter, only that none allows it.
  for (auto program = programs.rbegin(); program != programs.rend(); ++program) {
    const ExecRule* rule = first_match(*exec.allow, *program);
    if (rule == nullptr) return exec_denied(policy, "/exec/allow");
    decision.rule = rule->pointer;
  }
  // Nothing to run is nothing that a rule allows.
  return programs.empty() ? exec_denied(policy, "/exec/allow") : decision;
}

bool holds(const ArgumentTest& test, std::uint64_t argument) {
  const std::uint64_t compared = argument & test.mask;
  switch (test.comparison) {
    case Comparison::kEqual:
    case Comparison::kMaskedEqual:
      return compared == test.value;
    case Comparison::kNotEqual:
      return compared != test.value;
    case Comparison::kLess:
      return compared < test.value;
    case Comparison::kLessOrEqual:
      return compared <= test.value;
    case Comparison::kGreater:
      return compared > test.value;
    case Comparison::kGreaterOrEqual:
      return compared >= test.value;
  }
  return false;  // not reached: every comparison returned
}

Decision decide_syscall(const Policy& policy, std::string_view name, const std::uint64_t (&args)[6]) {
  for (const SyscallRule& rule : policy.syscalls) {
    if (std::find(rule.names.begin(), rule.names.end(), name) == rule.names.end()) continue;
    if (hits(rule, args)) return by_rule(policy, rule);
  }
  return unnamed();
}

Decision decide_syscall(const Policy& policy, const CallRules& rules, const std::uint64_t (&args)[6]) {
  const auto matches = [&](std::uint32_t place) { return hits(policy.syscalls[place], args); };
  if (rules.by_value != nullptr) {
    const auto place = rules.by_value->first(args, matches);
    return place ? by_rule(policy, policy.syscalls[*place]) : unnamed();
  }
  const auto place = std::find_if(rules.naming.begin(), rules.naming.end(), matches);
  return place != rules.naming.end() ? by_rule(policy, policy.syscalls[*place]) : unnamed();
}

}  // namespace tidewaiter::policy

#include "oci/policy/policy.h"

#include <algorithm>
#include <string>
#include <variant>
#include <vector>

#include "oci/policy/address.h"
#include "oci/policy/decide.h"
#include "oci/policy/destination_index.h"
#include "oci/policy/load.h"
#include "oci/policy/network_rule.h"
#include "oci/spec/config.h"
#include "tests/fuzz/fuzz.h"

// The policy file, and decisions by whatever policy can be loaded.

namespace tidewaiter::policy {
namespace {

bool all_good(const std::vector<PortRange>& ports) {
  return !ports.empty() && std::all_of(ports.begin(), ports.end(),
                                       [](const PortRange& range) { return range.first <= range.last; });
}

void check_rule(const NetworkRule& rule) {
  MUST(rule.tcp || rule.udp || rule.icmp);
  MUST(all_good(rule.ports));
  if (const auto* prefix = std::get_if<Prefix>(&rule.host)) {
    const IpAddress& address = prefix->address;
    MUST(prefix->length <= bit_count(address.family));
    MUST(network_of(address, prefix->length) == address && unmapped(address) == address);
    MUST(prefix->contains(address));
  }
  const auto again = parse_network_rule(rule.text);
  MUST(again && again->host == rule.host && again->ports == rule.ports && again->tcp == rule.tcp &&
       again->udp == rule.udp && again->icmp == rule.icmp);
}

void check_rule(const UnixRule& rule) {
  const auto again = parse_unix_rule(rule.text);
  MUST(again && again->abstract == rule.abstract && again->name == rule.name && !rule.name.empty());
}

void check_rule(const BindRule& rule) {
  MUST(all_good(rule.ports));
  const auto again = parse_bind_rule(rule.text);
  MUST(again && again->ports == rule.ports);
}

void check_rule(const ExecRule& rule) { MUST(rule.path.starts_with('/') || rule.path.starts_with("**")); }

void check_rule(const SyscallRule& rule) {
  MUST(!rule.names.empty() && rule.errno_value >= 1 && rule.errno_value <= 4095);
  for (const ArgumentTest& test : rule.args) MUST(test.index < 6 && test.mask != 0);
}

template <typename Rules>
void check_rules(const Rules& rules) {
  for (const auto& rule : rules) {
    MUST(rule.pointer.starts_with('/'));
    check_rule(rule);
  }
}

void check_loaded(const Policy& policy) {
  check_rules(policy.syscalls);
  if (const auto& network = policy.network) {
    MUST(network->errno_value >= 1 && network->errno_value <= 4095);
    if (network->allow) check_rules(*network->allow);
    check_rules(network->deny);
    check_rules(network->unix_allow);
    check_rules(network->unix_deny);
    if (network->bind) check_rules(*network->bind);
  }
  if (const auto& exec = policy.exec) {
    MUST(exec->errno_value >= 1 && exec->errno_value <= 4095);
    if (exec->allow) check_rules(*exec->allow);
    check_rules(exec->deny);
  }
}

void check_decision(const Decision& decision) {
  MUST(decision.verdict != Verdict::kDeny || decision.errno_value > 0);
}

// Where the policy's own rules begin and end, and what lies beside that.
std::vector<Endpoint> endpoints_of(const Policy& policy) {
  std::vector<Endpoint> endpoints;
  const auto add = [&](IpAddress address, std::uint16_t port) {
    for (const Transport transport : {Transport::kTcp, Transport::kUdp, Transport::kIcmp}) {
      endpoints.push_back({transport, address, port});
    }
  };
  add({}, 0);
  add(*parse_address("::"), 80);
  add(*parse_address("192.0.2.1"), 65535);
  const auto add_rules = [&](const std::vector<NetworkRule>& rules) {
    // Not all of them: every endpoint is asked of every rule.
    for (std::size_t i = 0; i < std::min<std::size_t>(rules.size(), 16); ++i) {
      const auto* prefix = std::get_if<Prefix>(&rules[i].host);
      if (prefix == nullptr) continue;
      IpAddress beside = prefix->address;
      ++beside.bytes[beside.family == IpAddress::Family::kIpv4 ? 3 : 15];
      add(prefix->address, rules[i].ports.front().first);
      add(beside, static_cast<std::uint16_t>(rules[i].ports.back().last + 1));
    }
  };
  if (policy.network->allow) add_rules(*policy.network->allow);
  add_rules(policy.network->deny);
  return endpoints;
}

void check_network_decisions(const Policy& policy) {
  if (!policy.network) return;
  const ResolvedHosts hosts{{"example.com", {*parse_address("192.0.2.1"), *parse_address("2001:db8::1")}}};
  const DestinationIndex index(policy, hosts);
  for (const Endpoint& endpoint : endpoints_of(policy)) {
    const Decision decision = decide_connect(policy, hosts, endpoint);
    check_decision(decision);
    const Decision by_index = decide_connect(policy, index, endpoint);
    MUST(by_index.verdict == decision.verdict && by_index.rule == decision.rule &&
         by_index.errno_value == decision.errno_value && by_index.log == decision.log);
    check_decision(decide_bind(policy, endpoint));
  }
  for (const auto* rules : {&policy.network->unix_allow, &policy.network->unix_deny}) {
    for (const UnixRule& rule : *rules) check_decision(decide_unix(policy, {rule.abstract, rule.name}));
  }
  check_decision(decide_unix(policy, {true, ""}));
}

void check_exec_decisions(const Policy& policy) {
  if (!policy.exec) return;
  std::vector<Execution> programs{{"/bin/sh", {"sh", "-c", "true"}}, {"/bin/env", {}}};
  check_decision(decide_exec(policy, programs));
  for (const ExecRule& rule : policy.exec->deny) {
    programs = {{rule.path, {}}};
    if (rule.argv) programs[0].argv.assign(rule.argv->begin(), rule.argv->end());
    const Decision decision = decide_exec(policy, programs);
    check_decision(decision);
    // Every glob matches itself.
    MUST(decision.verdict != Verdict::kAllow);
  }
}

void check_syscall_decisions(const Policy& policy) {
  for (const SyscallRule& rule : policy.syscalls) {
    std::uint64_t args[6] = {};
    for (const ArgumentTest& test : rule.args) args[test.index] = test.value;
    check_decision(decide_syscall(policy, rule.names.front(), args));
  }
}

void check(std::string_view text) {
  const auto policy = parse(text, "policy.json", "policy");
  fuzz::note(policy.has_value());
  if (!policy) {
    MUST(!policy.error().empty());
    for (const Mistake& mistake : policy.error()) {
      MUST(mistake.where.starts_with("policy.json") && !mistake.message.empty());
      MUST(mistake.message.find('\n') == std::string::npos);
    }
    return;
  }
  check_loaded(*policy);
  check_network_decisions(*policy);
  check_exec_decisions(*policy);
  check_syscall_decisions(*policy);
  const auto again = parse(spec::dump_json(*spec::parse_json(text, "policy.json")), "again", "policy");
  MUST(again && again->syscalls.size() == policy->syscalls.size() && again->mode == policy->mode);
}

}  // namespace
}  // namespace tidewaiter::policy

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tidewaiter::policy::check(tidewaiter::fuzz::Input(data, size).rest());
  return 0;
}

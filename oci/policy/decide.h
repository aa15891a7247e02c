#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "oci/policy/call_rules.h"
#include "oci/policy/policy.h"
#include "oci/policy/syscalls.h"

// Decisions: pure functions from a policy and what was captured of a call. No system calls here.

namespace tidewaiter::policy {

// Where a connect, or a datagram, goes; where a bind binds.
struct Endpoint {
  Transport transport = Transport::kTcp;
  IpAddress address;
  std::uint16_t port = 0;  // host byte order; with ICMP whatever the address had there
  bool operator==(const Endpoint&) const = default;
};

enum class Verdict { kAllow, kDeny, kKill };

struct Decision {
  Verdict verdict = Verdict::kDeny;
  int errno_value = 1;    // what a denied call fails with; positive
  std::string_view rule;  // JSON pointer of the rule that decided; lives as long as the policy
  bool log = false;       // an event is wanted
};

// Whether the policy restricts this operation, so that its calls have to be looked into.
bool supervises(const Policy& policy, Operation operation);

// Addresses of the policy's host names: name -> addresses.
using ResolvedHosts = std::map<std::string, std::vector<IpAddress>, std::less<>>;

// REQUIRES: policy.network. Deny beats allow; a present allow-list denies what it does not name.
// 0.0.0.0 and :: as a destination mean this host (ip(7)): decided as 127.0.0.1 and ::1, which is what the
// caller then has to connect to (as_destination in address.h). Reads the lists from end to end: where
// decisions have to be fast, use destination_index.h, which decides the same.
Decision decide_connect(const Policy& policy, const ResolvedHosts& hosts, const Endpoint& destination);

// A Unix socket, as a call names it.
struct UnixName {
  bool abstract = false;
  std::string_view name;  // the abstract name without the NUL in front, or the canonical path
};

// REQUIRES: policy.network. Deny beats allow; a present allow-list denies what it does not name.
Decision decide_unix(const Policy& policy, const UnixName& name);

// The decision once the first matching rule of network.deny and of network.allow is known (nullptr: none).
// REQUIRES: policy.network.
Decision decide_by_rules(const Policy& policy, const NetworkRule* denying, const NetworkRule* allowing);

// Whether transport and port are among those of the rule, whatever the address. ICMP has every port.
bool admits(const NetworkRule& rule, Transport transport, std::uint16_t port);

// REQUIRES: policy.network. Port 0 (the kernel chooses) is allowed by a rule that contains port 0 and,
// because the choice is from the ephemeral range, only then.
Decision decide_bind(const Policy& policy, const Endpoint& local);

// A program that an execve runs: the file, or the interpreter that a script names in its first line.
struct Execution {
  std::string_view path;               // canonical, as the container's mount namespace has it
  std::vector<std::string_view> argv;  // what that program gets
};

// REQUIRES: policy.exec. `programs`: the file asked for, with the caller's arguments, then the interpreter of
// each that is a script (execve(2)), with the arguments that the kernel makes for it. All of them count: one
// that is denied denies, and each has to be allowed.
Decision decide_exec(const Policy& policy, std::span<const Execution> programs);

// The `syscalls` list, for one call: first match. `name` is the call's name on its own architecture.
Decision decide_syscall(const Policy& policy, std::string_view name, const std::uint64_t (&args)[6]);

// The same where it is known which of the rules name the call.
Decision decide_syscall(const Policy& policy, const CallRules& rules, const std::uint64_t (&args)[6]);

// Whether one test holds for a register value (64-bit).
bool holds(const ArgumentTest& test, std::uint64_t argument);

}  // namespace tidewaiter::policy

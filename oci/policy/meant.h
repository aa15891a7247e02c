#pragma once

#include <string>
#include <string_view>

// What people write who know other tools: podman's options, Kubernetes' fields, Docker's profiles, firewalls,
// the C library. Each advice is what a message ends with, fit to follow "; ": `write "processes"`. Empty:
// there is none.

namespace tidewaiter::policy {

// An object of the policy language, by the kind of its members.
enum class Where {
  kPolicy,
  kNetwork,
  kExec,
  kExecRule,
  kFiles,
  kCopy,
  kLimits,
  kIdentity,
  kEnv,
  kUser,
  kEvents,
  kSyscallRule,
  kArgument,
};

// Of a key that this object does not have.
std::string key_advice(Where where, std::string_view found);

// A member whose value is one of a few words.
enum class Choice { kMode, kAction, kComparison, kEvent, kSettlement };

// Of a word that is none of them.
std::string word_advice(Choice choice, std::string_view found);

// Of text that names an error otherwise than errno(3) does.
std::string errno_advice(std::string_view found);

// Which numbers may stand somewhere.
struct NumberRange {
  double least = 0;
  double most = 0;
  bool whole = true;  // no fractions
};

// Of text where a number of `range` was expected: `write 100 without quotes`, if that is one.
std::string number_advice(std::string_view found, const NumberRange& range);

// Of text, without a bound, where a limit was expected.
bool means_unlimited(std::string_view found);

// The port of a well-known service, by the name it has in URLs and in /etc/services; 0: not known.
unsigned service_port(std::string_view name);
// How its clients reach it, as a rule says it: "tcp://", "udp://", or nothing for both.
std::string_view service_scheme(std::string_view name);

// The name of the syscall behind the words of other tools ("__NR_ptrace", "ptrace(2)", "fopen"); empty when
// it is none. What is returned need not be a syscall's name.
std::string syscall_meant(std::string_view found);

}  // namespace tidewaiter::policy

#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/policy.h"

// linux.seccomp of config.json (runtime-spec, config-linux.md, "Seccomp") as data.

namespace tidewaiter::seccomp {

enum class ActionKind { kKillThread, kKillProcess, kTrap, kErrno, kTrace, kAllow, kLog, kNotify };

struct ProfileAction {
  ActionKind kind = ActionKind::kAllow;
  std::uint16_t data = 0;  // errno for kErrno, message for kTrace; 0 otherwise
  bool operator==(const ProfileAction&) const = default;

  // Whether the profile lets the call run: the law of the filter asks nothing else of it.
  [[nodiscard]] bool allows() const { return kind == ActionKind::kAllow || kind == ActionKind::kLog; }
};

struct ProfileRule {
  std::vector<std::string> names;
  ProfileAction action;
  // As the runtimes read them: tests on different arguments must all hold; when an index occurs more than
  // once, each test is a rule of its own (runc libcontainer/seccomp, crun seccomp.c).
  std::vector<policy::ArgumentTest> args;

  bool operator==(const ProfileRule&) const = default;
};

struct Profile {
  ProfileAction default_action;
  std::vector<std::string> architectures;  // "SCMP_ARCH_X86_64", …; empty: the native one
  std::vector<ProfileRule> rules;
};

// The rules a runtime makes of one rule: itself, or one for each test when an argument is tested twice.
// REQUIRES: indices below 6.
std::vector<ProfileRule> as_separate_rules(const ProfileRule& rule);

// libseccomp's token (SCMP_ARCH_*) of an architecture as profiles spell it, crun's short form included.
std::optional<std::uint32_t> architecture_token(std::string_view name);

// Reads the `linux.seccomp` object. What runc and crun would refuse is refused; unknown syscall names
// pass, as the runtimes skip them. Errors name the JSON pointer below `linux.seccomp`.
Result<Profile> parse_profile(const nlohmann::ordered_json& seccomp);

// Writes rules, default action and architectures into a `linux.seccomp` object, leaving every other key
// (flags, listenerPath, unknown ones) as it is.
void write_profile(const Profile& profile, nlohmann::ordered_json& seccomp);

}  // namespace tidewaiter::seccomp

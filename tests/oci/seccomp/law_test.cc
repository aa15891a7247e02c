#include "oci/seccomp/law.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

// Numbers and ABIs are those of x86-64; law_property_test.cc holds the law elsewhere too.
#ifdef __x86_64__

namespace tidewaiter::seccomp {
namespace {

using policy::ArgumentTest;
using policy::Comparison;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Key;
using testing::Not;

constexpr ProfileAction kAllow{ActionKind::kAllow, 0};
constexpr ProfileAction kLog{ActionKind::kLog, 0};
constexpr ProfileAction kNotify{ActionKind::kNotify, 0};
constexpr ProfileAction kKill{ActionKind::kKillProcess, 0};
constexpr ProfileAction fails_with(std::uint16_t number) { return {ActionKind::kErrno, number}; }

constexpr std::uint32_t kX32 = 0x40000000;

Profile fixture(const std::string& name) {
  std::ifstream file(std::string(TIDEWAITER_FIXTURES) + "/" + name);
  return parse_profile(nlohmann::ordered_json::parse(file)).value_or(Profile{});
}

std::string written(const Profile& profile) {
  nlohmann::ordered_json json;
  write_profile(profile, json);
  return json.dump(1);
}

SyscallDemand always(ProfileAction action) { return {{}, action, false}; }
SyscallDemand decided_by_agent() { return {{}, kNotify, true}; }
SyscallDemand when(std::vector<ArgumentTest> tests, ProfileAction action) {
  return {{{std::move(tests), action}}, kAllow, false};
}

ArgumentTest equals(unsigned index, std::uint64_t value) { return {index, Comparison::kEqual, value}; }
ArgumentTest masked(unsigned index, std::uint64_t mask, std::uint64_t value) {
  return {index, Comparison::kMaskedEqual, value, mask};
}

// A merged profile as the kernel would see it.
class Filter {
 public:
  explicit Filter(const Profile& profile) : program_(compile(profile).value_or(BpfProgram{})) {}

  ProfileAction native(std::uint32_t number, std::initializer_list<std::uint64_t> arguments = {}) const {
    return answer(AUDIT_ARCH_X86_64, number, arguments);
  }
  ProfileAction x32(std::uint32_t number, std::initializer_list<std::uint64_t> arguments = {}) const {
    return answer(AUDIT_ARCH_X86_64, kX32 | number, arguments);
  }
  ProfileAction x86(std::uint32_t number, std::initializer_list<std::uint64_t> arguments = {}) const {
    return answer(AUDIT_ARCH_I386, number, arguments);
  }

 private:
  ProfileAction answer(std::uint32_t arch, std::uint32_t number,
                       std::initializer_list<std::uint64_t> arguments) const {
    struct seccomp_data call {};
    call.arch = arch;
    call.nr = static_cast<int>(number);
    std::copy(arguments.begin(), arguments.end(), std::begin(call.args));
    return profile_answer(program_, call).value_or(ProfileAction{ActionKind::kTrap, 0});
  }

  BpfProgram program_;
};

Merged merged(const Profile& profile, const Demands& demands) {
  auto result = merge(profile, demands);
  EXPECT_TRUE(result) << result.error().message();
  return std::move(result).value_or(Merged{});
}

std::vector<ProfileRule> rules_of(const Merged& merged, const std::string& syscall) {
  std::vector<ProfileRule> rules;
  for (const ProfileRule& rule : merged.profile.rules)
    if (std::find(rule.names.begin(), rule.names.end(), syscall) != rule.names.end()) rules.push_back(rule);
  return rules;
}

constexpr ProfileAction kBadArchitecture{ActionKind::kKillThread, 0};

TEST(Merge, LeavesAProfileAloneThatNothingIsDemandedOf) {
  for (const char* name : {"podman_seccomp.json", "runc_seccomp.json"}) {
    const Profile profile = fixture(name);
    const Merged same = merged(profile, {{"chdir", always(kAllow)}, {"prctl", when({equals(0, 4)}, kAllow)}});
    EXPECT_EQ(written(same.profile), written(profile));
    EXPECT_TRUE(same.residual.empty());
    EXPECT_TRUE(same.dropped_architectures.empty());
  }
}

TEST(Merge, RefusesOnEveryAbiWhatANameAloneDecides) {
  const Profile profile = fixture("podman_seccomp.json");
  const Filter before(profile);
  EXPECT_EQ(before.native(80), kAllow);
  const Merged result = merged(profile, {{"chdir", always(fails_with(EACCES))}, {"execve", always(kKill)}});
  const Filter filter(result.profile);
  EXPECT_EQ(filter.native(80), fails_with(EACCES));
  EXPECT_EQ(filter.x32(80), fails_with(EACCES));
  EXPECT_EQ(filter.x86(12), fails_with(EACCES));
  EXPECT_EQ(filter.native(59), kKill);
  EXPECT_EQ(filter.x32(520), kKill);
  EXPECT_EQ(filter.x86(11), kKill);
  EXPECT_EQ(filter.native(39), kAllow);
  EXPECT_TRUE(result.dropped_architectures.empty());
  EXPECT_THAT(rules_of(result, "chdir"), testing::SizeIs(1));
}

TEST(Merge, LetsTheProfilesDenialStand) {
  const Profile profile = fixture("podman_seccomp.json");
  // mount is refused by name, ptrace by default; neither becomes anything else, least of all a notification.
  const Merged result = merged(profile, {{"mount", always(kNotify)},
                                         {"ptrace", always(fails_with(EACCES))},
                                         {"bpf", when({equals(0, 1)}, kLog)}});
  EXPECT_EQ(written(result.profile), written(profile));
  EXPECT_EQ(Filter(result.profile).native(165), fails_with(EPERM));
  EXPECT_EQ(Filter(result.profile).native(101), fails_with(ENOSYS));
}

TEST(Merge, LeavesALoggedCallLogged) {
  const Profile profile{fails_with(EPERM), {}, {{{"getpid", "chdir", "ioctl"}, kLog, {}}}};
  const Merged result = merged(profile, {{"getpid", always(kAllow)},
                                         {"chdir", always(fails_with(EACCES))},
                                         {"ioctl", when({equals(1, 5)}, fails_with(EACCES))}});
  const Filter filter(result.profile);
  EXPECT_EQ(filter.native(39), kLog);
  EXPECT_EQ(filter.native(80), fails_with(EACCES));
  EXPECT_EQ(filter.native(16, {0, 5}), fails_with(EACCES));
  EXPECT_EQ(filter.native(16, {0, 6}), kLog);
}

TEST(Merge, KeepsTheShapeOfConditionalRules) {
  const Profile profile = fixture("podman_seccomp.json");
  const Merged result =
      merged(profile, {{"clone", always(fails_with(EAGAIN))}, {"personality", always(kLog)}});
  EXPECT_TRUE(result.dropped_architectures.empty());
  const auto clone = rules_of(result, "clone");
  ASSERT_EQ(clone.size(), 1U);
  EXPECT_THAT(clone[0].args, ElementsAre(masked(0, 2114060288, 0)));
  EXPECT_EQ(clone[0].action, fails_with(EAGAIN));
  EXPECT_THAT(rules_of(result, "personality"), testing::SizeIs(5));

  const Filter filter(result.profile);
  constexpr std::uint64_t kNewUser = 0x10000000;
  EXPECT_EQ(filter.native(56, {0}), fails_with(EAGAIN));
  EXPECT_EQ(filter.native(56, {kNewUser}), fails_with(ENOSYS));
  EXPECT_EQ(filter.x86(120, {0}), fails_with(EAGAIN));
  EXPECT_EQ(filter.x86(120, {kNewUser}), fails_with(ENOSYS));
  EXPECT_EQ(filter.native(135, {8}), kLog);
  EXPECT_EQ(filter.native(135, {0xffffffff}), kLog);
  EXPECT_EQ(filter.native(135, {9}), fails_with(ENOSYS));
  EXPECT_EQ(filter.x32(135, {8}), kLog);
}

TEST(Merge, DeniesOneArgumentOfAnAllowedCall) {
  const Merged result =
      merged(fixture("podman_seccomp.json"), {{"prctl", when({equals(0, 4)}, fails_with(EACCES))}});
  const auto rules = rules_of(result, "prctl");
  ASSERT_EQ(rules.size(), 2U);  // != 4 is allowed, == 4 fails; the default action would refuse both
  const Filter filter(result.profile);
  EXPECT_EQ(filter.native(157, {4}), fails_with(EACCES));
  EXPECT_EQ(filter.native(157, {3}), kAllow);
  EXPECT_EQ(filter.native(157, {5}), kAllow);
  EXPECT_EQ(filter.native(157, {0x100000004}), kAllow);
}

TEST(Merge, AnswersWithTheFirstCaseThatMatches) {
  SyscallDemand demand;
  demand.cases = {
      {{equals(0, 1), equals(1, 2)}, kAllow}, {{equals(0, 1)}, fails_with(EACCES)}, {{equals(1, 2)}, kKill}};
  demand.otherwise = kNotify;
  const Merged result = merged({kAllow, {}, {}}, {{"ioctl", demand}});
  EXPECT_TRUE(result.residual.empty());
  const Filter filter(result.profile);
  EXPECT_EQ(filter.native(16, {1, 2}), kAllow);
  EXPECT_EQ(filter.native(16, {1, 3}), fails_with(EACCES));
  EXPECT_EQ(filter.native(16, {2, 2}), kKill);
  EXPECT_EQ(filter.native(16, {2, 3}), kNotify);
}

TEST(Merge, TestsOneArgumentTwice) {
  SyscallDemand demand;
  demand.cases = {
      {{{0, Comparison::kGreater, 4}, {0, Comparison::kLess, 7}, {0, Comparison::kNotEqual, 5}}, kKill}};
  const Merged result = merged({kAllow, {}, {}}, {{"ioctl", demand}});
  const Filter filter(result.profile);
  for (std::uint64_t argument = 0; argument < 10; ++argument)
    EXPECT_EQ(filter.native(16, {argument}), argument == 6 ? kKill : kAllow) << argument;
}

TEST(Merge, ComparesUnderAMask) {
  // An int argument: the kernel ignores the upper half of the register, and so does the condition.
  const ArgumentTest above{0, Comparison::kGreater, 40, 0xffffffff};
  const Merged result = merged({kAllow, {}, {}}, {{"socket", when({above}, kKill)}});
  EXPECT_TRUE(result.residual.empty());
  const Filter filter(result.profile);
  EXPECT_EQ(filter.native(41, {41}), kKill);
  EXPECT_EQ(filter.native(41, {40}), kAllow);
  EXPECT_EQ(filter.native(41, {0x7700000029}), kKill);
  EXPECT_EQ(filter.native(41, {0x7700000028}), kAllow);
}

TEST(Merge, NeverHoldsAConditionThatItsMaskRulesOut) {
  const Merged result = merged({kAllow, {}, {}}, {{"ioctl", when({masked(0, 0xf0, 0xf1)}, kKill)}});
  EXPECT_EQ(Filter(result.profile).native(16, {0xf1}), kAllow);
}

TEST(Merge, ReadsAMaskOfNoBitsAsLibseccompDoes) {
  // The first rule is as good as unconditional, and the first unconditional rule stays.
  const Profile profile{
      kAllow, {}, {{{"ioctl"}, kLog, {masked(0, 0, 0)}}, {{"ioctl"}, fails_with(EPERM), {}}}};
  EXPECT_EQ(Filter(profile).native(16), kLog);
  EXPECT_EQ(Filter(merged(profile, {{"ioctl", always(kKill)}}).profile).native(16), kKill);

  // The same when it comes out of a rule that tests an argument twice.
  Profile split = profile;
  split.rules[0].args.push_back(equals(0, 5));
  EXPECT_EQ(Filter(split).native(16), kLog);
  EXPECT_EQ(Filter(merged(split, {{"ioctl", always(kKill)}}).profile).native(16), kKill);
}

TEST(Merge, ListsARuleThatChangesNothing) {
  // runc answers ENOSYS to calls numbered beyond every name of the profile.
  const Profile profile{
      fails_with(EPERM), {}, {{{"getpid", "futex_waitv"}, kAllow, {}}, {{"clone"}, kAllow, {equals(0, 0)}}}};
  const Merged result = merged(profile, {{"futex_waitv", always(fails_with(EPERM))},
                                         {"clone", when({equals(0, 0)}, fails_with(EPERM))}});
  EXPECT_EQ(Filter(result.profile).native(449), fails_with(EPERM));
  EXPECT_THAT(rules_of(result, "futex_waitv"), testing::SizeIs(1));
  EXPECT_EQ(Filter(result.profile).native(56, {0}), fails_with(EPERM));
  EXPECT_THAT(rules_of(result, "clone"), testing::SizeIs(1));
}

// --- second ABIs ----------------------------------------------------------------------------------------

TEST(Merge, KillsAbisWhereTheAgentCannotDecide) {
  const Profile profile = fixture("podman_seccomp.json");
  const Filter before(profile);
  EXPECT_EQ(before.x32(42), kAllow);
  EXPECT_EQ(before.x86(362), kAllow);
  EXPECT_EQ(before.x86(102, {3}), kAllow);

  const Merged result = merged(profile, {{"connect", decided_by_agent()}});
  EXPECT_THAT(result.profile.architectures, ElementsAre("SCMP_ARCH_X86_64"));
  EXPECT_THAT(result.dropped_architectures.at("SCMP_ARCH_X86"), HasSubstr("socketcall"));
  EXPECT_THAT(result.dropped_architectures.at("SCMP_ARCH_X32"), HasSubstr("native"));
  const Filter filter(result.profile);
  EXPECT_EQ(filter.native(42), kNotify);
  EXPECT_EQ(filter.native(39), kAllow);
  EXPECT_EQ(filter.x32(42), kBadArchitecture);
  EXPECT_EQ(filter.x32(39), kBadArchitecture);
  EXPECT_EQ(filter.x86(362), kBadArchitecture);
  EXPECT_EQ(filter.x86(102, {3}), kBadArchitecture);
}

TEST(Merge, KillsAbisWhereConditionsMeanSomethingElse) {
  const Merged result =
      merged(unconfined_profile(), {{"personality", when({equals(0, 0x100000000)}, kKill)}});
  EXPECT_THAT(result.dropped_architectures,
              testing::UnorderedElementsAre(Key("SCMP_ARCH_X86"), Key("SCMP_ARCH_X32")));
  const Filter filter(result.profile);
  EXPECT_EQ(filter.native(135, {0x100000000}), kKill);
  EXPECT_EQ(filter.native(135, {0}), kAllow);
  EXPECT_EQ(filter.x86(136, {0}), kBadArchitecture);
}

TEST(Merge, KillsAbisWhereArgumentsMayBeOthers) {
  // Their comparisons would be the same, but not what they compare: x86 passes mmap one pointer to all six.
  const Merged result = merged(unconfined_profile(), {{"mmap", when({masked(2, 4, 4)}, fails_with(EACCES))},
                                                      {"mmap2", always(fails_with(EACCES))}});
  EXPECT_THAT(result.dropped_architectures,
              testing::UnorderedElementsAre(Key("SCMP_ARCH_X86"), Key("SCMP_ARCH_X32")));
}

TEST(Merge, KillsAnAbiThatHasAnotherNameForTheCall) {
  const Merged one = merged(unconfined_profile(), {{"chown", always(fails_with(EPERM))}});
  EXPECT_THAT(one.dropped_architectures, ElementsAre(Key("SCMP_ARCH_X86")));
  EXPECT_THAT(one.dropped_architectures.at("SCMP_ARCH_X86"), HasSubstr("chown32"));
  EXPECT_EQ(Filter(one.profile).x86(212), kBadArchitecture);
  EXPECT_EQ(Filter(one.profile).x32(92), fails_with(EPERM));

  const Merged both =
      merged(unconfined_profile(), {{"chown", always(fails_with(EPERM))}, {"chown32", always(kKill)}});
  EXPECT_TRUE(both.dropped_architectures.empty());
  EXPECT_EQ(Filter(both.profile).x86(212), kKill);
  EXPECT_EQ(Filter(both.profile).x86(182), fails_with(EPERM));
  EXPECT_EQ(Filter(both.profile).native(92), fails_with(EPERM));
}

TEST(Merge, KeepsAnAbiWhereTheProfileRefusesTheCallAnyhow) {
  // shmat is not in the profile, nor is ipc.
  const Merged result =
      merged(fixture("podman_seccomp.json"), {{"shmat", always(kKill)}, {"ptrace", decided_by_agent()}});
  EXPECT_TRUE(result.dropped_architectures.empty());
  EXPECT_EQ(Filter(result.profile).x86(117), fails_with(ENOSYS));
}

TEST(Merge, KillsAnAbiWhoseMultiplexerIsRefused) {
  // Rules on socket and connect become rules on socketcall: refusing that one would need to see which it is.
  const Profile profile{fails_with(EPERM), {"SCMP_ARCH_X86"}, {{{"connect"}, kAllow, {}}}};
  EXPECT_EQ(Filter(profile).x86(102, {3}), kAllow);
  const Merged result = merged(profile, {{"socketcall", always(kKill)}});
  EXPECT_THAT(result.dropped_architectures, ElementsAre(Key("SCMP_ARCH_X86")));
}

TEST(Merge, KillsAnAbiThatLibseccompWouldGetWrong) {
  // x86 has no epoll_ctl_old, and nothing else on x86 is unconditional: see Merge::leaves_number_unloaded.
  const Profile profile{kAllow, {"SCMP_ARCH_X86"}, {{{"personality"}, fails_with(EPERM), {equals(0, 8)}}}};
  EXPECT_EQ(Filter(profile).x86(136, {8}), fails_with(EPERM));
  const Merged result = merged(profile, {{"epoll_ctl_old", always(kKill)}});
  EXPECT_THAT(result.dropped_architectures, ElementsAre(Key("SCMP_ARCH_X86")));
  EXPECT_EQ(Filter(result.profile).native(214), kKill);
  EXPECT_EQ(Filter(result.profile).native(135, {8}), fails_with(EPERM));
  EXPECT_EQ(Filter(result.profile).x86(136, {8}), kBadArchitecture);
}

TEST(Merge, DropsNothingFromAProfileOfTheNativeAbiAlone) {
  const Merged result = merged({kAllow, {}, {}}, {{"connect", decided_by_agent()}, {"chown", always(kKill)}});
  EXPECT_TRUE(result.dropped_architectures.empty());
  EXPECT_TRUE(result.profile.architectures.empty());
  EXPECT_EQ(Filter(result.profile).x86(212), kBadArchitecture);
}

// --- what is left to the agent --------------------------------------------------------------------------

// What a network policy demands of socket, on a profile that has conditions of its own.
Demands socket_demands() {
  constexpr std::uint64_t kInt = 0xffffffff;
  SyscallDemand demand;
  for (const std::uint64_t family : {2U, 10U}) {
    demand.cases.push_back({{masked(0, kInt, family), masked(2, kInt, 132)}, fails_with(EPROTONOSUPPORT)});
    demand.cases.push_back({{masked(0, kInt, family), masked(1, 0xf, 5)}, fails_with(ESOCKTNOSUPPORT)});
  }
  return {{"socket", demand}};
}

TEST(Merge, AsksTheAgentAboutUnusualArgumentsOnly) {
  const Profile profile = fixture("podman_seccomp.json");
  const Merged result = merged(profile, socket_demands());
  EXPECT_THAT(result.residual, ElementsAre("socket"));
  EXPECT_LE(rules_of(result, "socket").size(), 64U);
  const Filter filter(result.profile);
  struct Case {
    std::uint64_t family, type, protocol;
    ProfileAction answer;
  };
  constexpr std::uint64_t kCloexec = 0x80000;
  constexpr std::uint64_t kGarbage = 0x7f0000000000;
  const std::vector<Case> kCases{
      {1, 1, 0, kAllow},
      {1, 1 | kCloexec, 0, kAllow},
      {2, 1 | kCloexec, 6, kAllow},
      {10, 2, 17, kAllow},
      {16, 3, 0, kAllow},
      {16, 3, 9, fails_with(EINVAL)},  // NETLINK_AUDIT, by the profile
      {2, 1, 132, fails_with(EPROTONOSUPPORT)},
      {10, 5 | kCloexec, 0, fails_with(ESOCKTNOSUPPORT)},
      {1, 5, 0, kAllow},
      {kGarbage | 2, 1, 132, kNotify},
      {2, 1, 255, kNotify},
      {40, 1, 0, kNotify},
  };
  for (const Case& one : kCases)
    EXPECT_EQ(filter.native(41, {one.family, one.type, one.protocol}), one.answer)
        << one.family << " " << one.type << " " << one.protocol;

  // The agent's half for those.
  const auto part = compile(part_for(profile, result.residual));
  ASSERT_TRUE(part) << part.error().message();
  EXPECT_LT(part->size(), 40U);
  struct seccomp_data call {};
  call.arch = AUDIT_ARCH_X86_64;
  call.nr = 41;
  call.args[0] = 16;
  call.args[2] = 9;
  EXPECT_EQ(profile_answer(*part, call).value_or(kAllow), fails_with(EINVAL));
  call.args[0] = 40;
  EXPECT_EQ(profile_answer(*part, call).value_or(kKill), kAllow);
}

// Thirty-two conditions of one bit on each of two arguments, none of which may be met: over a thousand rules.
SyscallDemand too_much() {
  constexpr std::uint64_t kOdd = 0xaaaaaaaaaaaaaaaa;
  SyscallDemand demand;
  demand.cases = {{{masked(0, kOdd, 0)}, kAllow}, {{masked(1, kOdd, 0)}, kAllow}};
  demand.otherwise = kKill;
  return demand;
}

TEST(Merge, NotifiesWhatRulesCannotExpress) {
  const Profile profile{kAllow, {"SCMP_ARCH_X32"}, {{{"ioctl"}, fails_with(ENOTTY), {equals(2, 1)}}}};
  const Merged result = merged(profile, {{"ioctl", too_much()}});
  EXPECT_THAT(result.residual, ElementsAre("ioctl"));
  EXPECT_THAT(result.dropped_architectures, ElementsAre(Key("SCMP_ARCH_X32")));
  const auto rules = rules_of(result, "ioctl");
  ASSERT_EQ(rules.size(), 1U);
  EXPECT_EQ(rules[0].action, kNotify);
  EXPECT_TRUE(rules[0].args.empty());
}

TEST(Merge, RefusesAResidualCallThatTheAgentCannotAnswer) {
  for (const ActionKind kind : {ActionKind::kTrap, ActionKind::kTrace}) {
    const Profile profile{kAllow, {}, {{{"ioctl"}, {kind, 1}, {equals(2, 1)}}}};
    const auto refused = merge(profile, {{"ioctl", too_much()}});
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(), testing::StartsWith("syscall ioctl: "));
    EXPECT_THAT(refused.error().message(), HasSubstr("SCMP_ACT_TRAP or SCMP_ACT_TRACE"));
    // What can be expressed keeps such an answer.
    const Merged fine = merged(profile, {{"ioctl", always(kKill)}});
    EXPECT_EQ(Filter(fine.profile).native(16, {0, 0, 1}).kind, kind);
    EXPECT_EQ(Filter(fine.profile).native(16, {0, 0, 2}), kKill);
  }
}

TEST(Merge, SpendsABoundedPartOfTheFilterOnConditions) {
  // Each takes some dozens of rules; all together would leave no room for the profile.
  Demands demands;
  for (const char* name :
       {"ioctl", "prctl", "openat", "mmap", "mprotect", "kill", "fcntl", "read", "write", "lseek"}) {
    SyscallDemand demand;
    for (std::uint64_t i = 0; i < 40; ++i)
      demand.cases.push_back({{equals(0, i * 3), masked(1, 0xff, i)}, kKill});
    demands.emplace(name, demand);
  }
  const Merged result = merged({kAllow, {}, {}}, demands);
  EXPECT_THAT(result.residual, Not(testing::IsEmpty()));
  const auto program = compile(result.profile);
  ASSERT_TRUE(program);
  EXPECT_LT(program->size(), 2500U);
}

// --- what cannot be held --------------------------------------------------------------------------------

TEST(Merge, RefusesAProfileThatBringsASupervisorOfItsOwn) {
  const auto rule =
      merge({kAllow, {}, {{{"getpid"}, kKill, {}}, {{"mount"}, kNotify, {}}}}, {{"chdir", always(kKill)}});
  ASSERT_FALSE(rule);
  EXPECT_THAT(rule.error().message(), testing::StartsWith("/syscalls/1/action: the profile notifies"));
  const auto everything = merge({kNotify, {}, {}}, {});
  ASSERT_FALSE(everything);
  EXPECT_THAT(everything.error().message(), testing::StartsWith("/defaultAction: the profile notifies"));
}

// libseccomp 2.5.4 gets these conditions right for each call alone, and wrong for both.
TEST(Merge, RefusesConditionsThatLibseccompMixesUp) {
  constexpr std::uint32_t kChown = 92;
  constexpr std::uint32_t kArchPrctl = 158;
  const ArgumentTest low{1, Comparison::kLess, 0x100000001};
  const Profile profile{fails_with(EPERM),
                        {"SCMP_ARCH_X86_64"},
                        {{{"arch_prctl", "chown"}, kAllow, {low, equals(1, 0xffffffff)}},
                         {{"chown"}, kAllow, {{1, Comparison::kLess, 0x2db}}}}};
  EXPECT_EQ(Filter(part_for(profile, {"arch_prctl"})).native(kArchPrctl, {0, 1}), kAllow);
  EXPECT_EQ(Filter(part_for(profile, {"chown"})).native(kChown, {0, 1}), kAllow);
  const auto merged = merge(profile, {{"chown", always(kNotify)}});
  if (Filter(profile).native(kArchPrctl, {0, 1}) == kAllow) {
    ASSERT_TRUE(merged) << merged.error().message();
    EXPECT_EQ(Filter(merged->profile).native(kArchPrctl, {0, 1}), kAllow);
  } else {
    ASSERT_FALSE(merged);
    EXPECT_THAT(merged.error().message(), HasSubstr("mixes up the conditions on arch_prctl"));
  }
}

TEST(Merge, RefusesACallThatNoFilterCanName) {
  const auto refused = merge({kAllow, {}, {}}, {{"a_call_of_tomorrow", always(kKill)}});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(),
              testing::StartsWith("syscall a_call_of_tomorrow: this libseccomp does not know"));
  // A profile that refuses what it does not name refuses it already, even where it names it.
  const Profile closed{fails_with(EPERM), {}, {{{"a_call_of_tomorrow"}, kAllow, {}}}};
  EXPECT_TRUE(merge(closed, {{"a_call_of_tomorrow", always(kKill)}}));
  // A call of another ABI alone has a name that means nothing here.
  EXPECT_TRUE(merge({kAllow, {}, {}}, {{"socketcall", always(kKill)}}));
}

TEST(UnconfinedProfile, AllowsEverythingOnEveryAbi) {
  const Profile profile = unconfined_profile();
  EXPECT_THAT(profile.architectures, ElementsAre("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"));
  const Filter filter(profile);
  EXPECT_EQ(filter.native(165), kAllow);
  EXPECT_EQ(filter.x32(165), kAllow);
  EXPECT_EQ(filter.x86(21), kAllow);
}

TEST(PartFor, HoldsTheRulesOfTheCallsAlone) {
  const Profile part = part_for(fixture("podman_seccomp.json"), {"personality", "chdir"});
  EXPECT_EQ(part.default_action, fails_with(ENOSYS));
  EXPECT_TRUE(part.architectures.empty());
  ASSERT_EQ(part.rules.size(), 6U);
  EXPECT_THAT(part.rules[0].names, ElementsAre("chdir"));
  EXPECT_EQ(part.rules[5].args.size(), 1U);
}

}  // namespace
}  // namespace tidewaiter::seccomp

#endif  // __x86_64__

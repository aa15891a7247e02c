#include "oci/seccomp/filter_context.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>
#include <cstring>
#include <future>
#include <thread>

#include "oci/seccomp/notify.h"
#include "tests/oci/seccomp/child.h"
#include "tests/oci/seccomp/target.h"

namespace tidewaiter::seccomp {
namespace {

using policy::ArgumentTest;
using policy::Comparison;
using testing::HasSubstr;

constexpr ProfileAction kAllow{ActionKind::kAllow, 0};
constexpr ProfileAction kDeny{ActionKind::kErrno, 77};
constexpr ProfileAction kNotify{ActionKind::kNotify, 0};

const bool kBuiltWith26 = SCMP_VER_MAJOR > 2 || SCMP_VER_MINOR >= 6;

FilterContext make_context(const ProfileAction& default_action = kAllow) {
  auto context = FilterContext::create(default_action);
  if (!context) std::abort();
  return std::move(*context);
}

int code_of(const Status& status) { return status ? 0 : status.error().code; }
template <typename T>
int code_of(const Result<T>& result) {
  return result ? 0 : result.error().code;
}

// What `body` gives in a child that carries the filter; -code when it cannot be loaded.
long under(FilterContext& context, const std::function<long()>& body) {
  Child child([&] {
    const Status loaded = context.load();
    return std::vector<long>{loaded ? body() : -loaded.error().code};
  });
  return child.result();
}

// getppid has no arguments, so that filters may look at all six without changing what it does.
template <typename... Arguments>
long call(Arguments... arguments) {
  return raw_call(SYS_getppid, static_cast<unsigned long>(arguments)...);
}

// The file `write` fills.
std::string text_of(const std::function<Status(int)>& write) {
  const UniqueFd file(::memfd_create("text", MFD_CLOEXEC));
  if (!write(file.get()) || ::lseek(file.get(), 0, SEEK_SET) != 0) return {};
  return sys::read_all(file.get()).value_or("");
}

std::string pfc_of(const FilterContext& context) {
  return text_of([&](int fd) { return context.export_pfc(fd); });
}

std::uint32_t architecture(const char* name) { return architecture_token(name).value(); }

// --- the library ----------------------------------------------------------------------------------

TEST(Library, TellsItsVersionAndLevel) {
  const LibraryVersion version = library_version();
  EXPECT_EQ(version.major, 2U);
  EXPECT_GE(version.minor, 5U);
  EXPECT_GE(api_level(), 5U);  // notifications
}

TEST(Library, TakesALowerLevel) {
  Child child([] {
    const bool set = set_api_level(1).has_value();
    // The default action, because a rule's is not looked at by every version.
    return std::vector<long>{set, api_level(), code_of(FilterContext::create({ActionKind::kLog, 0}))};
  });
  EXPECT_EQ(child.report(), (std::vector<long>{1, 1, EINVAL}));
  EXPECT_EQ(code_of(set_api_level(99)), EINVAL);
}

// --- names and numbers ----------------------------------------------------------------------------

TEST(ArchitectureName, IsTheWayBackFromAToken) {
  const std::vector<const char*> names = {"SCMP_ARCH_X86",   "SCMP_ARCH_X86_64",  "SCMP_ARCH_X32",
                                          "SCMP_ARCH_ARM",   "SCMP_ARCH_AARCH64", "SCMP_ARCH_MIPSEL64N32",
                                          "SCMP_ARCH_S390X", "SCMP_ARCH_RISCV64"};
  for (const char* name : names) EXPECT_EQ(architecture_name(architecture(name)).value_or(""), name);
  EXPECT_EQ(architecture_name(SCMP_ARCH_X86_64).value_or(""), "SCMP_ARCH_X86_64");
}

TEST(ArchitectureName, FailsForWhatIsNone) {
  for (const std::uint32_t token : {0U, 1U, 0xffffffffU}) {
    const auto name = architecture_name(token);
    ASSERT_FALSE(name) << *name;
    EXPECT_THAT(name.error().message(), HasSubstr(std::to_string(token)));
  }
}

TEST(NativeArchitecture, IsThisMachines) {
#if defined(__x86_64__)
  EXPECT_EQ(native_architecture(), SCMP_ARCH_X86_64);
#elif defined(__aarch64__)
  EXPECT_EQ(native_architecture(), SCMP_ARCH_AARCH64);
#endif
  EXPECT_EQ(syscall_number(native_architecture(), "getppid"), SYS_getppid);
}

TEST(SyscallNumber, DiffersByArchitecture) {
  struct Case {
    const char* architecture;
    const char* name;
    int number;
  };
  const std::vector<Case> cases = {
      {"SCMP_ARCH_X86_64", "read", 0},       {"SCMP_ARCH_X86_64", "connect", 42},
      {"SCMP_ARCH_X86", "read", 3},          {"SCMP_ARCH_X86", "socketcall", 102},
      {"SCMP_ARCH_AARCH64", "read", 63},     {"SCMP_ARCH_AARCH64", "openat", 56},
      {"SCMP_ARCH_X32", "read", 0x40000000},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(testing::Message() << test.architecture << " " << test.name);
    EXPECT_EQ(syscall_number(architecture(test.architecture), test.name), test.number);
    EXPECT_EQ(syscall_name(architecture(test.architecture), test.number), test.name);
  }
}

TEST(SyscallNumber, IsMadeUpForACallOfAnotherArchitecture) {
  const auto number = syscall_number(SCMP_ARCH_X86_64, "socketcall");
  ASSERT_TRUE(number);
  EXPECT_LT(*number, -1);
  EXPECT_EQ(syscall_name(SCMP_ARCH_X86_64, *number), "socketcall");
}

TEST(SyscallNumber, IsAbsentForWhatNobodyKnows) {
  EXPECT_EQ(syscall_number(SCMP_ARCH_X86_64, "no_such_call"), std::nullopt);
  EXPECT_EQ(multiplexed_syscall_number(SCMP_ARCH_X86_64, "no_such_call"), std::nullopt);
  EXPECT_EQ(syscall_number(1, "read"), std::nullopt);
  EXPECT_EQ(syscall_name(SCMP_ARCH_X86_64, 100'000), std::nullopt);
}

TEST(MultiplexedSyscallNumber, IsThatOfTheCallItGoesThrough) {
  EXPECT_EQ(multiplexed_syscall_number(SCMP_ARCH_S390X, "socket"),
            syscall_number(SCMP_ARCH_S390X, "socketcall"));
  EXPECT_EQ(multiplexed_syscall_number(SCMP_ARCH_X86_64, "socket"), 41);
}

// --- rules ----------------------------------------------------------------------------------------

struct ComparisonCase {
  const char* name;
  ArgumentTest test;
  std::vector<unsigned long> hold;
  std::vector<unsigned long> fail;
};

constexpr unsigned long kHigh = 1UL << 32U;
constexpr unsigned long kTop = 1UL << 63U;  // comparisons are unsigned

const std::vector<ComparisonCase> kComparisonCases = {
    {"equal", {0, Comparison::kEqual, 5}, {5}, {0, 4, 6, kHigh + 5}},
    {"equal, 64 bits", {1, Comparison::kEqual, kHigh + 5}, {kHigh + 5}, {5, kHigh, 2 * kHigh + 5}},
    {"not equal", {2, Comparison::kNotEqual, 5}, {0, 4, 6, kHigh + 5}, {5}},
    {"not equal, 64 bits", {2, Comparison::kNotEqual, kHigh + 5}, {5, kHigh, kHigh + 6}, {kHigh + 5}},
    {"less", {3, Comparison::kLess, 5}, {0, 4}, {5, 6, kHigh, kHigh + 4, kTop}},
    {"less, 64 bits",
     {3, Comparison::kLess, kHigh + 5},
     {0, 6, kHigh + 4},
     {kHigh + 5, kHigh + 6, 2 * kHigh, kTop}},
    {"less or equal", {4, Comparison::kLessOrEqual, 5}, {0, 5}, {6, kHigh, kHigh + 4}},
    {"less or equal, 64 bits",
     {4, Comparison::kLessOrEqual, kHigh + 5},
     {0, 6, kHigh + 5},
     {kHigh + 6, 2 * kHigh, kTop}},
    {"greater", {5, Comparison::kGreater, 5}, {6, kHigh, kHigh + 4, kTop}, {0, 4, 5}},
    {"greater, 64 bits",
     {5, Comparison::kGreater, kHigh + 5},
     {kHigh + 6, 2 * kHigh, kTop},
     {0, 6, kHigh + 5}},
    {"greater or equal", {0, Comparison::kGreaterOrEqual, 5}, {5, 6, kHigh, kHigh + 4, kTop}, {0, 4}},
    {"greater or equal, 64 bits",
     {0, Comparison::kGreaterOrEqual, kHigh + 5},
     {kHigh + 5, 2 * kHigh, kTop},
     {0, 6, kHigh + 4}},
    {"masked equal", {1, Comparison::kMaskedEqual, 4, 6}, {4, 5, 12, kHigh + 4}, {0, 2, 6, kHigh}},
    {"masked equal, 64 bits",
     {1, Comparison::kMaskedEqual, kHigh, kHigh | 1U},
     {kHigh, kHigh + 2, 3 * kHigh},
     {0, 1, kHigh + 1, 2 * kHigh}},
};

TEST(AddRule, ComparesAsTheKernelSeesIt) {
  for (const ComparisonCase& test : kComparisonCases) {
    SCOPED_TRACE(test.name);
    FilterContext context = make_context();
    const Status added = context.add_rule(kDeny, SYS_getppid, {test.test});
    ASSERT_TRUE(added) << added.error().message();
    const auto called_with = [&](unsigned long value) {
      std::array<unsigned long, 6> arguments{};
      arguments[test.test.index] = value;
      return under(context, [&] {
        return call(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
      });
    };
    for (const unsigned long value : test.hold) EXPECT_EQ(called_with(value), -kDeny.data) << value;
    for (const unsigned long value : test.fail) EXPECT_EQ(called_with(value), ::getpid()) << value;
  }
}

TEST(AddRule, MatchesWhenEveryTestHolds) {
  FilterContext context = make_context();
  ASSERT_TRUE(context.add_rule(
      kDeny, SYS_getppid,
      {{0, Comparison::kEqual, 1}, {1, Comparison::kGreater, 1}, {5, Comparison::kNotEqual, 0}}));
  EXPECT_EQ(under(context, [] { return call(1, 2, 0, 0, 0, 3); }), -kDeny.data);
  EXPECT_EQ(under(context, [] { return call(0, 2, 0, 0, 0, 3); }), ::getpid());
  EXPECT_EQ(under(context, [] { return call(1, 1, 0, 0, 0, 3); }), ::getpid());
  EXPECT_EQ(under(context, [] { return call(1, 2, 0, 0, 0, 0); }), ::getpid());
}

TEST(AddRule, IsOneOfSeveral) {
  FilterContext context = make_context();
  ASSERT_TRUE(context.add_rule(kDeny, SYS_getppid, {{0, Comparison::kEqual, 1}}));
  ASSERT_TRUE(context.add_rule({ActionKind::kErrno, 78}, SYS_getppid, {{0, Comparison::kEqual, 2}}));
  EXPECT_EQ(under(context, [] { return call(1); }), -77);
  EXPECT_EQ(under(context, [] { return call(2); }), -78);
  EXPECT_EQ(under(context, [] { return call(3); }), ::getpid());
}

TEST(AddRule, RefusesWhatLibseccompCannotExpress) {
  FilterContext context = make_context();
  EXPECT_EQ(code_of(context.add_rule(kAllow, SYS_getppid)), EACCES);
  EXPECT_EQ(
      code_of(context.add_rule(kDeny, SYS_getppid, {{0, Comparison::kEqual, 1}, {0, Comparison::kEqual, 2}})),
      EINVAL);
  EXPECT_EQ(code_of(context.add_rule(kDeny, SYS_getppid, {{6, Comparison::kEqual, 1}})), EINVAL);
  EXPECT_EQ(code_of(context.add_rule(kDeny, SYS_getppid, std::vector<ArgumentTest>(7))), EINVAL);
}

TEST(AddRule, IsExactForOneArchitectureOnly) {
  FilterContext context = make_context();
  EXPECT_TRUE(context.add_rule(kDeny, SYS_getppid, {{0, Comparison::kEqual, 1}}, Exactness::kExact));
  EXPECT_EQ(under(context, [] { return call(1); }), -kDeny.data);
  EXPECT_EQ(under(context, [] { return call(2); }), ::getpid());
  ASSERT_TRUE(context.add_architecture(architecture("SCMP_ARCH_RISCV64")));
  EXPECT_EQ(code_of(context.add_rule(kDeny, SYS_getpid, {}, Exactness::kExact)), EOPNOTSUPP);
  EXPECT_TRUE(context.add_rule(kDeny, SYS_getpid, {}, Exactness::kAdapt));
}

// What becomes of a call of getppid under one rule: its result, or the signal that ended the caller.
struct ActionCase {
  const char* name;
  ProfileAction action;
  long result;
  int signal;
};
constexpr long kOwnPid = -1'000'000;

TEST(AddRule, TakesEveryAction) {
  const std::vector<ActionCase> cases = {
      {"errno", {ActionKind::kErrno, 1}, -1, 0},
      {"largest errno", {ActionKind::kErrno, 4094}, -4094, 0},
      {"log", {ActionKind::kLog, 0}, kOwnPid, 0},
      {"trace without a tracer", {ActionKind::kTrace, 9}, -ENOSYS, 0},
      {"notify", {ActionKind::kNotify, 0}, -ENOSYS, 0},  // nobody listens once the descriptor is closed
      {"trap", {ActionKind::kTrap, 0}, Child::kNothing, SIGSYS},
#ifndef __SANITIZE_THREAD__  // whose own thread would live on, and the child with it
      {"kill the thread", {ActionKind::kKillThread, 0}, Child::kNothing, SIGSYS},
#endif
      {"kill the process", {ActionKind::kKillProcess, 0}, Child::kNothing, SIGSYS},
  };
  for (const ActionCase& test : cases) {
    SCOPED_TRACE(test.name);
    FilterContext context = make_context();
    const Status added = context.add_rule(test.action, SYS_getppid);
    ASSERT_TRUE(added) << added.error().message();
    Child child([&] {
      // A core file of every killed child helps nobody.
      const struct rlimit none {};
      ::setrlimit(RLIMIT_CORE, &none);
      if (!context.load()) return std::vector<long>{};
      if (const auto notify = context.notify_fd()) ::close(*notify);
      return std::vector<long>{call()};
    });
    EXPECT_EQ(child.result(), test.result == kOwnPid ? ::getpid() : test.result);
    const int status = child.wait();
    EXPECT_EQ(WIFSIGNALED(status) ? WTERMSIG(status) : 0, test.signal);
  }
}

TEST(DefaultAction, AnswersCallsWithoutARule) {
  FilterContext context = make_context(kDeny);
  // What the child does besides, and what a sanitizer does behind its back.
  for (const long allowed : {SYS_getpid, SYS_write, SYS_exit_group, SYS_mmap, SYS_munmap, SYS_sigaltstack}) {
    ASSERT_TRUE(context.add_rule(kAllow, static_cast<int>(allowed)));
  }
  EXPECT_EQ(under(context, [] { return call(); }), -kDeny.data);
  EXPECT_GT(under(context, [] { return raw_call(SYS_getpid); }), 0);
}

TEST(SyscallPriority, MovesASyscallForward) {
  FilterContext context = make_context();
  ASSERT_TRUE(context.add_rule(kDeny, SYS_getppid));
  ASSERT_TRUE(context.add_rule(kDeny, SYS_getuid));
  const auto order = [&] {
    const std::string text = pfc_of(context);
    return text.find("\"getuid\"") < text.find("\"getppid\"");
  };
  ASSERT_TRUE(context.set_syscall_priority(SYS_getppid, 200));
  EXPECT_FALSE(order());
  ASSERT_TRUE(context.set_syscall_priority(SYS_getuid, 255));
  EXPECT_TRUE(order());
  EXPECT_EQ(code_of(context.set_syscall_priority(-1, 1)), EINVAL);
}

// --- architectures, merge, reset ------------------------------------------------------------------

TEST(Architectures, AreAddedAndRemoved) {
  FilterContext context = make_context();
  const std::uint32_t other = architecture("SCMP_ARCH_RISCV64");
  EXPECT_TRUE(context.has_architecture(native_architecture()).value());
  EXPECT_FALSE(context.has_architecture(other).value());
  ASSERT_TRUE(context.add_architecture(other));
  EXPECT_TRUE(context.has_architecture(other).value());
  EXPECT_EQ(code_of(context.add_architecture(other)), EEXIST);
  ASSERT_TRUE(context.remove_architecture(other));
  EXPECT_FALSE(context.has_architecture(other).value());
  EXPECT_EQ(code_of(context.remove_architecture(other)), EEXIST);
  EXPECT_EQ(code_of(context.add_architecture(1)), EINVAL);
  EXPECT_EQ(code_of(context.has_architecture(1)), EINVAL);
}

TEST(Merge, TakesTheOthersArchitectures) {
  const std::uint32_t other_architecture = architecture("SCMP_ARCH_RISCV64");
  FilterContext context = make_context();
  ASSERT_TRUE(context.add_rule(kDeny, SYS_getppid));
  FilterContext other = make_context();
  ASSERT_TRUE(other.add_architecture(other_architecture));
  ASSERT_TRUE(other.remove_architecture(native_architecture()));
  ASSERT_TRUE(other.add_rule(kDeny, *syscall_number(native_architecture(), "getpgid")));

  const Status merged = context.merge(std::move(other));
  ASSERT_TRUE(merged) << merged.error().message();
  EXPECT_TRUE(context.has_architecture(other_architecture).value());
  EXPECT_THAT(pfc_of(context), testing::AllOf(HasSubstr("\"getppid\""), HasSubstr("\"getpgid\"")));
  EXPECT_EQ(under(context, [] { return call(); }), -kDeny.data);
}

TEST(Merge, LeavesTheOtherWhenItFails) {
  FilterContext context = make_context();
  FilterContext same_architecture = make_context();
  EXPECT_EQ(code_of(context.merge(std::move(same_architecture))), EEXIST);
  // NOLINTNEXTLINE(bugprone-use-after-move): a failed merge leaves it as it was
  EXPECT_TRUE(same_architecture.add_rule(kDeny, SYS_getppid));
  EXPECT_EQ(under(same_architecture, [] { return call(); }), -kDeny.data);

  FilterContext other_default = make_context(kDeny);
  EXPECT_EQ(code_of(context.merge(std::move(other_default))), EINVAL);
}

TEST(Reset, TakesTheFilterBackToTheBeginning) {
  FilterContext context = make_context();
  ASSERT_TRUE(context.add_rule(kDeny, SYS_getppid));
  ASSERT_TRUE(context.add_architecture(architecture("SCMP_ARCH_RISCV64")));
  ASSERT_TRUE(context.set_attribute(Attribute::kNoNewPrivileges, 0));
  const ProfileAction log{ActionKind::kLog, 0};
  ASSERT_TRUE(context.reset(log));
  EXPECT_EQ(context.attribute(Attribute::kDefaultAction).value(), return_value(log));
  EXPECT_EQ(context.attribute(Attribute::kNoNewPrivileges).value(), 1U);
  EXPECT_EQ(context.attribute(Attribute::kRawReturnCodes).value(), 1U);
  EXPECT_FALSE(context.has_architecture(architecture("SCMP_ARCH_RISCV64")).value());
  EXPECT_EQ(pfc_of(context).find("getppid"), std::string::npos);
  EXPECT_EQ(under(context, [] { return call(); }), ::getpid());
}

TEST(FilterContext, MovesWithItsRules) {
  FilterContext from = make_context();
  ASSERT_TRUE(from.add_rule(kDeny, SYS_getppid));
  FilterContext context = make_context(kDeny);
  context = std::move(from);
  EXPECT_EQ(under(context, [] { return call(); }), -kDeny.data);
}

// --- attributes -----------------------------------------------------------------------------------

struct AttributeCase {
  const char* name;
  Attribute attribute;
  std::uint32_t at_first;
  std::vector<std::uint32_t> values;
};

const std::vector<AttributeCase> kAttributeCases = {
    {"bad architecture action",
     Attribute::kBadArchitectureAction,
     SCMP_ACT_KILL_THREAD,
     {SCMP_ACT_ERRNO(5), SCMP_ACT_ALLOW, SCMP_ACT_KILL_PROCESS}},
    {"no_new_privs", Attribute::kNoNewPrivileges, 1, {0, 1}},
    {"thread sync", Attribute::kThreadSync, 0, {1, 0}},
    {"skip syscall", Attribute::kSkipSyscall, 0, {1, 0}},
    {"log", Attribute::kLog, 0, {1, 0}},
    {"speculative store", Attribute::kSpeculativeStore, 0, {1, 0}},
    {"optimize", Attribute::kOptimize, 1, {2, 1}},
    {"raw return codes", Attribute::kRawReturnCodes, 1, {0, 1}},
};

TEST(Attributes, AreReadBackAsWritten) {
  for (const AttributeCase& test : kAttributeCases) {
    SCOPED_TRACE(test.name);
    FilterContext context = make_context();
    EXPECT_EQ(context.attribute(test.attribute).value(), test.at_first);
    for (const std::uint32_t value : test.values) {
      const Status set = context.set_attribute(test.attribute, value);
      ASSERT_TRUE(set) << set.error().message();
      EXPECT_EQ(context.attribute(test.attribute).value(), value);
    }
  }
}

TEST(Attributes, HaveADefaultActionThatIsReadOnly) {
  FilterContext context = make_context(kDeny);
  EXPECT_EQ(context.attribute(Attribute::kDefaultAction).value(), return_value(kDeny));
  EXPECT_EQ(code_of(context.set_attribute(Attribute::kDefaultAction, SCMP_ACT_ALLOW)), EACCES);
}

TEST(Attributes, RefuseValuesThatMeanNothing) {
  FilterContext context = make_context();
  EXPECT_EQ(code_of(context.set_attribute(Attribute::kBadArchitectureAction, 0x12345678)), EINVAL);
  EXPECT_EQ(code_of(context.set_attribute(Attribute::kOptimize, 3)), EOPNOTSUPP);
}

TEST(WaitKillable, NeedsLibseccomp26) {
  FilterContext context = make_context();
  const auto value = context.attribute(Attribute::kWaitKillable);
  const Status set = context.set_attribute(Attribute::kWaitKillable, 1);
  if (library_version().minor < 6) {
    EXPECT_EQ(code_of(value), EOPNOTSUPP);
    EXPECT_EQ(code_of(set), EOPNOTSUPP);
    EXPECT_THAT(set.error().message(),
                testing::AllOf(HasSubstr("wait killable"), HasSubstr("needs libseccomp 2.6"),
                               HasSubstr("this is 2.5.")));
    return;
  }
  EXPECT_EQ(value.value(), 0U);
  ASSERT_TRUE(set) << set.error().message();
  EXPECT_EQ(context.attribute(Attribute::kWaitKillable).value(), 1U);
  ASSERT_TRUE(context.add_rule(kNotify, SYS_getuid));
  EXPECT_EQ(under(context, [] { return call(); }), ::getpid());
}

TEST(NoNewPrivileges, IsSetByLoadingUnlessTurnedOff) {
  FilterContext context = make_context();
  const auto no_new_privileges = [] { return static_cast<long>(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)); };
  EXPECT_EQ(under(context, no_new_privileges), 1);

  ASSERT_TRUE(context.set_attribute(Attribute::kNoNewPrivileges, 0));
  Child unprivileged([&] {
    if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) return std::vector<long>{};
    return std::vector<long>{code_of(context.load())};
  });
  EXPECT_EQ(unprivileged.result(), ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : EACCES);
  if (::geteuid() == 0) {
    EXPECT_EQ(under(context, no_new_privileges), ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  }
}

TEST(ThreadSync, CoversThreadsThatRunAlready) {
  for (const std::uint32_t sync : {0U, 1U}) {
    FilterContext context = make_context();
    ASSERT_TRUE(context.add_rule(kDeny, SYS_getppid));
    ASSERT_TRUE(context.set_attribute(Attribute::kThreadSync, sync));
    Child child([&] {
      std::promise<void> loaded;
      long in_thread = 0;
      std::thread thread([&] {
        loaded.get_future().wait();
        in_thread = call();
      });
      const int code = code_of(context.load());
      loaded.set_value();
      thread.join();
      return std::vector<long>{code, call(), in_thread};
    });
    EXPECT_EQ(child.report(), (std::vector<long>{0, -kDeny.data, sync == 1 ? -kDeny.data : ::getpid()}));
  }
}

TEST(SkipSyscall, AdmitsRulesOnSyscallMinusOne) {
  FilterContext context = make_context();
  EXPECT_EQ(code_of(context.add_rule(kDeny, -1)), EINVAL);
  ASSERT_TRUE(context.set_attribute(Attribute::kSkipSyscall, 1));
  const Status added = context.add_rule(kDeny, -1);
  ASSERT_TRUE(added) << added.error().message();
  EXPECT_EQ(under(context, [] { return raw_call(-1); }), -kDeny.data);
}

// The flags of seccomp(2) with which the context is loaded: its calls notify, and go on. A second listener
// is refused then, after its flags were seen.
std::optional<std::uint64_t> flags_of_load(FilterContext& context) {
  Target target(SYS_seccomp, [&] { return std::vector<long>{code_of(context.load())}; });
  auto buffer = NotificationBuffer::make();
  std::optional<std::uint64_t> flags;
  // libseccomp tries what the kernel knows with a null pointer first.
  while (buffer && !flags && receive(target.fd(), *buffer)) {
    const struct seccomp_data& data = buffer->get().data;
    if (data.args[0] == SECCOMP_SET_MODE_FILTER && data.args[2] != 0) flags = data.args[1];
    if (!answer_continue(target.fd(), buffer->get().id)) return std::nullopt;
  }
  return flags;
}

TEST(Attributes, BecomeFlagsOfTheLoad) {
  struct Case {
    const char* name;
    std::optional<Attribute> attribute;
    ProfileAction rule;
    std::uint64_t flags;
  };
  std::vector<Case> cases = {
      {"none", std::nullopt, kDeny, 0},
      {"thread sync", Attribute::kThreadSync, kDeny, SECCOMP_FILTER_FLAG_TSYNC},
      {"log", Attribute::kLog, kDeny, SECCOMP_FILTER_FLAG_LOG},
      {"speculative store", Attribute::kSpeculativeStore, kDeny, SECCOMP_FILTER_FLAG_SPEC_ALLOW},
      {"notify", std::nullopt, kNotify, SECCOMP_FILTER_FLAG_NEW_LISTENER},
  };
  if (library_version().minor >= 6) {
    cases.push_back({"wait killable", Attribute::kWaitKillable, kNotify,
                     SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV});
  }
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    FilterContext context = make_context();
    ASSERT_TRUE(context.add_rule(test.rule, SYS_getppid));
    if (test.attribute) {
      ASSERT_TRUE(context.set_attribute(*test.attribute, 1));
    }
    const auto flags = flags_of_load(context);
    ASSERT_TRUE(flags);
    // How threads that cannot be synchronised are reported is libseccomp's affair.
    EXPECT_EQ(*flags & ~SECCOMP_FILTER_FLAG_TSYNC_ESRCH, test.flags);
  }
}

TEST(Optimize, BuildsATreeThatAnswersTheSame) {
  FilterContext list = make_context();
  FilterContext tree = make_context();
  ASSERT_TRUE(tree.set_attribute(Attribute::kOptimize, 2));
  for (int number = 300; number < 330; ++number) {
    ASSERT_TRUE(list.add_rule(kDeny, number));
    ASSERT_TRUE(tree.add_rule(kDeny, number));
  }
  ASSERT_TRUE(tree.add_rule(kDeny, SYS_getppid));
  ASSERT_TRUE(list.add_rule(kDeny, SYS_getppid));
  EXPECT_NE(list.program().value().size(), tree.program().value().size());
  for (FilterContext* context : {&list, &tree}) {
    EXPECT_EQ(under(*context, [] { return call(); }), -kDeny.data);
    EXPECT_GE(under(*context, [] { return raw_call(SYS_getuid); }), 0);
  }
}

TEST(RawReturnCodes, TellAnErrnoApart) {
  FilterContext context = make_context();
  ASSERT_TRUE(context.set_attribute(Attribute::kRawReturnCodes, 0));
  EXPECT_EQ(code_of(context.export_bpf(-1)), ECANCELED);
  ASSERT_TRUE(context.set_attribute(Attribute::kRawReturnCodes, 1));
  EXPECT_EQ(code_of(context.export_bpf(-1)), EBADF);
}

#if defined(__x86_64__)
// getppid of the 32-bit ABI, from this 64-bit program.
long call_x86() {
  constexpr long kGetppid = 64;
  long result = kGetppid;
  // The kernel clears r8 to r11 on this way in.
  asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
  return static_cast<int>(result);
}

TEST(BadArchitectureAction, AnswersCallsOfAnArchitectureThatIsNotThere) {
  if (Child([] { return std::vector<long>{call_x86()}; }).result() != ::getpid()) {
    GTEST_SKIP() << "this kernel has no 32-bit calls";
  }
  FilterContext context = make_context();
  ASSERT_TRUE(
      context.set_attribute(Attribute::kBadArchitectureAction, return_value({ActionKind::kErrno, 78})));
  ASSERT_TRUE(context.add_rule(kDeny, SYS_getppid));
  EXPECT_EQ(under(context, call_x86), -78);
  // Once it is there, its own rules count. It came too late for the one above.
  ASSERT_TRUE(context.add_architecture(SCMP_ARCH_X86));
  EXPECT_EQ(under(context, call_x86), ::getpid());
  ASSERT_TRUE(context.add_rule({ActionKind::kErrno, 79}, SYS_getppid));
  EXPECT_EQ(under(context, call_x86), -79);
}
#endif

// --- transactions and precompute ------------------------------------------------------------------

TEST(Transaction, IsTakenBackOrKept) {
  FilterContext context = make_context();
  const Status started = context.start_transaction();
  if (!kBuiltWith26) {
    for (const Status& status : {started, context.commit_transaction(), context.reject_transaction()}) {
      EXPECT_EQ(code_of(status), EOPNOTSUPP);
      EXPECT_THAT(status.error().message(), testing::AllOf(HasSubstr("transaction: needs libseccomp 2.6"),
                                                           HasSubstr("built with 2.5.")));
    }
    return;
  }
  ASSERT_TRUE(started) << started.error().message();
  ASSERT_TRUE(context.add_rule(kDeny, SYS_getppid));
  ASSERT_TRUE(context.reject_transaction());
  EXPECT_EQ(pfc_of(context).find("getppid"), std::string::npos);

  ASSERT_TRUE(context.start_transaction());
  ASSERT_TRUE(context.add_rule(kDeny, SYS_getppid));
  ASSERT_TRUE(context.start_transaction());
  ASSERT_TRUE(context.add_rule(kDeny, SYS_getuid));
  ASSERT_TRUE(context.reject_transaction());
  ASSERT_TRUE(context.commit_transaction());

  ASSERT_TRUE(context.start_transaction());
  ASSERT_TRUE(context.add_rule(kDeny, SYS_getuid));
  ASSERT_TRUE(context.start_transaction());
  ASSERT_TRUE(context.add_rule(kDeny, SYS_getgid));
  ASSERT_TRUE(context.commit_transaction());
  EXPECT_NE(pfc_of(context).find("getgid"), std::string::npos);
  ASSERT_TRUE(context.reject_transaction());
  EXPECT_EQ(pfc_of(context).find("getgid"), std::string::npos);

  EXPECT_EQ(code_of(context.reject_transaction()), EINVAL);
  EXPECT_EQ(code_of(context.commit_transaction()), EINVAL);
  EXPECT_EQ(pfc_of(context).find("getuid"), std::string::npos);
  EXPECT_EQ(under(context, [] { return call(); }), -kDeny.data);
}

TEST(Precompute, LeavesTheProgramAsItIs) {
  FilterContext context = make_context();
  ASSERT_TRUE(context.add_rule(kDeny, SYS_getppid));
  const Status precomputed = context.precompute();
  if (!kBuiltWith26) {
    EXPECT_EQ(code_of(precomputed), EOPNOTSUPP);
    EXPECT_THAT(precomputed.error().message(), HasSubstr("needs libseccomp 2.6"));
    return;
  }
  ASSERT_TRUE(precomputed) << precomputed.error().message();
  EXPECT_EQ(under(context, [] { return call(); }), -kDeny.data);
  // A rule that comes later counts all the same.
  ASSERT_TRUE(context.add_rule({ActionKind::kErrno, 78}, SYS_getpgrp));
  EXPECT_EQ(under(context, [] { return raw_call(SYS_getpgrp); }), -78);
}

// --- exports --------------------------------------------------------------------------------------

TEST(Export, WritesPseudoCodeForPeople) {
  FilterContext context = make_context();
  ASSERT_TRUE(context.add_rule(kDeny, SYS_getppid, {{0, Comparison::kEqual, 4711}}));
  EXPECT_THAT(pfc_of(context),
              testing::AllOf(HasSubstr("pseudo filter code start"), HasSubstr("\"getppid\""),
                             HasSubstr("4711"), HasSubstr("ERRNO(77)"), HasSubstr("action ALLOW")));
  EXPECT_EQ(code_of(context.export_pfc(-1)), EBADF);
}

TEST(Export, GivesTheSameProgramInMemory) {
  FilterContext context = make_context(kDeny);
  for (int number = 0; number < 100; ++number) {
    const ArgumentTest test{static_cast<unsigned>(number % 6), Comparison::kLess,
                            static_cast<std::uint64_t>(number)};
    ASSERT_TRUE(context.add_rule(kAllow, number, {test}));
  }
  const std::string written = text_of([&](int fd) { return context.export_bpf(fd); });
  const auto program = context.program();
  ASSERT_TRUE(program) << program.error().message();
  ASSERT_EQ(written.size(), program->size() * sizeof(struct sock_filter));
  ASSERT_GT(program->size(), 100U);
  EXPECT_EQ(std::memcmp(written.data(), program->data(), written.size()), 0);
}

TEST(Export, GivesAProgramThatTheKernelTakes) {
  FilterContext context = make_context();
  ASSERT_TRUE(context.add_rule(kDeny, SYS_getppid));
  BpfProgram program = context.program().value();
  Child child([&] {
    const struct sock_fprog filter { static_cast<unsigned short>(program.size()), program.data() };
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) return std::vector<long>{};
    return std::vector<long>{call()};
  });
  EXPECT_EQ(child.result(), -kDeny.data);
}

// --- load and the notify descriptor ---------------------------------------------------------------

TEST(NotifyFd, IsAbsentWithoutAFilterThatNotifies) {
  FilterContext context = make_context();
  EXPECT_FALSE(context.notify_fd());
  ASSERT_TRUE(context.add_rule(kDeny, SYS_getppid));
  EXPECT_EQ(under(context, [&] { return context.notify_fd() ? 1 : 0; }), 0);
}

// One child that is target and listener at once: a thread from before the filter answers the other.
std::vector<long> answer_oneself(FilterContext& context) {
  std::promise<int> listener;
  std::thread thread([&] {
    const int fd = listener.get_future().get();
    auto buffer = NotificationBuffer::make();
    if (buffer && receive(fd, *buffer)) (void)answer_value(fd, buffer->get().id, 4711);
  });
  const int code = code_of(context.load());
  const auto notify = context.notify_fd();
  listener.set_value(notify.value_or(-1));
  const long result = notify ? call() : -1;
  thread.join();
  return {code, notify.value_or(-1) > 0, result};
}

TEST(NotifyFd, ReceivesWhatTheFilterNotifies) {
  FilterContext context = make_context();
  ASSERT_TRUE(context.add_rule(kNotify, SYS_getppid));
  Child child([&] { return answer_oneself(context); });
  EXPECT_EQ(child.report(), (std::vector<long>{0, 1, 4711}));
}

TEST(NotifyFd, IsFoundThoughDescriptor0IsFree) {
  FilterContext context = make_context();
  ASSERT_TRUE(context.add_rule(kNotify, SYS_getppid));
  Child child([&] {
    ::close(STDIN_FILENO);
    std::vector<long> report = answer_oneself(context);
    struct stat standard_input {};
    struct stat null {};
    const bool both = ::fstat(STDIN_FILENO, &standard_input) == 0 && ::stat("/dev/null", &null) == 0;
    report.push_back(both && standard_input.st_rdev == null.st_rdev);
    return report;
  });
  EXPECT_EQ(child.report(), (std::vector<long>{0, 1, 4711, 1}));
}

TEST(Load, SaysThatAnotherFilterNotifiesAlready) {
  FilterContext context = make_context();
  ASSERT_TRUE(context.add_rule(kNotify, SYS_getppid));
  BpfProgram program = context.program().value();
  Child child([&] {
    // Not with libseccomp, which would remember that it has a listener and not ask for another.
    const struct sock_fprog filter { static_cast<unsigned short>(program.size()), program.data() };
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const long first =
        ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
    return std::vector<long>{first > 0, code_of(context.load())};
  });
  EXPECT_EQ(child.report(), (std::vector<long>{1, EBUSY}));
}

}  // namespace
}  // namespace tidewaiter::seccomp

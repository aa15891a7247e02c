#include "oci/seccomp/bpf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

namespace tidewaiter::seccomp {
namespace {

using policy::Comparison;

struct sock_filter statement(int code, std::uint32_t k = 0) {
  return BPF_STMT(static_cast<std::uint16_t>(code), k);
}
struct sock_filter jump(int code, std::uint32_t k, std::uint8_t yes, std::uint8_t no) {
  return BPF_JUMP(static_cast<std::uint16_t>(code), k, yes, no);
}

constexpr int kReturn = BPF_RET | BPF_K;
constexpr int kReturnA = BPF_RET | BPF_A;
constexpr int kLoad = BPF_LD | BPF_W | BPF_ABS;
constexpr int kLoadImmediate = BPF_LD | BPF_IMM;
constexpr int kLoadImmediateX = BPF_LDX | BPF_IMM;

// A program that leaves a small number in A, and that number. The number becomes the errno of a call, so that
// the kernel can be asked for it as well.
struct Computation {
  std::string name;
  BpfProgram program;
  std::uint32_t result;
};

// The call the kernel is asked with: args are 5, 0xfffffffe, 2^32 + 9, then zeros.
constexpr std::uint64_t kArguments[6] = {5, 0xfffffffe, 0x100000009, 0, 0, 0};

std::vector<Computation> computations() {
  const auto with = [](std::uint32_t a, std::uint32_t x, int operation) {
    return BpfProgram{statement(kLoadImmediate, a), statement(kLoadImmediateX, x),
                      statement(BPF_ALU | operation)};
  };
  const auto jumps = [](std::uint32_t a, std::uint32_t x, struct sock_filter test) {
    return BpfProgram{
        statement(kLoadImmediate, a), statement(kLoadImmediateX, x),  test,
        statement(kLoadImmediate, 7), statement(BPF_JMP | BPF_JA, 1), statement(kLoadImmediate, 8)};
  };
  return {
      {"LoadsAnImmediate", {statement(kLoadImmediate, 42)}, 42},
      {"LoadsTheLowWordOfAnArgument", {statement(kLoad, 16)}, 5},
      {"LoadsTheHighWordOfAnArgument", {statement(kLoad, 36)}, 1},
      {"LoadsTheLength", {statement(BPF_LD + BPF_W + BPF_LEN)}, 64},
      {"LoadsTheLengthIntoX", {statement(BPF_LDX | BPF_W | BPF_LEN), statement(BPF_MISC | BPF_TXA)}, 64},
      {"Adds", {statement(kLoadImmediate, 40), statement(BPF_ALU + BPF_ADD + BPF_K, 2)}, 42},
      {"AddsModulo32Bits", {statement(kLoad, 24), statement(BPF_ALU + BPF_ADD + BPF_K, 5)}, 3},
      {"AddsX", with(1, 2, BPF_ADD | BPF_X), 3},
      {"SubtractsX", with(9, 2, BPF_SUB | BPF_X), 7},
      {"MultipliesX", with(6, 7, BPF_MUL | BPF_X), 42},
      {"DividesByX", with(0xfffffffe, 0x10000000, BPF_DIV | BPF_X), 15},
      {"AndsX", with(0xff, 0x2a, BPF_AND | BPF_X), 42},
      {"OrsX", with(0x28, 2, BPF_OR | BPF_X), 42},
      {"XorsX", with(0x2b, 1, BPF_XOR | BPF_X), 42},
      {"ShiftsLeftByX", with(21, 1, BPF_LSH | BPF_X), 42},
      {"ShiftsRightByX", with(0x80000000, 26, BPF_RSH | BPF_X), 32},
      {"ShiftsModulo32", with(21, 33, BPF_LSH | BPF_X), 42},
      {"Negates", {statement(kLoadImmediate, 0xffffffd6), statement(BPF_ALU | BPF_NEG)}, 42},
      {"RemembersInMemory",
       {statement(kLoadImmediate, 42), statement(BPF_ST, 15), statement(kLoadImmediate, 1),
        statement(BPF_LD | BPF_MEM, 15)},
       42},
      {"RemembersXInMemory",
       {statement(kLoadImmediateX, 42), statement(BPF_STX, 0), statement(BPF_LD | BPF_MEM, 0)},
       42},
      {"ReadsMemoryIntoX",
       {statement(kLoadImmediate, 42), statement(BPF_ST, 3), statement(kLoadImmediate, 0),
        statement(BPF_LDX | BPF_MEM, 3), statement(BPF_MISC | BPF_TXA)},
       42},
      {"MovesAToX",
       {statement(kLoadImmediate, 21), statement(BPF_MISC | BPF_TAX), statement(BPF_ALU | BPF_ADD | BPF_X)},
       42},
      {"JumpsIfEqual", jumps(5, 0, jump(BPF_JMP | BPF_JEQ | BPF_K, 5, 2, 0)), 8},
      {"StaysIfNotEqual", jumps(5, 0, jump(BPF_JMP | BPF_JEQ | BPF_K, 6, 2, 0)), 7},
      {"ComparesUnsigned", jumps(0x80000000, 0, jump(BPF_JMP | BPF_JGT | BPF_K, 1, 2, 0)), 8},
      {"IsNotGreaterThanItself", jumps(5, 5, jump(BPF_JMP | BPF_JGT | BPF_X, 0, 2, 0)), 7},
      {"IsGreaterOrEqualToItself", jumps(5, 5, jump(BPF_JMP | BPF_JGE | BPF_X, 0, 2, 0)), 8},
      {"JumpsIfABitIsSet", jumps(6, 0, jump(BPF_JMP | BPF_JSET | BPF_K, 3, 2, 0)), 8},
      {"StaysIfNoBitIsSet", jumps(4, 3, jump(BPF_JMP | BPF_JSET | BPF_X, 0, 2, 0)), 7},
      {"TakesTheFalseBranch", jumps(4, 0, jump(BPF_JMP | BPF_JEQ | BPF_K, 5, 0, 2)), 8},
  };
}

// What the kernel says: the program, turned into a filter on one harmless call, runs in a child.
int errno_in_kernel(const BpfProgram& computation) {
  BpfProgram filter{statement(kLoad, 0), jump(BPF_JMP | BPF_JEQ | BPF_K, __NR_getpgrp, 1, 0),
                    statement(kReturn, SECCOMP_RET_ALLOW)};
  filter.insert(filter.end(), computation.begin(), computation.end());
  const pid_t child = ::fork();
  if (child == 0) {
    const struct sock_fprog program = {static_cast<unsigned short>(filter.size()), filter.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) ::_exit(255);
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) ::_exit(254);
    const long result = ::syscall(__NR_getpgrp, kArguments[0], kArguments[1], kArguments[2], 0, 0, 0);
    ::_exit(result == -1 ? errno : 253);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

struct seccomp_data call_of(std::uint32_t arch, std::uint32_t number) {
  struct seccomp_data call {};
  call.nr = static_cast<int>(number);
  call.arch = arch;
  return call;
}

TEST(Evaluate, ComputesWhatTheKernelComputes) {
  for (const Computation& computation : computations()) {
    SCOPED_TRACE(computation.name);
    BpfProgram program = computation.program;
    program.push_back(statement(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO));
    program.push_back(statement(kReturnA));
    struct seccomp_data call = call_of(AUDIT_ARCH_X86_64, __NR_getpgrp);
    std::copy(std::begin(kArguments), std::end(kArguments), std::begin(call.args));
    const auto answer = evaluate(program, call);
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(*answer, SECCOMP_RET_ERRNO | computation.result);
    EXPECT_EQ(errno_in_kernel(program), static_cast<int>(computation.result));
  }
}

TEST(Evaluate, EndsWithZeroOnDivisionByZero) {
  const BpfProgram program{statement(kLoadImmediate, 1), statement(kLoadImmediateX, 0),
                           statement(BPF_ALU | BPF_DIV | BPF_X), statement(kReturn, SECCOMP_RET_ALLOW)};
  EXPECT_EQ(evaluate(program, {}).value_or(1), SECCOMP_RET_KILL_THREAD);
#if !defined(__SANITIZE_THREAD__)  // whose own thread would live on, and the process with it
  EXPECT_EQ(errno_in_kernel(program), -SIGSYS);
#endif
}

TEST(Evaluate, RefusesWhatTheKernelRefuses) {
  const std::vector<std::pair<std::string, BpfProgram>> kRefused{
      {"Nothing", {}},
      {"NoAnswer", {statement(kLoad, 0)}},
      {"AnOddOffset", {statement(kLoad, 2), statement(kReturn)}},
      {"AnOffsetBeyondTheCall", {statement(kLoad, 64), statement(kReturn)}},
      {"AByteLoad", {statement(BPF_LD | BPF_B | BPF_ABS, 0), statement(kReturn)}},
      {"AnIndirectLoad", {statement(BPF_LD | BPF_W | BPF_IND, 0), statement(kReturn)}},
      {"MemoryBeyondTheEnd", {statement(BPF_ST, 16), statement(kReturn)}},
      {"MemoryNeverStored", {statement(BPF_LD | BPF_MEM, 0), statement(kReturn)}},
      {"AJumpOut", {statement(BPF_JMP | BPF_JA, 1), statement(kReturn)}},
      {"AHugeJump", {statement(BPF_JMP | BPF_JA, 0xffffffff), statement(kReturn)}},
      {"AConditionalJumpOut", {jump(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), statement(kReturn)}},
      {"AConstantDivisionByZero", {statement(BPF_ALU | BPF_DIV | BPF_K, 0), statement(kReturn)}},
      {"AConstantShiftBy32", {statement(BPF_ALU | BPF_LSH | BPF_K, 32), statement(kReturn)}},
      {"AModulo", {statement(BPF_ALU | BPF_MOD | BPF_K, 3), statement(kReturn)}},
      {"AReturnOfX", {statement(BPF_RET | BPF_X)}},
      {"AnUnknownCode", {statement(0xffff), statement(kReturn)}},
  };
  for (const auto& [name, program] : kRefused) {
    SCOPED_TRACE(name);
    EXPECT_FALSE(evaluate(program, {}));
    if (!program.empty()) {
      EXPECT_EQ(errno_in_kernel(program), 254);
    }
  }
}

TEST(ReturnValue, IsTheKernelsAndComesBack) {
  const std::vector<std::pair<ProfileAction, std::uint32_t>> kValues{
      {{ActionKind::kKillThread, 0}, 0x00000000}, {{ActionKind::kKillProcess, 0}, 0x80000000},
      {{ActionKind::kTrap, 0}, 0x00030000},       {{ActionKind::kErrno, 0}, 0x00050000},
      {{ActionKind::kErrno, 0xffff}, 0x0005ffff}, {{ActionKind::kTrace, 7}, 0x7ff00007},
      {{ActionKind::kNotify, 0}, 0x7fc00000},     {{ActionKind::kLog, 0}, 0x7ffc0000},
      {{ActionKind::kAllow, 0}, 0x7fff0000},
  };
  for (const auto& [action, value] : kValues) {
    EXPECT_EQ(return_value(action), value);
    EXPECT_EQ(action_of(value), action);
  }
  // The kernel kills the process on a value it does not know.
  EXPECT_EQ(action_of(0x12340000), (ProfileAction{ActionKind::kKillProcess, 0}));
}

std::uint32_t answer(const BpfProgram& program, std::uint32_t arch, std::uint32_t number,
                     std::initializer_list<std::uint64_t> arguments = {}) {
  struct seccomp_data call = call_of(arch, number);
  std::copy(arguments.begin(), arguments.end(), std::begin(call.args));
  return evaluate(program, call).value_or(0xdead);
}

constexpr ProfileAction kAllow{ActionKind::kAllow, 0};
constexpr ProfileAction kEperm{ActionKind::kErrno, EPERM};
constexpr std::uint32_t kX32 = 0x40000000;

#ifdef __x86_64__

TEST(Compile, HoldsTheNativeArchitectureAndThoseListed) {
  const Profile native{kAllow, {}, {{{"ptrace"}, kEperm, {}}}};
  auto program = compile(native);
  ASSERT_TRUE(program) << program.error().message();
  EXPECT_EQ(answer(*program, AUDIT_ARCH_X86_64, 101), return_value(kEperm));
  EXPECT_EQ(answer(*program, AUDIT_ARCH_X86_64, 39), SECCOMP_RET_ALLOW);
  // Any other ABI is killed; x32 is known by its numbers alone.
  EXPECT_EQ(answer(*program, AUDIT_ARCH_X86_64, kX32 | 39), SECCOMP_RET_KILL_THREAD);
  EXPECT_EQ(answer(*program, AUDIT_ARCH_I386, 20), SECCOMP_RET_KILL_THREAD);

  Profile all = native;
  all.architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "x32"};
  program = compile(all);
  ASSERT_TRUE(program) << program.error().message();
  EXPECT_EQ(answer(*program, AUDIT_ARCH_X86_64, kX32 | 521), return_value(kEperm));
  EXPECT_EQ(answer(*program, AUDIT_ARCH_X86_64, kX32 | 39), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(*program, AUDIT_ARCH_I386, 26), return_value(kEperm));
  EXPECT_EQ(answer(*program, AUDIT_ARCH_I386, 20), SECCOMP_RET_ALLOW);
}

TEST(Compile, SkipsWhatTheRuntimesSkip) {
  const Profile profile{
      kEperm, {}, {{{"getpid"}, kEperm, {}}, {{"getpid", "a_call_of_tomorrow"}, kAllow, {}}}};
  const auto program = compile(profile);
  ASSERT_TRUE(program) << program.error().message();
  EXPECT_EQ(answer(*program, AUDIT_ARCH_X86_64, 39), SECCOMP_RET_ALLOW);
}

TEST(Compile, MakesARuleOfEachTestWhenAnArgumentIsTestedTwice) {
  const Profile profile{
      kAllow,
      {},
      {{{"prctl"},
        kEperm,
        {{0, Comparison::kEqual, 1}, {0, Comparison::kEqual, 2}, {1, Comparison::kEqual, 7}}},
       {{"ioctl"}, kEperm, {{0, Comparison::kEqual, 1}, {1, Comparison::kEqual, 7}}}}};
  const auto program = compile(profile);
  ASSERT_TRUE(program) << program.error().message();
  EXPECT_EQ(answer(*program, AUDIT_ARCH_X86_64, 157, {1, 0}), return_value(kEperm));
  EXPECT_EQ(answer(*program, AUDIT_ARCH_X86_64, 157, {2, 0}), return_value(kEperm));
  EXPECT_EQ(answer(*program, AUDIT_ARCH_X86_64, 157, {3, 7}), return_value(kEperm));
  EXPECT_EQ(answer(*program, AUDIT_ARCH_X86_64, 157, {3, 0}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(*program, AUDIT_ARCH_X86_64, 16, {1, 7}), return_value(kEperm));
  EXPECT_EQ(answer(*program, AUDIT_ARCH_X86_64, 16, {1, 0}), SECCOMP_RET_ALLOW);
}

TEST(Compile, ComparesAsTheRuleSays) {
  struct Case {
    policy::ArgumentTest test;
    std::vector<std::uint64_t> yes;
    std::vector<std::uint64_t> no;
  };
  constexpr std::uint64_t kHigh = 0x100000005;
  const std::vector<Case> kCases{
      {{0, Comparison::kEqual, kHigh}, {kHigh}, {5, kHigh + 1, 0x200000005}},
      {{0, Comparison::kNotEqual, kHigh}, {5, 0}, {kHigh}},
      {{0, Comparison::kLess, kHigh}, {0, 5, kHigh - 1}, {kHigh, 0x200000000, ~0ULL}},
      {{0, Comparison::kLessOrEqual, kHigh}, {0, kHigh}, {kHigh + 1, 0x200000000}},
      {{0, Comparison::kGreater, kHigh}, {kHigh + 1, 0x200000000}, {0, kHigh}},
      {{0, Comparison::kGreaterOrEqual, kHigh}, {kHigh, ~0ULL}, {kHigh - 1, 9}},
      {{0, Comparison::kMaskedEqual, 0x100000004, 0x100000006},
       {kHigh, 0xf0000000c | 0x100000000},
       {5, 0x100000006}},
  };
  for (const Case& one : kCases) {
    SCOPED_TRACE(static_cast<int>(one.test.comparison));
    const auto program = compile({kAllow, {}, {{{"getpid"}, kEperm, {one.test}}}});
    ASSERT_TRUE(program) << program.error().message();
    for (const std::uint64_t argument : one.yes)
      EXPECT_EQ(answer(*program, AUDIT_ARCH_X86_64, 39, {argument}), return_value(kEperm)) << argument;
    for (const std::uint64_t argument : one.no)
      EXPECT_EQ(answer(*program, AUDIT_ARCH_X86_64, 39, {argument}), SECCOMP_RET_ALLOW) << argument;
  }
}

TEST(Compile, RefusesRulesThatLibseccompNeverEndsWith) {
  const policy::ArgumentTest not_ten{0, Comparison::kNotEqual, 10};
  const Profile entangled{kAllow,
                          {},
                          {{{"socket"}, kEperm, {{1, Comparison::kEqual, 5}, not_ten}},
                           {{"socket"}, kEperm, {not_ten, {2, Comparison::kEqual, 7}}}}};
  const auto refused = compile(entangled);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), testing::StartsWith("socket: libseccomp may never end"));

  // Each of them alone is fine, and so are both when what they have in common has one exit.
  for (std::size_t i = 0; i < 2; ++i) EXPECT_TRUE(compile({kAllow, {}, {entangled.rules[i]}}));
  Profile equalities = entangled;
  for (ProfileRule& rule : equalities.rules)
    for (policy::ArgumentTest& test : rule.args) test.comparison = Comparison::kEqual;
  EXPECT_TRUE(compile(equalities));
}

#endif  // __x86_64__

TEST(Compile, RefusesAnUnknownArchitecture) {
  const auto refused = compile({kAllow, {"SCMP_ARCH_PDP11"}, {}});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), testing::HasSubstr("SCMP_ARCH_PDP11"));
}

}  // namespace
}  // namespace tidewaiter::seccomp

#include "oci/seccomp/symbolic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>

#include <random>
#include <vector>

namespace tidewaiter::seccomp {
namespace {

struct sock_filter statement(int code, std::uint32_t k = 0) {
  return BPF_STMT(static_cast<std::uint16_t>(code), k);
}
struct sock_filter jump(int operation, std::uint32_t k, std::uint8_t yes, std::uint8_t no) {
  return BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | operation | BPF_K), k, yes, no);
}

constexpr std::uint32_t kArch = AUDIT_ARCH_X86_64;
constexpr std::uint32_t kNumber = 41;

// Random programs of the instructions that are understood, run both ways.
TEST(AnswersOf, AgreesWithTheMachine) {
  std::mt19937_64 random(20260102);
  const auto below = [&](std::size_t bound) { return static_cast<std::uint32_t>(random() % bound); };
  const std::vector<std::uint32_t> kWords{0,          1,          5,          41,         0xff,
                                          0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, kArch};
  const auto word = [&] { return kWords[below(kWords.size())]; };
  int alike = 0;
  for (int round = 0; round < 500; ++round) {
    BpfProgram program;
    const std::size_t length = 4 + below(30);
    for (std::size_t i = 0; i < length; ++i) {
      const std::uint32_t left =
          static_cast<std::uint32_t>(length - i);  // instructions after this one, the last a return
      switch (below(5)) {
        case 0:
          program.push_back(
              statement(BPF_LD | BPF_W | BPF_ABS, below(8) == 0 ? 4 * below(2) : 16 + 4 * below(4)));
          break;
        case 1:
          program.push_back(statement(BPF_ALU | BPF_AND | BPF_K, below(2) == 0 ? 0xffffffff : word()));
          break;
        case 2:
          program.push_back(statement(BPF_JMP | BPF_JA, below(std::min(left, 3U))));
          break;
        default: {
          static const std::vector<int> kOperations{BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};
          program.push_back(jump(kOperations[below(4)], word(),
                                 static_cast<std::uint8_t>(below(std::min(left, 6U))),
                                 static_cast<std::uint8_t>(below(std::min(left, 6U)))));
        }
      }
      if (below(10) == 0) program.back() = statement(BPF_RET | BPF_K, below(3));
    }
    program.push_back(statement(BPF_RET | BPF_K, 7));

    DecisionDiagrams diagrams;
    const auto function = answers_of(program, kArch, kNumber, diagrams);
    ASSERT_TRUE(function) << function.error().message();
    EXPECT_TRUE(look_alike(program, program, kArch, kNumber));
    // What looks alike answers alike: here with something in front, and with one constant changed.
    BpfProgram moved{statement(BPF_LD | BPF_W | BPF_ABS), jump(BPF_JEQ, kNumber, 0, 1),
                     statement(BPF_JMP | BPF_JA, 1), statement(BPF_RET | BPF_K, 9),
                     statement(BPF_LD | BPF_W | BPF_ABS, 4)};
    BpfProgram changed = program;
    struct sock_filter& victim = changed[below(changed.size())];
    if (victim.code != (BPF_LD | BPF_W | BPF_ABS) && victim.code != (BPF_JMP | BPF_JA))
      victim.k ^= 1U << below(32);
    moved.insert(moved.end(), program.begin(), program.end());
    for (const BpfProgram& other : {moved, changed}) {
      const auto others = answers_of(other, kArch, kNumber, diagrams);
      ASSERT_TRUE(others) << others.error().message();
      if (!look_alike(program, other, kArch, kNumber)) continue;
      EXPECT_EQ(*others, *function) << "round " << round;
      ++alike;
    }
    for (int i = 0; i < 100; ++i) {
      struct seccomp_data call {};
      call.arch = kArch;
      call.nr = kNumber;
      std::uint64_t arguments[6] = {};
      for (std::size_t j = 0; j < 2; ++j) {
        arguments[j] = std::uint64_t{word()} << 32 | word();
        if (below(3) == 0) arguments[j] += below(3) - 1U;
        call.args[j] = arguments[j];
      }
      const auto answer = evaluate(program, call);
      ASSERT_TRUE(answer) << answer.error().message();
      ASSERT_EQ(diagrams.at(*function, arguments), *answer) << "round " << round;
    }
  }
  EXPECT_GT(alike, 500);  // of 1000: most of what was moved
  EXPECT_LT(alike, 1000);
}

TEST(AnswersOf, TestsBitsUnderTheMaskThatWasApplied) {
  const BpfProgram program{statement(BPF_LD | BPF_W | BPF_ABS, 16),
                           statement(BPF_ALU | BPF_AND | BPF_K, 0x0f), jump(BPF_JSET, 0xf1, 0, 1),
                           statement(BPF_RET | BPF_K, 1), statement(BPF_RET | BPF_K, 2)};
  DecisionDiagrams diagrams;
  const auto function = answers_of(program, kArch, kNumber, diagrams);
  ASSERT_TRUE(function);
  EXPECT_EQ(*function,
            diagrams.select(diagrams.equals({0, 0, 32, 1}, 1), diagrams.constant(1), diagrams.constant(2)));
}

TEST(LookAlike, IsFalseForWhatAnswersOtherwise) {
  const auto program = [](std::uint32_t offset, std::uint32_t k, std::uint32_t yes) {
    return BpfProgram{statement(BPF_LD | BPF_W | BPF_ABS, offset), jump(BPF_JEQ, k, 0, 1),
                      statement(BPF_RET | BPF_K, yes), statement(BPF_RET | BPF_K, 7)};
  };
  const BpfProgram one = program(16, 5, 1);
  EXPECT_TRUE(look_alike(one, one, kArch, kNumber));
  for (const BpfProgram& other : {program(20, 5, 1), program(16, 6, 1), program(16, 5, 2)}) {
    EXPECT_FALSE(look_alike(one, other, kArch, kNumber));
    EXPECT_FALSE(look_alike(other, one, kArch, kNumber));
  }
  EXPECT_FALSE(look_alike(one, {}, kArch, kNumber));
}

TEST(AnswersOf, RefusesWhatItDoesNotUnderstand) {
  const std::vector<BpfProgram> kPrograms{
      {},
      {statement(BPF_LD | BPF_W | BPF_ABS, 0)},
      {statement(BPF_LD | BPF_W | BPF_ABS, 8), statement(BPF_RET | BPF_K)},  // the instruction pointer
      {statement(BPF_LD | BPF_W | BPF_ABS, 64), statement(BPF_RET | BPF_K)},
      {statement(BPF_ALU + BPF_ADD + BPF_K, 1), statement(BPF_RET | BPF_K)},
      {statement(BPF_RET | BPF_A)},
      {statement(BPF_JMP | BPF_JA, 0xffffffff), statement(BPF_RET | BPF_K)},
  };
  for (const BpfProgram& program : kPrograms) {
    DecisionDiagrams diagrams;
    EXPECT_FALSE(answers_of(program, kArch, kNumber, diagrams));
  }
}

TEST(AnswersOf, GivesUpWhenTheDiagramIsFull) {
  const BpfProgram program{statement(BPF_LD | BPF_W | BPF_ABS, 16), jump(BPF_JEQ, 5, 0, 1),
                           statement(BPF_RET | BPF_K, 1), statement(BPF_RET | BPF_K, 2)};
  DecisionDiagrams roomy;
  EXPECT_TRUE(answers_of(program, kArch, kNumber, roomy));
  DecisionDiagrams small(10);
  EXPECT_FALSE(answers_of(program, kArch, kNumber, small));
}

}  // namespace
}  // namespace tidewaiter::seccomp

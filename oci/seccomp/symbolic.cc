#include "oci/seccomp/symbolic.h"

#include <bit>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>

namespace tidewaiter::seccomp {
namespace {

using Function = DecisionDiagrams::Function;

// What the accumulator holds: a constant, or a word of an argument register under a mask.
struct Accumulator {
  bool is_constant = true;
  std::uint32_t constant = 0;
  unsigned index = 0;
  unsigned shift = 0;
  std::uint32_t mask = 0;

  bool operator<(const Accumulator& other) const {
    return std::tie(is_constant, constant, index, shift, mask) <
           std::tie(other.is_constant, other.constant, other.index, other.shift, other.mask);
  }
};

// What a load of the word at `offset` of seccomp_data gives for a call of this number.
std::optional<Accumulator> loaded_from(std::uint32_t offset, std::uint32_t audit_arch, std::uint32_t number) {
  if (offset == offsetof(struct seccomp_data, nr)) return Accumulator{true, number, 0, 0, 0};
  if (offset == offsetof(struct seccomp_data, arch)) return Accumulator{true, audit_arch, 0, 0, 0};
  constexpr std::uint32_t kArguments = offsetof(struct seccomp_data, args);
  if (offset < kArguments || offset >= sizeof(struct seccomp_data) || offset % 4 != 0) return std::nullopt;
  const std::uint32_t word = (offset - kArguments) / 4;
  const bool high = (word % 2 == 1) == (std::endian::native == std::endian::little);
  return Accumulator{false, 0, word / 2, high ? 32U : 0U, ~std::uint32_t{0}};
}

// How a comparison of constants ends.
bool is_taken(std::uint16_t operation, std::uint32_t a, std::uint32_t k) {
  switch (operation) {
    case BPF_JEQ:
      return a == k;
    case BPF_JGT:
      return a > k;
    case BPF_JGE:
      return a >= k;
    default:  // BPF_JSET
      return (a & k) != 0;
  }
}

// Where a program stands that looks at an argument next, or has come to its answer.
struct Standing {
  std::size_t pc = 0;
  Accumulator a;
};

// Two programs, side by side.
class Comparison {
 public:
  Comparison(const BpfProgram& one, const BpfProgram& other, std::uint32_t audit_arch, std::uint32_t number)
      : one_(one), other_(other), audit_arch_(audit_arch), number_(number) {}

  // Whether they look alike from these places on. Depth is bounded as in Reader.
  bool alike(Standing one, Standing other) {
    if (!advance(one_, one) || !advance(other_, other)) return false;
    const struct sock_filter& here = one_[one.pc];
    const struct sock_filter& there = other_[other.pc];
    if (here.code != there.code || here.k != there.k) return false;
    if (here.code == (BPF_RET | BPF_K)) return true;
    if (one.a < other.a || other.a < one.a) return false;
    if (!seen_.emplace(one.pc, one.a, other.pc).second) return true;
    return alike({one.pc + 1 + here.jt, one.a}, {other.pc + 1 + there.jt, other.a}) &&
           alike({one.pc + 1 + here.jf, one.a}, {other.pc + 1 + there.jf, other.a});
  }

 private:
  // Goes on to the next jump that the call's arguments decide, or to the answer. False: to neither.
  bool advance(const BpfProgram& program, Standing& at) const {
    for (; at.pc < program.size(); ++at.pc) {
      const struct sock_filter& instruction = program[at.pc];
      switch (instruction.code) {
        case BPF_LD | BPF_W | BPF_ABS: {
          const auto loaded = loaded_from(instruction.k, audit_arch_, number_);
          if (!loaded) return false;
          at.a = *loaded;
          break;
        }
        case BPF_ALU | BPF_AND | BPF_K:
          (at.a.is_constant ? at.a.constant : at.a.mask) &= instruction.k;
          break;
        case BPF_JMP | BPF_JA:
          at.pc += instruction.k;
          break;
        case BPF_RET | BPF_K:
          return true;
        case BPF_JMP | BPF_JEQ | BPF_K:
        case BPF_JMP | BPF_JGT | BPF_K:
        case BPF_JMP | BPF_JGE | BPF_K:
        case BPF_JMP | BPF_JSET | BPF_K:
          if (!at.a.is_constant) return true;
          at.pc += is_taken(BPF_OP(instruction.code), at.a.constant, instruction.k) ? instruction.jt
                                                                                    : instruction.jf;
          break;
        default:
          return false;
      }
    }
    return false;
  }

  const BpfProgram& one_;
  const BpfProgram& other_;
  std::uint32_t audit_arch_;
  std::uint32_t number_;
  std::set<std::tuple<std::size_t, Accumulator, std::size_t>>
      seen_;  // pairs of jumps that are being compared
};

class Reader {
 public:
  Reader(const BpfProgram& program, std::uint32_t audit_arch, std::uint32_t number,
         DecisionDiagrams& diagrams)
      : program_(program), audit_arch_(audit_arch), number_(number), diagrams_(diagrams) {}

  // What the program answers from instruction `pc` on. Depth is bounded by the conditional jumps of the
  // program, since none goes backward.
  Result<Function> from(std::size_t pc, Accumulator a) {
    const auto key = std::make_tuple(pc, a);
    if (const auto known = known_.find(key); known != known_.end()) return known->second;
    for (; pc < program_.size(); ++pc) {
      const struct sock_filter& instruction = program_[pc];
      switch (instruction.code) {
        case BPF_LD | BPF_W | BPF_ABS: {
          const auto loaded = loaded_from(instruction.k, audit_arch_, number_);
          if (!loaded) return unsupported(pc);
          a = *loaded;
          break;
        }
        case BPF_ALU | BPF_AND | BPF_K:
          (a.is_constant ? a.constant : a.mask) &= instruction.k;
          break;
        case BPF_JMP | BPF_JA:
          pc += instruction.k;
          break;
        case BPF_RET | BPF_K:
          return remember(key, diagrams_.constant(instruction.k));
        case BPF_JMP | BPF_JEQ | BPF_K:
        case BPF_JMP | BPF_JGT | BPF_K:
        case BPF_JMP | BPF_JGE | BPF_K:
        case BPF_JMP | BPF_JSET | BPF_K:
          return branch(key, pc, a);
        default:
          return unsupported(pc);
      }
    }
    return fail("the BPF program runs off its end");
  }

 private:
  using Key = std::tuple<std::size_t, Accumulator>;

  static tl::unexpected<Error> unsupported(std::size_t pc) {
    return fail("BPF instruction " + std::to_string(pc) + " is none that libseccomp writes");
  }

  Result<Function> branch(const Key& key, std::size_t pc, const Accumulator& a) {
    const struct sock_filter& instruction = program_[pc];
    const Function taken = condition(BPF_OP(instruction.code), a, instruction.k);
    // A branch that no call takes is not followed: it would only cost.
    Function yes = taken;
    Function no = taken;
    if (taken != diagrams_.constant(DecisionDiagrams::kFalse)) yes = TRY(from(pc + 1 + instruction.jt, a));
    if (taken != diagrams_.constant(DecisionDiagrams::kTrue)) no = TRY(from(pc + 1 + instruction.jf, a));
    return remember(key, diagrams_.select(taken, yes, no));
  }

  Function condition(std::uint16_t operation, const Accumulator& a, std::uint32_t k) {
    const DecisionDiagrams::Bits bits{a.index, a.shift, 32, a.mask};
    const auto truth = [&](bool value) {
      return diagrams_.constant(value ? DecisionDiagrams::kTrue : DecisionDiagrams::kFalse);
    };
    if (a.is_constant) return truth(is_taken(operation, a.constant, k));
    switch (operation) {
      case BPF_JEQ:
        return diagrams_.equals(bits, k);
      case BPF_JGT:
        return diagrams_.exceeds(bits, k);
      case BPF_JGE:
        return k == 0 ? truth(true) : diagrams_.exceeds(bits, k - 1);
      default: {  // BPF_JSET
        const DecisionDiagrams::Bits tested{a.index, a.shift, 32, a.mask & k};
        return diagrams_.negate(diagrams_.equals(tested, 0));
      }
    }
  }

  Result<Function> remember(const Key& key, Function function) {
    if (diagrams_.exhausted()) return fail("the filter's conditions are too many to compare");
    known_.emplace(key, function);
    return function;
  }

  const BpfProgram& program_;
  std::uint32_t audit_arch_;
  std::uint32_t number_;
  DecisionDiagrams& diagrams_;
  std::map<Key, Function> known_;
};

}  // namespace

Result<Function> answers_of(const BpfProgram& program, std::uint32_t audit_arch, std::uint32_t number,
                            DecisionDiagrams& diagrams) {
  return Reader(program, audit_arch, number, diagrams).from(0, Accumulator{});
}

bool look_alike(const BpfProgram& one, const BpfProgram& other, std::uint32_t audit_arch,
                std::uint32_t number) {
  return Comparison(one, other, audit_arch, number).alike({}, {});
}

}  // namespace tidewaiter::seccomp

#include "oci/seccomp/bpf.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "oci/base/system.h"
#include "oci/base/unique_fd.h"
#include "oci/seccomp/filter_context.h"

namespace tidewaiter::seccomp {
namespace {

static_assert(sizeof(struct seccomp_data) == 64, "the layout the kernel documents (seccomp(2))");

tl::unexpected<Error> bad_program(std::size_t at, const char* what) {
  return fail("BPF instruction " + std::to_string(at) + ": " + what);
}

// The registers of the classic BPF machine (Documentation/networking/filter.rst).
struct Machine {
  std::uint32_t a = 0;
  std::uint32_t x = 0;
  std::array<std::uint32_t, BPF_MEMWORDS> memory{};
  std::array<bool, BPF_MEMWORDS> stored{};  // the kernel refuses programs that load what was never stored
};

// One arithmetic instruction. The kernel's checker (bpf_check_classic) refuses constants that would divide
// by zero or shift by 32 and more; from X, a division by zero ends the program with 0 and shifts count
// modulo 32. `ended` says the former happened.
Result<std::uint32_t> arithmetic(std::uint16_t code, std::size_t at, std::uint32_t a, std::uint32_t operand,
                                 bool& ended) {
  const bool constant = BPF_SRC(code) == BPF_K;
  switch (BPF_OP(code)) {
    case BPF_ADD:
      return a + operand;
    case BPF_SUB:
      return a - operand;
    case BPF_MUL:
      return a * operand;
    case BPF_DIV:
      if (operand != 0) return a / operand;
      if (constant) return bad_program(at, "divides by the constant 0");
      ended = true;
      return 0U;
    case BPF_AND:
      return a & operand;
    case BPF_OR:
      return a | operand;
    case BPF_XOR:
      return a ^ operand;
    case BPF_LSH:
      if (constant && operand >= 32) return bad_program(at, "shifts by a constant beyond 31");
      return a << (operand & 31U);
    case BPF_RSH:
      if (constant && operand >= 32) return bad_program(at, "shifts by a constant beyond 31");
      return a >> (operand & 31U);
    default:
      return bad_program(at, "arithmetic that seccomp does not admit");
  }
}

// Whether a conditional jump is taken.
bool jumps(std::uint16_t operation, std::uint32_t a, std::uint32_t operand) {
  switch (operation) {
    case BPF_JEQ:
      return a == operand;
    case BPF_JGT:
      return a > operand;
    case BPF_JGE:
      return a >= operand;
    default:  // BPF_JSET
      return (a & operand) != 0;
  }
}

// libseccomp's own constants, which are the kernel's but for KILL's spelling.
static_assert(SCMP_ACT_KILL_THREAD == SECCOMP_RET_KILL_THREAD &&
              SCMP_ACT_KILL_PROCESS == SECCOMP_RET_KILL_PROCESS && SCMP_ACT_TRAP == SECCOMP_RET_TRAP &&
              SCMP_ACT_ERRNO(0) == SECCOMP_RET_ERRNO && SCMP_ACT_TRACE(0) == SECCOMP_RET_TRACE &&
              SCMP_ACT_LOG == SECCOMP_RET_LOG && SCMP_ACT_NOTIFY == SECCOMP_RET_USER_NOTIF &&
              SCMP_ACT_ALLOW == SECCOMP_RET_ALLOW);

// Comparisons that libseccomp makes with the same kind of node.
enum class NodeKind { kEqual, kOrder, kMasked };

NodeKind node_kind(policy::Comparison comparison) {
  switch (comparison) {
    case policy::Comparison::kEqual:
    case policy::Comparison::kNotEqual:
      return NodeKind::kEqual;
    case policy::Comparison::kLess:
    case policy::Comparison::kLessOrEqual:
    case policy::Comparison::kGreater:
    case policy::Comparison::kGreaterOrEqual:
      return NodeKind::kOrder;
    case policy::Comparison::kMaskedEqual:
      break;
  }
  return NodeKind::kMasked;
}

// Whether libseccomp begins both tests with one node, which looks at the upper half of the register.
bool begin_alike(const policy::ArgumentTest& a, const policy::ArgumentTest& b) {
  return a.index == b.index && node_kind(a.comparison) == node_kind(b.comparison) &&
         a.value >> 32 == b.value >> 32 &&
         (node_kind(a.comparison) != NodeKind::kMasked || a.mask >> 32 == b.mask >> 32);
}

bool has_two_exits(const policy::ArgumentTest& test) {
  return test.comparison != policy::Comparison::kEqual && test.comparison != policy::Comparison::kMaskedEqual;
}

// Whether two rules on one call are of the shape that compile() refuses. Tests are in argument order.
bool entangled(const std::vector<policy::ArgumentTest>& a, const std::vector<policy::ArgumentTest>& b) {
  bool two_exits = false;
  std::size_t same = 0;
  for (; same < a.size() && same < b.size() && begin_alike(a[same], b[same]); ++same)
    two_exits = two_exits || has_two_exits(a[same]) || has_two_exits(b[same]);
  return two_exits && same < a.size() && same < b.size();
}

// The conditional rules of each call, tests in argument order as libseccomp takes them.
using Conditions = std::map<std::string, std::vector<std::vector<policy::ArgumentTest>>, std::less<>>;

// Notes one rule; an error when it is entangled with an earlier one.
Status disentangle(const std::string& name, const ProfileRule& rule, Conditions& conditions) {
  if (rule.args.empty()) return {};
  std::vector<policy::ArgumentTest> tests = rule.args;
  std::sort(tests.begin(), tests.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
  auto& known = conditions[name];
  for (const auto& other : known)
    if (entangled(tests, other))
      return fail(
          "libseccomp may never end compiling two rules that begin alike with a comparison other than "
          "SCMP_CMP_EQ and SCMP_CMP_MASKED_EQ, and then differ");
  known.push_back(std::move(tests));
  return {};
}

Result<FilterContext> filter_of(const Profile& profile) {
  FilterContext context = TRY(FilterContext::create(profile.default_action));
  for (const std::string& name : profile.architectures) {
    const auto token = architecture_token(name);
    if (!token) return fail("libseccomp does not know the architecture " + name);
    const auto added = context.add_architecture(*token);
    if (!added && added.error().code != EEXIST) return tl::unexpected(added.error());  // listed twice is fine
  }
  Conditions conditions;
  for (const ProfileRule& rule : profile.rules) {
    if (rule.action == profile.default_action) continue;
    for (const ProfileRule& one : as_separate_rules(rule)) {
      for (const std::string& name : one.names) {
        const auto number = syscall_number(native_architecture(), name);
        if (!number) continue;
        TRY(in_context(name, disentangle(name, one, conditions)));
        TRY(in_context(name, context.add_rule(one.action, *number, one.args)));
      }
    }
  }
  return context;
}

}  // namespace

Result<std::uint32_t> evaluate(const BpfProgram& program, const struct seccomp_data& call) {
  Machine machine;
  for (std::size_t pc = 0; pc < program.size(); ++pc) {
    const struct sock_filter& instruction = program[pc];
    const std::uint16_t code = instruction.code;
    const std::uint32_t k = instruction.k;
    switch (code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (k >= sizeof call || k % 4 != 0) return bad_program(pc, "loads from outside seccomp_data");
        std::memcpy(&machine.a, reinterpret_cast<const unsigned char*>(&call) + k, sizeof machine.a);
        break;
      case BPF_LD | BPF_W | BPF_LEN:
        machine.a = sizeof call;
        break;
      case BPF_LDX | BPF_W | BPF_LEN:
        machine.x = sizeof call;
        break;
      case BPF_LD | BPF_IMM:
        machine.a = k;
        break;
      case BPF_LDX | BPF_IMM:
        machine.x = k;
        break;
      case BPF_LD | BPF_MEM:
      case BPF_LDX | BPF_MEM:
        if (k >= BPF_MEMWORDS || !machine.stored[k])
          return bad_program(pc, "loads a word that was never stored");
        (BPF_CLASS(code) == BPF_LD ? machine.a : machine.x) = machine.memory[k];
        break;
      case BPF_ST:
      case BPF_STX:
        if (k >= BPF_MEMWORDS) return bad_program(pc, "stores outside the scratch memory");
        machine.memory[k] = BPF_CLASS(code) == BPF_ST ? machine.a : machine.x;
        machine.stored[k] = true;
        break;
      case BPF_MISC | BPF_TAX:
        machine.x = machine.a;
        break;
      case BPF_MISC | BPF_TXA:
        machine.a = machine.x;
        break;
      case BPF_ALU | BPF_NEG:
        machine.a = 0U - machine.a;
        break;
      case BPF_RET | BPF_K:
        return k;
      case BPF_RET | BPF_A:
        return machine.a;
      case BPF_JMP | BPF_JA:
        pc += k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
      case BPF_JMP | BPF_JEQ | BPF_X:
      case BPF_JMP | BPF_JGT | BPF_K:
      case BPF_JMP | BPF_JGT | BPF_X:
      case BPF_JMP | BPF_JGE | BPF_K:
      case BPF_JMP | BPF_JGE | BPF_X:
      case BPF_JMP | BPF_JSET | BPF_K:
      case BPF_JMP | BPF_JSET | BPF_X: {
        const std::uint32_t operand = BPF_SRC(code) == BPF_K ? k : machine.x;
        pc += jumps(BPF_OP(code), machine.a, operand) ? instruction.jt : instruction.jf;
        break;
      }
      default: {
        if (BPF_CLASS(code) != BPF_ALU || (code & ~(BPF_ALU | BPF_X | 0xf0)) != 0)
          return bad_program(pc, "is none that seccomp admits");
        bool ended = false;
        const std::uint32_t operand = BPF_SRC(code) == BPF_K ? k : machine.x;
        machine.a = TRY(arithmetic(code, pc, machine.a, operand, ended));
        if (ended) return machine.a;
      }
    }
  }
  return fail("the BPF program runs off its end");
}

Result<BpfProgram> compile(const Profile& profile) { return TRY(filter_of(profile)).program(); }

Result<int> ScratchFile::rewound() {
  if (!file_.valid()) file_ = UniqueFd(::memfd_create("seccomp filter", MFD_CLOEXEC));
  if (!file_.valid()) return fail(errno, "memfd_create");
  if (::lseek(file_.get(), 0, SEEK_SET) != 0) return fail(errno, "lseek");
  return file_.get();
}

Result<BpfProgram> compile(const Profile& profile, ScratchFile& scratch) {
  return TRY(filter_of(profile)).program(scratch);
}

Result<std::string> pseudo_code(const Profile& profile) {
  const FilterContext context = TRY(filter_of(profile));
  const UniqueFd file(::memfd_create("filter.pfc", MFD_CLOEXEC));
  if (!file.valid()) return fail(errno, "memfd_create");
  TRY(context.export_pfc(file.get()));
  if (::lseek(file.get(), 0, SEEK_SET) < 0) return fail(errno, "lseek");
  return sys::read_all(file.get());
}

std::uint32_t return_value(ProfileAction action) {
  switch (action.kind) {
    case ActionKind::kKillThread:
      return SECCOMP_RET_KILL_THREAD;
    case ActionKind::kKillProcess:
      return SECCOMP_RET_KILL_PROCESS;
    case ActionKind::kTrap:
      return SECCOMP_RET_TRAP;
    case ActionKind::kErrno:
      return SECCOMP_RET_ERRNO | action.data;
    case ActionKind::kTrace:
      return SECCOMP_RET_TRACE | action.data;
    case ActionKind::kAllow:
      return SECCOMP_RET_ALLOW;
    case ActionKind::kLog:
      return SECCOMP_RET_LOG;
    case ActionKind::kNotify:
      return SECCOMP_RET_USER_NOTIF;
  }
  return SECCOMP_RET_KILL_PROCESS;
}

ProfileAction action_of(std::uint32_t return_value) {
  const auto data = static_cast<std::uint16_t>(return_value & SECCOMP_RET_DATA);
  switch (return_value & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_KILL_THREAD:
      return {ActionKind::kKillThread, 0};
    case SECCOMP_RET_TRAP:
      return {ActionKind::kTrap, 0};
    case SECCOMP_RET_ERRNO:
      return {ActionKind::kErrno, data};
    case SECCOMP_RET_USER_NOTIF:
      return {ActionKind::kNotify, 0};
    case SECCOMP_RET_TRACE:
      return {ActionKind::kTrace, data};
    case SECCOMP_RET_LOG:
      return {ActionKind::kLog, 0};
    case SECCOMP_RET_ALLOW:
      return {ActionKind::kAllow, 0};
    default:
      return {ActionKind::kKillProcess, 0};
  }
}

}  // namespace tidewaiter::seccomp

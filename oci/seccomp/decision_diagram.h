#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "oci/policy/policy.h"

// Answers as functions of a call's six argument registers, held exactly: what a profile says, what a policy
// wants and what a compiled filter does are compared as functions here, not on samples.

namespace tidewaiter::seccomp {

// Functions from six 64-bit registers to a 32-bit value, as reduced, ordered, multi-terminal binary decision
// diagrams: one bit of a register is tested at each node, argument 0 first, a register's most significant
// bit first.
//
//   argument 0                            argument 1 …
//   bit 63 ── 0 ── bit 62 ── 0 ── … ──── bit 63 ── …  ── value
//      └───── 1 ──────┴───── 1 ── value
//
// A node exists once, so equal functions have equal references and comparing two is comparing two integers.
// Every comparison that seccomp filters make of a register is a chain of at most 64 nodes; that keeps what
// profiles contain small. Not thread-safe.
class DecisionDiagrams {
 public:
  using Value = std::uint32_t;
  // Refers to a function of this object.
  using Function = std::uint32_t;

  // Functions that are conditions have these values.
  static constexpr Value kFalse = 0;
  static constexpr Value kTrue = 1;

  // Some bits of one register: those from `shift` on, `width` of them, under a mask.
  struct Bits {
    unsigned index = 0;
    unsigned shift = 0;
    unsigned width = 64;
    std::uint64_t mask = ~std::uint64_t{0};
  };

  // At most `node_limit` nodes are made. Profiles and policies are files: without a bound one could be
  // written that takes all memory. Beyond it exhausted() is true for good and no function means anything.
  explicit DecisionDiagrams(std::size_t node_limit = 200'000);
  // As one just made, in the memory that there is. No function means anything any more.
  void clear();
  [[nodiscard]] bool exhausted() const { return exhausted_; }

  Function constant(Value value);
  Function equals(const Bits& bits, std::uint64_t value);   // (bits & mask) == value
  Function exceeds(const Bits& bits, std::uint64_t value);  // (bits & mask) > value, unsigned
  Function holds(const policy::ArgumentTest& test);

  // `then` where the condition is true, `otherwise` elsewhere.
  Function select(Function condition, Function then, Function otherwise);
  Function negate(Function condition) { return select(condition, constant(kFalse), constant(kTrue)); }

  // The function whose value everywhere is operation(value of a, value of b).
  Function combine(Function a, Function b, Value (*operation)(Value, Value));

  [[nodiscard]] Value at(Function function, const std::uint64_t (&arguments)[6]) const;

  // A part of the register space that linux.seccomp can name: at most one test of each argument, in their
  // order.
  struct Region {
    std::vector<policy::ArgumentTest> tests;
    Value value = 0;
  };

  // Which tests regions are made of.
  enum class Tests {
    kEqualitiesFirst,  // only the last of a region is other than an equality (under a mask or not). For
                       // libseccomp the others have two exits, and 2.5.4 mixes up what follows them
    kFewest,
  };

  // Disjoint regions that together are everything where `function` is not `except`. Nothing when more than
  // `limit` would be needed.
  std::optional<std::vector<Region>> regions(Function function, Value except, Tests made_of,
                                             std::size_t limit) const;

 private:
  struct Node {
    std::uint32_t variable = 0;  // index * 64 + 63 - bit; kTerminal: `low` is the value
    Function low = 0;
    Function high = 0;
    bool operator==(const Node&) const = default;
  };
  struct Triple {
    std::uint32_t a = 0;
    std::uint32_t b = 0;
    std::uint32_t c = 0;
    bool operator==(const Triple&) const = default;
  };
  // What is known of triples. Open addressing in one piece of memory: a diagram asks and notes at every step,
  // and most are too small for anything else to matter.
  class Memo {
   public:
    // Null when nothing is known. Good until the next insert().
    [[nodiscard]] const Function* find(const Triple& key) const;
    // REQUIRES: find(key) is null.
    void insert(const Triple& key, Function value);
    // Forgets all, and keeps the memory.
    void clear();

   private:
    static constexpr Function kUnused = ~Function{0};
    struct Entry {
      Triple key;
      Function value = kUnused;
    };
    static std::size_t hash(const Triple& key);
    // Where the key is, or the unused entry where it would be. REQUIRES: there are unused ones.
    [[nodiscard]] std::size_t place_of(const Triple& key) const;

    std::vector<Entry> entries_;  // none, or a power of two of them, of which three quarters are used at most
    std::vector<Entry> moving_;   // the used ones, while there are to be more
    std::size_t used_ = 0;
  };
  struct Cover;

  static constexpr std::uint32_t kTerminal = 6 * 64;

  Function node(std::uint32_t variable, Function low, Function high);
  Function low_of(Function function, std::uint32_t variable) const;
  Function high_of(Function function, std::uint32_t variable) const;
  Function combine_below(Function a, Function b, Value (*operation)(Value, Value));
  bool collect_regions(Function function, Value except, Tests made_of, std::size_t limit,
                       std::vector<policy::ArgumentTest>& tests, std::vector<Region>& found) const;
  bool collect_cubes(Function function, unsigned index, std::uint64_t mask, std::uint64_t value,
                     std::vector<Cover>& covers, std::size_t& budget) const;

  std::size_t node_limit_;
  bool exhausted_ = false;
  std::vector<Node> nodes_;
  Memo unique_;
  Memo selected_;
  Memo combined_;  // while two functions are being combined
};

}  // namespace tidewaiter::seccomp

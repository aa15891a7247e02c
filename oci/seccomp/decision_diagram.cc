#include "oci/seccomp/decision_diagram.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>
#include <utility>

namespace tidewaiter::seccomp {
namespace {

constexpr std::uint64_t kAllOnes = std::numeric_limits<std::uint64_t>::max();

// Paths through the diagram of one argument that regions() follows before it gives up.
constexpr std::size_t kMaxCubes = 4096;

// The registers whose bits under `mask` are `value`.
struct Cube {
  std::uint64_t mask = 0;
  std::uint64_t value = 0;

  // Whether only leading bits are fixed: such a cube is an interval.
  [[nodiscard]] bool is_interval() const { return std::popcount(mask) == std::countl_one(mask); }
};

struct Interval {
  std::uint64_t first = 0;
  std::uint64_t last = 0;  // inclusive
};

policy::ArgumentTest make_test(unsigned index, policy::Comparison comparison, std::uint64_t value,
                               std::uint64_t mask = kAllOnes) {
  return {index, comparison, value, mask};
}

policy::ArgumentTest test_of(unsigned index, const Cube& cube) {
  if (cube.mask == kAllOnes) return make_test(index, policy::Comparison::kEqual, cube.value);
  return make_test(index, policy::Comparison::kMaskedEqual, cube.value, cube.mask);
}

// Splits an interval into aligned blocks, as a range of addresses splits into prefixes.
void append_blocks(unsigned index, Interval interval, std::vector<policy::ArgumentTest>& tests) {
  while (true) {
    const std::uint64_t left = interval.last - interval.first;  // one less than what is left; cannot overflow
    unsigned bits = interval.first == 0 ? 63 : static_cast<unsigned>(std::countr_zero(interval.first));
    while (bits > 0 && (kAllOnes >> (64 - bits)) > left) --bits;
    const std::uint64_t free = bits == 0 ? 0 : kAllOnes >> (64 - bits);
    tests.push_back(test_of(index, {~free, interval.first}));
    if (left == free) return;
    interval.first += free + 1;
  }
}

// Tests whose union is the set of registers that `cubes` (disjoint, not everything) are.
std::vector<policy::ArgumentTest> cover(unsigned index, const std::vector<Cube>& cubes,
                                        bool equalities_only) {
  std::vector<policy::ArgumentTest> tests;
  std::vector<Interval> intervals;
  for (const Cube& cube : cubes) {
    if (cube.is_interval())
      intervals.push_back({cube.value, cube.value | ~cube.mask});
    else
      tests.push_back(test_of(index, cube));
  }
  std::sort(intervals.begin(), intervals.end(),
            [](const Interval& a, const Interval& b) { return a.first < b.first; });
  std::vector<Interval> merged;
  for (const Interval& interval : intervals) {
    if (!merged.empty() && merged.back().last + 1 == interval.first)
      merged.back().last = interval.last;
    else
      merged.push_back(interval);
  }

  if (equalities_only) {
    for (const Interval& interval : merged) append_blocks(index, interval, tests);
    return tests;
  }
  const bool from_zero = !merged.empty() && merged.front().first == 0;
  const bool to_the_end = !merged.empty() && merged.back().last == kAllOnes;
  if (merged.size() == 2 && from_zero && to_the_end && merged[1].first - merged[0].last == 2) {
    tests.push_back(make_test(index, policy::Comparison::kNotEqual, merged[0].last + 1));
    return tests;
  }
  for (const Interval& interval : merged) {
    if (interval.first == interval.last)
      tests.push_back(make_test(index, policy::Comparison::kEqual, interval.first));
    else if (interval.first == 0)  // LT, not LE: on 32-bit ABIs libseccomp 2.5 turns an LE behind another
                                   // test into GT
      tests.push_back(make_test(index, policy::Comparison::kLess, interval.last + 1));
    else if (interval.last == kAllOnes)
      tests.push_back(make_test(index, policy::Comparison::kGreaterOrEqual, interval.first));
    else
      append_blocks(index, interval, tests);
  }
  return tests;
}

}  // namespace

// The registers of one argument that lead to one function of the arguments after it.
struct DecisionDiagrams::Cover {
  Function successor = 0;
  std::vector<Cube> cubes;
};

std::size_t DecisionDiagrams::Memo::hash(const Triple& key) {
  std::uint64_t mixed = key.a;
  mixed = (mixed ^ (mixed >> 15)) * 0x9e3779b97f4a7c15U + key.b;
  mixed = (mixed ^ (mixed >> 29)) * 0xbf58476d1ce4e5b9U + key.c;
  mixed = (mixed ^ (mixed >> 32)) * 0x94d049bb133111ebU;
  return static_cast<std::size_t>(mixed ^ (mixed >> 31));
}

std::size_t DecisionDiagrams::Memo::place_of(const Triple& key) const {
  const std::size_t last = entries_.size() - 1;
  std::size_t place = hash(key) & last;
  while (entries_[place].value != kUnused && entries_[place].key != key) place = (place + 1) & last;
  return place;
}

const DecisionDiagrams::Function* DecisionDiagrams::Memo::find(const Triple& key) const {
  if (entries_.empty()) return nullptr;
  const Entry& entry = entries_[place_of(key)];
  return entry.value == kUnused ? nullptr : &entry.value;
}

void DecisionDiagrams::Memo::insert(const Triple& key, Function value) {
  constexpr std::size_t kFirst = 256;
  constexpr std::size_t kUsual = 8192;  // memory that is not touched costs nothing
  if (4 * used_ >= 3 * entries_.size()) {
    if (entries_.capacity() == 0) {
      entries_.reserve(kUsual);
      moving_.reserve(kUsual / 2);
    }
    moving_.clear();
    std::copy_if(entries_.begin(), entries_.end(), std::back_inserter(moving_),
                 [](const Entry& entry) { return entry.value != kUnused; });
    entries_.assign(std::max(kFirst, 2 * entries_.size()), Entry{});
    for (const Entry& entry : moving_) entries_[place_of(entry.key)] = entry;
  }
  entries_[place_of(key)] = {key, value};
  ++used_;
}

void DecisionDiagrams::Memo::clear() {
  entries_.clear();
  used_ = 0;
}

DecisionDiagrams::DecisionDiagrams(std::size_t node_limit) : node_limit_(node_limit) { clear(); }

void DecisionDiagrams::clear() {
  exhausted_ = false;
  nodes_.clear();
  unique_.clear();
  selected_.clear();
  // References 0 and 1 are kFalse and kTrue.
  for (const Value value : {kFalse, kTrue}) {
    nodes_.push_back({kTerminal, value, 0});
    unique_.insert({kTerminal, value, 0}, value);
  }
}

DecisionDiagrams::Function DecisionDiagrams::node(std::uint32_t variable, Function low, Function high) {
  if (low == high && variable != kTerminal) return low;
  const Triple key{variable, low, high};
  if (const Function* known = unique_.find(key)) return *known;
  if (nodes_.size() >= node_limit_) {
    exhausted_ = true;
    return kFalse;
  }
  const auto made = static_cast<Function>(nodes_.size());
  nodes_.push_back({variable, low, high});
  unique_.insert(key, made);
  return made;
}

DecisionDiagrams::Function DecisionDiagrams::low_of(Function function, std::uint32_t variable) const {
  return nodes_[function].variable == variable ? nodes_[function].low : function;
}

DecisionDiagrams::Function DecisionDiagrams::high_of(Function function, std::uint32_t variable) const {
  return nodes_[function].variable == variable ? nodes_[function].high : function;
}

DecisionDiagrams::Function DecisionDiagrams::constant(Value value) { return node(kTerminal, value, 0); }

// Both comparisons build their chain from the least significant bit, which is the farthest from the root.
// A bit outside the mask reads as 0.
DecisionDiagrams::Function DecisionDiagrams::equals(const Bits& bits, std::uint64_t value) {
  if (bits.width < 64 && value >> bits.width != 0) return constant(kFalse);
  Function chain = constant(kTrue);
  for (unsigned bit = 0; bit < bits.width; ++bit) {
    const bool wanted = (value >> bit & 1U) != 0;
    const std::uint32_t variable = bits.index * 64 + 63 - (bits.shift + bit);
    if ((bits.mask >> bit & 1U) != 0)
      chain = wanted ? node(variable, constant(kFalse), chain) : node(variable, chain, constant(kFalse));
    else if (wanted)
      return constant(kFalse);
  }
  return chain;
}

DecisionDiagrams::Function DecisionDiagrams::exceeds(const Bits& bits, std::uint64_t value) {
  if (bits.width < 64 && value >> bits.width != 0) return constant(kFalse);
  Function chain = constant(kFalse);  // equal so far is not greater
  for (unsigned bit = 0; bit < bits.width; ++bit) {
    const bool bound = (value >> bit & 1U) != 0;
    const std::uint32_t variable = bits.index * 64 + 63 - (bits.shift + bit);
    if ((bits.mask >> bit & 1U) != 0)
      chain = bound ? node(variable, constant(kFalse), chain) : node(variable, chain, constant(kTrue));
    else if (bound)
      chain = constant(kFalse);
  }
  return chain;
}

DecisionDiagrams::Function DecisionDiagrams::holds(const policy::ArgumentTest& test) {
  const Bits compared{test.index, 0, 64, test.mask};
  switch (test.comparison) {
    case policy::Comparison::kEqual:
    case policy::Comparison::kMaskedEqual:
      return equals(compared, test.value);
    case policy::Comparison::kNotEqual:
      return negate(equals(compared, test.value));
    case policy::Comparison::kGreater:
      return exceeds(compared, test.value);
    case policy::Comparison::kLessOrEqual:
      return negate(exceeds(compared, test.value));
    case policy::Comparison::kGreaterOrEqual:
      return test.value == 0 ? constant(kTrue) : exceeds(compared, test.value - 1);
    case policy::Comparison::kLess:
      return test.value == 0 ? constant(kFalse) : negate(exceeds(compared, test.value - 1));
  }
  return constant(kFalse);  // not reached: every comparison returned
}

DecisionDiagrams::Function DecisionDiagrams::select(Function condition, Function then, Function otherwise) {
  if (exhausted_) return kFalse;
  if (condition == kTrue) return then;
  if (condition == kFalse) return otherwise;
  if (then == otherwise) return then;
  const Triple key{condition, then, otherwise};
  if (const Function* known = selected_.find(key)) return *known;
  const std::uint32_t variable =
      std::min({nodes_[condition].variable, nodes_[then].variable, nodes_[otherwise].variable});
  const Function low =
      select(low_of(condition, variable), low_of(then, variable), low_of(otherwise, variable));
  const Function high =
      select(high_of(condition, variable), high_of(then, variable), high_of(otherwise, variable));
  const Function result = node(variable, low, high);
  selected_.insert(key, result);
  return result;
}

DecisionDiagrams::Function DecisionDiagrams::combine(Function a, Function b,
                                                     Value (*operation)(Value, Value)) {
  combined_.clear();
  return combine_below(a, b, operation);
}

DecisionDiagrams::Function DecisionDiagrams::combine_below(Function a, Function b,
                                                           Value (*operation)(Value, Value)) {
  if (exhausted_) return kFalse;
  const Node left = nodes_[a];
  const Node right = nodes_[b];
  if (left.variable == kTerminal && right.variable == kTerminal)
    return constant(operation(left.low, right.low));
  const Triple key{a, b, 0};
  if (const Function* known = combined_.find(key)) return *known;
  const std::uint32_t variable = std::min(left.variable, right.variable);
  const Function low = combine_below(low_of(a, variable), low_of(b, variable), operation);
  const Function high = combine_below(high_of(a, variable), high_of(b, variable), operation);
  const Function result = node(variable, low, high);
  combined_.insert(key, result);
  return result;
}

DecisionDiagrams::Value DecisionDiagrams::at(Function function, const std::uint64_t (&arguments)[6]) const {
  while (nodes_[function].variable != kTerminal) {
    const Node& here = nodes_[function];
    const std::uint64_t argument = arguments[here.variable / 64];
    function = (argument >> (63 - here.variable % 64) & 1U) != 0 ? here.high : here.low;
  }
  return nodes_[function].low;
}

std::optional<std::vector<DecisionDiagrams::Region>> DecisionDiagrams::regions(Function function,
                                                                               Value except, Tests made_of,
                                                                               std::size_t limit) const {
  std::vector<policy::ArgumentTest> tests;
  std::vector<Region> found;
  if (exhausted_ || !collect_regions(function, except, made_of, limit, tests, found)) return std::nullopt;
  return found;
}

// Follows `function` argument by argument; `tests` are those that lead here.
bool DecisionDiagrams::collect_regions(Function function, Value except, Tests made_of, std::size_t limit,
                                       std::vector<policy::ArgumentTest>& tests,
                                       std::vector<Region>& found) const {
  const Node& here = nodes_[function];
  if (here.variable == kTerminal) {
    if (here.low == except) return true;
    if (found.size() == limit) return false;
    found.push_back({tests, here.low});
    return true;
  }
  const unsigned index = here.variable / 64;
  std::vector<Cover> covers;
  std::size_t budget = kMaxCubes;
  if (!collect_cubes(function, index, 0, 0, covers, budget)) return false;
  for (const Cover& one : covers) {
    const bool last = nodes_[one.successor].variable == kTerminal;
    if (last && nodes_[one.successor].low == except) continue;
    for (const policy::ArgumentTest& test :
         cover(index, one.cubes, !last && made_of == Tests::kEqualitiesFirst)) {
      tests.push_back(test);
      if (!collect_regions(one.successor, except, made_of, limit, tests, found)) return false;
      tests.pop_back();
    }
  }
  return true;
}

// Adds the paths from `function` through the bits of argument `index`; mask and value are the bits taken.
bool DecisionDiagrams::collect_cubes(Function function, unsigned index, std::uint64_t mask,
                                     std::uint64_t value, std::vector<Cover>& covers,
                                     std::size_t& budget) const {
  const Node& here = nodes_[function];
  if (here.variable / 64 != index) {
    if (budget == 0) return false;
    --budget;
    auto place = std::find_if(covers.begin(), covers.end(),
                              [&](const Cover& known) { return known.successor == function; });
    if (place == covers.end()) place = covers.insert(covers.end(), {function, {}});
    place->cubes.push_back({mask, value});
    return true;
  }
  const std::uint64_t bit = std::uint64_t{1} << (63 - here.variable % 64);
  return collect_cubes(here.low, index, mask | bit, value, covers, budget) &&
         collect_cubes(here.high, index, mask | bit, value | bit, covers, budget);
}

}  // namespace tidewaiter::seccomp

#include "oci/policy/call_rules.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace tidewaiter::policy {
namespace {

// So many are looked at faster one after the other.
constexpr std::size_t kFew = 16;

bool is_for_one_value(const ArgumentTest& test) {
  return test.comparison == Comparison::kEqual || test.comparison == Comparison::kMaskedEqual;
}

// What of which argument most rules ask for.
using Asked = std::pair<unsigned, std::uint64_t>;  // argument and mask

std::optional<std::uint64_t> value_of(const SyscallRule& rule, const Asked& asked) {
  for (const ArgumentTest& test : rule.args) {
    if (is_for_one_value(test) && Asked{test.index, test.mask} == asked) return test.value;
  }
  return std::nullopt;
}

std::optional<Asked> asked_most(const std::vector<SyscallRule>& rules,
                                std::span<const std::uint32_t> naming) {
  std::map<Asked, std::size_t> counts;
  for (const std::uint32_t place : naming) {
    for (const ArgumentTest& test : rules[place].args) {
      if (is_for_one_value(test)) ++counts[{test.index, test.mask}];
    }
  }
  const auto most = std::max_element(counts.begin(), counts.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == counts.end() || most->second <= kFew) return std::nullopt;
  return most->first;
}

}  // namespace

std::optional<RulesByValue> RulesByValue::make(const std::vector<SyscallRule>& rules,
                                               std::span<const std::uint32_t> naming) {
  const auto asked = asked_most(rules, naming);
  if (!asked) return std::nullopt;
  RulesByValue made;
  std::tie(made.argument_, made.mask_) = *asked;
  for (const std::uint32_t place : naming) {
    if (const auto value = value_of(rules[place], *asked)) {
      made.valued_.emplace_back(*value, place);
    } else {
      made.others_.push_back(place);
    }
  }
  std::sort(made.valued_.begin(), made.valued_.end());
  return made;
}

std::pair<RulesByValue::Valued::const_iterator, RulesByValue::Valued::const_iterator>
RulesByValue::equal_range(std::uint64_t value) const {
  return std::equal_range(valued_.begin(), valued_.end(), std::pair{value, std::uint32_t{0}},
                          [](const auto& a, const auto& b) { return a.first < b.first; });
}

}  // namespace tidewaiter::policy

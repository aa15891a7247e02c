#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "oci/policy/policy.h"

namespace tidewaiter::policy {

// Of the rules that name a call, in their order, those that may match when one argument has a certain value.
// Most long lists say what values of one argument are refused, or allowed.
class RulesByValue {
 public:
  // `naming`: places in `rules`, in order. nullopt: there are too few for it to be worth it.
  static std::optional<RulesByValue> make(const std::vector<SyscallRule>& rules,
                                          std::span<const std::uint32_t> naming);

  // The first place for which `matches(place)`, among those that may; nullopt: none. Calls it in order.
  template <typename Matches>
  std::optional<std::uint32_t> first(const std::uint64_t (&args)[6], const Matches& matches) const {
    auto [same, end] = equal_range(args[argument_] & mask_);
    auto other = others_.begin();
    while (same != end || other != others_.end()) {
      const bool is_same = other == others_.end() || (same != end && same->second < *other);
      const std::uint32_t place = is_same ? (same++)->second : *other++;
      if (matches(place)) return place;
    }
    return std::nullopt;
  }

 private:
  using Valued = std::vector<std::pair<std::uint64_t, std::uint32_t>>;  // value and place, sorted

  [[nodiscard]] std::pair<Valued::const_iterator, Valued::const_iterator> equal_range(
      std::uint64_t value) const;

  unsigned argument_ = 0;
  std::uint64_t mask_ = 0;
  Valued valued_;                      // match nothing but this value of (argument & mask)
  std::vector<std::uint32_t> others_;  // may match any
};

// The rules that name one call: their places in Policy::syscalls, in order.
struct CallRules {
  std::span<const std::uint32_t> naming;
  const RulesByValue* by_value = nullptr;  // the same; nullptr: there are few
};

}  // namespace tidewaiter::policy

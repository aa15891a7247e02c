#pragma once

#include <cstdint>
#include <optional>
#include <tuple>
#include <vector>

#include "oci/policy/decide.h"

// The rules of network.allow and network.deny by address, so that a decision costs the same with ten rules as
// with ten thousand.

namespace tidewaiter::policy {

// One list of rules. It refers to them by number and holds no pointers, so that policy and index can be moved
// independently.
class RuleIndex {
 public:
  RuleIndex() = default;
  RuleIndex(const std::vector<NetworkRule>& rules, const ResolvedHosts& hosts);

  // The number of the first rule, in the order of the list, that names the destination.
  // REQUIRES: `rules` is the list that the index was made from.
  [[nodiscard]] std::optional<std::size_t> first_match(const std::vector<NetworkRule>& rules,
                                                       const Endpoint& destination) const;

 private:
  // An address as a number, most significant bit first; IPv4 fills the upper 32 bits.
  struct Key {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    bool operator==(const Key&) const = default;
    bool operator<(const Key& other) const { return std::tie(high, low) < std::tie(other.high, other.low); }
  };
  static Key key_of(const IpAddress& address);
  static Key last_key_of(const Prefix& prefix);

  // Prefixes nest or are disjoint, so they form a tree, and the starts and ends of all of them cut the
  // addresses into intervals. An interval knows the smallest prefix around it, and a prefix the next larger.
  struct Node {
    std::optional<std::size_t> parent;
    std::vector<std::size_t> rules;  // ascending
  };
  struct Interval {
    Key first;  // up to the next interval's
    std::optional<std::size_t> smallest;
  };
  struct Table {
    std::vector<Interval> intervals;  // sorted
    std::vector<Node> nodes;
  };
  struct PrefixRule {
    Prefix prefix;
    std::size_t rule;
  };
  static Table make_table(std::vector<PrefixRule> entries);

  Table ipv4_;
  Table ipv6_;
};

// Both lists of a policy.
struct DestinationIndex {
  DestinationIndex() = default;
  // REQUIRES: policy.network.
  DestinationIndex(const Policy& policy, const ResolvedHosts& hosts)
      : DestinationIndex(policy, hosts, hosts) {}
  // Where a name has other addresses in a rule of network.allow than in one of network.deny.
  DestinationIndex(const Policy& policy, const ResolvedHosts& allowed, const ResolvedHosts& denied);

  RuleIndex allow;  // empty when the policy has no allow list
  RuleIndex deny;
};

// decide_connect() of decide.h, by index. REQUIRES: `index` was made from `policy`.
Decision decide_connect(const Policy& policy, const DestinationIndex& index, const Endpoint& destination);

}  // namespace tidewaiter::policy

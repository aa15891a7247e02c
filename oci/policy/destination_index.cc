#include "oci/policy/destination_index.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "oci/policy/address.h"

namespace tidewaiter::policy {

RuleIndex::Key RuleIndex::key_of(const IpAddress& address) {
  Key key;
  for (std::size_t i = 0; i < 8; ++i) {
    key.high = key.high << 8U | address.bytes[i];
    key.low = key.low << 8U | address.bytes[i + 8];
  }
  return key;
}

RuleIndex::Key RuleIndex::last_key_of(const Prefix& prefix) {
  constexpr std::uint64_t kOnes = std::numeric_limits<std::uint64_t>::max();
  Key key = key_of(prefix.address);
  if (prefix.length < 64) key.high |= kOnes >> prefix.length;
  if (prefix.length <= 64)
    key.low = kOnes;
  else if (prefix.length < 128)
    key.low |= kOnes >> (prefix.length - 64);
  return key;
}

RuleIndex::Table RuleIndex::make_table(std::vector<PrefixRule> entries) {
  // A prefix comes before those inside it, and rules of one prefix in their own order.
  const auto order = [](const PrefixRule& entry) {
    return std::tuple(key_of(entry.prefix.address), entry.prefix.length, entry.rule);
  };
  std::sort(entries.begin(), entries.end(),
            [&](const PrefixRule& a, const PrefixRule& b) { return order(a) < order(b); });

  Table table;
  const auto begin_interval = [&](const Key& first, std::optional<std::size_t> smallest) {
    if (!table.intervals.empty() && table.intervals.back().first == first)
      table.intervals.back().smallest = smallest;
    else
      table.intervals.push_back({first, smallest});
  };
  begin_interval({}, std::nullopt);

  struct Open {
    Prefix prefix;
    Key last;
    std::size_t node;
  };
  std::vector<Open> open;  // the prefixes around the present place, the smallest at the end
  const auto close_smallest = [&] {
    Key after = open.back().last;
    open.pop_back();
    if (++after.low == 0 && ++after.high == 0) return;  // it went up to the last address there is
    begin_interval(after, open.empty() ? std::nullopt : std::optional(open.back().node));
  };

  for (const PrefixRule& entry : entries) {
    const Key first = key_of(entry.prefix.address);
    while (!open.empty() && open.back().last < first) close_smallest();
    if (open.empty() || open.back().prefix != entry.prefix) {
      const std::size_t node = table.nodes.size();
      table.nodes.push_back({open.empty() ? std::nullopt : std::optional(open.back().node), {}});
      open.push_back({entry.prefix, last_key_of(entry.prefix), node});
      begin_interval(first, node);
    }
    std::vector<std::size_t>& rules = table.nodes[open.back().node].rules;
    // A host may have resolved to the same address twice.
    if (rules.empty() || rules.back() != entry.rule) rules.push_back(entry.rule);
  }
  while (!open.empty()) close_smallest();
  return table;
}

RuleIndex::RuleIndex(const std::vector<NetworkRule>& rules, const ResolvedHosts& hosts) {
  using Family = IpAddress::Family;
  std::vector<PrefixRule> ipv4;
  std::vector<PrefixRule> ipv6;
  const auto add = [&](const Prefix& prefix, std::size_t rule) {
    (prefix.address.family == Family::kIpv4 ? ipv4 : ipv6).push_back({prefix, rule});
  };
  for (std::size_t rule = 0; rule < rules.size(); ++rule) {
    if (const auto* prefix = std::get_if<Prefix>(&rules[rule].host)) {
      add(*prefix, rule);
    } else if (const auto* host = std::get_if<HostName>(&rules[rule].host)) {
      const auto resolved = hosts.find(host->name);
      if (resolved == hosts.end()) continue;
      for (const IpAddress& candidate : resolved->second) {
        const IpAddress address = unmapped(candidate);
        add({address, bit_count(address.family)}, rule);
      }
    } else {
      add({{.family = Family::kIpv4}, 0}, rule);
      add({{.family = Family::kIpv6}, 0}, rule);
    }
  }
  ipv4_ = make_table(std::move(ipv4));
  ipv6_ = make_table(std::move(ipv6));
}

std::optional<std::size_t> RuleIndex::first_match(const std::vector<NetworkRule>& rules,
                                                  const Endpoint& destination) const {
  const IpAddress address = unmapped(destination.address);
  const Table& table = address.family == IpAddress::Family::kIpv4 ? ipv4_ : ipv6_;
  const auto beyond =
      std::upper_bound(table.intervals.begin(), table.intervals.end(), key_of(address),
                       [](const Key& key, const Interval& interval) { return key < interval.first; });
  if (beyond == table.intervals.begin()) return std::nullopt;

  std::optional<std::size_t> first;
  for (auto node = std::prev(beyond)->smallest; node; node = table.nodes[*node].parent) {
    for (const std::size_t rule : table.nodes[*node].rules) {
      if (first && *first <= rule) break;
      if (admits(rules[rule], destination.transport, destination.port)) first = rule;
    }
  }
  return first;
}

DestinationIndex::DestinationIndex(const Policy& policy, const ResolvedHosts& allowed,
                                   const ResolvedHosts& denied)
    : allow(policy.network->allow ? RuleIndex(*policy.network->allow, allowed) : RuleIndex()),
      deny(policy.network->deny, denied) {}

Decision decide_connect(const Policy& policy, const DestinationIndex& index, const Endpoint& destination) {
  const NetworkPolicy& network = *policy.network;
  Endpoint effective = destination;
  effective.address = as_destination(destination.address);
  const auto rule_at = [&](const std::vector<NetworkRule>& rules,
                           const RuleIndex& list) -> const NetworkRule* {
    const auto first = list.first_match(rules, effective);
    return first ? &rules[*first] : nullptr;
  };
  return decide_by_rules(policy, rule_at(network.deny, index.deny),
                         network.allow ? rule_at(*network.allow, index.allow) : nullptr);
}

}  // namespace tidewaiter::policy

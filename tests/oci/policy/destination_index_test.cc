#include "oci/policy/destination_index.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "oci/policy/address.h"

namespace tidewaiter::policy {
namespace {

using Family = IpAddress::Family;
using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t limit) {
  return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
}

// Addresses from a small set of bits, so that prefixes nest, touch and meet at both ends of the space.
IpAddress random_address(Random& random) {
  IpAddress address;
  address.family = below(random, 2) == 0 ? Family::kIpv4 : Family::kIpv6;
  constexpr std::uint8_t kBytes[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
  const std::size_t size = bit_count(address.family) / 8;
  const std::uint8_t fill = kBytes[below(random, std::size(kBytes))];
  for (std::size_t i = 0; i < size; ++i)
    address.bytes[i] = below(random, 3) == 0 ? kBytes[below(random, std::size(kBytes))] : fill;
  return unmapped(address);
}

std::vector<PortRange> random_ports(Random& random) {
  if (below(random, 3) == 0) return {PortRange{}};
  std::vector<PortRange> ports;
  for (std::size_t i = 0; i <= below(random, 2); ++i) {
    const auto first = static_cast<std::uint16_t>(below(random, 4));
    ports.push_back({first, static_cast<std::uint16_t>(first + below(random, 2))});
  }
  return ports;
}

const std::vector<std::string> kNames = {"a", "b", "unresolved"};

std::vector<NetworkRule> random_rules(Random& random, const std::string& list) {
  std::vector<NetworkRule> rules(below(random, 24));
  for (std::size_t i = 0; i < rules.size(); ++i) {
    NetworkRule& rule = rules[i];
    rule.pointer = "/network/" + list + "/" + std::to_string(i);
    const std::size_t scheme = below(random, 4);  // UDP, TCP, both, ICMP
    rule.icmp = scheme == 3;
    rule.tcp = scheme == 1 || scheme == 2;
    rule.udp = scheme == 0 || scheme == 2;
    if (!rule.icmp) rule.ports = random_ports(random);
    switch (below(random, 12)) {
      case 0:
        rule.host = AnyHost{};
        break;
      case 1:
        rule.host = HostName{kNames[below(random, kNames.size())]};
        break;
      default: {
        const IpAddress address = random_address(random);
        const auto length = static_cast<unsigned>(below(random, bit_count(address.family) + 1));
        rule.host = Prefix{network_of(address, length), length};
      }
    }
  }
  return rules;
}

TEST(DestinationIndex, DecidesAsAScanOfTheListsDoes) {
  for (unsigned seed = 0; seed < 1500; ++seed) {
    Random random(seed);
    Policy policy;
    policy.network.emplace();
    if (below(random, 4) != 0) policy.network->allow = random_rules(random, "allow");
    policy.network->deny = random_rules(random, "deny");
    ResolvedHosts hosts;
    for (const char* name : {"a", "b"})
      for (std::size_t i = below(random, 4); i > 0; --i) {
        hosts[name].push_back(random_address(random));
        if (below(random, 2) == 0) hosts[name].push_back(hosts[name].back());
      }
    const DestinationIndex index(policy, hosts);

    for (int call = 0; call < 40; ++call) {
      constexpr Transport kTransports[] = {Transport::kTcp, Transport::kUdp, Transport::kIcmp};
      const Endpoint destination{.transport = kTransports[below(random, 3)],
                                 .address = random_address(random),
                                 .port = static_cast<std::uint16_t>(below(random, 6))};
      const Decision scanned = decide_connect(policy, hosts, destination);
      const Decision indexed = decide_connect(policy, index, destination);
      ASSERT_EQ(indexed.rule, scanned.rule) << "seed " << seed << ", " << to_string(destination.address);
      ASSERT_EQ(indexed.verdict, scanned.verdict) << "seed " << seed;
      ASSERT_EQ(indexed.errno_value, scanned.errno_value) << "seed " << seed;
      ASSERT_EQ(indexed.log, scanned.log) << "seed " << seed;
    }
  }
}

TEST(DestinationIndex, UnderstandsMappedAndUnspecifiedDestinations) {
  Policy policy;
  policy.network.emplace();
  NetworkRule rule;
  rule.pointer = "/network/deny/0";
  rule.host = Prefix{*parse_address("127.0.0.0"), 8};
  rule.ports = {PortRange{}};
  policy.network->deny = {rule};
  const DestinationIndex index(policy, {});
  Endpoint mapped;
  mapped.address = {.family = Family::kIpv6,
                    .bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 1, 1, 1}};
  EXPECT_EQ(decide_connect(policy, index, mapped).verdict, Verdict::kDeny);
  EXPECT_EQ(decide_connect(policy, index, Endpoint{}).verdict, Verdict::kDeny);  // 0.0.0.0
}

// What it is for: so many that a scan of them would be felt.
TEST(DestinationIndex, DecidesOnTenThousandRulesAsAScanDoes) {
  Random random(1);
  Policy policy;
  policy.network.emplace();
  policy.network->allow.emplace();
  for (std::size_t i = 0; i < 10000; ++i) {
    NetworkRule rule;
    rule.pointer = "/network/allow/" + std::to_string(i);
    IpAddress address;
    for (std::size_t byte = 0; byte < 4; ++byte)
      address.bytes[byte] = static_cast<std::uint8_t>(below(random, 256));
    const auto length = static_cast<unsigned>(16 + below(random, 17));
    rule.host = Prefix{network_of(address, length), length};
    rule.ports = {{443, 443}};
    policy.network->allow->push_back(rule);
  }
  const DestinationIndex index(policy, {});
  std::vector<Endpoint> calls(300);
  for (Endpoint& call : calls) {
    for (std::size_t byte = 0; byte < 4; ++byte)
      call.address.bytes[byte] = static_cast<std::uint8_t>(below(random, 256));
    call.port = 443;
  }
  std::size_t allowed = 0;
  for (const Endpoint& call : calls) {
    const Verdict verdict = decide_connect(policy, index, call).verdict;
    EXPECT_EQ(verdict, decide_connect(policy, ResolvedHosts{}, call).verdict);
    allowed += verdict == Verdict::kAllow ? 1U : 0U;
  }
  EXPECT_GT(allowed, 0U);
  EXPECT_LT(allowed, calls.size());
}

}  // namespace
}  // namespace tidewaiter::policy

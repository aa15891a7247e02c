#include "oci/policy/network_rule.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "oci/policy/address.h"

// What the forms of the grammar mean. What is wrong with the others is in mistakes_test.cc.

namespace tidewaiter::policy {

void PrintTo(const PortRange& range, std::ostream* out) { *out << range.first << "-" << range.last; }

namespace {

const std::vector<PortRange> kAllPorts = {{0, 65535}};

std::string host_text(const NetworkRule& rule) {
  if (std::holds_alternative<AnyHost>(rule.host)) return "any";
  if (const auto* prefix = std::get_if<Prefix>(&rule.host)) return to_string(*prefix);
  return "name " + std::get<HostName>(rule.host).name;
}

TEST(ParseNetworkRule, ReadsEveryForm) {
  const struct {
    std::string text;
    bool tcp;
    bool udp;
    std::string host;
    std::vector<PortRange> ports;
  } cases[] = {
      // Schemes.
      {"a.example", true, true, "name a.example", kAllPorts},
      {"tcp://a.example", true, false, "name a.example", kAllPorts},
      {"udp://1.1.1.1:53", false, true, "1.1.1.1/32", {{53, 53}}},
      {"tcp://*", true, false, "any", kAllPorts},
      // Anything.
      {"*", true, true, "any", kAllPorts},
      {"*:443", true, true, "any", {{443, 443}}},
      {"*:*", true, true, "any", kAllPorts},
      // Host names (RFC 1123), and what DNS has beyond them.
      {"localhost", true, true, "name localhost", kAllPorts},
      {"API.Example.COM:443", true, true, "name api.example.com", {{443, 443}}},
      {"api.example.com.", true, true, "name api.example.com", kAllPorts},
      {"xn--bcher-kva.example", true, true, "name xn--bcher-kva.example", kAllPorts},
      {"_srv.my_host", true, true, "name _srv.my_host", kAllPorts},
      {"3com.example", true, true, "name 3com.example", kAllPorts},
      {"1.2.3.4.example", true, true, "name 1.2.3.4.example", kAllPorts},
      {"0x7f.example", true, true, "name 0x7f.example", kAllPorts},
      {"127.0.0.1a", true, true, "name 127.0.0.1a", kAllPorts},
      {"0xg", true, true, "name 0xg", kAllPorts},
      {std::string(63, 'a') + ".b", true, true, "name " + std::string(63, 'a') + ".b", kAllPorts},
      // IPv4.
      {"127.0.0.1", true, true, "127.0.0.1/32", kAllPorts},
      {"255.255.255.255:1", true, true, "255.255.255.255/32", {{1, 1}}},
      {"10.0.0.0/8", true, true, "10.0.0.0/8", kAllPorts},
      {"tcp://10.0.0.0/8:5432", true, false, "10.0.0.0/8", {{5432, 5432}}},
      {"0.0.0.0/0", true, true, "0.0.0.0/0", kAllPorts},
      {"10.1.2.3/32", true, true, "10.1.2.3/32", kAllPorts},
      {"128.0.0.0/1:80", true, true, "128.0.0.0/1", {{80, 80}}},
      // IPv6.
      {"::1", true, true, "::1/128", kAllPorts},
      {"[::1]", true, true, "::1/128", kAllPorts},
      {"[::1]:443", true, true, "::1/128", {{443, 443}}},
      {"2001:db8::1:443", true, true, "2001:db8::1:443/128",
       kAllPorts},  // without brackets it is all address
      {"2001:DB8:0:0:0:0:0:1", true, true, "2001:db8::1/128", kAllPorts},
      {"2001:db8::/32", true, true, "2001:db8::/32", kAllPorts},
      {"[2001:db8::/32]:80", true, true, "2001:db8::/32", {{80, 80}}},
      {"tcp://[fe80::/10]:1-2", true, false, "fe80::/10", {{1, 2}}},
      {"::/0", true, true, "::/0", kAllPorts},
      {"::1/128", true, true, "::1/128", kAllPorts},
      {"64:ff9b::192.0.2.1", true, true, "64:ff9b::c000:201/128", kAllPorts},
      // IPv4-mapped: the IPv4 address is meant.
      {"::ffff:10.0.0.1", true, true, "10.0.0.1/32", kAllPorts},
      {"[::ffff:a00:1]:80", true, true, "10.0.0.1/32", {{80, 80}}},
      {"::ffff:10.0.0.0/104", true, true, "10.0.0.0/8", kAllPorts},
      {"::ffff:0:0/96", true, true, "0.0.0.0/0", kAllPorts},
      {"::ffff:10.0.0.1/128", true, true, "10.0.0.1/32", kAllPorts},
      {"::ffff:0:0:0/80", true, true, "::ffff:0:0:0/80", kAllPorts},  // not mapped: other bits
      // Ports.
      {"h:1", true, true, "name h", {{1, 1}}},
      {"h:65535", true, true, "name h", {{65535, 65535}}},
      {"h:80,443", true, true, "name h", {{80, 80}, {443, 443}}},
      {"h:1-65535", true, true, "name h", {{1, 65535}}},
      {"h:8000-8010,8005-8005,80,80", true, true, "name h", {{8000, 8010}, {8005, 8005}, {80, 80}, {80, 80}}},
  };
  for (const auto& row : cases) {
    const auto rule = parse_network_rule(row.text);
    ASSERT_TRUE(rule) << row.text << ": " << rule.error().message();
    EXPECT_EQ(rule->text, row.text);
    EXPECT_EQ(rule->tcp, row.tcp) << row.text;
    EXPECT_EQ(rule->udp, row.udp) << row.text;
    EXPECT_FALSE(rule->icmp) << row.text;
    EXPECT_EQ(host_text(*rule), row.host) << row.text;
    EXPECT_EQ(rule->ports, row.ports) << row.text;
    EXPECT_EQ(rule->pointer, "") << row.text;
  }
}

TEST(ParseNetworkRule, ReadsIcmpRules) {
  const struct {
    std::string text;
    std::string host;
  } cases[] = {
      {"icmp://*", "any"},
      {"icmp://10.0.0.1", "10.0.0.1/32"},
      {"icmp://10.0.0.0/8", "10.0.0.0/8"},
      {"icmp://[::1]", "::1/128"},
      {"icmp://2001:db8::/32", "2001:db8::/32"},
      {"icmp://Host.example.", "name host.example"},
  };
  for (const auto& row : cases) {
    const auto rule = parse_network_rule(row.text);
    ASSERT_TRUE(rule) << row.text << ": " << rule.error().message();
    EXPECT_TRUE(rule->icmp) << row.text;
    EXPECT_FALSE(rule->tcp || rule->udp) << row.text;
    EXPECT_EQ(host_text(*rule), row.host) << row.text;
    EXPECT_EQ(rule->ports, kAllPorts) << row.text;
  }
}

TEST(ParseNetworkRule, NeverTakesAnOddFormOfAnAddress) {
  // All of them reach 127.0.0.1, or 1.2.3.4, through inet_aton or getaddrinfo.
  for (const std::string odd : {"127.1",
                                "127.0.1",
                                "2130706433",
                                "0x7f000001",
                                "0X7F000001",
                                "0x7f.0.0.1",
                                "0x7f.1",
                                "0177.1",
                                "0177.0.0.1",
                                "017700000001",
                                "127.0.0.01",
                                "127.0.0.001",
                                "127.0.0.0x1",
                                "127.0.0.1.",
                                "127.0.0.0X1",
                                "1.2.3.04",
                                "01.2.3.4",
                                "0x1.2.3.4",
                                "00000000000000000000000001.2.3.4",
                                "1.2.772",
                                "1.131844"})
    for (const std::string& form : {odd, odd + ":80", "tcp://" + odd, odd + "/32"})
      EXPECT_FALSE(parse_network_rule(form)) << form;
}

TEST(ParseNetworkRule, BoundsAHostName) {
  const std::string label = std::string(61, 'a') + ".";
  const std::string longest = label + label + label + label + "bbbbb";
  ASSERT_EQ(longest.size(), 253U);
  EXPECT_TRUE(parse_network_rule(longest));
  EXPECT_TRUE(parse_network_rule(longest + "."));
  EXPECT_FALSE(parse_network_rule(longest + "b"));
}

TEST(ParseBindRule, ReadsEveryForm) {
  const struct {
    std::string text;
    std::vector<PortRange> ports;
  } cases[] = {
      {"8080", {{8080, 8080}}}, {"9000-9005", {{9000, 9005}}},      {"0", {{0, 0}}},
      {"0-1023", {{0, 1023}}},  {"80,443", {{80, 80}, {443, 443}}}, {"*", kAllPorts},
  };
  for (const auto& row : cases) {
    const auto rule = parse_bind_rule(row.text);
    ASSERT_TRUE(rule) << row.text << ": " << rule.error().message();
    EXPECT_EQ(rule->text, row.text);
    EXPECT_EQ(rule->ports, row.ports) << row.text;
  }
}

}  // namespace
}  // namespace tidewaiter::policy

#include "oci/policy/address.h"

#include <gtest/gtest.h>

#include <string>

namespace tidewaiter::policy {
namespace {

IpAddress address(const std::string& text) {
  const auto parsed = parse_address(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(IpAddress{});
}

TEST(ParseAddress, TakesFullFormsOnly) {
  for (const char* text : {"0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::1", "1:2:3:4:5:6:7:8",
                           "1:2:3:4:5:6:1.2.3.4", "fe80::"})
    EXPECT_TRUE(parse_address(text)) << text;
  for (const char* text :
       {"", "1", "127.1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "0x1.2.3.4", "1.2.3.4 ", " 1.2.3.4",
        "1.2.3.4/32", "fe80::1%lo", ":::", "1::2::3", "12345::", "[::1]", "::1.2.3"})
    EXPECT_FALSE(parse_address(text)) << text;
  EXPECT_FALSE(parse_address(std::string_view("1.2.3.4\0", 8)));
}

TEST(ParseAddress, HoldsAMappedAddressAsIpv4) {
  EXPECT_EQ(address("::ffff:192.0.2.1"), address("192.0.2.1"));
  EXPECT_EQ(address("::ffff:c000:201"), address("192.0.2.1"));
  EXPECT_EQ(address("::192.0.2.1").family, IpAddress::Family::kIpv6);
}

TEST(Unmapped, LeavesEverythingElseAlone) {
  IpAddress mapped{.family = IpAddress::Family::kIpv6, .bytes = {}};
  mapped.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
  EXPECT_EQ(unmapped(mapped), address("192.0.2.1"));
  mapped.bytes[0] = 1;
  EXPECT_EQ(unmapped(mapped), mapped);
  EXPECT_EQ(unmapped(address("192.0.2.1")), address("192.0.2.1"));
}

TEST(AsDestination, KnowsWhatTheKernelMakesOfUnspecifiedAddresses) {
  EXPECT_EQ(as_destination(address("0.0.0.0")), address("127.0.0.1"));
  EXPECT_EQ(as_destination(address("::")), address("::1"));
  EXPECT_EQ(as_destination(address("::ffff:0.0.0.0")), address("127.0.0.1"));
  for (const char* text : {"0.0.0.1", "1.0.0.0", "127.0.0.1", "::1", "::2", "1::"})
    EXPECT_EQ(as_destination(address(text)), address(text)) << text;
}

TEST(NetworkOf, ClearsTheBitsBeyondTheLength) {
  EXPECT_EQ(network_of(address("255.255.255.255"), 0), address("0.0.0.0"));
  EXPECT_EQ(network_of(address("255.255.255.255"), 9), address("255.128.0.0"));
  EXPECT_EQ(network_of(address("255.255.255.255"), 32), address("255.255.255.255"));
  EXPECT_EQ(network_of(address("ffff:ffff:ffff::"), 33), address("ffff:ffff:8000::"));
  EXPECT_EQ(network_of(address("::1"), 127), address("::"));
  EXPECT_EQ(network_of(address("::1"), 128), address("::1"));
}

TEST(Prefix, ContainsWhatSharesItsBits) {
  const struct {
    const char* network;
    unsigned length;
    const char* candidate;
    bool inside;
  } cases[] = {
      {"10.0.0.0", 8, "10.255.255.255", true},
      {"10.0.0.0", 8, "11.0.0.0", false},
      {"10.0.0.0", 8, "9.255.255.255", false},
      {"10.128.0.0", 9, "10.128.0.0", true},
      {"10.128.0.0", 9, "10.127.255.255", false},
      {"0.0.0.0", 0, "255.255.255.255", true},
      {"0.0.0.0", 0, "::1", false},
      {"::", 0, "1.2.3.4", false},
      {"::", 0, "ffff::", true},
      {"192.0.2.1", 32, "192.0.2.1", true},
      {"192.0.2.1", 32, "192.0.2.0", false},
      {"192.0.2.0", 31, "192.0.2.1", true},
      {"192.0.2.0", 31, "192.0.2.2", false},
      {"fc00::", 7, "fdff::1", true},
      {"fc00::", 7, "fe00::", false},
      {"::1", 128, "::1", true},
      {"::1", 128, "::", false},
      {"2001:db8::", 65, "2001:db8::7fff:0:0:0", true},
      {"2001:db8::", 65, "2001:db8::8000:0:0:0", false},
  };
  for (const auto& row : cases) {
    const Prefix prefix{address(row.network), row.length};
    EXPECT_EQ(prefix.contains(address(row.candidate)), row.inside)
        << to_string(prefix) << " " << row.candidate;
  }
}

TEST(ToString, WritesTheUsualForm) {
  EXPECT_EQ(to_string(address("2001:DB8:0:0:0:0:0:1")), "2001:db8::1");
  EXPECT_EQ(to_string(address("192.0.2.1")), "192.0.2.1");
  EXPECT_EQ(to_string(Prefix{address("10.0.0.0"), 8}), "10.0.0.0/8");
}

}  // namespace
}  // namespace tidewaiter::policy

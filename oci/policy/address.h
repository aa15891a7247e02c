#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oci/policy/policy.h"

// IP addresses as text and as the kernel means them.

namespace tidewaiter::policy {

// An address in its one full form: dotted decimal with four parts, or RFC 4291 text without a scope id. The
// short, octal and hexadecimal forms of inet_aton(3) ("127.1", "0x7f.1") are not addresses: readers disagree
// on what they mean. An IPv4-mapped IPv6 address gives the IPv4 address.
std::optional<IpAddress> parse_address(std::string_view text);

// Dotted decimal, or the shortest form of inet_ntop(3).
std::string to_string(const IpAddress& address);

// "10.0.0.0/8".
std::string to_string(const Prefix& prefix);

// The IPv4 address that an IPv4-mapped IPv6 address means; any other address as it is.
IpAddress unmapped(const IpAddress& address);

// Where a connect to `address` arrives: 0.0.0.0 and :: mean this host (ip(7); tcp_v6_connect in
// net/ipv6/tcp_ipv6.c), so they give 127.0.0.1 and ::1; mapped addresses are unmapped(). Whoever decides on
// this address has to connect to it too: with 0.0.0.0 the kernel would choose the address that the socket is
// bound to, if there is one.
IpAddress as_destination(const IpAddress& address);

// `address` with every bit beyond `length` cleared.
IpAddress network_of(const IpAddress& address, unsigned length);

// How many bits an address of this family has: 32 or 128.
unsigned bit_count(IpAddress::Family family);

}  // namespace tidewaiter::policy

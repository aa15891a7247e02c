#include "oci/policy/address.h"

#include <arpa/inet.h>

#include <algorithm>

namespace tidewaiter::policy {
namespace {

using Family = IpAddress::Family;

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

unsigned bit_count(Family family) { return family == Family::kIpv4 ? 32 : 128; }

IpAddress unmapped(const IpAddress& address) {
  if (address.family != Family::kIpv6 ||
      !std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.bytes.begin()))
    return address;
  IpAddress inner;
  std::copy_n(address.bytes.begin() + kMappedPrefix.size(), 4, inner.bytes.begin());
  return inner;
}

IpAddress as_destination(const IpAddress& address) {
  IpAddress destination = unmapped(address);
  const bool unspecified = std::all_of(destination.bytes.begin(), destination.bytes.end(),
                                       [](std::uint8_t byte) { return byte == 0; });
  if (!unspecified) return destination;
  if (destination.family == Family::kIpv4) destination.bytes[0] = 127;
  destination.bytes[destination.family == Family::kIpv4 ? 3 : 15] = 1;
  return destination;
}

IpAddress network_of(const IpAddress& address, unsigned length) {
  IpAddress network = address;
  for (unsigned bit = length; bit < bit_count(address.family); ++bit)
    network.bytes[bit / 8] = static_cast<std::uint8_t>(network.bytes[bit / 8] & ~(0x80U >> (bit % 8)));
  return network;
}

std::optional<IpAddress> parse_address(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string terminated(text);
  IpAddress address;
  // inet_pton takes the full forms only, unlike inet_aton and getaddrinfo; glibc's refuses leading zeros.
  if (::inet_pton(AF_INET, terminated.c_str(), address.bytes.data()) == 1) return address;
  address.bytes.fill(0);
  address.family = Family::kIpv6;
  if (::inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return unmapped(address);
  return std::nullopt;
}

std::string to_string(const IpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(address.family == Family::kIpv4 ? AF_INET : AF_INET6, address.bytes.data(), text.data(),
              static_cast<socklen_t>(text.size()));
  return text.data();
}

std::string to_string(const Prefix& prefix) {
  return to_string(prefix.address) + "/" + std::to_string(prefix.length);
}

}  // namespace tidewaiter::policy

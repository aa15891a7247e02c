#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

// Socket addresses as the bytes a program would put into its memory.

namespace tidewaiter::supervisor {

using Bytes = std::vector<std::byte>;

template <typename Structure>
Bytes bytes_of(const Structure& structure) {
  Bytes bytes(sizeof structure);
  std::memcpy(bytes.data(), &structure, sizeof structure);
  return bytes;
}

inline Bytes ipv4(const std::string& address, std::uint16_t port, sa_family_t family = AF_INET) {
  struct sockaddr_in in {};
  in.sin_family = family;
  in.sin_port = htons(port);
  if (::inet_pton(AF_INET, address.c_str(), &in.sin_addr) != 1) std::abort();
  return bytes_of(in);
}

inline Bytes ipv6(const std::string& address, std::uint16_t port, std::uint32_t scope = 0) {
  struct sockaddr_in6 in {};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  in.sin6_scope_id = scope;
  if (::inet_pton(AF_INET6, address.c_str(), &in.sin6_addr) != 1) std::abort();
  return bytes_of(in);
}

// The first `size` bytes; beyond the end, bytes that mean nothing.
inline Bytes resized(Bytes bytes, std::size_t size) {
  bytes.resize(size, std::byte{0x5a});
  return bytes;
}

}  // namespace tidewaiter::supervisor

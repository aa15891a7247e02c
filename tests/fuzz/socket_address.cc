#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "oci/policy/address.h"
#include "supervisor/operations/socket.h"
#include "tests/fuzz/fuzzed_target.h"

// Socket addresses, as bytes that lie in a target's memory. The first byte is the length that the call says
// they have, if that is not 255; else it is four bytes.

namespace tidewaiter::supervisor {
namespace {

// Where the kernel finds the port and the address of a family (ip(7), ipv6(7)).
struct Layout {
  std::size_t least;
  std::size_t host;
  std::size_t host_size;
};
constexpr Layout kIpv4{16, 4, 4};
constexpr Layout kIpv6{24, 8, 16};

void check_endpoint(const std::vector<std::byte>& address, const policy::Endpoint& endpoint) {
  const int found = family(address);
  MUST(found == AF_INET || found == AF_INET6);
  const Layout& layout = found == AF_INET ? kIpv4 : kIpv6;
  MUST(address.size() >= layout.least);
  MUST(endpoint.port ==
       (std::to_integer<unsigned>(address[2]) << 8U | std::to_integer<unsigned>(address[3])));
  const bool ipv4 = endpoint.address.family == policy::IpAddress::Family::kIpv4;
  const std::size_t size = ipv4 ? 4 : 16;
  MUST(std::memcmp(address.data() + layout.host + layout.host_size - size, endpoint.address.bytes.data(),
                   size) == 0);
  MUST(policy::unmapped(endpoint.address) == endpoint.address);

  // What is connected to is what was decided on, and nothing else of the address changes.
  const auto where = where_decided(address, endpoint);
  const auto again = parse_endpoint(endpoint.transport, where);
  MUST(again && again->port == endpoint.port && where.size() == address.size());
  MUST(again->address == policy::as_destination(endpoint.address));
  MUST(is_address(where, where) == (endpoint.port != 0));
  auto replaced = where;
  replace_host(replaced, endpoint.address);
  MUST(replaced == address);
}

void check(fuzz::Input input) {
  begin_as_agent();
  std::uint64_t length = input.take<std::uint8_t>();
  if (length == 255) length = input.take<std::uint32_t>();
  FuzzedMemory memory(input.rest(), FuzzedMemory::kSize, false);
  ScriptedKernel kernel;
  kernel.on_read = [&](TargetAddress address, std::span<std::byte> buffer) {
    return memory.read(address, buffer);
  };
  static const Supervision supervision = supervision_of(R"({"version": 1})");
  static std::uint64_t asked;
  asked = length;
  OperationRun(kernel).run(
      [](Call& call) {
        const auto address = capture_address(call, TargetAddress{0}, asked);
        fuzz::note(address.has_value());
        if (!address) {
          MUST(address.error().code == EINVAL && asked > sizeof(struct sockaddr_storage));
          return Outcome{};
        }
        MUST(address->size() == asked);
        static_cast<void>(is_netlink_kernel(*address));
        const auto endpoint = parse_endpoint(policy::Transport::kTcp, *address);
        if (endpoint) {
          check_endpoint(*address, *endpoint);
        } else {
          MUST(endpoint.error().code == EINVAL || endpoint.error().code == EAFNOSUPPORT);
          MUST(where_decided(*address, std::nullopt) == *address &&
               is_address(*address, *address) !=
                   (family(*address) == AF_UNIX && address->size() == sizeof(sa_family_t)));
        }
        return Outcome{};
      },
      supervision, address_call(1, SYS_connect, length));
}

}  // namespace
}  // namespace tidewaiter::supervisor

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tidewaiter::supervisor::check(tidewaiter::fuzz::Input(data, size));
  return 0;
}

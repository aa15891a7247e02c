#include "oci/policy/policy.h"

#include <algorithm>

namespace tidewaiter::policy {

bool Prefix::contains(const IpAddress& candidate) const {
  if (candidate.family != address.family) return false;
  const std::size_t whole = length / 8;
  if (!std::equal(address.bytes.begin(), address.bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                  candidate.bytes.begin()))
    return false;
  const unsigned rest = length % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff00U >> rest);
  return ((address.bytes[whole] ^ candidate.bytes[whole]) & mask) == 0;
}

const PinnedHost* pinned_host(const Policy& policy, std::string_view name) {
  if (!policy.identity) return nullptr;
  const std::vector<PinnedHost>& hosts = policy.identity->hosts;
  const auto found =
      std::find_if(hosts.begin(), hosts.end(), [name](const PinnedHost& one) { return one.name == name; });
  return found == hosts.end() ? nullptr : &*found;
}

bool names_processors(const Policy& policy) { return policy.limits && policy.limits->processors; }

}  // namespace tidewaiter::policy

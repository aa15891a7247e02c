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

}  // namespace tidewaiter::policy

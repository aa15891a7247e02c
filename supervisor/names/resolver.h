#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/policy.h"

namespace tidewaiter::supervisor {

// What a host name stands for at this moment.
struct Resolution {
  std::vector<policy::IpAddress> addresses;  // never empty; in the order of the answer
  // For how long the answer holds; absent: nobody says (a name in /etc/hosts).
  std::optional<std::chrono::seconds> ttl;
};

// How host names become addresses. Tests have their own.
class Resolver {
 public:
  virtual ~Resolver() = default;

  // One result for each of `names`, in their order. Blocks until all are there, for some seconds at most.
  // What has no answer by then is an error; so is everything once `stop`, a descriptor, is readable (-1:
  // none).
  virtual std::vector<Result<Resolution>> resolve(const std::vector<std::string>& names, int stop) = 0;
};

}  // namespace tidewaiter::supervisor

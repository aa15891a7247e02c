#pragma once

#include <string>
#include <vector>

#include "oci/policy/policy.h"

namespace tidewaiter::policy {

// What is to be said of a policy that can be read: a rule that can never take effect, or words that hardly
// mean what they say. The message says why, and what to write instead, in one line.
struct Remark {
  enum class Weight {
    kWarning,  // the policy does what it says
    kMistake,  // no container starts under it
  };
  std::string pointer;  // the rule's place in the file; empty: the whole policy
  std::string message;
  Weight weight = Weight::kWarning;

  bool operator==(const Remark&) const = default;
};

// Looks at the policy alone, whatever bundle it is for, and asks nobody: host names that mean the same
// addresses are not known for it. In the order of the policy reference. Only what is certain is said: a rule
// whose globs would take too long to compare is passed over.
std::vector<Remark> review(const Policy& policy);

}  // namespace tidewaiter::policy

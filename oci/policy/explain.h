#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "oci/policy/compile.h"

namespace tidewaiter::policy {

// What a plan was made from, for its headline.
struct PlanOrigin {
  std::string policy;  // the policy's name
  Mode mode = Mode::kEnforce;
  std::string bundle;         // the bundle's folder; empty: no bundle, hence no profile of its own
  std::string runtime;        // "crun"
  std::string not_here = {};  // why a container would be refused on this machine; empty: it would not
};

std::string_view to_string(Mechanism mechanism);

// The plan for people: a table, rule by rule, of what enforces it and what it costs, then what the compiler
// added, what stays open, and what left the profile. Lines are at most `width` bytes long; REQUIRES: width
// >= 60.
std::string explain_text(const Plan& plan, const PlanOrigin& origin, std::size_t width = 100);

// The same for programs: {"policy", "mode", "bundle", "runtime", "not_here", "supervised", "rules":
// [{"pointer", "what", "mechanism", "cost", "note"}], "start", "names" and "files": [the same without
// "pointer"], "baseline": [as "start", and "name", the word of unsafe_allow], "left_open": [{"what",
// "note"}], "notified": [], "residual": [], "dropped_architectures": {name: reason}}.
nlohmann::ordered_json explain_json(const Plan& plan, const PlanOrigin& origin);

}  // namespace tidewaiter::policy

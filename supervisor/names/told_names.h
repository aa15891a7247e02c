#pragma once

#include <string>
#include <vector>

#include "supervisor/names/resolver.h"

namespace tidewaiter::supervisor {

// What each of `names` stands for at this moment, for `tidewaiter policy check --resolve`: a line of JSON for
// each,
// {"name": "a.example", "addresses": ["192.0.2.1"]} or {"name": "a.example", "error": "in words"}.
std::string told_names(Resolver& resolver, const std::vector<std::string>& names);

}  // namespace tidewaiter::supervisor

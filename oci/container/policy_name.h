#pragma once

#include <string_view>

namespace tidewaiter::container {

// Whether an annotation, or "default_policy", can name a policy so: letters, digits, '.', '_' and '-', at
// most 128 of them, the first no dot.
inline bool is_policy_name(std::string_view name) {
  constexpr std::string_view kValid = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !name.empty() && name.size() <= 128 && name.front() != '.' &&
         name.find_first_not_of(kValid) == std::string_view::npos;
}

}  // namespace tidewaiter::container

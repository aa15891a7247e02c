#pragma once

#include <span>
#include <string>
#include <string_view>

// How messages about a policy file speak.

namespace tidewaiter::policy {

// `text` as found in the file: in double quotes, escaped as JSON, long text cut.
std::string quote(std::string_view text);

// `"a", "b" or "c"`.
std::string one_of(std::span<const std::string_view> words);

// The candidate that `text` was probably meant to be; empty when none is close. Letter case does not count,
// nor do the SCMP_ACT_ and SCMP_CMP_ of the runtime-spec.
std::string_view nearest(std::string_view text, std::span<const std::string_view> candidates);

}  // namespace tidewaiter::policy

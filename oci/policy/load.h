#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/policy.h"

namespace tidewaiter::policy {

// One thing wrong with a policy file. `where` is "file.json:3:14" for text that is not JSON and
// "file.json: /network/allow/2" otherwise; the message says what was found and what would be valid.
struct Mistake {
  std::string where;
  std::string message;
};

// Parses and checks a policy. All mistakes are collected, in the order of the file, not just the first.
// `source` names the text in messages, `name` becomes Policy::name.
tl::expected<Policy, std::vector<Mistake>> parse(std::string_view text, const std::string& source,
                                                 const std::string& name);

// parse() of a file. Name is the file's base name without ".json". The error is one line: the first
// mistake, and how many more there are.
Result<Policy> load(const std::string& path);

}  // namespace tidewaiter::policy

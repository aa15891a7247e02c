#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/policy.h"

namespace tidewaiter::policy {

// One thing wrong with a policy file. `where` is the file and the JSON pointer, "file.json:
// /network/allow/2"; the file alone for the document as a whole and for text that is not JSON, of which the
// message gives line and column. The message says what was found and what would be valid, in one line.
struct Mistake {
  std::string where;
  std::string message;
  bool operator==(const Mistake&) const = default;
};

// Parses and checks a policy. All mistakes are collected, not just the first, in the order of the
// file; what is wrong between the members of one rule comes after what is wrong in them.
// `source` names the text in messages, `name` becomes Policy::name.
tl::expected<Policy, std::vector<Mistake>> parse(std::string_view text, const std::string& source,
                                                 const std::string& name);

// What the policy in this file is called: its base name without ".json".
std::string name_of(const std::string& path);

// A policy, and the text it was read from, for whoever hands on exactly what was checked.
struct PolicyFile {
  Policy policy;
  std::string text;
};

// What a policy file has at most.
inline constexpr std::size_t kMaxPolicyBytes = 16U << 20U;

// parse() of a file, by its name_of(). The error is one line: the first
// mistake, and how many more there are. A file of more than kMaxPolicyBytes is an error.
Result<PolicyFile> load_file(const std::string& path);
Result<Policy> load(const std::string& path);

}  // namespace tidewaiter::policy

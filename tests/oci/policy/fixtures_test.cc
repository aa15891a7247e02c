#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "oci/policy/baseline.h"
#include "oci/policy/load.h"
#include "oci/policy/syscalls.h"
#include "oci/spec/config.h"

// The loader and docs/policy.schema.json judge the same policies; check_schema.py is the schema's side.

namespace tidewaiter::policy {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<fs::path> policies_in(const std::string& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(TIDEWAITER_FIXTURES) / "policies" / folder))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  return files;
}

void expect_valid(const std::string& text, const std::string& where) {
  const auto policy = parse(text, where, "p");
  if (policy) return;
  for (const Mistake& mistake : policy.error()) ADD_FAILURE() << mistake.where << ": " << mistake.message;
}

TEST(Fixtures, ValidPoliciesLoad) {
  const auto files = policies_in("valid");
  ASSERT_GT(files.size(), 10U);
  for (const fs::path& file : files) expect_valid(text_of(file), file.string());
}

TEST(Fixtures, InvalidPoliciesDoNotLoad) {
  for (const std::string folder : {"invalid", "invalid/semantic"}) {
    const auto files = policies_in(folder);
    ASSERT_GT(files.size(), 20U);
    for (const fs::path& file : files) {
      const auto policy = parse(text_of(file), file.string(), "p");
      ASSERT_FALSE(policy) << file;
      // One thing is wrong with each, so that it is refused for the reason in its name.
      EXPECT_EQ(policy.error().size(), file.stem() == "argument_empty" ? 3U : 1U) << file;
    }
  }
}

// The names that a rule of docs/policy.schema.json excludes, which its "$comment" starts to explain as
// `comment`.
std::vector<std::string> names_excluded_by(const std::string& comment) {
  const auto schema = spec::parse_json(text_of(TIDEWAITER_POLICY_SCHEMA), "schema");
  if (!schema) return {};
  for (const auto& rule : schema->at("definitions").at("syscallRule").at("allOf"))
    if (rule.value("$comment", "").starts_with(comment))
      return rule.at(spec::Json::json_pointer("/then/properties/names/items/not/enum"))
          .get<std::vector<std::string>>();
  return {};
}

TEST(Schema, ExcludesTheSyscallsThatTheTableDoes) {
  std::vector<std::string> never_refused;
  std::vector<std::string> never_notified;
  for (const SyscallEntry& entry : syscalls()) {
    if (!entry.never_refuse.empty()) never_refused.emplace_back(entry.name);
    if (!entry.never_notify.empty()) never_notified.emplace_back(entry.name);
  }
  EXPECT_EQ(names_excluded_by("No program starts or ends"), never_refused);
  EXPECT_EQ(names_excluded_by("A signal must not interrupt"), never_notified);
}

TEST(Schema, KnowsTheNamesOfTheBaseline) {
  const auto schema = spec::parse_json(text_of(TIDEWAITER_POLICY_SCHEMA), "schema");
  ASSERT_TRUE(schema);
  const auto names = baseline_names();
  EXPECT_EQ(schema->at(spec::Json::json_pointer("/properties/unsafe_allow/items/enum"))
                .get<std::vector<std::string>>(),
            std::vector<std::string>(names.begin(), names.end()));
}

// The first cells of the table below the heading "## The baseline".
std::vector<std::string> names_in_reference() {
  std::istringstream reference(text_of(TIDEWAITER_POLICY_REFERENCE));
  std::vector<std::string> names;
  bool inside = false;
  for (std::string line; std::getline(reference, line);) {
    if (line.starts_with("## ")) inside = line == "## The baseline";
    if (inside && line.starts_with("| `")) names.push_back(line.substr(3, line.find('`', 3) - 3));
  }
  return names;
}

// The row of the table says which calls it is about, what they fail with, and for whose sake.
TEST(Reference, HasTheTableOfTheBaseline) {
  const auto names = baseline_names();
  EXPECT_EQ(names_in_reference(), std::vector<std::string>(names.begin(), names.end()));
  const std::string reference = text_of(TIDEWAITER_POLICY_REFERENCE);
  for (const BaselineRow& row : baseline()) {
    const std::size_t begin = reference.find("\n| `" + std::string(row.name) + "` |");
    ASSERT_NE(begin, std::string::npos) << row.name;
    const std::string line = reference.substr(begin + 1, reference.find('\n', begin + 1) - begin - 1);
    for (const std::string_view call : row.syscalls)
      EXPECT_NE(line.find("`" + std::string(call) + "`"), std::string::npos) << line << " " << call;
    EXPECT_NE(line.find(::strerrorname_np(row.errno_value)), std::string::npos) << line;
    EXPECT_EQ(line.find(" exec |") != std::string::npos || line.find(", exec") != std::string::npos,
              row.for_exec)
        << line;
    EXPECT_EQ(line.find(", limits") != std::string::npos || line.find("| limits") != std::string::npos,
              row.for_limits)
        << line;
    EXPECT_EQ(line.ends_with(", files.deny |"), row.for_deny) << line;
  }
}

// What the reference shows has to be right.
TEST(Fixtures, PoliciesOfTheReferenceLoad) {
  std::istringstream reference(text_of(TIDEWAITER_POLICY_REFERENCE));
  std::size_t policies = 0;
  std::string block;
  bool inside = false;
  for (std::string line; std::getline(reference, line);) {
    if (line == "```json") {
      inside = true;
      block.clear();
    } else if (line == "```" && inside) {
      inside = false;
      if (block.find("\"version\"") == std::string::npos) continue;
      expect_valid(block, "docs/policy.md, policy " + std::to_string(++policies));
    } else {
      block += line + "\n";
    }
  }
  EXPECT_GT(policies, 0U);
}

}  // namespace
}  // namespace tidewaiter::policy

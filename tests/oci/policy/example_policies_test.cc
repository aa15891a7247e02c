#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "oci/policy/compile.h"
#include "oci/policy/explain.h"
#include "oci/policy/load.h"
#include "oci/policy/review.h"
#include "oci/spec/mounts.h"

// The policies for real software in docs/policies: each is read, has nothing to be said against it, goes
// together with what engines make of a container, and every rule of it is held by somebody.
// integration/real_software.bats runs the software under those of them whose software is there.

namespace tidewaiter::policy {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string text_of(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// "web-server".
std::vector<std::string> examples() {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(TIDEWAITER_EXAMPLES))
    files.push_back(entry.path().stem().string());
  std::sort(files.begin(), files.end());
  return files;
}

// The pointers of the file's own rules, as plan rows have them.
std::set<std::string> rules_of(const ordered_json& policy) {
  std::set<std::string> pointers;
  const auto add_list = [&](const std::string& place) {
    const ordered_json::json_pointer pointer(place);
    if (!policy.contains(pointer)) return;
    for (std::size_t i = 0; i < policy.at(pointer).size(); ++i)
      pointers.insert(place + "/" + std::to_string(i));
  };
  for (const char* list :
       {"/network/allow", "/network/deny", "/network/bind", "/exec/allow", "/exec/deny", "/syscalls"})
    add_list(list);
  if (policy.contains("limits")) {
    for (const auto& [key, value] : policy["limits"].items()) pointers.insert("/limits/" + key);
  }
  return pointers;
}

class ExamplePolicies : public ::testing::TestWithParam<std::string> {
 protected:
  const std::string text_ = text_of(fs::path(TIDEWAITER_EXAMPLES) / (GetParam() + ".json"));
  const tl::expected<Policy, std::vector<Mistake>> policy_ = parse(text_, GetParam() + ".json", GetParam());
};

TEST_P(ExamplePolicies, HasNothingToBeSaidAgainstIt) {
  ASSERT_TRUE(policy_) << policy_.error().front().where << ": " << policy_.error().front().message;
  for (const Remark& remark : review(*policy_)) ADD_FAILURE() << remark.pointer << ": " << remark.message;
  EXPECT_THAT(ordered_json::parse(text_)["description"].get<std::string>(), ::testing::Not(IsEmpty()))
      << "says what it is for";
}

TEST_P(ExamplePolicies, HoldsEveryRule) {
  ASSERT_TRUE(policy_);
  for (const char* bundle : {"podman", "crun-spec", "runc-spec"}) {
    const ordered_json config = ordered_json::parse(
        text_of(fs::path(TIDEWAITER_FIXTURES) / "config" / (std::string(bundle) + ".json")));
    runtime::Surroundings around = runtime::Surroundings::of_a_full_machine();
    for (const std::string& source : spec::bind_sources(config)) around.sources.try_emplace(source);
    for (const runtime::Kind kind : {runtime::Kind::kCrun, runtime::Kind::kRunc}) {
      const runtime::Traits& traits = runtime::traits(kind);
      SCOPED_TRACE(std::string(bundle) + ", " + std::string(traits.name));
      const auto plan = compile(*policy_, config, traits,
                                {"/run/tidewaiter/ID/agent.sock", "", "/run/tidewaiter/ID/hosts"}, around);
      ASSERT_TRUE(plan) << plan.error().message();
      EXPECT_TRUE(plan->supervised());
      std::set<std::string> held;
      for (const PlanRow& row : plan->rows) {
        if (row.origin != Origin::kRule) continue;
        EXPECT_NE(row.mechanism, Mechanism::kNobody) << row.pointer;
        EXPECT_FALSE(row.cost.empty()) << row.pointer;
        held.insert(row.pointer);
      }
      const std::set<std::string> rules = rules_of(ordered_json::parse(text_));
      EXPECT_TRUE(std::includes(held.begin(), held.end(), rules.begin(), rules.end()));

      const PlanOrigin origin{policy_->name, policy_->mode, bundle, std::string(traits.name)};
      const std::string told = explain_text(*plan, origin);
      const ordered_json json = explain_json(*plan, origin);
      for (const std::string& pointer : rules) {
        // And not "/exec/allow/10" for "/exec/allow/1".
        EXPECT_THAT(told, ::testing::ContainsRegex("\n" + pointer + "[^0-9]"));
        EXPECT_TRUE(std::any_of(json["rules"].begin(), json["rules"].end(), [&](const ordered_json& row) {
          return row["pointer"] == pointer;
        })) << pointer;
      }
      EXPECT_THAT(told, HasSubstr("Added, so that the rules hold"));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Docs, ExamplePolicies, ::testing::ValuesIn(examples()), [](const auto& one) {
  std::string name = one.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(ExamplesOfPolicies, AreTen) { EXPECT_EQ(examples().size(), 10U); }

}  // namespace
}  // namespace tidewaiter::policy

#include "shim/name_review.h"

#include <chrono>
#include <map>
#include <sstream>
#include <utility>
#include <variant>

#include "oci/base/program_output.h"
#include "oci/policy/wording.h"
#include "oci/spec/config.h"

namespace tidewaiter::shim {
namespace {

constexpr std::chrono::seconds kPatience{15};  // the agent's own is shorter
constexpr std::size_t kMostOutput = 4U << 20U;

// Name -> why it stands for nothing; of those that do.
using Failures = std::map<std::string, std::string, std::less<>>;

Result<Failures> failures_of(const std::set<std::string>& names, const std::string& agent) {
  std::vector<std::string> argv{agent, "--resolve"};
  argv.insert(argv.end(), names.begin(), names.end());
  std::istringstream lines(TRY(output_of(std::move(argv), Until::kEnd, kMostOutput, kPatience)));
  Failures failures;
  std::set<std::string> missing = names;
  for (std::string line; std::getline(lines, line);) {
    const spec::Json answer = TRY(spec::parse_json(line, agent));
    if (!answer.is_object() || !answer.contains("name"))
      return fail(std::string(agent).append(": not an answer: ").append(line));
    const std::string name = answer["name"].is_string() ? answer["name"].get<std::string>() : "";
    missing.erase(name);
    if (const auto error = answer.find("error"); error != answer.end())
      failures[name] = error->is_string() ? error->get<std::string>() : "no reason is given";
  }
  if (!missing.empty()) return fail(agent + " --resolve: no answer for " + *missing.begin());
  return failures;
}

}  // namespace

Result<std::vector<policy::Remark>> review_names(const policy::Policy& policy, const std::string& agent) {
  std::vector<policy::Remark> remarks;
  if (!policy.network) return remarks;
  struct Use {
    const policy::NetworkRule* rule;
    std::string_view consequence;
  };
  std::vector<Use> uses;
  std::set<std::string> names;
  const auto add = [&](const std::vector<policy::NetworkRule>& rules, std::string_view consequence) {
    for (const policy::NetworkRule& rule : rules) {
      const auto* host = std::get_if<policy::HostName>(&rule.host);
      // What is pinned stands for what the policy says, in the container and to the agent.
      if (host == nullptr || policy::pinned_host(policy, host->name) != nullptr) continue;
      uses.push_back({&rule, consequence});
      names.insert(host->name);
    }
  };
  if (policy.network->allow) add(*policy.network->allow, "until it does, the rule allows nothing");
  add(policy.network->deny, "until it does, no container is created, for the rule would refuse nothing");
  if (names.empty()) return remarks;
  const Failures failures = TRY(failures_of(names, agent));
  for (const Use& use : uses) {
    const std::string& name = std::get<policy::HostName>(use.rule->host).name;
    const auto failure = failures.find(name);
    if (failure == failures.end()) continue;
    remarks.push_back({use.rule->pointer,
                       policy::quote(name) + " does not resolve here (" + failure->second +
                           "): " + std::string(use.consequence) + "; correct the name, or write addresses",
                       policy::Remark::Weight::kWarning});
  }
  return remarks;
}

}  // namespace tidewaiter::shim

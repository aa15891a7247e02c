#include "supervisor/worker/reload.h"

#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "oci/container/bundle.h"
#include "oci/policy/check_identity.h"
#include "oci/policy/check_limits.h"
#include "oci/policy/compile.h"
#include "oci/policy/compile_deny.h"
#include "oci/policy/load.h"
#include "oci/runtime/runtime_traits.h"

namespace tidewaiter::supervisor {
namespace {

constexpr const char* kCreateAgain = "; it holds for containers that are created from now on";

// The bundle's config as the container was created from it.
Result<nlohmann::ordered_json> original_config(const container::Record& record) {
  if (record.config_path.empty()) {
    return fail(std::string("podman's hook created the container, and nobody knows its bundle") +
                kCreateAgain);
  }
  const auto bundle = TRY(container::Bundle::open("", record.config_path));
  nlohmann::ordered_json config = bundle.original();
  // The file may be another by now; this is what the filter was made from.
  if (record.own_seccomp) {
    config["linux"]["seccomp"] = *record.own_seccomp;
  } else if (config.contains("linux")) {
    config["linux"].erase("seccomp");
  }
  return config;
}

Result<policy::Policy> parse_kept(const container::Record& record) {
  auto parsed = policy::parse(record.policy_text, record.policy_name + ".json", record.policy_name);
  if (parsed) return std::move(*parsed);
  const auto& mistake = parsed.error().front();
  return fail(mistake.where + ": " + mistake.message);
}

std::set<std::string> names_in(const std::vector<policy::NetworkRule>& rules) {
  std::set<std::string> names;
  for (const auto& rule : rules) {
    if (const auto* host = std::get_if<policy::HostName>(&rule.host)) names.insert(host->name);
  }
  return names;
}

// The first name of `wanted` that `known` has not.
std::optional<std::string> unknown_in(const std::set<std::string>& wanted,
                                      const std::set<std::string>& known) {
  for (const std::string& name : wanted) {
    if (!known.contains(name)) return name;
  }
  return std::nullopt;
}

Status check_names(const policy::Policy& old, const policy::Policy& changed) {
  if (!changed.network) return {};
  std::set<std::string> denied;
  std::set<std::string> known;
  const std::vector<policy::NetworkRule> none;
  if (old.network) {
    denied = names_in(old.network->deny);
    known = names_in(old.network->allow.value_or(none));
    known.insert(denied.begin(), denied.end());
  }
  auto unknown = unknown_in(names_in(changed.network->deny), denied);
  if (!unknown) unknown = unknown_in(names_in(changed.network->allow.value_or(none)), known);
  if (!unknown) return {};
  return fail("the container was created without the host name \"" + *unknown + "\"" + kCreateAgain);
}

// What the two differ in, as the container would have it; empty: in nothing.
std::string difference(const policy::Plan& a, const policy::Plan& b) {
  const nlohmann::ordered_json::json_pointer seccomp("/linux/seccomp");
  const auto filter = [&](const policy::Plan& plan) {
    return plan.config.contains(seccomp) ? plan.config.at(seccomp) : nlohmann::ordered_json();
  };
  if (filter(a) != filter(b) || a.residual != b.residual || a.exempts_start != b.exempts_start ||
      a.told_of_execs != b.told_of_execs || a.notified != b.notified) {
    return "another seccomp filter";
  }
  if (a.config != b.config) return "other settings";
  if (a.hosts.has_value() != b.hosts.has_value()) return "another hosts file";
  return {};
}

// The file rules that hold in a container: its processes were told of them when they began, and what is
// denied or copied was mounted before.
std::optional<policy::FilesPolicy> held_files(const policy::Policy& policy) {
  if (!policy.files) return std::nullopt;
  policy::FilesPolicy held = *policy.files;
  if (policy.mode == policy::Mode::kAudit) {
    held = {};
    held.copy_on_write = policy.files->copy_on_write;
  }
  const bool any = held.restricts() || !held.deny.empty() || !held.copy_on_write.empty();
  return any ? std::optional(std::move(held)) : std::nullopt;
}

}  // namespace

Result<std::optional<container::Record>> reread_policy(const container::Record& record) {
  if (record.policy_path.empty()) {
    return fail(std::string("the container was created by a version that did not note the policy's path") +
                kCreateAgain);
  }
  auto file = policy::load_file(record.policy_path);
  if (!file) return tl::unexpected(file.error());
  if (file->text == record.policy_text) return std::nullopt;
  auto old = TRY(parse_kept(record));
  TRY(in_context(record.policy_path, check_names(old, file->policy)));
  if (old.limits != file->policy.limits || policy::holds_limits(old) != policy::holds_limits(file->policy)) {
    return fail(record.policy_path + " needs other limits than the container was created with" +
                kCreateAgain);
  }
  if (held_files(old) != held_files(file->policy)) {
    return fail(record.policy_path + " needs other file rules than the container was created with" +
                kCreateAgain);
  }
  // In audit mode nobody is given one, but for the hosts.
  const bool begins_or_ends = old.identity && old.identity->concerns_processes() &&
                              policy::gives_identity(old) != policy::gives_identity(file->policy);
  if (old.identity != file->policy.identity || begins_or_ends) {
    return fail(record.policy_path + " gives another identity than the container was created with" +
                kCreateAgain);
  }
  // What they become depends on where the container was created, and is the same for both.
  for (policy::Policy* one : {&old, &file->policy}) {
    one->limits.reset();
    one->files.reset();
    one->identity.reset();
  }
  const auto config = TRY(in_context(record.policy_path, original_config(record)));
  // By its name; nothing can be executed here. Both are compiled for the same one.
  const auto kind = record.runtime.empty()
                        ? runtime::Kind::kUnknown
                        : runtime::identify(record.runtime).value_or(runtime::Kind::kUnknown);
  policy::Listener listener{"/agent.sock", record.policy_name, "/hosts"};
  listener.snapshots = record.snapshots;
  const auto has = TRY(policy::compile(old, config, runtime::traits(kind), listener, {}));
  const auto needs = TRY(in_context(
      record.policy_path, policy::compile(file->policy, config, runtime::traits(kind), listener, {})));
  if (const std::string what = difference(has, needs); !what.empty()) {
    return fail(record.policy_path + " needs " + what + " than the container was created with" +
                kCreateAgain);
  }
  container::Record changed = record;
  changed.policy_text = std::move(file->text);
  return changed;
}

}  // namespace tidewaiter::supervisor

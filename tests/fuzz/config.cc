#include "oci/spec/config.h"

#include <string>

#include "oci/seccomp/profile.h"
#include "oci/spec/hosts_mount.h"
#include "tests/fuzz/fuzz.h"

// config.json: as text, and whatever is read of it without a policy.

namespace tidewaiter::spec {
namespace {

const std::string kHostsFile = "/run/tidewaiter/box/hosts";

// Any document, however small it was, comes out as it went in.
void check_text(const Json& document) {
  for (const int indent : {-1, 2}) {
    const std::string text = dump_json(document, indent);
    const auto again = parse_json(text, "again");
    MUST(again && *again == document && dump_json(*again, indent) == text);
  }
}

void check_profile(const Json& seccomp) {
  const auto profile = seccomp::parse_profile(seccomp);
  if (!profile) {
    MUST(!profile.error().message().empty());
    return;
  }
  for (const auto& rule : profile->rules) {
    for (const auto& test : rule.args) MUST(test.index < 6);
    for (const auto& one : seccomp::as_separate_rules(rule)) MUST(one.args.size() <= 6);
  }
  Json rewritten = seccomp;
  seccomp::write_profile(*profile, rewritten);
  const auto again = seccomp::parse_profile(rewritten);
  MUST(again && again->default_action == profile->default_action &&
       again->architectures == profile->architectures && again->rules == profile->rules);
}

void check_hosts(const Json& config) {
  Json rewritten = config;
  const auto base = bind_over_hosts(rewritten, kHostsFile);
  if (!base) return;
  const HostsBase found = in_bundle(*base, "/bundle");
  MUST(found.root.empty() || found.root.starts_with('/'));
  // What it wrote is what it finds.
  const auto again = bind_over_hosts(rewritten, kHostsFile);
  MUST(again && again->root == "/" && again->path == kHostsFile);
  rewritten.erase("mounts");
  Json rest = config;
  rest.erase("mounts");
  MUST(rewritten == rest);
}

void check(std::string_view text) {
  const auto config = parse_json(text, "config.json");
  fuzz::note(config.has_value());
  if (!config) {
    MUST(config.error().code == 0 && config.error().context.starts_with("config.json: line "));
    return;
  }
  check_text(*config);
  static_cast<void>(check_key_case(*config));
  static_cast<void>(annotation(*config, "io.tidewaiter.policy"));
  static_cast<void>(no_new_privileges(*config));
  if (!config->is_object()) return;
  check_hosts(*config);
  const auto linux_part = config->find("linux");
  if (linux_part == config->end() || !linux_part->is_object()) return;
  if (const auto seccomp = linux_part->find("seccomp"); seccomp != linux_part->end()) check_profile(*seccomp);
}

}  // namespace
}  // namespace tidewaiter::spec

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tidewaiter::spec::check(tidewaiter::fuzz::Input(data, size).rest());
  return 0;
}

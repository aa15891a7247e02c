#include "oci/policy/load.h"

#include <optional>
#include <utility>

#include "oci/base/system.h"
#include "oci/policy/load/read_events.h"
#include "oci/policy/load/read_exec.h"
#include "oci/policy/load/read_files.h"
#include "oci/policy/load/read_identity.h"
#include "oci/policy/load/read_limits.h"
#include "oci/policy/load/read_network.h"
#include "oci/policy/load/read_syscalls.h"
#include "oci/policy/load/read_unsafe_allow.h"
#include "oci/policy/load/reader.h"
#include "oci/policy/meant.h"
#include "oci/spec/config.h"

namespace tidewaiter::policy {
namespace {

constexpr std::string_view kPolicyKeys[] = {"version",      "description", "network",  "exec",
                                            "files",        "limits",      "identity", "syscalls",
                                            "unsafe_allow", "events",      "mode"};
constexpr ObjectKind kPolicyObject{
    .where = Where::kPolicy, .keys = kPolicyKeys, .example = R"({"version": 1})"};
constexpr std::string_view kModes[] = {"enforce", "audit"};

void read_version(Reader& reader, const Place& place) {
  if (!place.value.is_number_integer() || place.value != 1)
    reader.wrong(place, "expected 1, the only version of the policy language there is, found " +
                            described(place.value) + without_quotes(place, {1, 1}));
}

Policy read_policy(Reader& reader, const spec::Json& document) {
  Policy policy;
  const Place top{document, ""};
  reader.each_member(kPolicyObject, top, [&](std::string_view key, const Place& member) {
    if (key == "version") {
      read_version(reader, member);
    } else if (key == "description") {
      reader.read_string(member, "a string");
    } else if (key == "network") {
      policy.network = read_network(reader, member);
    } else if (key == "exec") {
      policy.exec = read_exec(reader, member);
    } else if (key == "limits") {
      auto processors = policy.limits ? std::move(policy.limits->processors) : std::nullopt;
      policy.limits = read_limits(reader, member);
      policy.limits->processors = std::move(processors);
    } else if (key == "files") {
      policy.files = read_files(reader, member);
    } else if (key == "identity") {
      policy.identity = read_identity(reader, member, policy.limits);
    } else if (key == "syscalls") {
      policy.syscalls = read_syscalls(reader, member);
    } else if (key == "unsafe_allow") {
      policy.unsafe_allow = read_unsafe_allow(reader, member);
    } else if (key == "events") {
      read_events(reader, member, policy.events);
    } else if (const auto mode = reader.read_word(member, kModes, Choice::kMode)) {
      policy.mode = *mode == 0 ? Mode::kEnforce : Mode::kAudit;
    }
  });
  reader.require(top, "version", "write \"version\": 1");
  // What is restricted is known only of a policy that is right so far.
  if (reader.mistakes().empty()) check_unsafe_allow(reader, top, policy);
  check_denied_names(reader, top, policy);
  return policy;
}

}  // namespace

std::string name_of(const std::string& path) {
  std::string name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
  if (name.ends_with(".json")) name.resize(name.size() - 5);
  return name;
}

tl::expected<Policy, std::vector<Mistake>> parse(std::string_view text, const std::string& source,
                                                 const std::string& name) {
  const auto document = spec::parse_json(text, source);
  if (!document) {
    std::string message = document.error().message();
    if (message.starts_with(source + ": ")) message.erase(0, source.size() + 2);
    return tl::unexpected(std::vector<Mistake>{{source, std::move(message)}});
  }
  Reader reader(source);
  Policy policy = read_policy(reader, *document);
  policy.name = name;
  if (!reader.mistakes().empty()) return tl::unexpected(reader.mistakes());
  return policy;
}

Result<PolicyFile> load_file(const std::string& path) {
  std::string text = TRY(in_context("policy", sys::read_file(path, kMaxPolicyBytes)));
  auto policy = parse(text, path, name_of(path));
  if (policy) return PolicyFile{*std::move(policy), std::move(text)};
  const std::vector<Mistake>& mistakes = policy.error();
  std::string line = mistakes.front().where + ": " + mistakes.front().message;
  if (mistakes.size() > 1)
    line += " (and " + std::to_string(mistakes.size() - 1) + " more; see tidewaiter policy check)";
  return fail(std::move(line));
}

Result<Policy> load(const std::string& path) { return TRY(load_file(path)).policy; }

}  // namespace tidewaiter::policy

#include "oci/policy/compile_deny.h"

#include <nlohmann/json.hpp>

#include "oci/policy/wording.h"
#include "oci/spec/config.h"
#include "oci/spec/mounts.h"

namespace tidewaiter::policy {
namespace {

using nlohmann::ordered_json;

bool is_file(const FileRule& rule, const Listener& listener) {
  return listener.denied_files.contains(rule.path);
}

// nosuid, nodev: in a user namespace no mount may have fewer of them than its source.
ordered_json cover_of(const FileRule& rule, const Listener& listener) {
  if (is_file(rule, listener)) {
    return {{"destination", rule.path},
            {"type", "bind"},
            {"source", listener.denied_file},
            {"options", {"bind", "rprivate", "ro", "nosuid", "nodev", "noexec"}}};
  }
  return {{"destination", rule.path},
          {"type", "tmpfs"},
          {"source", "tmpfs"},
          {"options", {"ro", "nosuid", "nodev", "noexec", "mode=000", "size=4k"}}};
}

}  // namespace

bool covers(const Policy& policy) {
  return policy.files && !policy.files->deny.empty() && policy.mode != Mode::kAudit;
}

Status cover_denied(ordered_json& config, const FilesPolicy& files, const Listener& listener,
                    const std::string& init_place) {
  if (listener.denied_file.empty())
    return fail(
        "/files/deny: podman's hook cannot cover files, for it is not told where the container's are: use "
        "tidewaiter as the runtime");
  if (!spec::is_utf8(listener.denied_file))
    return fail("the path is not UTF-8, as config.json has to be: " + listener.denied_file);
  ordered_json& mounts = config["mounts"];
  if (mounts.is_null()) mounts = ordered_json::array();
  if (!mounts.is_array()) return fail("/mounts is not an array");
  for (const FileRule& rule : files.deny) {
    if (!init_place.empty() && spec::is_below(init_place, rule.path))
      return fail(rule.pointer + ": " + quote(rule.path) + " cannot be denied beside the other lists, for " +
                  init_place + " has to be there, by which they are enforced: name what is in it");
    mounts.push_back(cover_of(rule, listener));
  }
  return {};
}

std::vector<PlanRow> denied_rows(const Policy& policy, const Listener& listener) {
  std::vector<PlanRow> rows;
  if (!policy.files) return rows;
  const bool held = covers(policy);
  for (const FileRule& rule : policy.files->deny) {
    std::string note = "not covered (audit)";
    if (held)
      note = is_file(rule, listener) ? "a socket that nobody listens on lies over it"
                                     : "an empty folder lies over it, which is made where nothing is";
    rows.push_back({.pointer = rule.pointer,
                    .what = "open " + rule.path + " and what lies below it: denied",
                    .mechanism = held ? Mechanism::kRuntime : Mechanism::kNobody,
                    .cost = "none",
                    .note = std::move(note)});
  }
  return rows;
}

}  // namespace tidewaiter::policy

#include "oci/policy/check_identity.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/policy/compile_identity.h"
#include "oci/spec/members.h"
#include "oci/spec/mounts.h"

namespace tidewaiter::policy {
namespace {

using nlohmann::ordered_json;
using runtime::IdRange;
using spec::member;
using spec::text_member;

struct Input {
  const Identity& identity;
  const ordered_json& config;
  const runtime::Surroundings& surroundings;
};

const ordered_json* linux_member(const ordered_json& config, const char* key) {
  const ordered_json* linux_part = member(config, "linux");
  return linux_part == nullptr ? nullptr : member(*linux_part, key);
}

// crun writes these when it has set the host name. It makes a path of the key, in which dots are slashes, and
// any number of them is one.
bool is_hostname_sysctl(std::string_view key) {
  std::vector<std::string> parts(1);
  for (const char c : key) {
    if (c != '.' && c != '/') {
      parts.back() += c;
    } else if (!parts.back().empty()) {
      parts.emplace_back();
    }
  }
  if (parts.back().empty()) parts.pop_back();
  return parts == std::vector<std::string>{"kernel", "hostname"};
}

Status check_hostname_sysctl(const Input& input) {
  const ordered_json* sysctl = linux_member(input.config, "sysctl");
  if (!input.identity.hostname || sysctl == nullptr || !sysctl->is_object()) return {};
  for (const auto& [key, value] : sysctl->items()) {
    if (!is_hostname_sysctl(key)) continue;
    return fail("/linux/sysctl/" + key +
                " would set another host name than the policy's /identity/hostname: take "
                "it away");
  }
  return {};
}

Status check_process(const Input& input) {
  if (!input.identity.env && !input.identity.user) return {};
  if (member(input.config, "process") != nullptr) return {};
  return fail(std::string("/process is missing: ") +
              (input.identity.env ? "/identity/env" : "/identity/user") + " is about it");
}

// By it crun leaves a process the groups of who calls it. Engines take annotations from images too.
Status check_kept_groups(const Input& input) {
  constexpr const char* kKeepGroups = "run.oci.keep_original_groups";
  const ordered_json* annotations = member(input.config, "annotations");
  if (!input.identity.user || annotations == nullptr || member(*annotations, kKeepGroups) == nullptr)
    return {};
  return fail(
      std::string("the annotation ") + kKeepGroups +
      " would leave the container other groups than the policy's /identity/user: take the annotation away "
      "(podman's --group-add keep-groups makes it)");
}

// The ids that the container's user namespace will have; nullopt where that cannot be told before it is
// there: it is joined, or the runtime chooses.
std::optional<std::vector<IdRange>> ranges_of(const Input& input, const char* mappings,
                                              const std::vector<IdRange>& own) {
  const ordered_json* namespaces = linux_member(input.config, "namespaces");
  const bool has_own = namespaces != nullptr && namespaces->is_array() &&
                       std::any_of(namespaces->begin(), namespaces->end(), [](const ordered_json& one) {
                         return text_member(one, "type") == "user";
                       });
  if (!has_own) return own;
  const ordered_json* list = linux_member(input.config, mappings);
  if (list == nullptr || !list->is_array() || list->empty()) return std::nullopt;
  std::vector<IdRange> ranges;
  for (const ordered_json& one : *list) {
    const ordered_json* first = member(one, "containerID");
    const ordered_json* count = member(one, "size");
    if (count == nullptr || !count->is_number_unsigned()) continue;
    ranges.push_back({first != nullptr && first->is_number_unsigned() ? first->get<std::uint64_t>() : 0,
                      count->get<std::uint64_t>()});
  }
  return ranges;
}

bool has_id(const std::vector<IdRange>& ranges, std::uint64_t id) {
  return std::any_of(ranges.begin(), ranges.end(), [id](const IdRange& range) {
    return id >= range.first && id - range.first < range.count;
  });
}

std::string words(const std::vector<IdRange>& ranges) {
  std::string text;
  for (const IdRange& range : ranges) {
    text += (text.empty() ? "" : ", ") + std::to_string(range.first);
    if (range.count > 1) text += " to " + std::to_string(range.first + range.count - 1);
  }
  return text.empty() ? "none" : text;
}

// The runtime would say EINVAL (setresuid(2)).
Status check_mapped(const Input& input) {
  if (!input.identity.user) return {};
  const UserPolicy& user = *input.identity.user;
  const auto check = [](const std::optional<std::vector<IdRange>>& ranges, std::uint32_t id,
                        const std::string& place, const char* what) -> Status {
    if (!ranges || has_id(*ranges, id)) return {};
    return fail(place + ": expected one of the " + what + " that the container's user namespace has, " +
                words(*ranges) + ", found " + std::to_string(id));
  };
  TRY(check(ranges_of(input, "uidMappings", input.surroundings.uids), user.uid, "/identity/user/uid",
            "users"));
  const auto groups = ranges_of(input, "gidMappings", input.surroundings.gids);
  TRY(check(groups, user.gid, "/identity/user/gid", "groups"));
  for (std::size_t i = 0; i < user.additional_gids.size(); ++i) {
    TRY(check(groups, user.additional_gids[i], "/identity/user/additional_gids/" + std::to_string(i),
              "groups"));
  }
  return {};
}

// A program without a slash is searched for in PATH, where there is one (execvp(3)).
Status check_path(const Input& input) {
  const ordered_json* process = member(input.config, "process");
  const ordered_json* args = process == nullptr ? nullptr : member(*process, "args");
  if (!input.identity.env || args == nullptr || !args->is_array() || args->empty() ||
      !args->front().is_string())
    return {};
  const auto program = args->front().get<std::string>();
  if (program.find('/') != std::string::npos || !has_variable(*process, "PATH")) return {};
  ordered_json held = *process;
  TRY(hold_env(input.identity, held, "/process"));
  if (has_variable(held, "PATH")) return {};
  return fail("/identity/env: leaves no PATH, by which the container's program \"" + program +
              "\" is found: write \"PATH\" into \"pass\", or set it");
}

struct Check {
  std::string_view name;
  Status (*run)(const Input&);
};
constexpr Check kChecks[] = {
    {"sysctl", check_hostname_sysctl}, {"process", check_process}, {"kept groups", check_kept_groups},
    {"mapped", check_mapped},          {"PATH", check_path},
};

}  // namespace

bool gives_identity(const Policy& policy) { return policy.identity && policy.mode != Mode::kAudit; }

Status check_identity(const Policy& policy, const ordered_json& config,
                      const runtime::Surroundings& surroundings) {
  if (!gives_identity(policy)) return {};
  for (const Check& check : kChecks) TRY(check.run({*policy.identity, config, surroundings}));
  return {};
}

}  // namespace tidewaiter::policy

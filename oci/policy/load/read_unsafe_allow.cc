#include "oci/policy/load/read_unsafe_allow.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "oci/policy/baseline.h"
#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

bool names_entry(const std::vector<UnsafeAllow>& list, std::string_view name) {
  return std::any_of(list.begin(), list.end(), [name](const UnsafeAllow& one) { return one.name == name; });
}

// The parts of a policy for whose sake the baseline refuses what has this name: `"exec" or "network.bind"`.
std::string restricted_by(std::string_view name) {
  bool connect = false;
  bool bind = false;
  bool exec = false;
  bool deny = false;
  bool files = false;
  std::string_view limits;
  for (const BaselineRow& row : baseline()) {
    if (row.name != name) continue;
    if (row.for_limits) limits = row.of_memory ? "limits.memory" : "limits";
    connect = connect || row.for_connect;
    bind = bind || row.for_bind;
    exec = exec || row.for_exec;
    deny = deny || row.for_deny;
    files = files || row.for_files;
  }
  std::vector<std::string_view> parts;
  if (exec) parts.emplace_back("exec");
  if (connect && !bind) parts.emplace_back("network.allow");
  if (connect && !bind) parts.emplace_back("network.deny");
  if (bind) parts.emplace_back(connect ? "network" : "network.bind");
  if (!limits.empty()) parts.emplace_back(limits);
  if (deny || files) parts.emplace_back(files ? "files" : "files.deny");
  return one_of(parts);
}

}  // namespace

std::vector<UnsafeAllow> read_unsafe_allow(Reader& reader, const Place& place) {
  const std::vector<std::string_view> known = baseline_names();
  std::vector<UnsafeAllow> allowed;
  reader.each_element(place, "names of what the baseline refuses, as in [\"ptrace\"]",
                      [&](const Place& element) {
                        if (element.value.is_string()) {
                          const auto& name = element.value.get_ref<const std::string&>();
                          if (const std::string_view never = why_never_given_back(name); !never.empty())
                            return reader.wrong(element, std::string(never));
                        }
                        const auto word = reader.read_word(element, known);
                        if (!word) return;
                        if (names_entry(allowed, known[*word]))
                          return reader.wrong(element, quote(known[*word]) + " is in the list twice");
                        allowed.push_back({element.pointer, std::string(known[*word])});
                      });
  return allowed;
}

void check_unsafe_allow(Reader& reader, const Place& place, const Policy& read) {
  Policy policy = read;
  // Which bundles there will be is not known here.
  if (policy.limits) policy.limits->sees_others = true;
  if (policy.files) policy.files->snapshots = true;
  for (const UnsafeAllow& one : policy.unsafe_allow) {
    const Place entry{place.value, one.pointer};
    const auto is_of = [&](const BaselineRow& row) { return row.name == one.name; };
    const auto rows = baseline();
    if (std::none_of(rows.begin(), rows.end(),
                     [&](const BaselineRow& row) { return is_of(row) && concerns(row, policy); }))
      reader.wrong(entry, quote(one.name) +
                              " is not refused here, so there is nothing to give back; it is where " +
                              restricted_by(one.name) + " restricts something");
    else if (one.name == "clone3" && !names_entry(policy.unsafe_allow, "namespaces"))
      reader.wrong(
          entry,
          "\"clone3\" makes namespaces, and no filter sees which; write \"namespaces\" beside it, or leave "
          "it out");
  }
}

}  // namespace tidewaiter::policy

#include "oci/policy/load/read_copies.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oci/policy/file_rule.h"
#include "oci/policy/wording.h"
#include "oci/spec/mounts.h"

namespace tidewaiter::policy {
namespace {

constexpr std::string_view kCopyKeys[] = {"path", "on_success", "on_failure"};
constexpr ObjectKind kCopyObject{
    .where = Where::kCopy, .keys = kCopyKeys, .example = R"({"path": "/work", "on_success": "commit"})"};

// In the order of Settlement.
constexpr std::string_view kSettlements[] = {"keep", "commit", "discard"};

std::optional<CopyRule> read_copy_rule(Reader& reader, const Place& place) {
  CopyRule rule;
  rule.pointer = place.pointer;
  std::optional<Place> path;
  if (place.value.is_string()) {
    path.emplace(place);
  } else {
    reader.each_member(kCopyObject, place, [&](std::string_view key, const Place& member) {
      if (key == "path") {
        path.emplace(member);
      } else if (const auto word = reader.read_word(member, kSettlements, Choice::kSettlement)) {
        (key == "on_success" ? rule.on_success : rule.on_failure) = static_cast<Settlement>(*word);
      }
    });
    reader.require(place, "path", "expected the folder in the container, as in \"/work\"");
  }
  if (!path) return std::nullopt;
  const std::string* text = reader.read_string(*path, "an absolute path, as in \"/work\"");
  if (text == nullptr) return std::nullopt;
  if (const Status checked = check_file_path(*text); !checked) {
    reader.wrong(*path, checked.error().message());
    return std::nullopt;
  }
  rule.path = *text;
  return rule;
}

}  // namespace

std::vector<CopyRule> read_copy_rules(Reader& reader, const Place& place) {
  std::vector<CopyRule> rules;
  reader.each_element(place, "folders, as in [\"/work\"]", [&](const Place& element) {
    auto rule = read_copy_rule(reader, element);
    if (!rule) return;
    if (rule->path == "/")
      return reader.wrong(element,
                          "\"/\" is the container's root, which no bind mount is; name a folder that is one");
    if (std::any_of(rules.begin(), rules.end(), [&](const CopyRule& one) { return one.path == rule->path; }))
      return reader.wrong(element, quote(rule->path) + " is in the list twice");
    rules.push_back(std::move(*rule));
  });
  if (rules.size() > kMaxCopyRules)
    reader.wrong(place, "expected at most " + std::to_string(kMaxCopyRules) + " folders, found " +
                            std::to_string(rules.size()));
  return rules;
}

// Whoever wants to know what became of a file must not have to ask which of two copies it is in.
void check_copies(Reader& reader, const Place& place, const FilesPolicy& files) {
  const auto mistake = [&](const CopyRule& rule, std::string message) {
    reader.wrong({place.value, rule.pointer}, std::move(message));
  };
  for (const CopyRule& rule : files.copy_on_write) {
    for (const CopyRule& other : files.copy_on_write) {
      if (other.path != rule.path && spec::is_below(rule.path, other.path))
        mistake(rule, quote(rule.path) + " lies in " + quote(other.path) + ", which is copied by " +
                          other.pointer + " already: leave one of them out");
    }
    for (const FileRule& denied : files.deny) {
      if (spec::is_below(rule.path, denied.path))
        mistake(rule, quote(rule.path) + " is denied by " + denied.pointer + ", " + quote(denied.path) +
                          ": nobody can write there; take one of them out");
    }
  }
}

}  // namespace tidewaiter::policy

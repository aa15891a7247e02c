#include "oci/policy/load/read_files.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oci/policy/file_rule.h"
#include "oci/policy/load/read_copies.h"
#include "oci/policy/wording.h"
#include "oci/spec/mounts.h"

namespace tidewaiter::policy {
namespace {

constexpr std::string_view kFilesKeys[] = {"read", "write", "exec", "deny", "copy_on_write", "best_effort"};
constexpr ObjectKind kFilesObject{
    .where = Where::kFiles, .keys = kFilesKeys, .example = R"({"read": ["/usr"], "write": ["/tmp"]})"};

std::vector<FileRule> read_file_rules(Reader& reader, const Place& place) {
  std::vector<FileRule> rules;
  reader.each_element(place, "paths, as in [\"/usr\", \"/etc\"]", [&](const Place& element) {
    const std::string* path = reader.read_string(element, "an absolute path, as in \"/usr\"");
    if (path == nullptr) return;
    if (const Status checked = check_file_path(*path); !checked)
      return reader.wrong(element, checked.error().message());
    if (std::any_of(rules.begin(), rules.end(), [&](const FileRule& rule) { return rule.path == *path; }))
      return reader.wrong(element, quote(*path) + " is in the list twice");
    rules.push_back({element.pointer, *path});
  });
  if (rules.size() > kMaxFileRules)
    reader.wrong(place, "expected at most " + std::to_string(kMaxFileRules) + " paths, found " +
                            std::to_string(rules.size()));
  return rules;
}

// Rules that could never match, and denials that say nothing.
void check_denied(Reader& reader, const Place& place, const FilesPolicy& files) {
  const auto mistake = [&](const FileRule& rule, std::string message) {
    reader.wrong({place.value, rule.pointer}, std::move(message));
  };
  for (const FileRule& denied : files.deny) {
    if (denied.path == "/") mistake(denied, "\"/\" is everything, the container's program too");
    for (const auto* list : {&files.read, &files.write, &files.exec}) {
      if (!*list) continue;
      for (const FileRule& rule : **list) {
        if (denied.path != "/" && spec::is_below(rule.path, denied.path))
          mistake(rule, quote(rule.path) + " is denied by " + denied.pointer + ", " + quote(denied.path) +
                            ", which beats it: take one of them out");
      }
    }
    for (const FileRule& other : files.deny) {
      if (other.path != "/" && other.path != denied.path && spec::is_below(denied.path, other.path))
        mistake(denied, quote(denied.path) + " is denied by " + other.pointer + " already");
    }
  }
}

}  // namespace

FilesPolicy read_files(Reader& reader, const Place& place) {
  FilesPolicy files;
  reader.each_member(kFilesObject, place, [&](std::string_view key, const Place& member) {
    if (key == "read")
      files.read = read_file_rules(reader, member);
    else if (key == "write")
      files.write = read_file_rules(reader, member);
    else if (key == "exec")
      files.exec = read_file_rules(reader, member);
    else if (key == "deny")
      files.deny = read_file_rules(reader, member);
    else if (key == "copy_on_write")
      files.copy_on_write = read_copy_rules(reader, member);
    else if (member.value.is_boolean())
      files.best_effort = member.value.get<bool>();
    else
      reader.expected(member, "true or false");
  });
  check_denied(reader, place, files);
  check_copies(reader, place, files);
  return files;
}

}  // namespace tidewaiter::policy

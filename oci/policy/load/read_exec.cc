#include "oci/policy/load/read_exec.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oci/policy/exec_rule.h"
#include "oci/policy/load/read_errno.h"
#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

constexpr std::string_view kExecKeys[] = {"allow", "deny", "errno"};
constexpr ObjectKind kExecObject{
    .where = Where::kExec, .keys = kExecKeys, .example = R"({"allow": ["/usr/bin/git"]})"};

constexpr std::string_view kExecRuleKeys[] = {"path", "argv"};
constexpr ObjectKind kExecRuleObject{.where = Where::kExecRule,
                                     .keys = kExecRuleKeys,
                                     .example = R"({"path": "/usr/bin/git", "argv": ["git", "clone", "*"]})"};

// `write ["git", "clone", "*"]`, of a command line in one string.
std::string as_array(std::string_view line) {
  std::string text;
  for (std::size_t start = 0; start < line.size();) {
    const std::size_t end = std::min(line.find(' ', start), line.size());
    if (end > start) text += (text.empty() ? "" : ", ") + quote(line.substr(start, end - start));
    start = end + 1;
  }
  return text.empty() ? text : "write [" + text + "]";
}

ExecRule read_exec_rule(Reader& reader, const Place& place) {
  ExecRule rule;
  rule.pointer = place.pointer;
  const auto read_path = [&](const Place& path) {
    const std::string* text = reader.read_string(path, "a path, as in \"/usr/bin/git\"");
    if (text == nullptr) return;
    if (const Status checked = check_exec_path(*text); !checked)
      reader.wrong(path, checked.error().message());
    rule.path = *text;
  };
  if (place.value.is_string()) {
    read_path(place);
    return rule;
  }
  reader.each_member(kExecRuleObject, place, [&](std::string_view key, const Place& member) {
    if (key == "path") return read_path(member);
    std::vector<std::string> argv;
    bool whole = member.value.is_array();
    if (member.value.is_string())
      return reader.wrong(member,
                          "expected an array of arguments, as in [\"git\", \"clone\", \"*\"], found " +
                              described(member.value) +
                              after_semicolon(as_array(member.value.get_ref<const std::string&>())));
    reader.each_element(member, "arguments, as in [\"git\", \"clone\", \"*\"]", [&](const Place& element) {
      const std::string* text = reader.read_string(element, "an argument, or a glob over one, as in \"*\"");
      whole = whole && text != nullptr;
      if (text != nullptr) argv.push_back(*text);
    });
    if (!whole) return;
    if (const Status set = set_argv(rule, std::move(argv)); !set) reader.wrong(member, set.error().message());
  });
  reader.require(place, "path", "expected the program's path, as in \"/usr/bin/git\"");
  return rule;
}

std::vector<ExecRule> read_exec_rules(Reader& reader, const Place& place) {
  std::vector<ExecRule> rules;
  reader.each_element(place, "exec rules, as in [\"/usr/bin/git\"]", [&](const Place& element) {
    if (!element.value.is_string() && !element.value.is_object())
      return reader.expected(element,
                             "a path, as in \"/usr/bin/git\", or an object with \"path\" and \"argv\"");
    rules.push_back(read_exec_rule(reader, element));
  });
  return rules;
}

}  // namespace

ExecPolicy read_exec(Reader& reader, const Place& place) {
  ExecPolicy exec;
  reader.each_member(kExecObject, place, [&](std::string_view key, const Place& member) {
    if (key == "allow")
      exec.allow = read_exec_rules(reader, member);
    else if (key == "deny")
      exec.deny = read_exec_rules(reader, member);
    else
      read_errno(reader, member, exec.errno_value);
  });
  return exec;
}

}  // namespace tidewaiter::policy

#include "oci/policy/load/read_syscalls.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/policy/decide.h"
#include "oci/policy/load/argument_width.h"
#include "oci/policy/load/read_argument.h"
#include "oci/policy/load/read_errno.h"
#include "oci/policy/load/read_syscall_names.h"
#include "oci/policy/syscalls.h"
#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

constexpr std::string_view kSyscallKeys[] = {"names", "action", "errno", "args"};
constexpr ObjectKind kSyscallRuleObject{.where = Where::kSyscallRule,
                                        .keys = kSyscallKeys,
                                        .example = R"({"names": ["ptrace"], "action": "errno"})"};
constexpr std::string_view kActions[] = {"errno", "allow", "log", "kill"};
// Part of the policy language, and not of this version. They must never be passed over in silence.
constexpr std::string_view kLaterActions[] = {"emulate"};

void check_possible(Reader& reader, const Place& place, const SyscallRule& rule,
                    const std::vector<std::string>& test_pointers) {
  for (std::size_t at = 0; at < rule.args.size(); ++at) {
    const ArgumentTest& test = rule.args[at];
    const auto excludes = [&](const ArgumentTest& equal) {
      // Of two equalities the second is the one to report.
      return equal.comparison == Comparison::kEqual && equal.index == test.index &&
             !holds(test, equal.value) && (test.comparison != Comparison::kEqual || &equal < &test);
    };
    if (std::any_of(rule.args.begin(), rule.args.end(), excludes))
      reader.wrong({place.value, test_pointers[at]},
                   "this and another test of argument " + std::to_string(test.index) +
                       " cannot both hold, and all tests of a rule must; for \"either\", write two rules");
  }
  if (!place.has("names") || !place.value.at("names").is_array()) return;
  const Place names = place.at("names");
  for (std::size_t i = 0; i < names.value.size(); ++i) {
    const Place name = names.at(i);
    if (!name.value.is_string()) continue;
    const SyscallEntry* entry = find_syscall(name.value.get_ref<const std::string&>());
    if (entry == nullptr) continue;
    const bool refuses = rule.action == Action::kErrno || rule.action == Action::kKill;
    if (refuses && rule.args.empty() && !entry->never_refuse.empty())
      reader.wrong(name,
                   quote(entry->name) + " cannot be refused: " + std::string(entry->never_refuse) +
                       (entry->operation == Operation::kExec ? "; which may start is said in \"exec\"" : ""));
    if (rule.action == Action::kLog && !entry->never_notify.empty())
      reader.wrong(name, quote(entry->name) + " cannot be observed: " + std::string(entry->never_notify));
  }
}

SyscallRule read_syscall_rule(Reader& reader, const Place& place) {
  SyscallRule rule;
  rule.pointer = place.pointer;
  std::optional<std::size_t> action;
  std::vector<std::string> test_pointers;
  bool args_whole = true;
  reader.each_member(kSyscallRuleObject, place, [&](std::string_view key, const Place& member) {
    if (key == "names") {
      rule.names = read_syscall_names(reader, member);
    } else if (key == "action") {
      action = reader.read_word(member, kActions, Choice::kAction, kLaterActions);
    } else if (key == "errno") {
      read_errno(reader, member, rule.errno_value);
    } else {
      args_whole = member.value.is_array();
      reader.each_element(member, "tests, as in [{\"index\": 0, \"op\": \"eq\", \"value\": 1}]",
                          [&](const Place& element) {
                            const auto test = read_argument_test(reader, element);
                            args_whole = args_whole && test.has_value();
                            if (!test) return;
                            rule.args.push_back(*test);
                            test_pointers.push_back(element.pointer);
                          });
    }
  });
  reader.require(place, "names", "expected the syscalls that the rule is about, as in [\"ptrace\"]");
  reader.require(place, "action", "expected " + one_of(kActions));
  if (!action || !args_whole) return rule;

  constexpr Action kActionValues[] = {Action::kErrno, Action::kAllow, Action::kLog, Action::kKill};
  static_assert(std::size(kActionValues) == std::size(kActions));
  rule.action = kActionValues[*action];
  if (place.has("errno") && rule.action != Action::kErrno)
    reader.wrong(place.at("errno"),
                 "\"errno\" goes with action \"errno\" only, found action " + quote(kActions[*action]));
  check_possible(reader, place, rule, test_pointers);
  for (std::size_t i = 0; i < rule.args.size(); ++i)
    narrow_test(reader, {place.value, test_pointers[i]}, rule.names, rule.args[i]);
  return rule;
}

}  // namespace

std::vector<SyscallRule> read_syscalls(Reader& reader, const Place& place) {
  std::vector<SyscallRule> rules;
  reader.each_element(place, "rules, as in [{\"names\": [\"ptrace\"], \"action\": \"errno\"}]",
                      [&](const Place& element) { rules.push_back(read_syscall_rule(reader, element)); });
  return rules;
}

}  // namespace tidewaiter::policy

#include "oci/policy/compile_rows.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <initializer_list>
#include <utility>
#include <variant>
#include <vector>

#include "oci/policy/baseline.h"
#include "oci/policy/compile_identity.h"
#include "oci/policy/syscalls.h"

namespace tidewaiter::policy {
namespace {

std::string errno_words(int value) {
  const char* name = ::strerrorname_np(value);
  return name != nullptr ? name : "errno " + std::to_string(value);
}

std::string number(std::uint64_t value) {
  if (value < 4096) return std::to_string(value);
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
  return "0x" + std::string(digits.data(), end);
}

std::string_view sign(Comparison comparison) {
  switch (comparison) {
    case Comparison::kEqual:
    case Comparison::kMaskedEqual:
      return "is";
    case Comparison::kNotEqual:
      return "is not";
    case Comparison::kLess:
      return "<";
    case Comparison::kLessOrEqual:
      return "<=";
    case Comparison::kGreater:
      return ">";
    case Comparison::kGreaterOrEqual:
      return ">=";
  }
  return "is";
}

std::string words(const ArgumentTest& test) {
  // That the kernel ignores what is above a narrow argument is nothing to mention.
  const bool whole = test.comparison != Comparison::kMaskedEqual || test.mask == ~std::uint64_t{0} ||
                     test.mask == 0xffffffff;
  std::string text = "argument " + std::to_string(test.index);
  if (!whole) text += " & " + number(test.mask);
  text += ' ';
  text += sign(test.comparison);
  return text + ' ' + number(test.value);
}

std::string words(const std::vector<ArgumentTest>& tests) {
  std::string text;
  for (const ArgumentTest& test : tests) text += (text.empty() ? " when " : " and ") + words(test);
  return text;
}

std::string words(const ExecRule& rule) {
  std::string text = rule.path;
  if (!rule.argv) return text;
  text += " as";
  for (const std::string& argument : *rule.argv) text += ' ' + argument;
  if (rule.more_arguments) text += " **";
  return text;
}

std::string answer_words(const SyscallRule& rule) {
  switch (rule.action) {
    case Action::kAllow:
      return "as the bundle's own profile says";
    case Action::kLog:
      return "as the bundle's own profile says, logged";
    case Action::kErrno:
      return "fails with " + errno_words(rule.errno_value);
    case Action::kKill:
      return "kills the process";
  }
  return {};
}

std::string join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

class Rows {
 public:
  Rows(const Compiled& compiled, Plan& plan) : compiled_(compiled), policy_(compiled.policy), plan_(plan) {}

  Status describe_syscalls() {
    std::set<std::string> settled;
    for (const SyscallRule& rule : policy_.syscalls) {
      std::vector<std::pair<std::vector<std::string>, PlanRow>> groups;  // calls that have a row in common
      for (const std::string& name : rule.names) {
        PlanRow row = TRY(describe(rule, name, !settled.contains(name)));
        const auto same = std::find_if(groups.begin(), groups.end(), [&row](const auto& group) {
          return group.second.mechanism == row.mechanism && group.second.cost == row.cost &&
                 group.second.note == row.note;
        });
        if (same != groups.end()) {
          same->first.push_back(name);
        } else {
          groups.emplace_back(std::vector<std::string>{name}, std::move(row));
        }
      }
      for (auto& [names, row] : groups) {
        row.what = join(names) + words(rule.args) + ": " + row.what;
        plan_.rows.push_back(std::move(row));
      }
      if (rule.args.empty()) settled.insert(rule.names.begin(), rule.names.end());
    }
    return {};
  }

  Result<PlanRow> describe(const SyscallRule& rule, const std::string& name, bool reached) const {
    PlanRow row{.pointer = rule.pointer,
                .what = answer_words(rule),
                .mechanism = Mechanism::kFilter,
                .cost = "none",
                .note = ""};
    if (!reached) {
      row.note = "never reached: an earlier rule answers every such call";
      return row;
    }
    const bool denies = rule.action == Action::kErrno || rule.action == Action::kKill;
    const RuleAnswers::Answer one = TRY(compiled_.answers.answer(rule, name));
    const bool asked = one.action.kind == seccomp::ActionKind::kNotify;
    const bool audited = denies && policy_.mode == Mode::kAudit;
    if (audited) row.what += " (audit: only reported)";

    if (plan_.residual.contains(name)) {
      row.mechanism = Mechanism::kAgent;
      row.cost = "at most one notification per call";
      row.note =
          "these conditions and those of the bundle's own profile do not fit into one filter: the agent "
          "weighs both";
    } else if (compiled_.operations.contains(name)) {
      row.mechanism = Mechanism::kAgent;
      row.cost = "one notification per " + name;
      row.note = "asked together with the rules of " + std::string(part_of(find_syscall(name)->operation));
    } else if (asked && plan_.notified.contains(name)) {
      row.mechanism = Mechanism::kAgent;
      row.cost = denies && !audited  ? "one notification per refused call"
                 : rule.args.empty() ? "one notification per call"
                                     : "one notification per matching call";
      row.note = denies ? "a refusal is logged by the agent" : "only the agent can log";
    } else if (asked) {
      row.note = "the bundle's own profile refuses these calls already";
    } else if (audited) {
      row.mechanism = Mechanism::kNobody;
      row.note = one.unheard.empty() ? "audit mode, and the policy does not log refusals"
                                     : "cannot be reported: " + std::string(one.unheard);
    } else if (!one.unheard.empty()) {
      row.note = "cannot be logged: " + std::string(one.unheard);
    }
    if (compiled_.answers.refuses(rule) && compiled_.answers.hits_start(name)) {
      row.note += row.note.empty() ? "" : "; ";
      row.note +=
          compiled_.answers.exempt(rule, name)
              ? "the runtime's own, until it executes the container's program, are let through"
              : "the runtime makes this call too, unless the bundle sets noNewPrivileges: the container "
                "may not start";
    }
    return row;
  }

  void add_row(Origin origin, std::string what, Mechanism mechanism, std::string cost, std::string note,
               std::string_view name = {}) {
    plan_.rows.push_back(
        {"", std::move(what), mechanism, std::move(cost), std::move(note), origin, std::string(name)});
  }

  void add_left_open(std::string what, std::string note) {
    add_row(Origin::kLeftOpen, std::move(what), Mechanism::kNobody, "none", std::move(note));
  }

  [[nodiscard]] std::string note_on(const NetworkRule& rule) const {
    const auto* host = std::get_if<HostName>(&rule.host);
    if (host == nullptr) return "";
    if (const PinnedHost* one = pinned_host(policy_, host->name))
      return "stands for the addresses in " + one->pointer;
    return "resolved when the container starts, and again when the answer's time (TTL) is over";
  }

  // "connect, sendmsg, sendto with an address": the calls of these operations for which `wanted` holds.
  template <typename Wanted>
  static std::string calls_of(std::initializer_list<Operation> operations, Wanted wanted) {
    std::vector<std::string> calls;
    for (const SyscallEntry& entry : syscalls()) {
      if (std::find(operations.begin(), operations.end(), entry.operation) == operations.end()) continue;
      if (!wanted(entry)) continue;
      calls.push_back(std::string(entry.name) + (entry.only_with < 0 ? "" : " with an address"));
    }
    return join(calls);
  }

  // A rule the agent holds when a call of one of `operations` is made, unless the filter refuses every such
  // call anyway.
  void describe_operation(std::initializer_list<Operation> operations, std::string pointer, std::string what,
                          std::string note) {
    PlanRow row{
        .pointer = std::move(pointer), .what = std::move(what), .cost = "none", .note = std::move(note)};
    const std::string asked = calls_of(
        operations, [this](const SyscallEntry& entry) { return plan_.notified.contains(entry.name); });
    if (!asked.empty()) {
      row.mechanism = Mechanism::kAgent;
      row.cost = "one notification per " + asked;
    } else {
      row.note = "every " + calls_of(operations, [](const SyscallEntry&) { return true; }) +
                 " is refused before this rule is asked";
    }
    plan_.rows.push_back(std::move(row));
  }

  void describe_network() {
    if (!policy_.network) return;
    const NetworkPolicy& network = *policy_.network;
    const std::string refusal = policy_.mode == Mode::kAudit
                                    ? "is reported (audit)"
                                    : "fails with " + errno_words(network.errno_value);
    for (const NetworkRule& rule : network.deny) {
      describe_operation({Operation::kConnect, Operation::kSend}, rule.pointer,
                         "connect to " + rule.text + ": " + refusal, note_on(rule));
    }
    describe_unix(network.unix_deny, refusal);
    if (network.allow) {
      describe_unix(network.unix_allow, "allowed");
      for (const NetworkRule& rule : *network.allow) {
        describe_operation({Operation::kConnect, Operation::kSend}, rule.pointer,
                           "connect to " + rule.text + ": allowed", note_on(rule));
      }
      describe_operation({Operation::kConnect, Operation::kSend}, "/network/allow",
                         "connect to anything else: " + refusal, "");
    }
    if (network.bind) {
      for (const BindRule& rule : *network.bind) {
        describe_operation({Operation::kBind}, rule.pointer, "bind to port " + rule.text + ": allowed", "");
      }
      describe_operation({Operation::kBind}, "/network/bind", "bind to any other port: " + refusal, "");
    }
    if (policy_.events.network && !network.restricts_connect() && network.restricts_bind()) {
      add_left_open("connections", "nothing restricts them, so they are not logged either");
    }
  }

  void describe_unix(const std::vector<UnixRule>& rules, const std::string& verdict) {
    for (const UnixRule& rule : rules) {
      describe_operation(
          {Operation::kConnect, Operation::kSend}, rule.pointer, "connect to " + rule.text + ": " + verdict,
          "an allowed call is made by a thread of the caller's own, so that the peer sees who calls; it "
          "takes Linux 6.11 on x86-64");
    }
  }

  void describe_exec() {
    if (!policy_.exec) return;
    const ExecPolicy& exec = *policy_.exec;
    const std::string refusal =
        policy_.mode == Mode::kAudit ? "is reported (audit)" : "fails with " + errno_words(exec.errno_value);
    for (const ExecRule& rule : exec.deny) {
      describe_operation({Operation::kExec}, rule.pointer, "run " + words(rule) + ": " + refusal, "");
    }
    if (!exec.allow) return;
    for (const ExecRule& rule : *exec.allow) {
      describe_operation({Operation::kExec}, rule.pointer, "run " + words(rule) + ": allowed", "");
    }
    describe_operation({Operation::kExec}, "/exec/allow", "run anything else: " + refusal, "");
  }

  void describe_start() {
    if (compiled_.drops_killable_wait) {
      add_row(
          Origin::kStart, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV leaves the bundle's flags",
          Mechanism::kFilter, "none",
          "whoever traces an execve to its end, or has a thread of the caller's own call on a Unix socket, "
          "could not stop one that only SIGKILL interrupts while it waits for the agent");
    }
    if (!plan_.exempts_start) return;
    add_row(
        Origin::kStart, "execve, execveat: told to the agent, and let run", Mechanism::kAgent,
        "one notification per execve",
        "without noNewPrivileges the runtime starts the container under the filter: the first execve ends "
        "what is the runtime's");
  }

  void describe_names() {
    if (!plan_.agent_keeps_hosts) return;
    auto names = compiled_.allowed_names;
    std::erase_if(names, [this](const std::string& name) { return pinned_host(policy_, name) != nullptr; });
    if (names.empty()) return;
    add_row(Origin::kNames, "/etc/hosts, read-only, with " + join({names.begin(), names.end()}),
            Mechanism::kRuntime, "none",
            "behind what the container has there anyway; the agent brings it up to date when the addresses "
            "change");
  }

  // Rows of a table may say the same of several calls.
  void add_row_once(Origin origin, std::string what, Mechanism mechanism, std::string cost, std::string note,
                    std::string_view name = {}) {
    const bool known = std::any_of(plan_.rows.begin(), plan_.rows.end(), [&](const PlanRow& row) {
      return row.origin == origin && row.what == what && row.mechanism == mechanism;
    });
    if (!known) add_row(origin, std::move(what), mechanism, std::move(cost), std::move(note), name);
  }

  void describe_baseline() {
    for (const BaselineRow& row : baseline()) {
      if (concerns(row, policy_) && (!row.in_bundle || compiled_.minds_procfs)) describe_baseline(row);
    }
    for (const auto& [name, reason] : compiled_.undecided) {
      add_left_open("what " + name + " sends to an address of its own", std::string(reason));
    }
    for (const OpenWay& way : left_open()) {
      if (concerns(way, policy_)) {
        add_left_open(std::string(way.what), std::string(way.reason));
      }
    }
  }

  void describe_baseline(const BaselineRow& row) {
    const std::string what(row.what);
    const auto open = [&](const std::string& how, std::string reason) {
      add_row_once(Origin::kLeftOpen, what + ": " + how, Mechanism::kNobody, "none", std::move(reason));
    };
    std::string reason = reason_for(row, policy_);
    if (policy_.mode == Mode::kAudit) return open("not seen (audit)", std::move(reason));
    if (const UnsafeAllow* allowed = given_back(row, policy_))
      return open("given back by " + allowed->pointer, std::move(reason));
    if (row.in_bundle && !compiled_.closes_procfs) {
      return open("left to the runtime, which labels processes there (AppArmor, SELinux)", std::move(reason));
    }
    const auto among = [&row](const auto& names) {
      return std::any_of(row.syscalls.begin(), row.syscalls.end(),
                         [&names](std::string_view name) { return names.contains(name); });
    };
    if (among(compiled_.unknown_calls))
      return open("this libseccomp cannot refuse it where the bundle's own profile does not",
                  std::move(reason));
    const bool residual = among(plan_.residual);
    const Mechanism who = row.in_bundle ? Mechanism::kRuntime : Mechanism::kFilter;
    add_row_once(Origin::kBaseline, what + ": fails with " + errno_words(row.errno_value),
                 residual ? Mechanism::kAgent : who, residual ? "at most one notification per call" : "none",
                 std::move(reason), row.name);
  }

  const Compiled& compiled_;
  const Policy& policy_;
  Plan& plan_;
};

}  // namespace

Status add_rule_rows(const Compiled& compiled, Plan& plan) {
  Rows rows(compiled, plan);
  TRY(rows.describe_syscalls());
  rows.describe_network();
  rows.describe_exec();
  return {};
}

void add_other_rows(const Compiled& compiled, Plan& plan) {
  Rows rows(compiled, plan);
  rows.describe_start();
  rows.describe_names();
  rows.describe_baseline();
}

}  // namespace tidewaiter::policy

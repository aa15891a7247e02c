#include "oci/policy/compile.h"

#include <sys/un.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "oci/policy/baseline.h"
#include "oci/policy/check_identity.h"
#include "oci/policy/check_limits.h"
#include "oci/policy/compile_copies.h"
#include "oci/policy/compile_deny.h"
#include "oci/policy/compile_files.h"
#include "oci/policy/compile_identity.h"
#include "oci/policy/compile_limits.h"
#include "oci/policy/compile_rows.h"
#include "oci/policy/compile_syscalls.h"
#include "oci/policy/decide.h"
#include "oci/policy/syscalls.h"
#include "oci/seccomp/filter_context.h"
#include "oci/seccomp/law.h"
#include "oci/seccomp/profile.h"
#include "oci/spec/config.h"
#include "oci/spec/init_mount.h"
#include "oci/spec/members.h"
#include "oci/spec/mounts.h"
#include "oci/spec/procfs_mount.h"
#include "oci/spec/stop_signal.h"

namespace tidewaiter::policy {
namespace {

using nlohmann::ordered_json;
using seccomp::ActionKind;
using seccomp::ProfileAction;

constexpr ProfileAction kAllow{ActionKind::kAllow, 0};
constexpr ProfileAction kNotify{ActionKind::kNotify, 0};

// --- does the bundle go together with a policy? ----------------------------------------------------

using spec::member;

const ordered_json* own_seccomp(const ordered_json& config) {
  const ordered_json* linux_part = member(config, "linux");
  return linux_part == nullptr ? nullptr : member(*linux_part, "seccomp");
}

struct Input {
  const Policy& policy;
  const ordered_json& config;
  const runtime::Traits& runtime;
  const runtime::Surroundings& surroundings;
};

Status check_platform(const Input& input) {
  if (!input.config.is_object()) return fail("config.json is not a JSON object");
  const ordered_json* linux_part = member(input.config, "linux");
  if (linux_part != nullptr) {
    if (!linux_part->is_object()) return fail("/linux is not an object");
    return {};
  }
  for (const char* other : {"windows", "solaris", "vm", "zos"}) {
    if (member(input.config, other) != nullptr) {
      return fail("a policy needs a Linux container: the bundle has /" + std::string(other) +
                  " and no /linux");
    }
  }
  return {};
}

Status check_key_case(const Input& input) { return spec::check_key_case(input.config); }

Status check_own_listener(const Input& input) {
  const ordered_json* profile = own_seccomp(input.config);
  const ordered_json* path = profile == nullptr ? nullptr : member(*profile, "listenerPath");
  if (path == nullptr || (path->is_string() && path->get_ref<const std::string&>().empty())) return {};
  return fail("the bundle's seccomp profile has a listener of its own (/linux/seccomp/listenerPath " +
              path->dump() +
              "), and a container can have only one: take the policy or the listener away. If this is "
              "tidewaiter's own listener, its hook and its runtime are both installed: use one of them");
}

Status check_own_notifications(const Input& input) {
  const ordered_json* profile = own_seccomp(input.config);
  if (profile == nullptr) return {};
  const auto notifies = [](const ordered_json* action) {
    return action != nullptr && *action == "SCMP_ACT_NOTIFY";
  };
  std::string place;
  if (notifies(member(*profile, "defaultAction"))) place = "/linux/seccomp/defaultAction";
  const ordered_json* rules = member(*profile, "syscalls");
  if (place.empty() && rules != nullptr && rules->is_array()) {
    for (std::size_t i = 0; i < rules->size() && place.empty(); ++i) {
      if (notifies(member((*rules)[i], "action")))
        place = "/linux/seccomp/syscalls/" + std::to_string(i) + "/action";
    }
  }
  if (place.empty()) return {};
  return fail(
      "the bundle's seccomp profile notifies by itself (" + place +
      " is SCMP_ACT_NOTIFY), and a container can have only one listener: take the policy away, or these "
      "rules out of the profile");
}

Status check_bypass_annotations(const Input& input) {
  const auto prefixes = input.runtime.bypass_annotation_prefixes;
  const ordered_json* annotations = member(input.config, "annotations");
  if (annotations == nullptr || !annotations->is_object()) return {};
  for (const auto& [key, value] : annotations->items()) {
    const auto begins_key = [&key = key](std::string_view prefix) { return key.starts_with(prefix); };
    if (std::none_of(prefixes.begin(), prefixes.end(), begins_key)) continue;
    return fail("the annotation " + key + " would make " + std::string(input.runtime.name) +
                " replace the seccomp filter behind the policy: take the annotation or the policy away");
  }
  return {};
}

// A program's path is told from the root of its mount namespace: in the host's, every path would have the
// bundle's folder in front, and no rule would mean what it says. Of files, what enforces the rules would be
// mounted into the host.
Status check_mount_namespace(const Input& input) {
  const auto name_path = [](const std::vector<UnixRule>& rules) {
    return std::any_of(rules.begin(), rules.end(), [](const UnixRule& rule) { return !rule.abstract; });
  };
  const auto& network = input.policy.network;
  const bool exec = supervises(input.policy, Operation::kExec);
  const bool sockets = network && (name_path(network->unix_allow) || name_path(network->unix_deny));
  const bool files = input.policy.files && (input.policy.files->restricts() ||
                                            !input.policy.files->deny.empty() || copies(input.policy));
  if (!exec && !sockets && !files) return {};
  const ordered_json* linux_part = member(input.config, "linux");
  const ordered_json* namespaces = linux_part == nullptr ? nullptr : member(*linux_part, "namespaces");
  if (namespaces != nullptr && namespaces->is_array()) {
    for (const ordered_json& one : *namespaces) {
      const ordered_json* type = member(one, "type");
      if (type != nullptr && *type == "mount" && member(one, "path") == nullptr) return {};
    }
  }
  return fail("/linux/namespaces: a policy with " +
              std::string(exec    ? "/exec"
                          : files ? "/files"
                                  : "unix: paths") +
              " needs a mount namespace of the container's own, as in {\"type\": \"mount\"}");
}

Status check_own_limits(const Input& input) {
  return check_limits(input.policy, input.config, input.surroundings);
}

Status check_own_identity(const Input& input) {
  return check_identity(input.policy, input.config, input.surroundings);
}

// One after the other: the first that fails is told.
struct Check {
  std::string_view name;
  Status (*run)(const Input&);
};
constexpr Check kChecks[] = {
    {"key case", check_key_case},
    {"platform", check_platform},
    {"own listener", check_own_listener},
    {"own notifications", check_own_notifications},
    {"bypass annotations", check_bypass_annotations},
    {"mount namespace", check_mount_namespace},
    {"limits", check_own_limits},
    {"identity", check_own_identity},
};

Status check_listener(const Listener& listener) {
  if (!listener.path.starts_with('/')) return fail("the listener's path is not absolute: " + listener.path);
  if (!spec::is_utf8(listener.path)) {
    return fail("the listener's path is not UTF-8, as config.json has to be: " + listener.path);
  }
  if (listener.path.size() >= sizeof(sockaddr_un::sun_path)) {
    return fail("the listener's path is longer than a Unix socket's may be (107 bytes): " + listener.path);
  }
  return {};
}

// Whether the filter can name a call: libseccomp makes it.
bool is_known(std::string_view name) {
  return seccomp::syscall_number(seccomp::native_architecture(), std::string(name)).has_value();
}

// A demand that says the same with the fewest cases.
void simplify(seccomp::SyscallDemand& demand) {
  while (!demand.cases.empty() && demand.cases.back().action == demand.otherwise) demand.cases.pop_back();
}

// --- compiling --------------------------------------------------------------------------------------

// The calls that execute a program.
constexpr const char* kExecs[] = {"execve", "execveat"};

// Whether the container's cgroup is to limit its memory (runtime-spec, config-linux.md, "Memory").
bool bounds_memory(const ordered_json& config) {
  const nlohmann::ordered_json::json_pointer limit("/linux/resources/memory/limit");
  return config.contains(limit) && config.at(limit).is_number_integer() && config.at(limit) > 0;
}

// As it is meant for this bundle.
Policy for_bundle(Policy policy, const ordered_json& config, const Listener& listener) {
  if (policy.limits) policy.limits->sees_others = spec::procfs_shows_others(config);
  if (policy.files) policy.files->snapshots = listener.snapshots;
  return policy;
}

// By which an agent comes to a container that has nothing else to ask it.
constexpr const char* kCompany = "exit_group";

class Compiler {
 public:
  Compiler(const Policy& policy, const ordered_json& config, const runtime::Traits& runtime,
           const Listener& listener, const runtime::Surroundings& surroundings)
      : policy_(for_bundle(policy, config, listener)),
        complete_(complete(policy_)),
        config_(config),
        runtime_(runtime),
        listener_(listener),
        surroundings_(surroundings),
        answers_(policy_, config_, runtime_) {
    for (const BaselineRow& row : baseline()) {
      if (row.where_known && !is_known(row.syscalls.front())) unknown_calls_.emplace(row.syscalls.front());
    }
  }

  Result<Plan> run() {
    for (const Check& check : kChecks) TRY(check.run({policy_, config_, runtime_, surroundings_}));
    TRY(check_files(policy_, listener_));
    TRY(demand_syscalls());
    TRY(demand_operations());
    TRY(demand_end_of_start());
    demand_company();
    std::erase_if(demands_, [](const auto& entry) {
      return entry.second.unconditional() && entry.second.otherwise == kAllow;
    });
    plan_.config = config_;
    const bool init = needs_init(policy_, listener_);
    // Before anything else is made of the bundle's profile: the law of the filter then holds of the one that
    // lets tidewaiter-init restrict itself.
    if (init) landlock_calls_ = TRY(allow_landlock(plan_.config));
    if (!demands_.empty()) TRY(merge_into_bundle());
    TRY(check_company());
    TRY(bind_hosts_file());
    if (closes_procfs()) TRY(spec::make_procfs_read_only(plan_.config));
    std::vector<PlanRow> limits = TRY(apply_limits(policy_, surroundings_, plan_.config));
    std::vector<PlanRow> identity =
        TRY(apply_identity(policy_, surroundings_, state_folder(), plan_.config, plan_.files));
    if (!plan_.files.empty()) TRY(check_state_folder());
    if (copies(policy_)) TRY(mount_copies(plan_.config, *policy_.files, listener_));
    // Behind every other mount, those of the identity among them.
    const std::string init_place = init ? TRY(spec::init_place(plan_.config)) : "";
    if (covers(policy_)) {
      TRY(cover_denied(plan_.config, *policy_.files, listener_, init_place));
      plan_.covers_files = !listener_.denied_files.empty();
    }
    // The last mount: a link of the image could lead any other over it.
    if (init) plan_.init = TRY(put_init(plan_.config, *policy_.files, listener_));
    plan_.holds_process = gives_identity(policy_) && policy_.identity->concerns_processes();
    plan_.remembered = plan_.holds_process || plan_.hosts || !plan_.files.empty() || !plan_.init.empty() ||
                       plan_.covers_files || copies(policy_);
    plan_.snapshots = policy_.files && policy_.files->snapshots;
    plan_.bounds_memory = bounds_memory(plan_.config);
    if (holds_limits(policy_)) {
      plan_.remembered = plan_.remembered || policy_.limits->open_files || policy_.limits->needs_cgroup();
      plan_.processors = policy_.limits->processors ? processors_of(plan_.config) : "";
      plan_.open_files = policy_.limits->open_files;
      plan_.timeout = policy_.limits->timeout;
      if (plan_.timeout) plan_.stop_signal = TRY(spec::stop_signal(config_));
      plan_.shuts_real_time = policy_.limits->cpu_time.has_value();
      plan_.sees_others = policy_.limits->sees_others;
    }
    const Compiled compiled{policy_,         answers_,       operations_,     unknown_calls_,      undecided_,
                            allowed_names(), minds_procfs(), closes_procfs(), drops_killable_wait_};
    TRY(add_rule_rows(compiled, plan_));
    std::move(limits.begin(), limits.end(), std::back_inserter(plan_.rows));
    for (PlanRow& row : files_rows(policy_, listener_, landlock_calls_)) plan_.rows.push_back(std::move(row));
    for (PlanRow& row : denied_rows(policy_, listener_)) plan_.rows.push_back(std::move(row));
    for (PlanRow& row : copies_rows(policy_, listener_)) plan_.rows.push_back(std::move(row));
    std::move(identity.begin(), identity.end(), std::back_inserter(plan_.rows));
    add_other_rows(compiled, plan_);
    return std::move(plan_);
  }

 private:
  Status demand_syscalls() {
    for (const SyscallRule& rule : complete_.syscalls) {
      for (const std::string& name : rule.names) {
        if (is_baseline(rule) && unknown_calls_.contains(name)) continue;
        auto& demand = demands_[name];
        if (settled_.contains(name)) continue;
        plan_.exempts_start = plan_.exempts_start || answers_.exempt(rule, name);
        const RuleAnswers::Answer one = TRY(answers_.answer(rule, name));
        if (rule.args.empty()) {
          TRY(check_startable(rule, name, one, demand));
          demand.otherwise = one.action;
          settled_.insert(name);
        } else {
          demand.cases.push_back({rule.args, one.action});
        }
      }
    }
    for (auto& [name, demand] : demands_) simplify(demand);
    return {};
  }

  Status check_startable(const SyscallRule& rule, const std::string& name, const RuleAnswers::Answer& one,
                         const seccomp::SyscallDemand& demand) const {
    const bool refused =
        (rule.action == Action::kErrno || rule.action == Action::kKill) && one.action != kAllow;
    const SyscallEntry* entry = find_syscall(name);
    if (policy_.mode == Mode::kAudit || !refused || !demand.cases.empty() || entry == nullptr ||
        entry->never_refuse.empty()) {
      return {};
    }
    return fail(rule.pointer + ": `" + name + "` cannot be refused: " + std::string(entry->never_refuse));
  }

  // The agent can tell the runtime's calls from the workload's where it is told of every execve: nothing else
  // brings other code under the filter.
  Status demand_end_of_start() {
    if (!plan_.exempts_start) return {};
    for (const std::string name : kExecs) {
      if (const std::string_view silent = answers_.why_silent(name); !silent.empty()) {
        return fail("`" + name + "` cannot notify: " + std::string(silent));
      }
      notify_where_allowed(demands_[name]);
    }
    return {};
  }

  [[nodiscard]] bool has_timeout() const { return holds_limits(policy_) && policy_.limits->timeout; }

  // Whoever is to stop the container has to be handed it, and learns by the same descriptor of its end: there
  // is an agent where anything notifies. Each process makes this call once, and none with this argument, of
  // which exit_group(2) has but the lower half; the kernel then runs it as it is.
  void demand_company() {
    if (!has_timeout()) return;
    constexpr std::uint64_t kNobodys = 0x7469'6465'7761'6974;
    auto& demand = demands_[kCompany];
    demand.cases.insert(demand.cases.begin(), {{{.index = 0, .value = kNobodys}}, kNotify});
  }

  [[nodiscard]] Status check_company() const {
    if (!has_timeout() || plan_.supervised()) return {};
    return fail("/limits/timeout: the bundle's own seccomp profile refuses `" + std::string(kCompany) +
                "`, by which an agent would be told of the container: expected one that allows it");
  }

  static void notify_where_allowed(seccomp::SyscallDemand& demand) {
    const auto let_run = [](const ProfileAction& action) { return action == kAllow; };
    for (auto& one : demand.cases) {
      if (let_run(one.action)) one.action = kNotify;
    }
    if (let_run(demand.otherwise)) demand.otherwise = kNotify;
    simplify(demand);
  }

  // Whether the filter lets no execve run without the agent.
  static bool tells_of_execs(const seccomp::Profile& profile) {
    const auto held = [](const ProfileAction& action) {
      switch (action.kind) {
        case ActionKind::kNotify:
        case ActionKind::kErrno:
        case ActionKind::kKillThread:
        case ActionKind::kKillProcess:
        case ActionKind::kTrap:
          return true;
        case ActionKind::kTrace:  // a tracer may let it run
        case ActionKind::kAllow:
        case ActionKind::kLog:
          return false;
      }
      return false;
    };
    return std::all_of(std::begin(kExecs), std::end(kExecs), [&](const std::string& name) {
      bool all_held = true;
      bool all_meant = held(profile.default_action);
      for (const seccomp::ProfileRule& rule : profile.rules) {
        if (std::find(rule.names.begin(), rule.names.end(), name) == rule.names.end()) continue;
        all_held = all_held && held(rule.action);
        all_meant = all_meant || rule.args.empty();
      }
      return all_held && all_meant;
    });
  }

  Status demand_operations() {
    for (const SyscallEntry& entry : syscalls()) {
      if (supervises(policy_, entry.operation)) TRY(demand_operation(entry));
    }
    return {};
  }

  // The address, or path, is in memory, where no filter sees it. The agent weighs the `syscalls` rules first;
  // only a refusal that needs no agent stays with the filter.
  Status demand_operation(const SyscallEntry& entry) {
    const std::string name(entry.name);
    auto& demand = demands_[name];
    const ActionKind constant = demand.otherwise.kind;
    if (demand.unconditional() && (constant == ActionKind::kErrno || constant == ActionKind::kKillProcess))
      return {};
    if (const std::string_view silent = answers_.why_silent(name); !silent.empty()) {
      if (entry.operation == Operation::kSend) {
        undecided_.emplace(name, silent);
        return {};
      }
      return fail(std::string(part_of(entry.operation)) + ": `" + name +
                  "` cannot be supervised: " + std::string(silent));
    }
    demand = entry.operation == Operation::kSend ? asked_unless_refused(demand, entry)
                                                 : seccomp::SyscallDemand{.cases = {}, .otherwise = kNotify};
    demand.native_only = true;
    operations_.insert(name);
    return {};
  }

  // The demand, with the agent asked where it lets a call run: but for those that say in a register that they
  // have no address. Sends are too many to ask about those that are none of the network rules' business.
  static seccomp::SyscallDemand asked_unless_refused(const seccomp::SyscallDemand& demand,
                                                     const SyscallEntry& entry) {
    seccomp::SyscallDemand asked{.cases = {}, .otherwise = demand.otherwise};
    const auto add = [&](std::vector<ArgumentTest> tests, const ProfileAction& action) {
      if (action == kAllow && entry.only_with >= 0) {
        auto without = tests;
        without.push_back({.index = static_cast<unsigned>(entry.only_with), .value = 0});
        asked.cases.push_back({std::move(without), kAllow});
      }
      return seccomp::SyscallDemand::Case{std::move(tests), action == kAllow ? kNotify : action};
    };
    for (const auto& one : demand.cases) asked.cases.push_back(add(one.tests, one.action));
    asked.otherwise = add({}, demand.otherwise).action;
    simplify(asked);
    return asked;
  }

  Status merge_into_bundle() {
    const ordered_json* own = own_seccomp(plan_.config);
    const seccomp::Profile profile = own == nullptr
                                         ? seccomp::unconfined_profile()
                                         : TRY(in_context("/linux/seccomp", seccomp::parse_profile(*own)));
    seccomp::Merged merged = TRY(seccomp::merge(profile, demands_));
    TRY(check_residual(merged));
    for (const seccomp::ProfileRule& rule : merged.profile.rules) {
      if (rule.action == kNotify) plan_.notified.insert(rule.names.begin(), rule.names.end());
    }
    plan_.told_of_execs = plan_.notified.contains("execve") && tells_of_execs(merged.profile);
    plan_.residual = std::move(merged.residual);
    plan_.dropped_architectures = std::move(merged.dropped_architectures);

    ordered_json& linux_part = plan_.config["linux"];
    if (linux_part.is_null()) linux_part = ordered_json::object();
    ordered_json& written = linux_part["seccomp"];
    if (written.is_null()) written = ordered_json::object();
    seccomp::write_profile(merged.profile, written);
    drop_killable_wait(written);
    if (!plan_.supervised()) return {};
    TRY(check_flags());
    TRY(check_listener(listener_));
    written["listenerPath"] = listener_.path;
    written["listenerMetadata"] = listener_.metadata;
    return {};
  }

  // The host names that may be connected to, each once.
  [[nodiscard]] std::set<std::string, std::less<>> allowed_names() const {
    std::set<std::string, std::less<>> names;
    if (!policy_.network || !policy_.network->allow) return names;
    for (const NetworkRule& rule : *policy_.network->allow) {
      if (const auto* host = std::get_if<HostName>(&rule.host)) names.insert(host->name);
    }
    return names;
  }

  // Of the hosts file and of what else is bound.
  [[nodiscard]] std::string state_folder() const {
    const std::string& file = listener_.hosts_file;
    return file.substr(0, std::min(file.rfind('/'), file.size()));
  }

  [[nodiscard]] Status check_state_folder() const {
    if (spec::is_utf8(listener_.hosts_file)) return {};
    return fail("the hosts file's path is not UTF-8, as config.json has to be: " + listener_.hosts_file);
  }

  static std::string processors_of(const ordered_json& config) {
    return spec::text_member(config["linux"]["resources"]["cpu"], "cpus");
  }

  // Names that the policy allows resolve without DNS, and to the addresses that it means; those that it pins
  // do, be they allowed or not.
  Status bind_hosts_file() {
    plan_.agent_keeps_hosts = plan_.supervised() && !allowed_names().empty();
    if (policy_.identity) plan_.pinned_hosts = pinned_lines(policy_.identity->hosts);
    if (!plan_.agent_keeps_hosts && plan_.pinned_hosts.empty()) return {};
    TRY(check_state_folder());
    plan_.hosts = TRY(spec::bind_over_hosts(plan_.config, listener_.hosts_file));
    return {};
  }

  // Whether what may be written to in procfs leads round this policy's rules. Connections and ports are not
  // a matter of what the container's own processes do with each other.
  [[nodiscard]] bool minds_procfs() const {
    const bool exec = policy_.exec && policy_.exec->restricts();
    return (exec || spec::procfs_shows_others(config_)) && !spec::procfs_mounts(config_).empty();
  }

  [[nodiscard]] bool closes_procfs() const {
    const auto rows = baseline();
    return policy_.mode != Mode::kAudit && minds_procfs() && !spec::labels_processes(config_) &&
           std::any_of(rows.begin(), rows.end(), [this](const BaselineRow& row) {
             return row.in_bundle && concerns(row, policy_) && given_back(row, policy_) == nullptr;
           });
  }

  // Who may be interrupted by SIGKILL alone while the agent has its call cannot be stopped by whoever traces
  // an execve of it to the end, or makes its call on a Unix socket by a thread of its own. There is no
  // operation that may not come to that.
  void drop_killable_wait(ordered_json& seccomp) {
    const auto flags = seccomp.find("flags");
    const bool stops_callers =
        std::any_of(syscalls().begin(), syscalls().end(),
                    [this](const SyscallEntry& entry) { return supervises(policy_, entry.operation); });
    if (!stops_callers || flags == seccomp.end() || !flags->is_array()) return;
    ordered_json kept = ordered_json::array();
    for (const ordered_json& flag : *flags) {
      if (flag != "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV") kept.push_back(flag);
    }
    drops_killable_wait_ = kept.size() < flags->size();
    *flags = std::move(kept);
  }

  // The bundle's flags, with a listener that it did not have. What the runtime does not take at all it says
  // itself, as it does without a policy.
  [[nodiscard]] Status check_flags() const {
    const ordered_json* own = own_seccomp(config_);
    const ordered_json* flags = own == nullptr ? nullptr : member(*own, "flags");
    if (flags == nullptr || !flags->is_array()) return {};
    for (std::size_t i = 0; i < flags->size(); ++i) {
      if (!(*flags)[i].is_string()) continue;
      const auto& flag = (*flags)[i].get_ref<const std::string&>();
      const std::string_view reason = runtime_.why_not_with_listener(flag);
      if (reason.empty()) continue;
      return fail("/linux/seccomp/flags/" + std::to_string(i) + ": " + flag +
                  " does not go with the listener that this policy needs: " + std::string(reason) +
                  ": expected a profile without it");
    }
    return {};
  }

  // A demand that no filter can express together with the bundle's profile notifies, unless it may not.
  Status check_residual(const seccomp::Merged& merged) const {
    for (const std::string& name : merged.residual) {
      const std::string_view silent = answers_.why_silent(name);
      if (silent.empty()) continue;
      return fail("the policy's rules for `" + name +
                  "` and those of the bundle's own profile cannot be joined in "
                  "one filter, and the agent cannot be asked: " +
                  std::string(silent));
    }
    return {};
  }

  const Policy policy_;
  const Policy complete_;
  const ordered_json& config_;
  const runtime::Traits& runtime_;
  const Listener& listener_;
  const runtime::Surroundings& surroundings_;
  const RuleAnswers answers_;
  std::set<std::string, std::less<>> unknown_calls_;  // of the baseline; libseccomp is older than they are
  seccomp::Demands demands_;
  std::set<std::string, std::less<>> settled_;         // calls whose demand has its unconditional answer
  bool drops_killable_wait_ = false;                   // the bundle's filter had that flag
  std::set<std::string, std::less<>> operations_;      // calls that notify because they are operations
  std::vector<std::string> landlock_calls_;            // which the bundle's own profile would have refused
  std::map<std::string, std::string_view> undecided_;  // calls that should, and cannot: name -> reason
  Plan plan_;
};

}  // namespace

Result<Plan> compile(const Policy& policy, const ordered_json& config, const runtime::Traits& runtime,
                     const Listener& listener, const runtime::Surroundings& surroundings) {
  return Compiler(policy, config, runtime, listener, surroundings).run();
}

}  // namespace tidewaiter::policy

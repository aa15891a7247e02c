#include "oci/policy/load.h"

#include <seccomp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "oci/base/system.h"
#include "oci/policy/address.h"
#include "oci/policy/baseline.h"
#include "oci/policy/byte_size.h"
#include "oci/policy/constants.h"
#include "oci/policy/cpu_list.h"
#include "oci/policy/decide.h"
#include "oci/policy/duration.h"
#include "oci/policy/exec_rule.h"
#include "oci/policy/file_rule.h"
#include "oci/policy/meant.h"
#include "oci/policy/network_rule.h"
#include "oci/policy/syscalls.h"
#include "oci/policy/wording.h"
#include "oci/spec/config.h"
#include "oci/spec/mounts.h"

namespace tidewaiter::policy {
namespace {

using spec::Json;
using Words = std::span<const std::string_view>;

constexpr std::size_t kMaxFileBytes = 16U << 20U;

constexpr std::string_view kPolicyKeys[] = {"version",      "description", "network",  "exec",
                                            "files",        "limits",      "identity", "syscalls",
                                            "unsafe_allow", "events",      "mode"};
constexpr std::string_view kNetworkKeys[] = {"allow", "deny", "bind", "errno"};
constexpr std::string_view kExecKeys[] = {"allow", "deny", "errno"};
constexpr std::string_view kExecRuleKeys[] = {"path", "argv"};
constexpr std::string_view kLimitsKeys[] = {"memory", "processes", "cpus", "open_files", "timeout"};
constexpr std::string_view kFilesKeys[] = {"read", "write", "exec", "deny", "copy_on_write", "best_effort"};
constexpr std::string_view kCopyKeys[] = {"path", "on_success", "on_failure"};
constexpr std::string_view kIdentityKeys[] = {"hostname", "hosts", "cpus", "env", "user"};
constexpr std::string_view kEnvKeys[] = {"clean", "set", "pass"};
constexpr std::string_view kUserKeys[] = {"uid", "gid", "additional_gids"};
constexpr std::string_view kSyscallKeys[] = {"names", "action", "errno", "args"};
constexpr std::string_view kArgumentKeys[] = {"index", "op", "value", "mask"};
constexpr std::string_view kEventsKeys[] = {"log"};

// Part of the policy language, and not of this version. They must never be passed over in silence.
constexpr std::string_view kLaterLimitsKeys[] = {"disk"};
constexpr std::string_view kLaterActions[] = {"emulate"};

// With less no runtime starts a container.
constexpr std::uint64_t kLeastMemory = 6U << 20U;
// Runtimes are under it themselves while they start a process, and need half of that: crun 28, of its own and
// of mounts; runc with 20 waits for ever.
constexpr std::uint64_t kLeastOpenFiles = 64;

constexpr std::uint64_t kMostProcesses = 4'194'304;      // PID_MAX_LIMIT (include/linux/threads.h)
constexpr std::uint64_t kMostOpenFiles = 2'147'483'584;  // sysctl_nr_open_max (fs/file.c)
// Less than a millisecond in a period the kernel does not take (min_cfs_quota_period in kernel/sched/core.c),
// and more processors nobody has (NR_CPUS).
constexpr double kLeastCpus = 0.01;
constexpr double kMostCpus = 8192;

constexpr std::size_t kLongestHostname = 64;         // __NEW_UTS_LEN (include/uapi/linux/utsname.h)
constexpr std::uint64_t kLargestId = 4'294'967'294;  // one more, (uid_t)-1, is none (setresuid(2))
constexpr std::size_t kMostGroups = 65'536;          // NGROUPS_MAX (include/uapi/linux/limits.h)

// In the order of Settlement.
constexpr std::string_view kSettlements[] = {"keep", "commit", "discard"};
constexpr std::string_view kModes[] = {"enforce", "audit"};
constexpr std::string_view kActions[] = {"errno", "allow", "log", "kill"};
constexpr std::string_view kComparisons[] = {"eq", "ne", "lt", "le", "gt", "ge", "masked_eq"};
constexpr std::string_view kEvents[] = {"denied", "exec", "network"};

constexpr std::uint32_t kArchitectures[] = {SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_AARCH64,
                                            SCMP_ARCH_ARM};

bool contains(Words words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string after_semicolon(const std::string& advice) { return advice.empty() ? advice : "; " + advice; }

// What to do about an unknown key: advice to who wrote a word of another tool, `; did you mean "x"?`, or what
// is known when nothing is close.
std::string suggestion(Where where, std::string_view found, Words known) {
  if (const std::string advice = key_advice(where, found); !advice.empty()) return after_semicolon(advice);
  const std::string_view near = nearest(found, known);
  return near.empty() ? "; expected " + one_of(known) : "; did you mean " + quote(near) + "?";
}

// What stands in the file, in a few words.
std::string described(const Json& value) {
  if (value.is_string()) return quote(value.get_ref<const std::string&>());
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  return value.dump();
}

// The kernel takes -4095 to -1 as errors (MAX_ERRNO in include/linux/err.h).
constexpr NumberRange kErrorNumbers{1, 4095};

// What to write instead of a name that no error has.
std::string errno_hint(const std::string& name) {
  std::string advice = number_advice(name, kErrorNumbers);
  if (advice.empty()) advice = errno_advice(name);
  if (!advice.empty()) return after_semicolon(advice);
  const std::string_view near = nearest(name, errno_names());
  return near.empty() ? "" : "; did you mean " + quote(near) + "?";
}

// Whether a number stands where a rule in quotes was meant.
bool is_port(const Json& value) {
  return value.is_number_unsigned() && value != 0 && value.get<std::uint64_t>() <= 65535;
}

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

// One reference token of a JSON pointer (RFC 6901), fit for a line of text.
std::string pointer_token(std::string_view key) {
  std::string token;
  const std::string quoted = quote(key);
  for (const char c : std::string_view(quoted).substr(1, quoted.size() - 2)) {
    if (c == '~')
      token += "~0";
    else if (c == '/')
      token += "~1";
    else
      token += c;
  }
  return token;
}

// A value and its place in the file.
struct Place {
  const Json& value;
  std::string pointer;

  [[nodiscard]] Place at(const std::string& key) const {
    return {value.at(key), pointer + "/" + pointer_token(key)};
  }
  [[nodiscard]] Place at(std::size_t index) const {
    return {value.at(index), pointer + "/" + std::to_string(index)};
  }
  [[nodiscard]] bool has(const char* key) const { return value.contains(key); }
};

int number_of(const std::string& name, std::uint32_t architecture) {
  return ::seccomp_syscall_resolve_name_arch(architecture, name.c_str());
}

// libseccomp gives negative numbers to the names that an architecture does not have.
bool known_syscall(const std::string& name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return ('a' <= c && c <= 'z') || ('0' <= c && c <= '9') || c == '_';
  });
  return plain && std::any_of(std::begin(kArchitectures), std::end(kArchitectures),
                              [&](std::uint32_t architecture) { return number_of(name, architecture) >= 0; });
}

std::string unknown_syscall(std::string_view name) {
  if (name.starts_with('@'))
    return "sets of calls, as " + quote(name) + ", are not known here; name each call";
  if (name.find('*') != std::string_view::npos)
    return "a \"*\" is not supported in the name of a syscall, found " + quote(name) + "; name each call";
  if (const std::string meant = syscall_meant(name); known_syscall(meant))
    return "unknown syscall " + quote(name) + "; write " + quote(meant);
  std::vector<std::string> names;
  for (const std::uint32_t architecture : kArchitectures) {
    for (int number = 0; number < 512; ++number) {
      char* const known = ::seccomp_syscall_resolve_num_arch(architecture, number);
      if (known == nullptr) continue;
      names.emplace_back(known);
      ::free(known);  // libseccomp allocates it with malloc
    }
  }
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const std::string_view near = nearest(name, candidates);
  const struct scmp_version* version = ::seccomp_version();
  return "unknown syscall " + quote(name) +
         (near.empty()
              ? "; libseccomp " + std::to_string(version->major) + "." + std::to_string(version->minor) +
                    "." + std::to_string(version->micro) + " does not know it on any architecture"
              : "; did you mean " + quote(near) + "?");
}

// Of a native syscall; empty when it is none.
std::string name_of_number(const Json& number) {
  if (!number.is_number_unsigned() || number.get<std::uint64_t>() > 1023) return {};
  char* const known = ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number.get<int>());
  std::string name = known == nullptr ? "" : known;
  ::free(known);  // libseccomp allocates it with malloc
  return name;
}

// On every architecture that has the call; nullopt when nobody has looked at its arguments.
std::optional<Width> width(const std::string& name, unsigned index) {
  if (number_of(name, SCMP_ARCH_X86_64) < 0 && number_of(name, SCMP_ARCH_AARCH64) < 0) return Width::kHalf;
  const SyscallEntry* entry = find_syscall(name);
  if (entry == nullptr) return std::nullopt;
  return width_of(*entry, index);
}

// REQUIRES: an argument that is there, and always has as many bits.
unsigned bits(Width width) { return width == Width::kShort ? 16 : width == Width::kHalf ? 32 : 64; }

std::string words(Width width) { return width == Width::kDepends ? "32 or 64" : std::to_string(bits(width)); }

bool fits(std::uint64_t value, unsigned bits) {
  const auto as_signed = static_cast<std::int64_t>(value);
  return (value >> bits) == 0 || (as_signed < 0 && as_signed >= -(std::int64_t{1} << (bits - 1)));
}

bool names_entry(const std::vector<UnsafeAllow>& list, std::string_view name) {
  return std::any_of(list.begin(), list.end(), [name](const UnsafeAllow& one) { return one.name == name; });
}

// The parts of a policy for whose sake the baseline refuses what has this name: `"exec" or "network.bind"`.
std::string restricted_by(std::string_view name) {
  bool connect = false;
  bool bind = false;
  bool exec = false;
  bool deny = false;
  std::string_view limits;
  for (const BaselineRow& row : baseline()) {
    if (row.name != name) continue;
    if (row.for_limits) limits = row.of_memory ? "limits.memory" : "limits";
    connect = connect || row.for_connect;
    bind = bind || row.for_bind;
    exec = exec || row.for_exec;
    deny = deny || row.for_deny;
  }
  std::vector<std::string_view> parts;
  if (exec) parts.emplace_back("exec");
  if (connect && !bind) parts.emplace_back("network.allow");
  if (connect && !bind) parts.emplace_back("network.deny");
  if (bind) parts.emplace_back(connect ? "network" : "network.bind");
  if (!limits.empty()) parts.emplace_back(limits);
  if (deny) parts.emplace_back("files.deny");
  return one_of(parts);
}

// Reads one document. Each function reads one kind of value, notes what is wrong with it and goes on.
class Reader {
 public:
  explicit Reader(std::string source) : source_(std::move(source)) {}

  Policy read_policy(const Json& document);
  std::vector<Mistake> take_mistakes() { return std::move(mistakes_); }

 private:
  void wrong(const Place& place, std::string message) {
    const std::string gap = place.pointer.empty() ? "" : ": ";
    mistakes_.push_back({source_ + gap + place.pointer, std::move(message)});
  }
  void expected(const Place& place, const std::string& what) {
    wrong(place, "expected " + what + ", found " + described(place.value));
  }

  // Calls visit(key, place) for each known member, in the order of the file.
  template <typename Visit>
  void each_member(Where where, const Place& object, Words known, Words later, const Visit& visit) {
    if (!object.value.is_object()) return expected(object, "an object, as in " + std::string(example(where)));
    for (const auto& [key, value] : object.value.items()) {
      const Place member{value, object.pointer + "/" + pointer_token(key)};
      if (contains(known, key))
        visit(std::string_view(key), member);
      else if (contains(later, key))
        wrong(member, quote(key) + " is not supported yet; without it, everything it would restrict is open");
      else
        wrong(member, "unknown key " + quote(key) + suggestion(where, key, known));
    }
  }

  template <typename Visit>
  void each_element(const Place& array, const std::string& what, const Visit& visit) {
    if (!array.value.is_array()) return expected(array, "an array of " + what);
    for (std::size_t i = 0; i < array.value.size(); ++i) visit(array.at(i));
  }

  void require(const Place& object, const char* key, const std::string& hint) {
    if (object.value.is_object() && !object.has(key))
      wrong(object, "missing key " + quote(key) + "; " + hint);
  }

  const std::string* read_string(const Place& place, const std::string& what) {
    if (place.value.is_string()) return &place.value.get_ref<const std::string&>();
    expected(place, what);
    return nullptr;
  }

  static std::string_view example(Where where) {
    switch (where) {
      case Where::kPolicy:
        return R"({"version": 1})";
      case Where::kNetwork:
        return R"({"allow": ["api.example.com:443"]})";
      case Where::kExec:
        return R"({"allow": ["/usr/bin/git"]})";
      case Where::kExecRule:
        return R"({"path": "/usr/bin/git", "argv": ["git", "clone", "*"]})";
      case Where::kLimits:
        return R"({"memory": "256M"})";
      case Where::kFiles:
        return R"({"read": ["/usr"], "write": ["/tmp"]})";
      case Where::kCopy:
        return R"({"path": "/work", "on_success": "commit"})";
      case Where::kIdentity:
        return R"({"hostname": "build"})";
      case Where::kEnv:
        return R"({"clean": true, "pass": ["PATH"]})";
      case Where::kUser:
        return R"({"uid": 1000, "gid": 1000})";
      case Where::kEvents:
        return R"({"log": ["denied"]})";
      case Where::kSyscallRule:
        return R"({"names": ["ptrace"], "action": "errno"})";
      case Where::kArgument:
        return R"({"index": 0, "op": "eq", "value": 1})";
    }
    return {};
  }

  // `; write 100 without quotes`, where that would be right.
  static std::string without_quotes(const Place& place, const NumberRange& range) {
    return place.value.is_string()
               ? after_semicolon(number_advice(place.value.get_ref<const std::string&>(), range))
               : "";
  }

  // The position of a string in `words`. `choice`: whose words they are.
  std::optional<std::size_t> read_word(const Place& place, Words words, std::optional<Choice> choice = {},
                                       Words later = {}) {
    if (!place.value.is_string()) {
      expected(place, one_of(words));
      return std::nullopt;
    }
    const auto& word = place.value.get_ref<const std::string&>();
    const auto found = std::find(words.begin(), words.end(), word);
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
    const std::string advice = choice ? word_advice(*choice, word) : "";
    if (contains(later, word))
      wrong(place, quote(word) + " is not supported yet; expected " + one_of(words));
    else
      wrong(place, "expected " + one_of(words) + ", found " + quote(word) +
                       (advice.empty() ? near_only(word, words) : after_semicolon(advice)));
    return std::nullopt;
  }

  static std::string near_only(std::string_view found, Words known) {
    const std::string_view near = nearest(found, known);
    return near.empty() ? "" : "; did you mean " + quote(near) + "?";
  }

  void read_version(const Place& place);
  void read_errno(const Place& place, int& errno_value);
  NetworkPolicy read_network(const Place& place);
  ExecPolicy read_exec(const Place& place);
  std::vector<ExecRule> read_exec_rules(const Place& place);
  ExecRule read_exec_rule(const Place& place);
  FilesPolicy read_files(const Place& place);
  std::vector<FileRule> read_file_rules(const Place& place);
  std::vector<CopyRule> read_copy_rules(const Place& place);
  std::optional<CopyRule> read_copy_rule(const Place& place);
  void check_denied(const FilesPolicy& files);
  void check_copies(const FilesPolicy& files);
  // Puts "unix:" rules into `unix_rules`, and returns the others.
  std::vector<NetworkRule> read_network_rules(const Place& place, std::vector<UnixRule>& unix_rules);
  std::vector<BindRule> read_bind_rules(const Place& place);
  Limits read_limits(const Place& place);
  std::optional<std::uint64_t> read_memory(const Place& place);
  std::optional<std::uint64_t> read_cpus(const Place& place);
  std::optional<std::uint64_t> read_count(const Place& place, std::uint64_t least, std::uint64_t most);
  std::optional<std::chrono::seconds> read_duration(const Place& place);
  static std::string limit_hint(const Place& place, const NumberRange& range);
  static std::string cpus_hint(const Place& place);
  Identity read_identity(const Place& place, std::optional<Limits>& limits);
  std::optional<std::string> read_hostname(const Place& place);
  std::vector<PinnedHost> read_hosts(const Place& place);
  std::vector<IpAddress> read_addresses(const Place& place);
  std::optional<Processors> read_processors(const Place& place);
  EnvPolicy read_env(const Place& place);
  bool is_variable_name(const Place& place, std::string_view name);
  std::optional<UserPolicy> read_user(const Place& place);
  std::optional<std::uint32_t> read_id(const Place& place, const std::string& what);
  void check_denied_names(const Place& place, const Policy& policy);
  void read_events(const Place& place, EventsPolicy& events);
  std::vector<UnsafeAllow> read_unsafe_allow(const Place& place);
  void check_unsafe_allow(const Place& place, const Policy& policy);

  SyscallRule read_syscall_rule(const Place& place);
  std::vector<std::string> read_names(const Place& place);
  std::optional<ArgumentTest> read_argument_test(const Place& place);
  std::optional<std::uint64_t> read_value(const Place& place);
  void check_possible(const Place& place, const SyscallRule& rule,
                      const std::vector<std::string>& test_pointers);
  std::optional<Width> read_width(const Place& place, const std::vector<std::string>& names,
                                  const ArgumentTest& test);
  void narrow_test(const Place& place, const std::vector<std::string>& names, ArgumentTest& test);

  std::string source_;
  std::vector<Mistake> mistakes_;
};

void Reader::read_version(const Place& place) {
  if (!place.value.is_number_integer() || place.value != 1)
    wrong(place, "expected 1, the only version of the policy language there is, found " +
                     described(place.value) + without_quotes(place, {1, 1}));
}

void Reader::read_errno(const Place& place, int& errno_value) {
  constexpr const char* kExpected = "an error name as in \"EACCES\", or a number from 1 to 4095";
  if (place.value.is_number_integer()) {
    if (place.value >= 1 && place.value <= 4095)
      errno_value = place.value.get<int>();
    else if (place.value >= -4095 && place.value <= -1)
      wrong(place, "expected " + std::string(kExpected) + ", found " + described(place.value) +
                       "; errors are positive here: write " + std::to_string(-place.value.get<int>()));
    else
      expected(place, kExpected);
    return;
  }
  const std::string* name = read_string(place, kExpected);
  if (name == nullptr) return;
  if (const auto number = policy::errno_value(*name))
    errno_value = *number;
  else
    wrong(place, "expected " + std::string(kExpected) + ", found " + quote(*name) + errno_hint(*name));
}

std::vector<NetworkRule> Reader::read_network_rules(const Place& place, std::vector<UnixRule>& unix_rules) {
  std::vector<NetworkRule> rules;
  each_element(place, "network rules, as in [\"api.example.com:443\"]", [&](const Place& element) {
    if (is_port(element.value))
      return wrong(element, "expected a network rule, as in \"api.example.com:443\", found " +
                                element.value.dump() +
                                "; for this port at every host write \"*:" + element.value.dump() + "\"");
    const std::string* text = read_string(element, "a network rule, as in \"api.example.com:443\"");
    if (text == nullptr) return;
    if (is_unix_rule(*text)) {
      auto unix_rule = parse_unix_rule(*text);
      if (!unix_rule) return wrong(element, unix_rule.error().message());
      unix_rule->pointer = element.pointer;
      unix_rules.push_back(*std::move(unix_rule));
      return;
    }
    auto rule = parse_network_rule(*text);
    if (!rule) return wrong(element, rule.error().message());
    rule->pointer = element.pointer;
    rules.push_back(*std::move(rule));
  });
  return rules;
}

std::vector<BindRule> Reader::read_bind_rules(const Place& place) {
  std::vector<BindRule> rules;
  each_element(place, "ports, as in [\"8080\", \"9000-9005\"]", [&](const Place& element) {
    if (is_port(element.value))
      return wrong(element, "expected ports in a string, as in \"8080\" or \"9000-9005\", found " +
                                element.value.dump() + "; write \"" + element.value.dump() + "\"");
    const std::string* text = read_string(element, "ports in a string, as in \"8080\" or \"9000-9005\"");
    if (text == nullptr) return;
    auto rule = parse_bind_rule(*text);
    if (!rule) return wrong(element, rule.error().message());
    rule->pointer = element.pointer;
    rules.push_back(*std::move(rule));
  });
  return rules;
}

NetworkPolicy Reader::read_network(const Place& place) {
  NetworkPolicy network;
  each_member(Where::kNetwork, place, kNetworkKeys, {}, [&](std::string_view key, const Place& member) {
    if (key == "allow")
      network.allow = read_network_rules(member, network.unix_allow);
    else if (key == "deny")
      network.deny = read_network_rules(member, network.unix_deny);
    else if (key == "bind")
      network.bind = read_bind_rules(member);
    else
      read_errno(member, network.errno_value);
  });
  return network;
}

ExecRule Reader::read_exec_rule(const Place& place) {
  ExecRule rule;
  rule.pointer = place.pointer;
  const auto read_path = [&](const Place& path) {
    const std::string* text = read_string(path, "a path, as in \"/usr/bin/git\"");
    if (text == nullptr) return;
    if (const Status checked = check_exec_path(*text); !checked) wrong(path, checked.error().message());
    rule.path = *text;
  };
  if (place.value.is_string()) {
    read_path(place);
    return rule;
  }
  each_member(Where::kExecRule, place, kExecRuleKeys, {}, [&](std::string_view key, const Place& member) {
    if (key == "path") return read_path(member);
    std::vector<std::string> argv;
    bool whole = member.value.is_array();
    if (member.value.is_string())
      return wrong(member, "expected an array of arguments, as in [\"git\", \"clone\", \"*\"], found " +
                               described(member.value) +
                               after_semicolon(as_array(member.value.get_ref<const std::string&>())));
    each_element(member, "arguments, as in [\"git\", \"clone\", \"*\"]", [&](const Place& element) {
      const std::string* text = read_string(element, "an argument, or a glob over one, as in \"*\"");
      whole = whole && text != nullptr;
      if (text != nullptr) argv.push_back(*text);
    });
    if (!whole) return;
    if (const Status set = set_argv(rule, std::move(argv)); !set) wrong(member, set.error().message());
  });
  require(place, "path", "expected the program's path, as in \"/usr/bin/git\"");
  return rule;
}

std::vector<ExecRule> Reader::read_exec_rules(const Place& place) {
  std::vector<ExecRule> rules;
  each_element(place, "exec rules, as in [\"/usr/bin/git\"]", [&](const Place& element) {
    if (!element.value.is_string() && !element.value.is_object())
      return expected(element, "a path, as in \"/usr/bin/git\", or an object with \"path\" and \"argv\"");
    rules.push_back(read_exec_rule(element));
  });
  return rules;
}

ExecPolicy Reader::read_exec(const Place& place) {
  ExecPolicy exec;
  each_member(Where::kExec, place, kExecKeys, {}, [&](std::string_view key, const Place& member) {
    if (key == "allow")
      exec.allow = read_exec_rules(member);
    else if (key == "deny")
      exec.deny = read_exec_rules(member);
    else
      read_errno(member, exec.errno_value);
  });
  return exec;
}

std::string Reader::limit_hint(const Place& place, const NumberRange& range) {
  const Json& value = place.value;
  // 0, -1 and RLIM_INFINITY.
  const bool unlimited = value.is_null() ||
                         (value.is_number_unsigned() ? value.get<std::uint64_t>() == 0 ||
                                                           value.get<std::uint64_t>() == ~std::uint64_t{0}
                                                     : value.is_number_integer()) ||
                         (value.is_string() && means_unlimited(value.get_ref<const std::string&>()));
  return unlimited ? "; for no limit leave the key out" : without_quotes(place, range);
}

// Kubernetes counts thousandths ("500m"), others per cent.
std::string Reader::cpus_hint(const Place& place) {
  constexpr NumberRange kCpus{.least = kLeastCpus, .most = kMostCpus, .whole = false};
  if (!place.value.is_string()) return limit_hint(place, kCpus);
  const auto& text = place.value.get_ref<const std::string&>();
  const double parts = text.ends_with('m') ? 1000 : text.ends_with('%') ? 100 : 0;
  if (parts == 0) return limit_hint(place, kCpus);
  unsigned count = 0;
  const char* const end = text.data() + text.size() - 1;
  const auto [rest, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc{} || rest != end || count / parts < kLeastCpus || count / parts > kMostCpus)
    return "";
  return "; write " + Json(count / parts).dump();
}

// What other programs take for "no limit" is none of these: a limit that is absent says it.
std::optional<std::uint64_t> Reader::read_count(const Place& place, std::uint64_t least, std::uint64_t most) {
  const Json& value = place.value;
  if (value.is_number_unsigned() && value >= least && value <= most) return value.get<std::uint64_t>();
  wrong(place, "expected a whole number from " + std::to_string(least) + " to " + std::to_string(most) +
                   ", found " + described(value) +
                   limit_hint(place, {static_cast<double>(least), static_cast<double>(most)}));
  return std::nullopt;
}

std::optional<std::uint64_t> Reader::read_memory(const Place& place) {
  std::uint64_t bytes = 0;
  if (place.value.is_string()) {
    const auto& text = place.value.get_ref<const std::string&>();
    const auto size = parse_byte_size(text);
    if (!size) {
      wrong(place, size.error().message() + (means_unlimited(text) ? limit_hint(place, {}) : ""));
      return std::nullopt;
    }
    bytes = *size;
  } else if (place.value.is_number_unsigned()) {
    bytes = place.value.get<std::uint64_t>();
  } else {
    wrong(place, "expected a number of bytes, as in 268435456, or text as in \"256M\" or \"1.5G\", found " +
                     described(place.value) + limit_hint(place, {}));
    return std::nullopt;
  }
  if (bytes < kLeastMemory) {
    wrong(place, "expected at least 6M (6291456 bytes), without which no container starts, found " +
                     described(place.value) +
                     (place.value.is_number() && bytes >= (kLeastMemory >> 20U) && bytes < (1U << 20U)
                          ? "; a number is in bytes: for " + std::to_string(bytes) + " MiB write \"" +
                                std::to_string(bytes) + "M\""
                      : bytes == 0 ? "; for no limit leave the key out"
                                   : ""));
    return std::nullopt;
  }
  if (bytes > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    wrong(place, described(place.value) + " is more than can be counted (2^63 - 1 bytes)");
    return std::nullopt;
  }
  return bytes;
}

std::optional<std::uint64_t> Reader::read_cpus(const Place& place) {
  const Json& value = place.value;
  const double cpus = value.is_number() ? value.get<double>() : 0;
  if (cpus >= kLeastCpus && cpus <= kMostCpus)
    return static_cast<std::uint64_t>(std::llround(cpus * Limits::kCpuPeriod));
  wrong(place, "expected a number of processors from 0.01 to 8192, as in 1.5, found " + described(value) +
                   cpus_hint(place));
  return std::nullopt;
}

std::optional<std::chrono::seconds> Reader::read_duration(const Place& place) {
  constexpr NumberRange kSeconds{1, static_cast<double>(kLongestDuration.count())};
  const Json& value = place.value;
  if (value.is_number_unsigned() && value >= 1 && value <= kLongestDuration.count())
    return std::chrono::seconds(value.get<std::int64_t>());
  if (!value.is_string()) {
    wrong(place, "expected a whole number of seconds from 1 to " + std::to_string(kLongestDuration.count()) +
                     ", or text as in \"90s\", \"10m\" or \"1h30m\", found " + described(value) +
                     limit_hint(place, kSeconds));
    return std::nullopt;
  }
  const auto& text = value.get_ref<const std::string&>();
  const auto duration = parse_duration(text);
  if (duration) return *duration;
  wrong(place, duration.error().message() + limit_hint(place, kSeconds));
  return std::nullopt;
}

Limits Reader::read_limits(const Place& place) {
  Limits limits;
  each_member(Where::kLimits, place, kLimitsKeys, kLaterLimitsKeys,
              [&](std::string_view key, const Place& member) {
                if (key == "memory")
                  limits.memory = read_memory(member);
                else if (key == "processes")
                  limits.processes = read_count(member, 1, kMostProcesses);
                else if (key == "cpus")
                  limits.cpu_time = read_cpus(member);
                else if (key == "timeout")
                  limits.timeout = read_duration(member);
                else
                  limits.open_files = read_count(member, kLeastOpenFiles, kMostOpenFiles);
              });
  return limits;
}

std::vector<FileRule> Reader::read_file_rules(const Place& place) {
  std::vector<FileRule> rules;
  each_element(place, "paths, as in [\"/usr\", \"/etc\"]", [&](const Place& element) {
    const std::string* path = read_string(element, "an absolute path, as in \"/usr\"");
    if (path == nullptr) return;
    if (const Status checked = check_file_path(*path); !checked)
      return wrong(element, checked.error().message());
    if (std::any_of(rules.begin(), rules.end(), [&](const FileRule& rule) { return rule.path == *path; }))
      return wrong(element, quote(*path) + " is in the list twice");
    rules.push_back({element.pointer, *path});
  });
  if (rules.size() > kMaxFileRules)
    wrong(place, "expected at most " + std::to_string(kMaxFileRules) + " paths, found " +
                     std::to_string(rules.size()));
  return rules;
}

std::optional<CopyRule> Reader::read_copy_rule(const Place& place) {
  CopyRule rule;
  rule.pointer = place.pointer;
  std::optional<Place> path;
  if (place.value.is_string()) {
    path.emplace(place);
  } else {
    each_member(Where::kCopy, place, kCopyKeys, {}, [&](std::string_view key, const Place& member) {
      if (key == "path") {
        path.emplace(member);
      } else if (const auto word = read_word(member, kSettlements, Choice::kSettlement)) {
        (key == "on_success" ? rule.on_success : rule.on_failure) = static_cast<Settlement>(*word);
      }
    });
    require(place, "path", "expected the folder in the container, as in \"/work\"");
  }
  if (!path) return std::nullopt;
  const std::string* text = read_string(*path, "an absolute path, as in \"/work\"");
  if (text == nullptr) return std::nullopt;
  if (const Status checked = check_file_path(*text); !checked) {
    wrong(*path, checked.error().message());
    return std::nullopt;
  }
  rule.path = *text;
  return rule;
}

std::vector<CopyRule> Reader::read_copy_rules(const Place& place) {
  std::vector<CopyRule> rules;
  each_element(place, "folders, as in [\"/work\"]", [&](const Place& element) {
    auto rule = read_copy_rule(element);
    if (!rule) return;
    if (rule->path == "/")
      return wrong(element,
                   "\"/\" is the container's root, which no bind mount is; name a folder that is one");
    if (std::any_of(rules.begin(), rules.end(), [&](const CopyRule& one) { return one.path == rule->path; }))
      return wrong(element, quote(rule->path) + " is in the list twice");
    rules.push_back(std::move(*rule));
  });
  if (rules.size() > kMaxCopyRules)
    wrong(place, "expected at most " + std::to_string(kMaxCopyRules) + " folders, found " +
                     std::to_string(rules.size()));
  return rules;
}

// Whoever wants to know what became of a file must not have to ask which of two copies it is in.
void Reader::check_copies(const FilesPolicy& files) {
  const auto mistake = [this](const CopyRule& rule, std::string message) {
    mistakes_.push_back({source_ + ": " + rule.pointer, std::move(message)});
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

// Rules that could never match, and denials that say nothing.
void Reader::check_denied(const FilesPolicy& files) {
  const auto mistake = [this](const FileRule& rule, std::string message) {
    mistakes_.push_back({source_ + ": " + rule.pointer, std::move(message)});
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

FilesPolicy Reader::read_files(const Place& place) {
  FilesPolicy files;
  each_member(Where::kFiles, place, kFilesKeys, {}, [&](std::string_view key, const Place& member) {
    if (key == "read")
      files.read = read_file_rules(member);
    else if (key == "write")
      files.write = read_file_rules(member);
    else if (key == "exec")
      files.exec = read_file_rules(member);
    else if (key == "deny")
      files.deny = read_file_rules(member);
    else if (key == "copy_on_write")
      files.copy_on_write = read_copy_rules(member);
    else if (member.value.is_boolean())
      files.best_effort = member.value.get<bool>();
    else
      expected(member, "true or false");
  });
  check_denied(files);
  check_copies(files);
  return files;
}

// What sethostname(2) takes is more; this is what other programs understand (hostname(7)).
std::optional<std::string> Reader::read_hostname(const Place& place) {
  const std::string* text = read_string(place, "a host name, as in \"build\"");
  if (text == nullptr) return std::nullopt;
  const auto name = parse_host_name(*text);
  if (!name || text->ends_with('.')) {
    wrong(place, "expected a host name, as in \"build\" or \"build.example.com\", found " + quote(*text));
    return std::nullopt;
  }
  if (text->size() > kLongestHostname) {
    wrong(place, "a machine's host name has at most " + std::to_string(kLongestHostname) +
                     " characters, found " + std::to_string(text->size()));
    return std::nullopt;
  }
  return *text;
}

std::vector<IpAddress> Reader::read_addresses(const Place& place) {
  std::vector<IpAddress> addresses;
  const auto take = [&](const Place& element) {
    const std::string* text = read_string(element, "an IP address, as in \"10.0.0.5\" or \"2001:db8::5\"");
    if (text == nullptr) return;
    const auto address = parse_address(*text);
    if (!address)
      return wrong(element,
                   "expected an IP address, as in \"10.0.0.5\" or \"2001:db8::5\", found " + quote(*text));
    if (std::find(addresses.begin(), addresses.end(), *address) != addresses.end())
      return wrong(element, quote(*text) + " is in the list twice");
    addresses.push_back(*address);
  };
  if (place.value.is_string()) {
    take(place);
    return addresses;
  }
  if (!place.value.is_array()) {
    expected(place, "an IP address, as in \"10.0.0.5\", or an array of them");
    return addresses;
  }
  if (place.value.empty()) wrong(place, "expected at least one IP address, found an empty array");
  each_element(place, "IP addresses", take);
  return addresses;
}

std::vector<PinnedHost> Reader::read_hosts(const Place& place) {
  std::vector<PinnedHost> hosts;
  if (!place.value.is_object()) {
    expected(place, "an object of host names, as in {\"db.example.com\": \"10.0.0.5\"}");
    return hosts;
  }
  for (const auto& [key, value] : place.value.items()) {
    const Place member{value, place.pointer + "/" + pointer_token(key)};
    const auto name = parse_host_name(key);
    if (!name) {
      wrong(member, "expected a host name, as in \"db.example.com\", found " + quote(key));
      continue;
    }
    const auto is_same = [&name](const PinnedHost& one) { return one.name == name->name; };
    if (std::any_of(hosts.begin(), hosts.end(), is_same)) {
      wrong(member,
            quote(name->name) + " is there twice: letter case, and a dot at the end, make no difference");
      continue;
    }
    hosts.push_back({member.pointer, name->name, read_addresses(member)});
  }
  return hosts;
}

std::optional<Processors> Reader::read_processors(const Place& place) {
  const Json& value = place.value;
  if (value.is_number_unsigned() && value >= 1 && value <= kMostProcessors)
    return Processors{.count = value.get<unsigned>(), .these = {}};
  if (!value.is_string()) {
    expected(place, "a whole number of processors from 1 to " + std::to_string(kMostProcessors) +
                        ", or which of them, as in \"0-3,8\"");
    return std::nullopt;
  }
  auto list = parse_cpu_list(value.get_ref<const std::string&>());
  if (list) return Processors{.count = 0, .these = *std::move(list)};
  wrong(place, list.error().message());
  return std::nullopt;
}

bool Reader::is_variable_name(const Place& place, std::string_view name) {
  if (!name.empty() && name.find('=') == std::string_view::npos) return true;
  wrong(place, "expected the name of a variable, as in \"LANG\", found " + quote(name));
  return false;
}

EnvPolicy Reader::read_env(const Place& place) {
  EnvPolicy env;
  each_member(Where::kEnv, place, kEnvKeys, {}, [&](std::string_view key, const Place& member) {
    if (key == "clean") {
      if (!member.value.is_boolean()) return expected(member, "true or false");
      env.clean = member.value.get<bool>();
    } else if (key == "pass") {
      each_element(member, "names of variables, as in [\"PATH\", \"LC_*\"]", [&](const Place& element) {
        const std::string* name = read_string(element, "the name of a variable, or a glob, as in \"LC_*\"");
        if (name == nullptr || !is_variable_name(element, *name)) return;
        if (std::find(env.pass.begin(), env.pass.end(), *name) != env.pass.end())
          return wrong(element, quote(*name) + " is in the list twice");
        env.pass.push_back(*name);
      });
    } else {
      if (!member.value.is_object())
        return expected(member, "an object of variables, as in {\"LANG\": \"C.UTF-8\"}");
      for (const auto& [name, value] : member.value.items()) {
        const Place variable{value, member.pointer + "/" + pointer_token(name)};
        const std::string* text = read_string(variable, "the variable's value, in a string");
        if (is_variable_name(variable, name) && text != nullptr) env.set.emplace_back(name, *text);
      }
    }
  });
  if (place.value.is_object() && place.has("pass") && !env.clean)
    wrong(place.at("pass"), "\"pass\" goes with \"clean\": true; without it every variable is passed on");
  return env;
}

std::optional<std::uint32_t> Reader::read_id(const Place& place, const std::string& what) {
  const Json& value = place.value;
  if (value.is_number_unsigned() && value <= kLargestId) return value.get<std::uint32_t>();
  if (value.is_string())
    wrong(place, "expected the number of " + what + ", found " + described(value) +
                     ": what a name stands for the image would say, in its /etc/passwd and /etc/group");
  else
    expected(place, "the number of " + what + ", from 0 to " + std::to_string(kLargestId));
  return std::nullopt;
}

std::optional<UserPolicy> Reader::read_user(const Place& place) {
  if (place.value.is_string() || place.value.is_number()) {
    wrong(place, "expected an object, as in {\"uid\": 1000, \"gid\": 1000}, found " + described(place.value));
    return std::nullopt;
  }
  UserPolicy user;
  bool whole = place.value.is_object();
  each_member(Where::kUser, place, kUserKeys, {}, [&](std::string_view key, const Place& member) {
    if (key == "additional_gids") {
      each_element(member, "numbers of groups, as in [10, 27]", [&](const Place& element) {
        const auto gid = read_id(element, "a group");
        if (!gid) return;
        auto& gids = user.additional_gids;
        if (std::find(gids.begin(), gids.end(), *gid) != gids.end())
          return wrong(element, std::to_string(*gid) + " is in the list twice");
        if (gids.size() == kMostGroups)
          return wrong(element, "a process has at most " + std::to_string(kMostGroups) + " groups");
        gids.push_back(*gid);
      });
      return;
    }
    const auto id = read_id(member, key == "uid" ? "a user" : "a group");
    whole = whole && id.has_value();
    if (id) (key == "uid" ? user.uid : user.gid) = *id;
  });
  require(place, "uid", "expected the user's number, as in \"uid\": 1000");
  require(place, "gid", "expected the number of the user's group, as in \"gid\": 1000");
  if (!whole) return std::nullopt;
  return user;
}

Identity Reader::read_identity(const Place& place, std::optional<Limits>& limits) {
  Identity identity;
  each_member(Where::kIdentity, place, kIdentityKeys, {}, [&](std::string_view key, const Place& member) {
    if (key == "hostname") {
      identity.hostname = read_hostname(member);
    } else if (key == "hosts") {
      identity.hosts = read_hosts(member);
    } else if (key == "env") {
      identity.env = read_env(member);
    } else if (key == "user") {
      identity.user = read_user(member);
    } else if (auto processors = read_processors(member)) {
      if (!limits) limits.emplace();
      limits->processors = std::move(processors);
    }
  });
  return identity;
}

// The rule would refuse what the policy itself makes of the name, and nothing that the world calls so.
void Reader::check_denied_names(const Place& place, const Policy& policy) {
  if (!policy.network) return;
  for (const NetworkRule& rule : policy.network->deny) {
    const auto* host = std::get_if<HostName>(&rule.host);
    const PinnedHost* pinned = host == nullptr ? nullptr : pinned_host(policy, host->name);
    if (pinned == nullptr) continue;
    wrong({place.value, rule.pointer}, quote(host->name) + " stands for the addresses in " + pinned->pointer +
                                           ", so the rule would refuse these alone; deny the addresses "
                                           "that are meant, or take it out there");
  }
}

void Reader::read_events(const Place& place, EventsPolicy& events) {
  each_member(Where::kEvents, place, kEventsKeys, {}, [&](std::string_view, const Place& member) {
    std::array<bool, std::size(kEvents)> wanted{};
    each_element(member, one_of(kEvents), [&](const Place& element) {
      const auto event = read_word(element, kEvents, Choice::kEvent);
      if (!event) return;
      if (wanted[*event]) wrong(element, quote(kEvents[*event]) + " is in the list twice");
      wanted[*event] = true;
    });
    events = {.denied = wanted[0], .exec = wanted[1], .network = wanted[2]};
  });
  require(place, "log", "write \"log\": [] to log nothing");
}

std::vector<UnsafeAllow> Reader::read_unsafe_allow(const Place& place) {
  const std::vector<std::string_view> known = baseline_names();
  std::vector<UnsafeAllow> allowed;
  each_element(place, "names of what the baseline refuses, as in [\"ptrace\"]", [&](const Place& element) {
    if (element.value.is_string()) {
      const auto& name = element.value.get_ref<const std::string&>();
      if (const std::string_view never = why_never_given_back(name); !never.empty())
        return wrong(element, std::string(never));
    }
    const auto word = read_word(element, known);
    if (!word) return;
    if (names_entry(allowed, known[*word]))
      return wrong(element, quote(known[*word]) + " is in the list twice");
    allowed.push_back({element.pointer, std::string(known[*word])});
  });
  return allowed;
}

// What a person would take for given back, and is not, is a mistake; so is what was never taken away.
void Reader::check_unsafe_allow(const Place& place, const Policy& read) {
  Policy policy = read;
  if (policy.limits) policy.limits->sees_others = true;  // which bundles there will be is not known here
  for (const UnsafeAllow& one : policy.unsafe_allow) {
    const Place entry{place.value, one.pointer};
    const auto is_of = [&](const BaselineRow& row) { return row.name == one.name; };
    const auto rows = baseline();
    if (std::none_of(rows.begin(), rows.end(),
                     [&](const BaselineRow& row) { return is_of(row) && concerns(row, policy); }))
      wrong(entry, quote(one.name) + " is not refused here, so there is nothing to give back; it is where " +
                       restricted_by(one.name) + " restricts something");
    else if (one.name == "clone3" && !names_entry(policy.unsafe_allow, "namespaces"))
      wrong(entry,
            "\"clone3\" makes namespaces, and no filter sees which; write \"namespaces\" beside it, or leave "
            "it out");
  }
}

std::vector<std::string> Reader::read_names(const Place& place) {
  std::vector<std::string> names;
  each_element(place, "syscall names", [&](const Place& element) {
    if (const std::string known = name_of_number(element.value); !known.empty())
      return wrong(element, "expected the name of a syscall, found " + element.value.dump() +
                                "; on this machine that is the number of " + quote(known));
    const std::string* name = read_string(element, "the name of a syscall");
    if (name == nullptr) return;
    if (!known_syscall(*name)) return wrong(element, unknown_syscall(*name));
    if (std::find(names.begin(), names.end(), *name) != names.end())
      return wrong(element, quote(*name) + " is in the list twice");
    names.push_back(*name);
  });
  if (place.value.is_array() && place.value.empty())
    wrong(place, "expected at least one syscall name, found an empty array: the rule would never match");
  return names;
}

std::optional<std::uint64_t> Reader::read_value(const Place& place) {
  constexpr const char* kExpected =
      "a whole number, a hexadecimal one in a string as in \"0xff\", or a name as in \"AF_PACKET\"";
  if (place.value.is_number_unsigned()) return place.value.get<std::uint64_t>();
  // The register then holds the number in two's complement.
  if (place.value.is_number_integer()) return static_cast<std::uint64_t>(place.value.get<std::int64_t>());
  const std::string* text = read_string(place, kExpected);
  if (text == nullptr) return std::nullopt;
  if (text->starts_with("0x") && text->size() > 2 && text->size() <= 18 &&
      text->find_first_not_of("0123456789abcdefABCDEF", 2) == std::string::npos)
    return std::stoull(*text, nullptr, 16);
  const auto value = named_value(*text);
  if (!value) {
    const std::string hint = without_quotes(place, {0, 18446744073709551615.0});
    wrong(place, "expected " + std::string(kExpected) + ", found " + quote(*text) +
                     (hint.empty() ? near_only(*text, value_names()) : hint));
  }
  return value;
}

std::optional<ArgumentTest> Reader::read_argument_test(const Place& place) {
  std::optional<unsigned> index;
  std::optional<std::uint64_t> value;
  std::optional<std::uint64_t> mask;
  std::optional<std::size_t> comparison;
  each_member(Where::kArgument, place, kArgumentKeys, {}, [&](std::string_view key, const Place& member) {
    if (key == "index") {
      if (member.value.is_number_integer() && member.value >= 0 && member.value <= 5)
        index = member.value.get<unsigned>();
      else
        wrong(member, "expected a number from 0 to 5, the place of the argument, found " +
                          described(member.value) + without_quotes(member, {0, 5}));
    } else if (key == "op") {
      comparison = read_word(member, kComparisons, Choice::kComparison);
    } else if (key == "value") {
      value = read_value(member);
    } else {
      mask = read_value(member);
    }
  });
  require(place, "index", "expected the place of the argument, 0 to 5");
  require(place, "op", "expected " + one_of(kComparisons));
  require(place, "value", "expected what the argument is compared with");
  if (!comparison) return std::nullopt;

  // The two lists are in the same order.
  const auto op = static_cast<Comparison>(*comparison);
  if (op == Comparison::kMaskedEqual)
    require(place, "mask", "masked_eq compares (argument & mask) with value");
  else if (place.has("mask"))
    wrong(place.at("mask"),
          "\"mask\" goes with op \"masked_eq\" only, found op " + quote(kComparisons[*comparison]));
  if (!index || !value || (op == Comparison::kMaskedEqual && !mask)) return std::nullopt;

  ArgumentTest test{.index = *index, .comparison = op, .value = *value};
  if (op == Comparison::kMaskedEqual) {
    test.mask = *mask;
    if ((test.value & ~test.mask) != 0)
      wrong(place.at("value"), "the value has bits that the mask has not, so the test never holds");
    else if (test.mask == 0)
      wrong(place.at("mask"), "a mask of 0 looks at no bit, so the test always holds; leave it out");
  }
  if (op == Comparison::kLess && test.value == 0)
    wrong(place,
          "no argument is less than 0, so the test never holds: arguments are compared as unsigned numbers");
  if (op == Comparison::kGreater && test.value == std::numeric_limits<std::uint64_t>::max())
    wrong(place,
          "no argument is greater than this value, so the test never holds: arguments are compared as "
          "unsigned numbers");
  return test;
}

// The width that an argument has in each of `names`, or what is wrong with testing it.
std::optional<Width> Reader::read_width(const Place& place, const std::vector<std::string>& names,
                                        const ArgumentTest& test) {
  const std::string argument = "argument " + std::to_string(test.index);
  std::optional<Width> common;
  for (const std::string& name : names) {
    const std::optional<Width> here = width(name, test.index);
    if (!here) {
      wrong(place,
            "how many bits the arguments of " + quote(name) +
                " have is not known, so a program might get round the test; without \"args\", the rule "
                "is about every such call");
      return std::nullopt;
    }
    if (*here == Width::kNone) {
      wrong(place, quote(name) + " has no " + argument +
                       ", so a program may put any number there; without the test, the rule is about every "
                       "such call");
      return std::nullopt;
    }
    if (common && *common != *here) {
      wrong(place, argument + " has " + words(*common) + " bits in " + quote(names.front()) + " and " +
                       words(*here) + " in " + quote(name) + "; write a rule for each");
      return std::nullopt;
    }
    common = here;
  }
  return common;
}

// socket(AF_PACKET | 1 << 32, …) opens a packet socket like any other: where the kernel drops the upper bits
// of a register, so does the comparison.
void Reader::narrow_test(const Place& place, const std::vector<std::string>& names, ArgumentTest& test) {
  const std::optional<Width> common = read_width(place, names, test);
  if (!common || *common == Width::kWhole) return;
  const std::string argument = "argument " + std::to_string(test.index) + " of " + quote(names.front());
  if (*common == Width::kDepends) {
    if (test.comparison != Comparison::kMaskedEqual)
      wrong(place, argument +
                       " has 32 or 64 bits, as the other arguments say, so \"op\" has to be \"masked_eq\"; "
                       "the mask \"0xffffffff\" compares 32");
    return;
  }
  const std::uint64_t all = (std::uint64_t{1} << bits(*common)) - 1;
  const std::string has = argument + " has " + words(*common) + " bits";
  if (!fits(test.value, bits(*common)))
    return wrong(place, has + ", so it never has the value " + std::to_string(test.value));
  if (test.mask != 0 && (test.mask & all) == 0)
    return wrong(place, has + ", and the mask looks at none of them");
  if (test.comparison == Comparison::kGreater && test.value == all)
    return wrong(place, "no number of " + words(*common) +
                            " bits is greater than this value, so the test never holds");
  test.mask &= all;
  test.value &= all;
}

void Reader::check_possible(const Place& place, const SyscallRule& rule,
                            const std::vector<std::string>& test_pointers) {
  for (std::size_t at = 0; at < rule.args.size(); ++at) {
    const ArgumentTest& test = rule.args[at];
    const auto excludes = [&](const ArgumentTest& equal) {
      // Of two equalities the second is the one to report.
      return equal.comparison == Comparison::kEqual && equal.index == test.index &&
             !holds(test, equal.value) && (test.comparison != Comparison::kEqual || &equal < &test);
    };
    if (std::any_of(rule.args.begin(), rule.args.end(), excludes))
      wrong({place.value, test_pointers[at]},
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
      wrong(name, quote(entry->name) + " cannot be refused: " + std::string(entry->never_refuse) +
                      (entry->operation == Operation::kExec ? "; which may start is said in \"exec\"" : ""));
    if (rule.action == Action::kLog && !entry->never_notify.empty())
      wrong(name, quote(entry->name) + " cannot be observed: " + std::string(entry->never_notify));
  }
}

SyscallRule Reader::read_syscall_rule(const Place& place) {
  SyscallRule rule;
  rule.pointer = place.pointer;
  std::optional<std::size_t> action;
  std::vector<std::string> test_pointers;
  bool args_whole = true;
  each_member(Where::kSyscallRule, place, kSyscallKeys, {}, [&](std::string_view key, const Place& member) {
    if (key == "names") {
      rule.names = read_names(member);
    } else if (key == "action") {
      action = read_word(member, kActions, Choice::kAction, kLaterActions);
    } else if (key == "errno") {
      read_errno(member, rule.errno_value);
    } else {
      args_whole = member.value.is_array();
      each_element(member, "tests, as in [{\"index\": 0, \"op\": \"eq\", \"value\": 1}]",
                   [&](const Place& element) {
                     const auto test = read_argument_test(element);
                     args_whole = args_whole && test.has_value();
                     if (!test) return;
                     rule.args.push_back(*test);
                     test_pointers.push_back(element.pointer);
                   });
    }
  });
  require(place, "names", "expected the syscalls that the rule is about, as in [\"ptrace\"]");
  require(place, "action", "expected " + one_of(kActions));
  if (!action || !args_whole) return rule;

  constexpr Action kActionValues[] = {Action::kErrno, Action::kAllow, Action::kLog, Action::kKill};
  static_assert(std::size(kActionValues) == std::size(kActions));
  rule.action = kActionValues[*action];
  if (place.has("errno") && rule.action != Action::kErrno)
    wrong(place.at("errno"),
          "\"errno\" goes with action \"errno\" only, found action " + quote(kActions[*action]));
  check_possible(place, rule, test_pointers);
  for (std::size_t i = 0; i < rule.args.size(); ++i)
    narrow_test({place.value, test_pointers[i]}, rule.names, rule.args[i]);
  return rule;
}

Policy Reader::read_policy(const Json& document) {
  Policy policy;
  const Place top{document, ""};
  each_member(Where::kPolicy, top, kPolicyKeys, {}, [&](std::string_view key, const Place& member) {
    if (key == "version") {
      read_version(member);
    } else if (key == "description") {
      read_string(member, "a string");
    } else if (key == "network") {
      policy.network = read_network(member);
    } else if (key == "exec") {
      policy.exec = read_exec(member);
    } else if (key == "limits") {
      auto processors = policy.limits ? std::move(policy.limits->processors) : std::nullopt;
      policy.limits = read_limits(member);
      policy.limits->processors = std::move(processors);
    } else if (key == "files") {
      policy.files = read_files(member);
    } else if (key == "identity") {
      policy.identity = read_identity(member, policy.limits);
    } else if (key == "syscalls") {
      each_element(member, "rules, as in [{\"names\": [\"ptrace\"], \"action\": \"errno\"}]",
                   [&](const Place& element) { policy.syscalls.push_back(read_syscall_rule(element)); });
    } else if (key == "unsafe_allow") {
      policy.unsafe_allow = read_unsafe_allow(member);
    } else if (key == "events") {
      read_events(member, policy.events);
    } else if (const auto mode = read_word(member, kModes, Choice::kMode)) {
      policy.mode = *mode == 0 ? Mode::kEnforce : Mode::kAudit;
    }
  });
  require(top, "version", "write \"version\": 1");
  // What is restricted is known only of a policy that is right so far.
  if (mistakes_.empty()) check_unsafe_allow(top, policy);
  check_denied_names(top, policy);
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
  Policy policy = reader.read_policy(*document);
  policy.name = name;
  std::vector<Mistake> mistakes = reader.take_mistakes();
  if (!mistakes.empty()) return tl::unexpected(std::move(mistakes));
  return policy;
}

Result<PolicyFile> load_file(const std::string& path) {
  std::string text = TRY(in_context("policy", sys::read_file(path, kMaxFileBytes)));
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

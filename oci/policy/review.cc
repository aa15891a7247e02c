#include "oci/policy/review.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

#include "oci/policy/baseline.h"
#include "oci/policy/decide.h"
#include "oci/policy/glob.h"
#include "oci/policy/wording.h"
#include "oci/seccomp/decision_diagram.h"
#include "oci/spec/mounts.h"

namespace tidewaiter::policy {
namespace {

using seccomp::DecisionDiagrams;

// `/network/deny/0 ("10.0.0.0/8")`.
template <typename Rule>
std::string named(const Rule& rule) {
  return rule.pointer + " (" + quote(rule.text) + ")";
}
std::string named(const ExecRule& rule) { return rule.pointer + " (" + quote(rule.path) + ")"; }
std::string named(const FileRule& rule) { return rule.pointer + " (" + quote(rule.path) + ")"; }

// "a", "a and b", "a, b and c".
std::string all_of(const std::vector<std::string>& parts) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += i + 1 == parts.size() ? " and " : ", ";
    text += parts[i];
  }
  return text;
}

// What "covers", or "refuses", a rule: `/network/deny/0 ("*") refuses`, or several "together refuse".
std::string do_together(const std::vector<std::string>& rules, std::string_view does,
                        std::string_view do_it) {
  return rules.size() == 1 ? rules.front() + " " + std::string(does)
                           : all_of(rules) + " together " + std::string(do_it);
}

// --- ports and addresses ----------------------------------------------------------------------------

// Whether every port of `wanted`, from `least` on, is in one of the ranges.
bool all_within(const std::vector<PortRange>& wanted, std::vector<PortRange> ranges, unsigned least) {
  std::sort(ranges.begin(), ranges.end(),
            [](const PortRange& a, const PortRange& b) { return a.first < b.first; });
  return std::all_of(wanted.begin(), wanted.end(), [&](const PortRange& range) {
    unsigned next = std::max<unsigned>(range.first, least);
    for (const PortRange& one : ranges) {
      if (one.first <= next && one.last >= next) next = one.last + 1U;
    }
    return next > range.last;
  });
}

bool overlap(const std::vector<PortRange>& some, const std::vector<PortRange>& others) {
  return std::any_of(some.begin(), some.end(), [&](const PortRange& one) {
    return std::any_of(others.begin(), others.end(), [&](const PortRange& other) {
      return one.first <= other.last && other.first <= one.last;
    });
  });
}

using Host = std::variant<AnyHost, Prefix, HostName>;

constexpr Prefix kEveryIpv4{{.family = IpAddress::Family::kIpv4}, 0};
constexpr Prefix kEveryIpv6{{.family = IpAddress::Family::kIpv6}, 0};

// A host as what one prefix, or one name, can cover.
std::vector<Host> parts_of(const Host& host) {
  if (std::holds_alternative<AnyHost>(host)) return {kEveryIpv4, kEveryIpv6};
  return {host};
}

bool covers_host(const Host& wide, const Host& narrow) {
  if (std::holds_alternative<AnyHost>(wide)) return true;
  if (const auto* prefix = std::get_if<Prefix>(&wide)) {
    const auto* inner = std::get_if<Prefix>(&narrow);
    return inner != nullptr && prefix->length <= inner->length && prefix->contains(inner->address);
  }
  return wide == narrow;
}

struct TransportOf {
  bool NetworkRule::*has;
  bool ports;
};
constexpr TransportOf kTransports[] = {
    {&NetworkRule::tcp, true}, {&NetworkRule::udp, true}, {&NetworkRule::icmp, false}};

// To look at another rule's address, ports and transports, in the steps of glob.h.
constexpr std::size_t kEffortForRule = 4;

// Which of `rules` cover `rule` whole, each for a part of it at least; none when something is left, or when
// there was not enough effort left to tell.
std::vector<std::string> covering(const NetworkRule& rule, std::span<const NetworkRule> rules,
                                  Effort& effort) {
  if (!effort.spend(kEffortForRule * rules.size())) return {};
  std::set<const NetworkRule*> used;
  for (const TransportOf& transport : kTransports) {
    if (!(rule.*transport.has)) continue;
    for (const Host& part : parts_of(rule.host)) {
      std::vector<PortRange> ranges;
      for (const NetworkRule& one : rules) {
        if (!(one.*transport.has) || !covers_host(one.host, part) || !overlap(one.ports, rule.ports))
          continue;
        // One that does it alone is all that has to be told.
        if (!transport.ports || all_within(rule.ports, one.ports, 1)) {
          used.insert(&one);
          ranges = {PortRange{}};
          break;
        }
        ranges.insert(ranges.end(), one.ports.begin(), one.ports.end());
      }
      if (!all_within(rule.ports, ranges, 1)) return {};
      if (ranges == std::vector{PortRange{}}) continue;
      for (const NetworkRule& one : rules) {
        if (one.*transport.has && covers_host(one.host, part) && overlap(one.ports, rule.ports))
          used.insert(&one);
      }
    }
  }
  std::vector<std::string> pointers;
  for (const NetworkRule& one : rules)
    if (used.contains(&one)) pointers.push_back(named(one));
  return pointers;
}

std::vector<std::string> covering(const BindRule& rule, std::span<const BindRule> rules, Effort& effort) {
  if (!effort.spend(kEffortForRule * rules.size())) return {};
  std::vector<PortRange> ranges;
  std::vector<std::string> pointers;
  for (const BindRule& one : rules) {
    if (!overlap(one.ports, rule.ports)) continue;
    if (all_within(rule.ports, one.ports, 0)) return {named(one)};
    ranges.insert(ranges.end(), one.ports.begin(), one.ports.end());
    pointers.push_back(named(one));
  }
  return all_within(rule.ports, ranges, 0) ? pointers : std::vector<std::string>{};
}

std::vector<std::string> covering(const UnixRule& rule, std::span<const UnixRule> rules, Effort& effort) {
  if (effort.left == 0) return {};
  for (const UnixRule& one : rules) {
    if (one.abstract != rule.abstract) continue;
    if (rule.abstract ? covers_text(one.name, rule.name, effort) : covers_path(one.name, rule.name, effort))
      return {named(one)};
  }
  return {};
}

// --- programs ---------------------------------------------------------------------------------------

bool covers_argv(const ExecRule& wide, const ExecRule& narrow, Effort& effort) {
  if (!wide.argv) return true;
  const std::vector<std::string>& globs = *wide.argv;
  if (!narrow.argv) return globs.empty() && wide.more_arguments;
  const std::vector<std::string>& inner = *narrow.argv;
  if (wide.more_arguments ? inner.size() < globs.size()
                          : narrow.more_arguments || inner.size() != globs.size())
    return false;
  return std::equal(
      globs.begin(), globs.end(), inner.begin(),
      [&](const std::string& one, const std::string& other) { return covers_text(one, other, effort); });
}

std::vector<std::string> covering(const ExecRule& rule, std::span<const ExecRule> rules, Effort& effort) {
  if (effort.left == 0) return {};
  for (const ExecRule& one : rules) {
    if (covers_path(one.path, rule.path, effort) && covers_argv(one, rule, effort)) return {named(one)};
  }
  return {};
}

// {"path": "/usr/bin/git", "argv": ["git", "clone"]}, of "/usr/bin/git clone".
std::string as_rule(std::string_view line) {
  std::string argv;
  std::string path;
  for (std::size_t start = 0; start < line.size();) {
    const std::size_t end = std::min(line.find(' ', start), line.size());
    std::string_view word = line.substr(start, end - start);
    start = end + 1;
    if (word.empty()) continue;
    if (path.empty()) {
      path = word;
      word.remove_prefix(word.rfind('/') + 1);
    }
    argv += (argv.empty() ? "" : ", ") + quote(word);
  }
  return "{\"path\": " + quote(path) + ", \"argv\": [" + argv + "]}";
}

// What other patterns have and this one takes as it stands; empty when there is none.
std::string_view foreign_pattern(std::string_view path) {
  if (path.find('?') != std::string_view::npos) return "?";
  // "/usr/bin/[" is a program.
  const std::size_t bracket = path.find('[');
  if (bracket != std::string_view::npos && path.find(']', bracket) != std::string_view::npos) return "[…]";
  const std::size_t brace = path.find('{');
  if (brace != std::string_view::npos && path.find('}', brace) != std::string_view::npos) return "{…}";
  if (path.find(".+") != std::string_view::npos) return ".+";
  return {};
}

bool begins_with_any(std::string_view path, std::initializer_list<std::string_view> folders) {
  return std::any_of(folders.begin(), folders.end(),
                     [&](std::string_view folder) { return path.starts_with(folder); });
}

// Some seconds at most.
constexpr std::size_t kMostEffort = 20'000'000;

// --- the review -------------------------------------------------------------------------------------

// What to do about a rule, or one of two, at the end of a message.
constexpr std::string_view kLeaveItOut = "leave it out";
constexpr std::string_view kLeaveOneOut = "leave one out";

class Review {
 public:
  explicit Review(const Policy& policy) : policy_(policy) {}

  std::vector<Remark> run() {
    review_whole();
    if (policy_.network) review_network(*policy_.network);
    if (policy_.exec) review_exec(*policy_.exec);
    if (policy_.files) review_files(*policy_.files);
    review_syscalls();
    review_unsafe_allow();
    if (effort_.left == 0)
      remark(
          "",
          "there are too many rules, or too intricate ones, to compare each with every other: what is left "
          "was passed over");
    return std::move(remarks_);
  }

 private:
  void remark(std::string pointer, std::string message, Remark::Weight weight = Remark::Weight::kWarning) {
    remarks_.push_back({std::move(pointer), std::move(message), weight});
  }

  void review_whole() {
    const bool network =
        policy_.network && (policy_.network->restricts_connect() || policy_.network->restricts_bind());
    const bool exec = policy_.exec && policy_.exec->restricts();
    const bool limits = policy_.limits && *policy_.limits != Limits{};
    const bool syscalls = std::any_of(policy_.syscalls.begin(), policy_.syscalls.end(),
                                      [](const SyscallRule& rule) { return rule.action != Action::kAllow; });
    const bool denies = policy_.files && (policy_.files->restricts() || !policy_.files->deny.empty());
    const bool files = denies || (policy_.files && !policy_.files->copy_on_write.empty());
    const bool identity =
        policy_.identity && (policy_.identity->concerns_processes() || !policy_.identity->hosts.empty());
    if (!network && !exec && !limits && !files && !identity && !syscalls) {
      remark("",
             "the policy restricts nothing: a list that is absent does not restrict; write \"allow\": [] in "
             "\"network\" or \"exec\" for what is to be refused whole");
      return;
    }
    if (policy_.network && !network)
      remark("/network",
             "restricts nothing; write \"allow\": [] to refuse every connection, or leave it out");
    if (policy_.exec && !exec)
      remark("/exec", "restricts nothing; write what may be run into \"allow\", or leave it out");
    if (policy_.limits && !limits) remark("/limits", "limits nothing; leave it out");
    if (policy_.files && !files)
      remark("/files", "restricts nothing; write what may be read, written or executed, or leave it out");
    if (policy_.mode == Mode::kAudit && denies)
      remark("/files",
             "holds nothing in mode \"audit\", and nothing reports what would be refused, for the kernel has "
             "nobody to tell; leave it out, or write \"mode\": \"enforce\"");
    if (policy_.mode == Mode::kAudit && !policy_.events.denied && (network || exec || syscalls))
      remark("/mode",
             "nothing is refused in mode \"audit\", and nothing reports what would be; write \"denied\" into "
             "\"events\".\"log\"");
  }

  // Whether the rules of a list do more than decide.
  enum class Names {
    kNothing,
    kResolve,  // network.allow: its host names resolve in the container
  };

  // Rules that those in front of them cover.
  template <typename Rule>
  void review_list(std::span<const Rule> rules, Names names = Names::kNothing) {
    for (std::size_t i = 1; i < rules.size() && effort_.spend(i); ++i) {
      if (names == Names::kResolve && brings_name(rules, i)) continue;
      const auto covered_by = covering(rules[i], rules.first(i), effort_);
      if (!covered_by.empty())
        remark(rules[i].pointer,
               "adds nothing: " + do_together(covered_by, "covers", "cover") + " all of it; leave it out");
    }
  }

  // Whether a rule has a host name that none in front of it has.
  static bool brings_name(std::span<const NetworkRule> rules, std::size_t at) {
    return std::holds_alternative<HostName>(rules[at].host) &&
           std::none_of(rules.begin(), rules.begin() + static_cast<std::ptrdiff_t>(at),
                        [&](const NetworkRule& one) { return one.host == rules[at].host; });
  }
  template <typename Rule>
  static bool brings_name(std::span<const Rule> /*rules*/, std::size_t /*at*/) {
    return false;
  }

  // How many rules of `allow` can take effect.
  template <typename Rule>
  std::size_t review_contradictions(std::span<const Rule> allow, std::span<const Rule> deny) {
    std::size_t effective = 0;
    for (const Rule& rule : allow) {
      const auto denied_by = covering(rule, deny, effort_);
      if (denied_by.empty()) {
        ++effective;
        continue;
      }
      remark(rule.pointer, "can never allow anything: " + do_together(denied_by, "refuses", "refuse") +
                               " all of it, and deny beats allow; take out one or the other");
    }
    return effective;
  }

  void review_network(const NetworkPolicy& network) {
    if (network.allow) {
      review_contradictions(std::span<const NetworkRule>(*network.allow),
                            std::span<const NetworkRule>(network.deny));
      review_contradictions(std::span<const UnixRule>(network.unix_allow),
                            std::span<const UnixRule>(network.unix_deny));
      review_list(std::span<const NetworkRule>(*network.allow), Names::kResolve);
      review_list(std::span<const UnixRule>(network.unix_allow));
      for (const NetworkRule& rule : *network.allow) review_name(rule, "allows");
    }
    review_list(std::span<const NetworkRule>(network.deny));
    review_list(std::span<const UnixRule>(network.unix_deny));
    for (const NetworkRule& rule : network.deny) review_name(rule, "refuses");
    if (network.bind) review_list(std::span<const BindRule>(*network.bind));
  }

  // `does`: what a rule of this list does to what matches.
  void review_name(const NetworkRule& rule, std::string_view does) {
    const auto* host = std::get_if<HostName>(&rule.host);
    if (host == nullptr) return;
    const std::string& name = host->name;
    const auto taken = [&](const std::string& instead) {
      remark(rule.pointer, quote(name) + " is taken for the name of a host; " + instead);
    };
    const std::size_t behind = rule.text.find("://");
    const std::size_t host_at = behind == std::string::npos ? 0 : behind + 3;
    const std::size_t colon = std::min(rule.text.find(':', host_at), rule.text.size());
    const std::string scheme = rule.text.substr(0, host_at);
    const std::string ports = rule.text.substr(colon);
    // In "tcp://udp" nobody takes the second for a transport.
    if (scheme.empty() && (name == "tcp" || name == "udp" || name == "icmp")) {
      taken("for every host write " + quote(name + "://*" + (name == "icmp" ? "" : ports)));
    } else if (name == "any" || name == "all" || name == "internet" || name == "world" ||
               name == "everything") {
      taken("for every host write " + quote(scheme + "*" + ports));
    } else if (name == "none" || name == "nothing") {
      taken("an empty list " + std::string(does) + " nothing");
    }
  }

  // --- exec ---

  void review_exec(const ExecPolicy& exec) {
    const std::span<const ExecRule> deny(exec.deny);
    for (const ExecRule& rule : deny) review_path(rule);
    if (exec.allow) {
      const std::span<const ExecRule> allow(*exec.allow);
      for (const ExecRule& rule : allow) review_path(rule);
      if (review_contradictions(allow, deny) == 0) {
        refuses_all(
            allow.empty() ? "/exec/allow" : "/exec",
            allow.empty() ? "the list is empty" : "every rule of \"allow\" is refused by one of \"deny\"");
      }
      review_list(allow);
    } else {
      const ExecRule every{.pointer = "", .path = "**", .argv = std::nullopt};
      if (const auto denied_by = covering(every, deny, effort_); !denied_by.empty())
        refuses_all(denied_by.front().substr(0, denied_by.front().find(' ')), "it matches every path");
    }
    review_list(deny);
  }

  // --- files ---

  // The order of these rules means nothing, so each is compared with all others. Denials are the loader's.
  void review_files(const FilesPolicy& files) {
    for (const auto* list : {&files.read, &files.write, &files.exec}) {
      if (!*list) continue;
      for (const FileRule& rule : **list) {
        const FileRule* wide = covering_file(rule, **list);
        // What is written or executed may be read as well.
        for (const auto* other : {&files.write, &files.exec}) {
          if (wide == nullptr && list == &files.read && *other) wide = covering_file(rule, **other);
        }
        if (wide != nullptr)
          remark(rule.pointer, "adds nothing: " + named(*wide) + " covers all of it; leave it out");
      }
    }
    if (files.best_effort && !files.restricts() && (!files.deny.empty() || !files.copy_on_write.empty()))
      remark("/files/best_effort",
             "changes nothing: what is denied takes nothing of the kernel's Landlock; leave it out");
  }

  static const FileRule* covering_file(const FileRule& rule, const std::vector<FileRule>& rules) {
    const auto found = std::find_if(rules.begin(), rules.end(), [&](const FileRule& one) {
      return &one != &rule && (one.path == "/" || spec::is_below(rule.path, one.path));
    });
    return found == rules.end() ? nullptr : &*found;
  }

  void refuses_all(std::string pointer, const std::string& why) {
    if (policy_.mode == Mode::kAudit) return;
    remark(std::move(pointer),
           "no program may be run, the container's own first one included: " + why +
               "; allow that program at least",
           Remark::Weight::kMistake);
  }

  void review_path(const ExecRule& rule) {
    const std::string_view path = rule.path;
    const std::string place = rule.argv ? rule.pointer + "/path" : rule.pointer;
    if (const std::size_t space = path.find(' '); space != std::string_view::npos && !rule.argv &&
                                                  path.find('/', path.rfind(' ')) == std::string_view::npos) {
      remark(place, quote(path) + " is one path, spaces and all; for a program with arguments write " +
                        as_rule(path));
    } else if (const std::string_view pattern = foreign_pattern(path); !pattern.empty()) {
      remark(place, "only \"*\" and \"**\" are special in " + quote(path) + ": " + quote(pattern) +
                        " stands for itself; write \"*\", or a rule for each path");
    } else if (path.find("/.*") != std::string_view::npos) {
      remark(place, "in " + quote(path) +
                        " \".\" stands for itself, so \".*\" is only for names that begin with it; for all "
                        "names write \"*\"");
    } else if (const std::size_t dollar = path.find('$'); dollar != std::string_view::npos) {
      remark(place, "variables are not replaced in " + quote(path) + "; write the path itself, or \"*\"");
    } else if (begins_with_any(path, {"/proc/self/", "/proc/thread-self/", "/dev/fd/"})) {
      remark(place, quote(path) + " can never match: a program is named by what a link leads to");
    }
    if (rule.argv && !rule.argv->empty()) review_argv(rule);
  }

  // "-bash" is what a login shell is called, and "-sh" what dash and busybox are when they are one.
  void review_argv(const ExecRule& rule) {
    const std::string& first = rule.argv->front();
    const std::string program = rule.path.substr(rule.path.rfind('/') + 1);
    if (!first.starts_with('-') || first.ends_with("sh") || first == "-" + program) return;
    std::vector<std::string> written{program.find('*') == std::string::npos ? program : "*"};
    written.insert(written.end(), rule.argv->begin(), rule.argv->end());
    if (rule.more_arguments) written.emplace_back("**");
    std::string list;
    for (const std::string& one : written) list += (list.empty() ? "" : ", ") + quote(one);
    remark(rule.pointer + "/argv", "the first pattern, " + quote(first) +
                                       ", is for argv[0], the program's own name; write [" + list + "]");
  }

  // --- syscalls ---

  using Function = DecisionDiagrams::Function;

  // A rule, where it is the first that matches.
  struct Reach {
    const SyscallRule* rule = nullptr;
    Function condition = 0;  // its tests
    Function decides = 0;    // its tests, and those of no earlier rule
  };

  // For one name, the rules that are about it, in order.
  std::vector<Reach> reaches(const std::vector<SyscallRule>& rules, const std::string& name) {
    std::vector<Reach> found;
    const Function no = diagrams_.constant(DecisionDiagrams::kFalse);
    Function seen = no;
    for (const SyscallRule& rule : rules) {
      if (std::find(rule.names.begin(), rule.names.end(), name) == rule.names.end()) continue;
      Function condition = diagrams_.constant(DecisionDiagrams::kTrue);
      for (const ArgumentTest& test : rule.args)
        condition = diagrams_.select(condition, diagrams_.holds(test), no);
      found.push_back({&rule, condition, diagrams_.select(seen, no, condition)});
      seen = diagrams_.select(seen, diagrams_.constant(DecisionDiagrams::kTrue), condition);
    }
    return found;
  }

  void review_syscalls() {
    // As filter and agent apply them: the baseline's refusals lie between the policy's own rules.
    const std::vector<SyscallRule> rules = complete(policy_).syscalls;
    std::set<std::string> names;
    for (const SyscallRule& rule : policy_.syscalls) names.insert(rule.names.begin(), rule.names.end());
    // pointer -> message -> the names that it is about
    std::map<std::string, std::map<std::string, std::vector<std::string>>> found;
    for (const std::string& name : names) {
      diagrams_.clear();
      const std::vector<Reach> reached = reaches(rules, name);
      if (diagrams_.exhausted()) {
        diagrams_ = DecisionDiagrams();
        continue;
      }
      for (std::size_t i = 0; i < reached.size(); ++i) {
        if (is_baseline(*reached[i].rule)) continue;
        if (std::string message = finding(reached, i, name); !message.empty() && !diagrams_.exhausted())
          found[reached[i].rule->pointer][std::move(message)].push_back(name);
      }
    }
    for (const SyscallRule& rule : policy_.syscalls) {
      for (const auto& [message, about] : found[rule.pointer]) {
        if (rule.names.size() == about.size())
          remark(rule.pointer, message);
        else
          remark(rule.pointer, of_some_names(about, message));
      }
    }
  }

  // Of a rule whose other names have their use: what is to be left out is the names, and not the rule.
  static std::string of_some_names(const std::vector<std::string>& names, std::string message) {
    std::vector<std::string> quoted;
    std::transform(names.begin(), names.end(), std::back_inserter(quoted),
                   [](const auto& one) { return quote(one); });
    const std::string them = all_of(quoted);
    for (const auto& [rule, name] : {std::pair{kLeaveItOut, "take " + them + " out of its names"},
                                     std::pair{kLeaveOneOut, "take " + them + " out of one"}}) {
      if (message.ends_with(rule)) message.replace(message.size() - rule.size(), rule.size(), name);
    }
    return "for " + them + ": " + message;
  }

  std::string finding(const std::vector<Reach>& reached, std::size_t at, const std::string& name) {
    const Function no = diagrams_.constant(DecisionDiagrams::kFalse);
    const Function yes = diagrams_.constant(DecisionDiagrams::kTrue);
    const Reach& here = reached[at];
    const SyscallRule& rule = *here.rule;
    const bool permits = rule.action == Action::kAllow || rule.action == Action::kLog;
    if (here.condition == no)
      return "can never match: no argument fits all tests; for alternatives write a rule for each";
    if (here.decides == no) return shadowed(reached, at, name);
    if (rule.action == Action::kAllow) {
      const bool exception = std::any_of(reached.begin() + static_cast<std::ptrdiff_t>(at) + 1, reached.end(),
                                         [&](const Reach& later) {
                                           return later.rule->action != Action::kAllow &&
                                                  diagrams_.select(here.decides, later.condition, no) != no;
                                         });
      if (!exception)
        return "changes nothing: what no rule refuses is allowed anyway, so \"allow\" is only for exceptions "
               "in front of a rule that refuses; " +
               std::string(kLeaveItOut);
    }
    if (!permits && here.decides == yes) return against_operation(name);
    return {};
  }

  // Why a rule never decides.
  std::string shadowed(const std::vector<Reach>& reached, std::size_t at, const std::string& name) {
    const Function no = diagrams_.constant(DecisionDiagrams::kFalse);
    const SyscallRule& rule = *reached[at].rule;
    const auto first = reached.begin();
    const auto here = first + static_cast<std::ptrdiff_t>(at);
    const auto before = std::find_if(first, here, [&](const Reach& one) {
      return diagrams_.select(one.condition, no, here->condition) == no;
    });
    if (before == here) {
      const bool baseline = std::any_of(first, here, [](const Reach& one) { return is_baseline(*one.rule); });
      return baseline ? "never decides: earlier rules, and the baseline's, answer every such call"
                      : "never decides: earlier rules answer every such call; put it in front of them";
    }
    const SyscallRule& earlier = *before->rule;
    if (is_baseline(earlier)) {
      if (rule.action == Action::kErrno || rule.action == Action::kKill) return {};
      const std::string word = earlier.pointer.substr(kBaselinePointer.size());
      return "allows nothing: the baseline refuses " + quote(name) +
             "; to give it back write \"unsafe_allow\": [" + quote(word) + "]";
    }
    const bool same = earlier.action == rule.action &&
                      (rule.action != Action::kErrno || earlier.errno_value == rule.errno_value);
    return "never decides: " + earlier.pointer + " answers every such call before" +
           (same ? ", and in the same way; " + std::string(kLeaveItOut)
                 : "; put the narrower rule in front, or " + std::string(kLeaveOneOut));
  }

  // A call that is refused whole, and other rules of the policy say when it is allowed. Nobody is told to
  // leave out a list of these: with it goes the baseline, and io_uring makes and connects sockets past this
  // rule.
  [[nodiscard]] std::string against_operation(const std::string& name) const {
    const auto& network = policy_.network;
    const bool connects =
        network && network->allow && (!network->allow->empty() || !network->unix_allow.empty());
    const bool binds = network && network->bind && !network->bind->empty();
    if (name == "connect" && connects)
      return "refuses every connect, whatever /network/allow allows: of that only datagrams are left that "
             "are sent without one; leave this rule out if connections are meant";
    if (name == "bind" && binds)
      return "refuses every bind, whatever /network/bind allows; leave this rule out, or write \"bind\": [] "
             "in \"network\"";
    if (name == "socket" && (connects || binds))
      return "refuses every socket, so what " + std::string(connects ? "/network/allow" : "/network/bind") +
             " allows is only for sockets that come from elsewhere; leave this rule out, or write " +
             (connects ? "\"allow\"" : "\"bind\"") + ": [] in \"network\"";
    return {};
  }

  // --- unsafe_allow ---

  void review_unsafe_allow() {
    for (const UnsafeAllow& one : policy_.unsafe_allow) {
      std::set<std::string_view> calls;
      for (const BaselineRow& row : baseline()) {
        if (row.name == one.name && concerns(row, policy_))
          calls.insert(row.syscalls.begin(), row.syscalls.end());
      }
      std::set<std::string> refused_by;
      for (const std::string_view call : calls) {
        const SyscallRule* rule = refuses_whole(call);
        if (rule == nullptr) {
          refused_by.clear();
          break;
        }
        refused_by.insert(rule->pointer);
      }
      if (refused_by.empty()) continue;
      const std::string all = do_together({refused_by.begin(), refused_by.end()}, "refuses", "refuse") +
                              " all that " + quote(one.name) + " is about";
      if (const BaselineRow* with_it = gives_mount_back(one))
        remark(one.pointer, "gives back no call: " + all + "; what it does is to open " +
                                std::string(with_it->what) + ": if that is meant write " +
                                quote(with_it->name));
      else
        remark(one.pointer, "gives nothing back: " + all + "; leave one or the other out");
    }
  }

  // What the bundle mounts otherwise because of this entry; nullptr: nothing. Whether processes of others are
  // in sight is the bundle's affair, so it may be.
  [[nodiscard]] const BaselineRow* gives_mount_back(const UnsafeAllow& one) const {
    Policy seen = policy_;
    if (seen.limits) seen.limits->sees_others = true;
    const auto rows = baseline();
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const BaselineRow& each) {
      if (!each.in_bundle || !concerns(each, seen)) return false;
      const UnsafeAllow* given = given_back(each, seen);
      return given != nullptr && given->name == one.name;
    });
    return row == rows.end() ? nullptr : &*row;
  }

  // The rule by which the policy itself refuses every such call; nullptr: there is none.
  [[nodiscard]] const SyscallRule* refuses_whole(std::string_view call) const {
    for (const SyscallRule& rule : policy_.syscalls) {
      if (std::find(rule.names.begin(), rule.names.end(), call) == rule.names.end()) continue;
      const bool refuses = rule.action == Action::kErrno || rule.action == Action::kKill;
      return refuses && rule.args.empty() ? &rule : nullptr;
    }
    return nullptr;
  }

  const Policy& policy_;
  Effort effort_{kMostEffort};
  DecisionDiagrams diagrams_;
  std::vector<Remark> remarks_;
};

}  // namespace

std::vector<Remark> review(const Policy& policy) { return Review(policy).run(); }

}  // namespace tidewaiter::policy

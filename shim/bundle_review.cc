#include "shim/bundle_review.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "oci/base/shebang.h"
#include "oci/policy/glob.h"
#include "oci/policy/wording.h"
#include "oci/spec/mounts.h"
#include "shim/container_root.h"
#include "shim/entrypoint.h"

namespace tidewaiter::shim {
namespace {

using policy::ExecRule;
using policy::quote;
using policy::Remark;

// Where programs are looked for when they are not where a rule has them.
constexpr std::string_view kProgramFolders[] = {"/usr/bin",       "/usr/sbin",       "/bin", "/sbin",
                                                "/usr/local/bin", "/usr/local/sbin", "/opt"};

bool is_absence(int code) {
  return code == ENOENT || code == ENOTDIR || code == ELOOP || code == ENAMETOOLONG;
}

// "/usr/lib", of "/usr/lib/python3.*/**" and of "/usr/lib/git"; empty: nothing in front of the first star.
std::string fixed_folder(std::string_view glob) {
  const std::string_view fixed = glob.substr(0, glob.find('*'));
  const std::size_t slash = fixed.rfind('/');
  return slash == std::string_view::npos ? "" : std::string(fixed.substr(0, slash));
}

class BundleReview {
 public:
  BundleReview(const policy::Policy& policy, const ContainerRoot& root) : policy_(policy), root_(root) {}

  std::vector<Remark> run() {
    if (policy_.network) {
      for (const auto* rules : {&policy_.network->unix_allow, &policy_.network->unix_deny}) {
        for (const policy::UnixRule& rule : *rules) {
          if (!rule.abstract) review_folder(rule.pointer, rule.name, "unix:", {});
        }
      }
    }
    if (policy_.exec && policy_.exec->allow) {
      for (const ExecRule& rule : *policy_.exec->allow) {
        const auto program = review_program(rule, kAllow);
        if (program) review_interpreter(rule, *program);
      }
    }
    if (policy_.exec) {
      for (const ExecRule& rule : policy_.exec->deny) review_program(rule, kDeny);
    }
    if (policy_.files) review_files(*policy_.files);
    return std::move(remarks_);
  }

 private:
  void remark(std::string pointer, std::string message) {
    remarks_.push_back({std::move(pointer), std::move(message), Remark::Weight::kWarning});
  }

  // The list that a rule is in, as far as it matters when nothing is where the rule says. Who denies a
  // program that an image does not have may do so for the day that somebody brings it in: such a rule is not
  // one to leave out.
  struct List {
    std::string_view does;    // what becomes of what matches
    std::string_view advice;  // beside correcting the path
  };
  static constexpr List kAllow{"match", "leave the rule out"};
  static constexpr List kDeny{"refuse", "keep the rule for what may come there"};

  // A rule over what lies in a folder, by canonical paths. `list`: none where what it is over need not be
  // there yet.
  void review_folder(const std::string& pointer, const std::string& glob, std::string_view scheme,
                     const std::optional<List>& list) {
    const std::string folder = fixed_folder(glob);
    if (folder.empty() || root_.is_below_mount(folder)) return;
    const auto found = root_.find(folder);
    if (!found) {
      if (list && is_absence(found.error().code))
        remark(pointer, "the bundle's root has no folder " + quote(folder) + ", so nothing is there to " +
                            std::string(list->does) + "; correct the path, or " + std::string(list->advice));
      return;
    }
    if (found->path == folder || root_.is_below_mount(found->path)) return;
    const std::string in_front = found->path == "/" ? "" : found->path;
    remark(pointer, quote(folder) + " leads to " + quote(found->path) +
                        " in the bundle's root, and a rule is compared with canonical paths; write " +
                        quote(std::string(scheme) + in_front + glob.substr(folder.size())));
  }

  // The program that a rule names; nothing when it is a glob, or something is wrong.
  std::optional<ContainerRoot::Found> review_program(const ExecRule& rule, const List& list) {
    const std::string pointer = rule.argv ? rule.pointer + "/path" : rule.pointer;
    const std::string& path = rule.path;
    if (path.find('*') != std::string::npos) {
      review_folder(pointer, path, "", list);
      return std::nullopt;
    }
    if (root_.is_below_mount(path)) return std::nullopt;
    auto found = root_.find(path);
    if (!found) {
      if (is_absence(found.error().code))
        remark(pointer, "the bundle's root has no " + quote(path) + elsewhere(path, list));
      return std::nullopt;
    }
    if (root_.is_below_mount(found->path)) return std::nullopt;
    if (S_ISDIR(found->mode)) {
      remark(pointer, quote(path) + " is a folder in the bundle's root; for every program below it write " +
                          quote((found->path == "/" ? "" : found->path) + "/**"));
    } else if (found->path != path) {
      remark(pointer, quote(path) + " is a link to " + quote(found->path) +
                          " in the bundle's root, and a rule names what a link leads to; write " +
                          quote(found->path));
    } else if (!S_ISREG(found->mode)) {
      remark(pointer, quote(path) + " is no regular file in the bundle's root, and no program");
    } else if ((found->mode & 0111) == 0) {
      remark(pointer, quote(path) + " may be executed by nobody in the bundle's root: its mode has no \"x\"");
    } else {
      return std::move(*found);
    }
    return std::nullopt;
  }

  void review_files(const policy::FilesPolicy& files) {
    for (const auto* list : {&files.read, &files.write, &files.exec}) {
      if (!*list) continue;
      for (const policy::FileRule& rule : **list) review_file(rule, **list);
    }
    for (const policy::FileRule& rule : files.deny) {
      if (is_absent(rule.path))
        remark(rule.pointer,
               "the bundle's root has no " + quote(rule.path) +
                   ", so an empty folder is made there; correct the path, or leave the rule out");
    }
  }

  [[nodiscard]] bool is_absent(const std::string& path) const {
    if (root_.is_below_mount(path)) return false;
    const auto found = root_.find(path);
    return !found && is_absence(found.error().code);
  }

  // A path of what is allowed, which covers nothing where it leads over a link. Beside what the link leads to
  // it is for images of another kind.
  void review_file(const policy::FileRule& rule, const std::vector<policy::FileRule>& list) {
    if (is_absent(rule.path)) {
      return remark(rule.pointer,
                    "the bundle's root has no " + quote(rule.path) +
                        ", so the rule covers nothing; correct the path, or leave the rule out");
    }
    if (root_.is_below_mount(rule.path)) return;
    const auto found = root_.find(rule.path);
    if (!found || found->path == rule.path) return;
    const bool named = std::any_of(list.begin(), list.end(), [&](const policy::FileRule& one) {
      return one.path == "/" || spec::is_below(found->path, one.path);
    });
    if (!named)
      remark(rule.pointer,
             quote(rule.path) + " leads to " + quote(found->path) +
                 " in the bundle's root, and a rule covers nothing that a link leads to; write " +
                 quote(found->path));
  }

  // `; it has "/usr/local/bin/git"`: a program of the same name, or of the name without its version.
  [[nodiscard]] std::string elsewhere(const std::string& path, const List& list) const {
    const std::string name = path.substr(path.rfind('/') + 1);
    std::set<std::string> names{name};
    names.insert(name.substr(0, name.find_last_not_of("0123456789.-") + 1));
    if (const std::size_t point = name.find('.'); point != std::string::npos)
      names.insert(name.substr(0, point));
    names.erase("");
    for (const std::string_view folder : kProgramFolders) {
      for (const std::string& one : names) {
        const auto found = root_.find(std::string(folder) + "/" + one);
        if (found && S_ISREG(found->mode) && (found->mode & 0111) != 0 && !root_.is_below_mount(found->path))
          return "; it has " + quote(found->path);
      }
    }
    return "; correct the path, or " + std::string(list.advice);
  }

  // Of an allowed script every interpreter has to be allowed, too.
  void review_interpreter(const ExecRule& rule, const ContainerRoot::Found& script) {
    std::string beginning = ContainerRoot::beginning_of(script, Shebang::kBytes).value_or("");
    std::string of = script.path;
    for (int i = 0; i < Shebang::kMaxDepth; ++i) {
      const auto shebang = parse_shebang(beginning);
      if (!shebang) return;
      const std::string& named = shebang->interpreter;
      const std::string pointer = rule.argv ? rule.pointer + "/path" : rule.pointer;
      if (!named.starts_with('/') || root_.is_below_mount(named)) return;
      const auto found = root_.find(named);
      if (!found) {
        if (is_absence(found.error().code))
          remark(pointer,
                 quote(of) + " is a script of " + quote(named) + ", which the bundle's root has not");
        return;
      }
      if (root_.is_below_mount(found->path)) return;
      if (!may_run(found->path)) {
        remark(pointer, quote(of) + " is a script, and no rule lets its interpreter run; allow " +
                            "{\"path\": " + quote(found->path) + ", \"argv\": [" + quote(named) + ", " +
                            (shebang->argument ? quote(*shebang->argument) + ", " : "") + quote(of) +
                            ", \"**\"]} as well");
        return;
      }
      of = found->path;
      beginning = ContainerRoot::beginning_of(*found, Shebang::kBytes).value_or("");
    }
  }

  // Whether a rule allows the program with some arguments, and none denies it with all.
  [[nodiscard]] bool may_run(const std::string& path) {
    if (const auto known = may_run_.find(path); known != may_run_.end()) return known->second;
    const auto names = [&](const ExecRule& rule) { return policy::matches_path(rule.path, path); };
    const auto& exec = *policy_.exec;
    const bool may = std::any_of(exec.allow->begin(), exec.allow->end(), names) &&
                     std::none_of(exec.deny.begin(), exec.deny.end(),
                                  [&](const ExecRule& rule) { return !rule.argv && names(rule); });
    may_run_[path] = may;
    return may;
  }

  const policy::Policy& policy_;
  const ContainerRoot& root_;
  std::map<std::string, bool> may_run_;  // of interpreters: many scripts share one
  std::vector<Remark> remarks_;
};

}  // namespace

std::vector<Remark> review_in_bundle(const policy::Policy& policy, const container::Bundle& bundle,
                                     const nlohmann::ordered_json& config) {
  std::vector<Remark> remarks;
  const auto root = ContainerRoot::open(bundle.original(), bundle.config_path());
  if (root) {
    remarks = BundleReview(policy, *root).run();
  } else {
    remarks.push_back(
        {"",
         "the bundle's root cannot be looked at, so no path is compared with it: " + root.error().message(),
         Remark::Weight::kWarning});
  }
  if (const Status first = check_entrypoint(policy, bundle, config); !first)
    remarks.push_back({"", first.error().message(), Remark::Weight::kMistake});
  return remarks;
}

}  // namespace tidewaiter::shim

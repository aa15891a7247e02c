#include "oci/policy/exec_rule.h"

#include <utility>

#include "oci/policy/glob.h"
#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

constexpr std::size_t kMaxArgument =
    131071;  // MAX_ARG_STRLEN (include/uapi/linux/binfmts.h), without the NUL

}  // namespace

Status check_exec_path(std::string_view path) {
  if (path.empty() || (!path.starts_with('/') && !path.starts_with("**")))
    return fail(
        "expected an absolute path, or a glob over one, as in \"/usr/bin/git\" or \"/usr/lib/**\", found " +
        quote(path) +
        (path.starts_with('~') || path.starts_with('$')
             ? "; no shell replaces " + quote(path.substr(0, path.find('/'))) + " here"
             : ""));
  return check_path_glob(path, "program");
}

Status set_argv(ExecRule& rule, std::vector<std::string> argv) {
  rule.more_arguments = !argv.empty() && argv.back() == "**";
  if (rule.more_arguments) argv.pop_back();
  if (argv.empty() && !rule.more_arguments)
    return fail(
        "expected at least the program's own name, as in [\"git\", \"clone\", \"*\"]: every program gets one "
        "(argv[0])");
  for (const std::string& argument : argv) {
    if (argument == "**")
      return fail(
          "\"**\", for any number of arguments, can only be the last element; \"*\" stands for one argument");
    if (argument.size() > kMaxArgument)
      return fail("an argument has at most 131071 bytes, found " + std::to_string(argument.size()));
  }
  rule.argv = std::move(argv);
  return {};
}

}  // namespace tidewaiter::policy

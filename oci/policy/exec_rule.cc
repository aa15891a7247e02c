#include "oci/policy/exec_rule.h"

#include <utility>

#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

constexpr std::size_t kMaxPath = 4095;        // PATH_MAX, without the NUL
constexpr std::size_t kMaxArgument = 131071;  // MAX_ARG_STRLEN (include/uapi/linux/binfmts.h), likewise

// Whether the component between two slashes, or a slash and the end, is `name`.
bool has_component(std::string_view path, std::string_view name) {
  const std::string inside = "/" + std::string(name) + "/";
  return (std::string(path) + "/").find(inside) != std::string::npos;
}

}  // namespace

Status check_exec_path(std::string_view path) {
  if (path.empty() || (!path.starts_with('/') && !path.starts_with("**")))
    return fail(
        "expected an absolute path, or a glob over one, as in \"/usr/bin/git\" or \"/usr/lib/**\", found " +
        quote(path));
  if (path.size() > kMaxPath)
    return fail("a path has at most 4095 bytes, found " + std::to_string(path.size()));
  if (path.find("***") != std::string_view::npos)
    return fail("expected \"*\" (which stops at \"/\") or \"**\" (which does not), found " + quote(path));
  if (path.ends_with('/'))
    return fail(quote(path) + " names a directory; for every program below it, write " +
                quote(std::string(path) + "**"));
  if (path.find("//") != std::string_view::npos || has_component(path, ".") || has_component(path, ".."))
    return fail(quote(path) +
                " can never match: a program's path is compared without \"//\", \".\" and \"..\"");
  return {};
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

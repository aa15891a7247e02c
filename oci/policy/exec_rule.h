#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/policy.h"

namespace tidewaiter::policy {

// The `path` of an exec rule: an absolute path, or a glob over one. The error says what would be valid; a
// path that no program can have, for it is not canonical, is one.
Status check_exec_path(std::string_view path);

// The `argv` of an exec rule. A last "**" is taken off and noted in `rule`.
Status set_argv(ExecRule& rule, std::vector<std::string> argv);

}  // namespace tidewaiter::policy

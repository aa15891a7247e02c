#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/compile.h"
#include "oci/policy/policy.h"

// The part of compile() that is about `files`: Landlock enforces it, which a process can only put on itself.
// So tidewaiter-init goes before the container's program and every other that is executed in it, restricts
// itself, and becomes that program.

namespace tidewaiter::policy {

// Whether processes of the container are to be restricted. Nobody reports what Landlock refuses, so audit
// mode has nothing of it; and where no kernel enforces it best effort is none.
bool needs_init(const Policy& policy, const Listener& listener);

// An error, in words, when this kernel cannot enforce all of the policy's file rules, and the policy does not
// make do with less; or the policy refuses calls that tidewaiter-init has to make.
Status check_files(const Policy& policy, const Listener& listener);

// The arguments that tell tidewaiter-init of the rules (oci/base/landlock.h), without its own path.
std::vector<std::string> init_arguments(const FilesPolicy& files);

// Lets the calls that restrict the caller run under the bundle's own profile, in `config`. Returns their
// names, as far as they would not have been allowed before. A profile that refuses them by name is an error.
Result<std::vector<std::string>> allow_landlock(nlohmann::ordered_json& config);

// An error where nobody would put tidewaiter-init before programs: `init_program`, of Listener, is empty.
Status check_init(const std::string& init_program);

// Binds tidewaiter-init into the container and puts it before the container's program. Returns what has to be
// put before every other as well.
// REQUIRES: needs_init().
Result<std::vector<std::string>> put_init(nlohmann::ordered_json& config, const FilesPolicy& files,
                                          const Listener& listener);

// The rows of `policy explain`. `allowed`: of allow_landlock().
std::vector<PlanRow> files_rows(const Policy& policy, const Listener& listener,
                                const std::vector<std::string>& allowed);

}  // namespace tidewaiter::policy

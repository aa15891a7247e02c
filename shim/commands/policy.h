#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/container/agent_launcher.h"
#include "oci/runtime/runtime_traits.h"

namespace tidewaiter::shim {

struct PolicyCheckOptions {
  std::vector<std::string> files;
  bool json = false;
  std::optional<std::string> bundle = {};        // whose root file system the paths of rules are looked up in
  runtime::Kind runtime = runtime::Kind::kCrun;  // the one with the fewest limits
  std::optional<std::string> resolver = {};  // the agent that is asked about host names; absent: nobody is
  std::string init = container::init_path();
};

// What `tidewaiter policy check` prints: good files, or all as JSON, to `out`; every mistake and warning to
// `err`. False when any file has a mistake, or cannot be read; an error when the bundle cannot,
// or the agent gives no answer.
Result<bool> check_policies(const PolicyCheckOptions& options, std::ostream& out, std::ostream& err);

struct PolicyExplainOptions {
  std::string file;
  std::optional<std::string> bundle;  // absent: a container without a seccomp profile
  runtime::Kind runtime = runtime::Kind::kUnknown;
  bool json = false;
  bool pseudo_code = false;  // the filter instead of the plan
  bool diff = false;         // the bundle before and after instead of the plan; with `json`, beside it
  std::string init = container::init_path();
};

// What `tidewaiter policy explain` prints.
Status explain_policy(const PolicyExplainOptions& options, std::ostream& out);

// The runtime that `word` means: a kind's name, or the path of a runtime.
Result<runtime::Kind> runtime_named(const std::string& word);

}  // namespace tidewaiter::shim

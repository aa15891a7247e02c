#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/runtime/runtime_traits.h"

namespace tidewaiter::shim {

struct PolicyCheckOptions {
  std::vector<std::string> files;
  bool json = false;
};

// What `tidewaiter policy check` prints: good files, or all as JSON, to `out`; every mistake to `err`. False
// when any file has one, or cannot be read.
bool check_policies(const PolicyCheckOptions& options, std::ostream& out, std::ostream& err);

struct PolicyExplainOptions {
  std::string file;
  std::optional<std::string> bundle;  // absent: a container without a seccomp profile
  runtime::Kind runtime = runtime::Kind::kUnknown;
  bool json = false;
  bool pseudo_code = false;  // the filter instead of the plan
};

// What `tidewaiter policy explain` prints.
Status explain_policy(const PolicyExplainOptions& options, std::ostream& out);

// The runtime that `word` means: a kind's name, or the path of a runtime.
Result<runtime::Kind> runtime_named(const std::string& word);

}  // namespace tidewaiter::shim

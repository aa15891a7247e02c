#pragma once

#include <optional>
#include <string>

#include "oci/base/result.h"
#include "oci/container/directories.h"
#include "oci/container/settings.h"
#include "oci/runtime/runtime_traits.h"
#include "oci/runtime/surroundings.h"
#include "oci/spec/config.h"
#include "shim/options.h"

namespace tidewaiter::shim {

// One call of the shim in the place of a runtime: everything a command looks at, so that tests can choose it.
struct Invocation {
  CommandLine line;
  container::Directories directories;
  container::Settings settings;
  std::string runtime;  // path of the real one
  runtime::Kind runtime_kind = runtime::Kind::kUnknown;
  std::optional<runtime::Surroundings> found = std::nullopt;  // absent: not looked at yet

  [[nodiscard]] const runtime::Traits& traits() const { return runtime::traits(runtime_kind); }
  [[nodiscard]] Spelling spelling() const {
    return runtime_kind == runtime::Kind::kRunc ? Spelling::kGo : Spelling::kGetopt;
  }
  // Where the state of container `id` is, if it is supervised.
  [[nodiscard]] Result<std::string> state_folder(const std::string& id) const;
  // What the runtime will find for `config`, of a bundle in `folder`, by what it is told and where this
  // process is.
  // Of the runtime, absolute; empty: its default.
  [[nodiscard]] std::string root() const;
  [[nodiscard]] runtime::Surroundings surroundings(const spec::Json& config, const std::string& folder) const;
};

// The whole program but main(): returns the exit code, or becomes the runtime.
int run(int argc, char** argv);

}  // namespace tidewaiter::shim

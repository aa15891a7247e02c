#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/base/result.h"

// The command line of crun and runc, read only as far as the shim has to look into it. Boost.Program_options
// cannot read it: options that it does not know would have to be told apart from values, and the line has to
// be handed over exactly as it came.

namespace tidewaiter::shim {

// What stands before the command, and where the command is.
struct CommandLine {
  std::vector<char*> argv;        // the caller's, without our own options; a null pointer at the end
  std::size_t command_index = 0;  // of the command in `argv`; 0: there is none
  std::string command;            // "create"; empty: there is none
  std::string root;               // --root; empty: not given. Of options given twice the last one counts
  std::string log;                // --log
  std::string log_format;         // --log-format
  std::string cgroup_manager;     // --cgroup-manager, of crun
  std::string config_file;        // --tidewaiter-config, our only option; taken out of `argv`

  // Arguments without the null pointer.
  [[nodiscard]] int argc() const { return static_cast<int>(argv.size()) - 1; }
};

// REQUIRES: argc >= 1. `argv` has to outlive the result. An error when --tidewaiter-config lacks its value.
Result<CommandLine> read_command_line(int argc, char** argv);

// How a runtime reads what follows the command.
enum class Spelling {
  kGetopt,  // crun, youki: --name VALUE, --name=VALUE, names cut short, -xVALUE, several letters after one
            // dash
  kGo,      // runc: one dash or two alike, names in full, options also behind the container id
};

// An option's value: the argument that it is in, and where it begins there.
struct ValuePlace {
  std::size_t argument = 0;  // of CommandLine::argv
  std::size_t offset = 0;
};

// What the shim has to know of create, run, exec, delete, restore, start and update.
struct ContainerOptions {
  std::string id;                       // empty: not given, so that the runtime will refuse
  std::optional<std::string> bundle;    // --bundle
  std::optional<std::string> config;    // --config, of crun
  std::optional<ValuePlace> process;    // --process, of exec
  std::optional<ValuePlace> resources;  // --resources, of update
  std::vector<std::string> cgroups;     // --cgroup, of exec
  std::vector<std::string> given;       // of the options, as they are written: "--memory", without the value
  std::size_t id_index = 0;             // of `exec`: where in `argv` the id is; 0: there is none
  bool has_unknown = false;             // an option that is none of our tables', and may have a value
};

// Reads what follows the command. The container id is the first argument of `exec` that is no option, and
// the last one elsewhere: an option that is newer than our tables may have left its value before it.
// REQUIRES: `line.command` is one of these.
ContainerOptions read_container_options(const CommandLine& line, Spelling spelling);

// Where the container's config is, both absolute: `config_file` lies in `directory` unless --config named
// one, which crun takes as relative to the current folder, except for "config.json" itself.
struct BundlePlace {
  std::string directory;
  std::string config_file;
};
Result<BundlePlace> locate_bundle(const ContainerOptions& options);

}  // namespace tidewaiter::shim

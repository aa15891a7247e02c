#include "shim/invocation.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <string_view>

#include "oci/base/system.h"
#include "oci/spec/mounts.h"
#include "shim/command_tables.h"
#include "shim/commands/commands.h"
#include "shim/failure.h"
#include "shim/runtime.h"

namespace tidewaiter::shim {
namespace {

struct RuntimeCommand {
  std::string_view name;
  int (*run)(const Invocation&);
  // Whether to refuse where it is not known where our state is; otherwise there is none.
  bool needs_state = true;
};

// Commands that make, start, enter or end a container. The runtime has many more, and it may have them alone.
constexpr auto kRuntimeCommands = std::to_array<RuntimeCommand>({
    {"create", create},
    {"delete", remove},
    {"exec", exec},
    {"restore", restore},
    {"run", create},
    {"start", start, false},
    {"update", update},
});

struct OwnCommand {
  std::string_view name;
  int (*run)(int argc, char** argv);
};

// No runtime has a command of one of these names.
constexpr auto kOwnCommands = std::to_array<OwnCommand>({
    {"changes", changes},
    {"doctor", doctor},
    {"log", log},
    {"policy", policy},
    {"status", status},
});

// How many of the commands by which it is decided what happens before this program begins (at_entry.h) are in
// the tables above.
constexpr std::size_t count_in_both_tables() {
  std::size_t count = 0;
  for (const Command& command : kCommands) {
    const auto same = [&](const auto& row) { return row.name == command.name; };
    const bool found = command.handling == Handling::kOwnVerb
                           ? std::any_of(kOwnCommands.begin(), kOwnCommands.end(), same)
                           : std::any_of(kRuntimeCommands.begin(), kRuntimeCommands.end(), same);
    if (found) ++count;
  }
  return count;
}
static_assert(count_in_both_tables() == std::size(kCommands));
static_assert(kOwnCommands.size() + kRuntimeCommands.size() == std::size(kCommands));

constexpr std::string_view kUsage =
    "tidewaiter stands in for an OCI runtime, crun or runc, and puts containers under a policy.\n"
    "\n"
    "  tidewaiter [RUNTIME OPTIONS] create|run|exec|delete|... ARGUMENTS   what the runtime does\n"
    "\n"
    "  tidewaiter policy check FILE      whether a policy is valid, and what is wrong with it\n"
    "  tidewaiter policy explain FILE    what enforces each rule, and what it costs\n"
    "  tidewaiter log ID                 what a container did and was refused\n"
    "  tidewaiter changes [ID]           what a container wrote to folders that are copied on write\n"
    "  tidewaiter status [ID]            the containers that an agent supervises\n"
    "  tidewaiter doctor                 what this machine allows\n"
    "\n"
    "Each of these has --help; --help alone is the runtime's. Before the command stands\n"
    "\n"
    "  --tidewaiter-config FILE          instead of /etc/tidewaiter/config.json or\n"
    "                                    ~/.config/tidewaiter/config.json\n";

template <typename Table>
auto find_command(const Table& table, std::string_view name) -> decltype(table.data()) {
  for (const auto& command : table) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

// Where the caller came without stdin, stdout or stderr, a file of ours would take its number and be written
// to as stderr. The stand-ins close on exec, so that the runtime has what the caller gave.
void reserve_stdio() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0 && null != fd) ::close(null);
  }
}

// Relative to the folder of the caller; errors name it in full.
Result<std::string> full_path_of_config(const CommandLine& line) {
  return in_context("--tidewaiter-config", sys::realpath(line.config_file));
}

// Runs one of our own verbs. They find the configuration by themselves, in the same places.
int run_own(const OwnCommand& command, CommandLine& line) {
  if (!line.config_file.empty()) {
    const auto path = full_path_of_config(line);
    if (!path) {
      report_failure(line, "", path.error());
      return EXIT_FAILURE;
    }
    ::setenv("TIDEWAITER_CONFIG", path->c_str(), 1);
  }
  const auto first = static_cast<int>(line.command_index);
  return command.run(line.argc() - first, line.argv.data() + first);
}

// Only the configuration matters to a command that is handed over unseen, and where its place is unknown
// there is none.
Result<Invocation> make_invocation(CommandLine line, bool needs_state) {
  Invocation invocation;
  if (!line.config_file.empty()) {
    line.config_file = TRY(full_path_of_config(line));
  }
  auto directories = container::Directories::locate();
  if (!directories && needs_state) return tl::unexpected(directories.error());
  if (directories) invocation.directories = std::move(*directories);
  if (!line.config_file.empty()) {
    invocation.directories.config_file = line.config_file;
    invocation.directories.config_named = true;
  }
  if (!invocation.directories.config_file.empty()) {
    invocation.settings = TRY(
        container::Settings::load(invocation.directories.config_file, invocation.directories.config_named));
  }
  invocation.runtime = TRY(find_runtime(invocation.settings));
  if (needs_state) invocation.runtime_kind = TRY(runtime::identify(invocation.runtime));
  invocation.line = std::move(line);
  return invocation;
}

int run_for_runtime(const RuntimeCommand* command, const CommandLine& line) {
  auto invocation = make_invocation(line, command != nullptr && command->needs_state);
  if (!invocation) {
    report_failure(line, "", invocation.error());
    return EXIT_FAILURE;
  }
  if (command != nullptr) return command->run(*invocation);
  report_failure(line, "", become_runtime(invocation->runtime, invocation->line));
  return EXIT_FAILURE;
}

}  // namespace

Result<std::string> Invocation::state_folder(const std::string& id) const {
  return directories.state + "/" + TRY(container::state_folder_name(id, directories.state));
}

std::string Invocation::root() const {
  if (line.root.empty()) return {};
  std::error_code ignored;
  return std::filesystem::absolute(line.root, ignored).lexically_normal();
}

runtime::Surroundings Invocation::surroundings(const spec::Json& config, const std::string& folder) const {
  runtime::Surroundings around = found ? *found : runtime::look_around(container::is_initial_root());
  runtime::look_at_sources(runtime::own_files(), folder, spec::bind_sources(config), around);
  around.makes_no_cgroup = line.cgroup_manager == "disabled";
  return around;
}

int run(int argc, char** argv) {
  reserve_stdio();
  auto line = read_command_line(argc, argv);
  if (!line) {
    report_failure(CommandLine{}, "", line.error());
    return EXIT_FAILURE;
  }
  if (line->argc() == 1) {
    static_cast<void>(sys::write_all(STDOUT_FILENO, kUsage));
    return EXIT_SUCCESS;
  }
  if (const OwnCommand* own = find_command(kOwnCommands, line->command)) return run_own(*own, *line);
  const RuntimeCommand* command = find_command(kRuntimeCommands, line->command);
  return run_for_runtime(command, *line);
}

}  // namespace tidewaiter::shim

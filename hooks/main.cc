#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "hooks/caller.h"
#include "hooks/cleanup.h"
#include "hooks/precreate.h"
#include "oci/base/system.h"

// tidewaiter-hook precreate          config.json on stdin, the rewritten one on stdout
// tidewaiter-hook cleanup FOLDER     the container's state on stdin
// tidewaiter-hook --help, --version

namespace tidewaiter::hook {
namespace {

// podman sends a config.json, a runtime the state of a container; both may hold large annotations.
constexpr std::size_t kMaxInput = 64U << 20U;

constexpr std::string_view kUsage =
    "usage: tidewaiter-hook precreate, or tidewaiter-hook cleanup STATE_FOLDER";
constexpr std::string_view kHelp =
    ", as podman calls it: with config.json, or the container's state, on standard input\n";

Status run_precreate(const std::string& input) {
  adopt_environment(::getppid());
  Host host;
  host.directories = TRY(container::Directories::locate());
  host.settings = TRY(container::Settings::load(host.directories.config_file, host.directories.config_named));
  host.surroundings = runtime::look_around(container::is_initial_root());
  host.hook_path = TRY(sys::readlink("/proc/self/exe"));
  return sys::write_all(STDOUT_FILENO, TRY(precreate(input, host)));
}

Status run(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  const bool known = (verb == "precreate" && argc == 2) || (verb == "cleanup" && argc == 3);
  if (verb == "--version") return sys::write_all(STDOUT_FILENO, "tidewaiter-hook " TIDEWAITER_VERSION "\n");
  if (verb == "--help" || verb == "-h")
    return sys::write_all(STDOUT_FILENO, std::string(kUsage) + std::string(kHelp));
  if (!known) return fail(std::string(kUsage));
  const std::string input = TRY(in_context("read stdin", sys::read_all(STDIN_FILENO, kMaxInput)));
  return verb == "precreate" ? run_precreate(input) : cleanup(argv[2], input);
}

}  // namespace
}  // namespace tidewaiter::hook

int main(int argc, char** argv) {
  const tidewaiter::Status status = tidewaiter::hook::run(argc, argv);
  if (status) return EXIT_SUCCESS;
  tidewaiter::hook::report_failure(argc > 1 ? argv[1] : "", status.error().message(), ::getppid());
  return EXIT_FAILURE;
}

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/program_options.hpp>
#include <csignal>
#include <cstdlib>
#include <iostream>

#include "oci/base/log.h"
#include "oci/base/system.h"
#include "oci/container/agent_launcher.h"
#include "supervisor/keeper/keeper.h"
#include "supervisor/keeper/worker_process.h"

namespace {

using namespace tidewaiter;

struct Options {
  supervisor::KeeperInheritance inheritance;
  UniqueFd worker;
  std::string replace;
};

Result<UniqueFd> inherited(int fd, const char* option) {
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return fail(errno, std::string("--") + option);
  return UniqueFd(fd);
}

Result<Options> parse_options(int argc, char** argv) {
  namespace po = boost::program_options;
  po::options_description description(
      "tidewaiter-agent, started by tidewaiter for each supervised container");
  int worker_fd = -1;
  int listen_fd = -1;
  int ready_fd = -1;
  int creator_fd = -1;
  int bundle_fd = -1;
  Options options;
  // clang-format off
  description.add_options()
      ("state-folder", po::value(&options.inheritance.state_folder), "the container's state folder")
      ("listen-fd", po::value(&listen_fd), "a listening Unix socket")
      ("ready-fd", po::value(&ready_fd), "where to say \"ok\", or what is wrong")
      ("creator-fd", po::value(&creator_fd), "a pidfd of the process that becomes the runtime")
      ("bundle-fd", po::value(&bundle_fd), "the lock of the bundle")
      ("replace", po::value(&options.replace), "of this state folder: have the agent go on as this version")
      ("worker-fd", po::value(&worker_fd), "the channel to the keeper; then nothing else is given");
  // clang-format on
  try {
    po::variables_map values;
    po::store(po::parse_command_line(argc, argv, description), values);
    po::notify(values);
  } catch (const po::error& error) {
    return fail(error.what());
  }
  if (!options.replace.empty()) return options;
  if (worker_fd >= 0) {
    options.worker = TRY(inherited(worker_fd, "worker-fd"));
    return options;
  }
  if (options.inheritance.state_folder.empty()) return fail("--state-folder is missing");
  options.inheritance.ready = TRY(inherited(ready_fd, "ready-fd"));
  options.inheritance.listener = TRY(inherited(listen_fd, "listen-fd"));
  if (creator_fd >= 0) options.inheritance.creator = TRY(inherited(creator_fd, "creator-fd"));
  if (bundle_fd >= 0) options.inheritance.bundle_lock = TRY(inherited(bundle_fd, "bundle-fd"));
  return options;
}

// Each call that waits holds two descriptors, and a container may have hundreds of such calls.
void raise_descriptor_limit() {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  auto options = parse_options(argc, argv);
  if (!options) {
    std::cerr << "tidewaiter-agent: " << options.error().message() << '\n';
    return 2;
  }
  if (!options->replace.empty()) {
    const Status replaced = container::replace_agent(options->replace);
    if (!replaced) std::cerr << "tidewaiter-agent: " << replaced.error().message() << '\n';
    return replaced ? 0 : 1;
  }
  ::signal(SIGPIPE, SIG_IGN);
  if (options->worker.valid()) return supervisor::run_worker(supervisor::Channel(std::move(options->worker)));
  raise_descriptor_limit();
  // Now: later something else may lie there, or nothing.
  options->inheritance.program = sys::readlink("/proc/self/exe").value_or(argv[0]);
  auto keeper = supervisor::Keeper::make(std::move(options->inheritance), supervisor::launch_processes(),
                                         supervisor::launch_tracing_process());
  if (!keeper) return 1;
  if (const Status kept = (*keeper)->run(); !kept) {
    log::error("the agent cannot go on", {{"error", kept.error().message()}});
    return 1;
  }
  return 0;
}

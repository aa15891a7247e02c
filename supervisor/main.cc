#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/program_options.hpp>
#include <csignal>
#include <cstdlib>
#include <iostream>

#include "oci/base/log.h"
#include "oci/base/system.h"
#include "supervisor/agent.h"
#include "supervisor/cgroup.h"
#include "supervisor/waiting.h"

namespace {

using namespace tidewaiter;

struct Options {
  supervisor::AgentInheritance inheritance;
  UniqueFd ready;
};

Result<UniqueFd> inherited(int fd, const char* option) {
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return fail(errno, std::string("--") + option);
  return UniqueFd(fd);
}

Result<Options> parse_options(int argc, char** argv) {
  namespace po = boost::program_options;
  po::options_description description(
      "tidewaiter-agent, started by tidewaiter for each supervised container");
  int listen_fd = -1;
  int ready_fd = -1;
  int creator_fd = -1;
  int bundle_fd = -1;
  Options options;
  // clang-format off
  description.add_options()
      ("state-folder", po::value(&options.inheritance.state_folder)->required(), "the container's state folder")
      ("listen-fd", po::value(&listen_fd)->required(), "a listening Unix socket")
      ("ready-fd", po::value(&ready_fd)->required(), "where to say \"ok\", or what is wrong")
      ("creator-fd", po::value(&creator_fd), "a pidfd of the process that becomes the runtime")
      ("bundle-fd", po::value(&bundle_fd), "the lock of the bundle");
  // clang-format on
  try {
    po::variables_map values;
    po::store(po::parse_command_line(argc, argv, description), values);
    po::notify(values);
  } catch (const po::error& error) {
    return fail(error.what());
  }
  options.ready = TRY(inherited(ready_fd, "ready-fd"));
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

Status leave_cgroup() {
  return supervisor::leave_callers_cgroup(TRY(sys::read_file("/proc/self/mountinfo")));
}

Result<std::unique_ptr<supervisor::Agent>> prepare(Options& options) {
  ::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  TRY(supervisor::Waiting::install_interrupt());
  const int listener = options.inheritance.listener.get();
  if (::fcntl(listener, F_SETFL, O_NONBLOCK) != 0) return fail(errno, "listen-fd");
  return supervisor::Agent::make(supervisor::system_kernel(), std::move(options.inheritance));
}

}  // namespace

int main(int argc, char** argv) {
  auto options = parse_options(argc, argv);
  if (!options) {
    std::cerr << "tidewaiter-agent: " << options.error().message() << '\n';
    return 2;
  }
  auto agent = prepare(*options);
  (void)sys::write_all(options->ready.get(), agent ? "ok\n" : agent.error().message() + "\n");
  options->ready.reset();
  if (!agent) return 1;
  // Not worth failing a container for.
  if (const Status left = leave_cgroup(); !left) {
    log::info("the agent stays in its caller's cgroup", {{"error", left.error().message()}});
  }
  if (const Status served = (*agent)->run(); !served) {
    log::error("the agent cannot go on", {{"error", served.error().message()}});
    return 1;
  }
  return 0;
}

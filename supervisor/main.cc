#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "oci/base/log.h"
#include "oci/base/system.h"
#include "oci/base/unix_socket.h"
#include "oci/container/agent_launcher.h"
#include "oci/container/directories.h"
#include "oci/container/node_request.h"
#include "oci/container/settings.h"
#include "supervisor/keeper/keeper.h"
#include "supervisor/names/dns_resolver.h"
#include "supervisor/names/told_names.h"
#include "supervisor/node/node.h"
#include "supervisor/node/shared_worker.h"
#include "supervisor/worker/worker_process.h"

namespace {

using namespace tidewaiter;

struct Options {
  std::string answer;  // what was asked of the program itself: to be printed, and nothing else done
  supervisor::KeeperInheritance inheritance;
  UniqueFd worker;
  UniqueFd shared_worker;
  std::string replace;
  std::vector<std::string> resolve;
  bool node = false;
};

Result<UniqueFd> inherited(int fd, const char* option) {
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return fail(errno, std::string("--") + option);
  return UniqueFd(fd);
}

std::string in_words(const boost::program_options::options_description& options) {
  std::ostringstream text;
  text << options;
  return text.str();
}

Result<Options> parse_options(int argc, char** argv) {
  namespace po = boost::program_options;
  int worker_fd = -1;
  int shared_worker_fd = -1;
  int listen_fd = -1;
  int ready_fd = -1;
  int creator_fd = -1;
  int bundle_fd = -1;
  Options options;
  // clang-format off
  po::options_description by_hand("By hand");
  by_hand.add_options()
      ("node", "supervise all containers: listen at the agent_socket of the configuration")
      ("replace", po::value(&options.replace)->value_name("STATE_FOLDER"), "have the agent of this folder go on as this version")
      ("resolve", po::value(&options.resolve)->multitoken()->value_name("NAME..."), "say what these host names stand for, and end")
      ("version", "print the version")
      ("help,h", "print this");
  po::options_description by_programs("By tidewaiter and tidewaiter-hook, for each container, and by the agent itself");
  by_programs.add_options()
      ("state-folder", po::value(&options.inheritance.state_folder), "the container's state folder")
      ("listen-fd", po::value(&listen_fd), "a listening Unix socket")
      ("ready-fd", po::value(&ready_fd), "where to say \"ok\", or what is wrong")
      ("creator-fd", po::value(&creator_fd), "a pidfd of the process that becomes the runtime")
      ("bundle-fd", po::value(&bundle_fd), "the lock of the bundle")
      ("shared-worker-fd", po::value(&shared_worker_fd), "the channel to the node's agent; then nothing else is given")
      ("worker-fd", po::value(&worker_fd), "the channel to the keeper; then nothing else is given");
  // clang-format on
  po::options_description all("tidewaiter-agent, which answers the notifications of containers");
  all.add(by_hand).add(by_programs);
  try {
    po::variables_map values;
    po::store(po::command_line_parser(argc, argv).options(all).positional({}).run(), values);
    po::notify(values);
    options.node = values.contains("node");
    if (values.contains("help")) options.answer = in_words(all);
    if (values.contains("version")) options.answer = "tidewaiter-agent " TIDEWAITER_VERSION "\n";
  } catch (const po::error& error) {
    return fail(std::string(error.what()) + "; see --help");
  }
  if (!options.answer.empty()) return options;
  if (!options.replace.empty() || !options.resolve.empty() || options.node) return options;
  if (shared_worker_fd >= 0) {
    options.shared_worker = TRY(inherited(shared_worker_fd, "shared-worker-fd"));
    return options;
  }
  if (worker_fd >= 0) {
    options.worker = TRY(inherited(worker_fd, "worker-fd"));
    return options;
  }
  if (options.inheritance.state_folder.empty())
    return fail(
        "--state-folder is missing, which tidewaiter gives with a container; by hand there are --node, "
        "--replace and --resolve: see --help");
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

// The socket that a service manager listens at for us, or our own at `path`.
Result<UniqueFd> listen_for_requests(const std::string& path,
                                     std::vector<supervisor::ServiceManager::Passed>& passed) {
  const auto listener =
      std::find_if(passed.begin(), passed.end(), [](const auto& each) { return each.name == "requests"; });
  if (listener != passed.end()) {
    UniqueFd found = std::move(listener->fd);
    passed.erase(listener);
    return found;
  }
  if (container::connect_to_node(path)) return fail("another node agent listens at " + path);
  constexpr int kBacklog = 1024;  // containers that are started at once
  return listen_unix(path, kBacklog, SOCK_SEQPACKET);
}

Status run_node(const char* own_name) {
  supervisor::NodeInheritance inheritance;
  inheritance.left = TRY(supervisor::ServiceManager::take_passed());
  const auto directories = TRY(container::Directories::locate());
  const auto settings = TRY(container::Settings::load(directories.config_file, directories.config_named));
  if (settings.agent_socket.empty()) {
    return fail(settings.path +
                ": /agent_socket is missing: a node's agent listens there, and the shim asks there, \"/run/"
                "tidewaiter-agent.sock\" for one");
  }
  inheritance.socket_path = settings.agent_socket;
  inheritance.listener = TRY(listen_for_requests(settings.agent_socket, inheritance.left));
  inheritance.manager = TRY(supervisor::ServiceManager::from_environment());
  inheritance.program = sys::readlink("/proc/self/exe").value_or(own_name);
  inheritance.policies = settings.path.substr(0, settings.path.rfind('/')) + "/policies";
  ::umask(077);
  const auto node = TRY(supervisor::Node::make(
      std::move(inheritance),
      supervisor::launch_processes(supervisor::system_kernel(), supervisor::kNodesContainers),
      supervisor::launch_tracing_process()));
  return node->run();
}

}  // namespace

int main(int argc, char** argv) {
  auto options = parse_options(argc, argv);
  if (!options) {
    std::cerr << "tidewaiter-agent: " << options.error().message() << '\n';
    return 2;
  }
  if (!options->answer.empty()) {
    std::cout << options->answer << std::flush;
    return 0;
  }
  if (!options->replace.empty()) {
    const Status replaced = container::replace_agent(options->replace);
    if (!replaced) std::cerr << "tidewaiter-agent: " << replaced.error().message() << '\n';
    return replaced ? 0 : 1;
  }
  ::signal(SIGPIPE, SIG_IGN);
  if (!options->resolve.empty()) {
    std::cout << supervisor::told_names(supervisor::dns_resolver(), options->resolve) << std::flush;
    return 0;
  }
  if (options->worker.valid()) return supervisor::run_worker(supervisor::Channel(std::move(options->worker)));
  if (options->shared_worker.valid()) {
    return supervisor::run_shared_worker(supervisor::Channel(std::move(options->shared_worker)));
  }
  raise_descriptor_limit();
  if (options->node) {
    const Status run = run_node(argv[0]);
    if (!run) std::cerr << "tidewaiter-agent: " << run.error().message() << '\n';
    return run ? 0 : 1;
  }
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

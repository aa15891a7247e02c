#include "supervisor/node/shared_worker.h"

#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "oci/base/log.h"
#include "supervisor/confine.h"
#include "supervisor/worker/agent.h"
#include "supervisor/worker/spare_memory.h"

namespace tidewaiter::supervisor {
namespace {

// When no container has begun for so long, what the beginning of the last ones took is given back. Receivers
// that the last ones need no more have ended by then (Waiting::kIdle).
constexpr int kSettled = 5000;  // milliseconds

// Whether it has something to say, or has hung up; at once, or within `patience` milliseconds.
bool await_node(const Channel& node, int patience) {
  struct pollfd waiting = {node.fd(), POLLIN, 0};
  int count = 0;
  do {
    count = ::poll(&waiting, 1, patience);
  } while (count < 0 && errno == EINTR);
  return count != 0;
}

void serve_container(const Channel& node, Kernel& kernel, FolderWatches* watches, Channel keeper,
                     std::uint64_t number) {
  {
    auto agent = Agent::make(kernel, std::move(keeper), {}, watches);
    // Why it came to nothing the keeper has heard.
    if (agent) {
      give_back_stack();
      const Status served = (*agent)->run();
      const bool serves = (*agent)->serves();
      // A keeper hangs up on a container that did not come to be.
      if (!served && (serves || served.error().code != ECONNRESET)) {
        log::error("the worker cannot go on", {{"error", served.error().message()}});
      }
      if (!served && serves) ::_exit(1);
    }
  }
  (void)node.send(Word::kServedToEnd, number);
}

}  // namespace

int run_shared_worker(Channel node, Kernel& kernel) {
  ::prctl(PR_SET_NAME, "tw-worker");
  share_heaps();
  if (!install_worker_signals()) return 1;
  if (!confine_worker() || !install_worker_filter()) {
    log::error("the worker cannot be confined");
    return 1;
  }
  auto watches = FolderWatches::start();
  if (!watches) {
    // As an agent of a container's own does: a user may have taken them all.
    log::warning("the state folders are not watched; one that somebody removes stays away",
                 {{"error", watches.error().message()}});
    watches = nullptr;
  }
  for (bool settled = true;; settled = false) {
    if (!settled && !await_node(node, kSettled)) give_back_heaps();
    auto message = node.receive();
    // Not by the way of destructors: threads use what they would destroy.
    if (!message || !*message || (*message)->word != Word::kServe || (*message)->fds.size() != 1) ::_exit(1);
    if ((*message)->index != kProtocol) {
      log::error("the node's agent is of another version");
      ::_exit(1);
    }
    const std::uint64_t number = (*message)->number;
    Channel keeper(std::move((*message)->fds.front()));
    try {
      std::thread([&node, &kernel, watches = *watches, keeper = std::move(keeper), number]() mutable {
        serve_container(node, kernel, watches, std::move(keeper), number);
      }).detach();
    } catch (const std::system_error& error) {
      // The channel has gone with the function; the keeper tries again.
      log::error("no thread can be started for a container", {{"error", error.what()}});
      (void)node.send(Word::kServedToEnd, number);
    }
  }
}

}  // namespace tidewaiter::supervisor

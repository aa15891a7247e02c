#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "oci/container/record.h"

// Starting a container's agent, and the hand-over of everything it needs.
//
// The launcher makes the state folder and the listening socket, so that the runtime can connect from the
// first instant; the agent inherits the socket and reports through a pipe that it is ready, or why not:
//
//   tidewaiter-agent --state-folder DIR --listen-fd N --ready-fd N [--creator-fd N] [--bundle-fd N]
//
// `creator-fd` is a pidfd of the launching process, which then becomes the runtime by exec: when it has ended
// and nothing was ever handed over, the container was not created and the agent goes. `bundle-fd` holds the
// bundle's lock (lock_bundle()), which the agent closes once the runtime has read the config. Over `ready-fd`
// the agent sends "ok\n" or one line of error, and closes it. The agent is detached: its own session, no
// controlling terminal, stdin and stdout on /dev/null, stderr appended to agent.log in the log folder, not a
// child of the caller. It inherits no other descriptor, no ignored or blocked signal, and the environment
// without what is addressed to the caller (NOTIFY_SOCKET, LISTEN_FDS, …); its folder is /, its umask 077.
//
// A node's agent is there already. It is given the same over its socket (node_request.h), and answers what
// another would say over `ready-fd`.

namespace tidewaiter::container {

// The agent that a container gets: one of its own, of this program, or the node's, which listens there.
class AgentSource {
 public:
  AgentSource(std::string program) : program_(std::move(program)) {}  // NOLINT(google-explicit-constructor)
  AgentSource(const char* program) : program_(program) {}             // NOLINT(google-explicit-constructor)
  static AgentSource node(std::string socket);
  // `agent` and `agent_socket` of Settings; agent_path() where there is no socket.
  static Result<AgentSource> configured(const std::string& agent, const std::string& agent_socket);

  [[nodiscard]] const std::string& program() const { return program_; }
  [[nodiscard]] const std::string& socket() const { return socket_; }  // empty: one of its own

 private:
  std::string program_;
  std::string socket_;
};

enum class Creator {
  kThisProcess,  // this process becomes the runtime
  kUnknown,      // somebody else will start the runtime soon (precreate hook)
};

inline constexpr std::chrono::milliseconds kReadyTimeout{30'000};

// Makes `state_folder`, writes `record` into it, starts the agent or registers with it, does `meanwhile`, if
// there is such a thing, and waits until the agent is ready, at most `timeout`. The agent gets a copy of
// `bundle_lock`, if there is one. On failure, be it of `meanwhile`, nothing stays behind, and the agent's own
// words are in the error. An existing state folder is an error: the id is in use, or clear_state_folder() was
// not called.
Status launch_agent(const AgentSource& agent, const std::string& state_folder, const Record& record,
                    Creator creator, int bundle_lock = -1, std::chrono::milliseconds timeout = kReadyTimeout,
                    const std::function<Status()>& meanwhile = {});

// Makes `state_folder`, with `record` in it, for a container that needs no agent: what `meanwhile` does
// belongs to it, and on failure nothing stays behind. The lock of an agent is in the result: as long as
// anybody holds it, nobody takes the folder for that of a container that is gone. An existing state folder is
// an error.
Result<UniqueFd> keep_record(const std::string& state_folder, const Record& record,
                             const std::function<Status()>& meanwhile);

// Gives an existing container an agent again if its own is no longer alive.
Status ensure_agent(const AgentSource& agent, const std::string& state_folder,
                    std::chrono::milliseconds timeout = kReadyTimeout);

// Whether an agent holds the folder's lock, or is being started.
bool agent_alive(const std::string& state_folder);

// The pid of the agent that is alive; 0 when none is, or it has not yet said so.
pid_t agent_pid(const std::string& state_folder);

// Waits until the folder has no agent, at most `timeout`; whether it came to that.
bool wait_for_agent_end(const std::string& state_folder, std::chrono::milliseconds timeout);

// Asks the agent to end (SIGTERM; a node's, to end this container's supervision), which leaves folder and
// bundle as they are. None is a success.
Status terminate_agent(const std::string& state_folder);

// Has the agent go on as the program that lies at its path now (SIGUSR2), a node's for all its containers;
// what it supervises does not notice.
// An error where there is no agent.
Status replace_agent(const std::string& state_folder);

// Ends what a dead agent could not: restores the bundle and removes the folder `name`. One that is not there
// is a success, one whose agent is alive an error. REQUIRES: the container is gone.
Status clear_state_folder(const std::string& name);

// tidewaiter-init, beside /proc/self/exe; empty where this machine has none.
std::string init_path();

// The agent's executable: settings.agent, or `tidewaiter-agent` beside /proc/self/exe.
Result<std::string> agent_path(const std::string& configured);

// Whether the node's agent answers that listens there.
Status ask_node_agent(const std::string& socket);

// What the agent writes into its lock, Record::kLockName: its pid, and where it listens if it is the node's.
std::string lock_text(pid_t agent, const std::string& socket);

}  // namespace tidewaiter::container

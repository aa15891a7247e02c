#pragma once

#include <string>

#include "oci/base/result.h"
#include "oci/container/record.h"

// Starting a container's agent, and the hand-over of everything it needs.
//
// The launcher makes the state folder and the listening socket, so that the runtime can connect from the
// first instant; the agent inherits the socket and reports through a pipe that it is ready, or why not:
//
//   tidewaiter-agent --state-folder DIR --listen-fd N --ready-fd N [--creator-fd N]
//
// `creator-fd` is a pidfd of the launching process, which then becomes the runtime by exec: when it has ended
// and nothing was ever handed over, the container was not created and the agent goes. Over `ready-fd` the
// agent sends "ok\n" or one line of error, and closes it. The agent is detached: its own session, no
// controlling terminal, stdin and stdout on /dev/null, stderr appended to agent.log in the log folder, not a
// child of the caller.

namespace tidewaiter::container {

enum class Creator {
  kThisProcess,  // this process becomes the runtime
  kUnknown,      // somebody else will start the runtime soon (precreate hook)
};

// Makes `state_folder`, writes `record` into it, starts the agent and waits until it is ready, at most 30
// seconds. On failure nothing stays behind, and the agent's own words are in the error. An agent that is
// already alive there is an error: the id is in use.
Status launch_agent(const std::string& agent_path, const std::string& state_folder, const Record& record,
                    Creator creator);

// Starts the agent of an existing container again if it is no longer alive.
Status ensure_agent(const std::string& agent_path, const std::string& state_folder);

// Whether an agent holds the folder's lock.
bool agent_alive(const std::string& state_folder);

// The agent's executable: settings.agent, or `tidewaiter-agent` beside /proc/self/exe.
Result<std::string> agent_path(const std::string& configured);

}  // namespace tidewaiter::container

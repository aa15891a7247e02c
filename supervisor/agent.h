#pragma once

#include <sys/types.h>

#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "oci/container/record.h"
#include "supervisor/handover.h"
#include "supervisor/names/name_keeper.h"
#include "supervisor/report/event_log.h"
#include "supervisor/session.h"
#include "supervisor/supervision.h"

namespace tidewaiter::supervisor {

// What the launcher gave the agent; oci/container/agent_launcher.h has the protocol.
struct AgentInheritance {
  std::string state_folder;
  UniqueFd listener;
  UniqueFd creator;      // pidfd of the process that becomes the runtime; invalid when unknown
  UniqueFd bundle_lock;  // lock_bundle(); invalid where the runtime is not about to read the bundle
};

// One container's agent: accepts the runtime's connections, starts a session for each notify descriptor, and
// goes when the container has gone. One thread runs this; the sessions have threads of their own, and so has
// what follows the policy's host names.
//
// It goes when nothing is left that could still notify: no session, no open connection (a created container
// that waits for its start keeps one), and the runtime that was to make the container has ended.
class Agent {
 public:
  // Takes the lock of the state folder, reads the record, resolves the policy's names, opens the event log.
  static Result<std::unique_ptr<Agent>> make(Kernel& kernel, AgentInheritance inheritance);

  // Serves until the container is gone; then puts the bundle's config back and removes the state folder.
  // SIGTERM ends it before, and leaves both as they are: what is still supervised fails closed with ENOSYS.
  Status run();

 private:
  Agent(Kernel& kernel, AgentInheritance inheritance, container::Record record, Supervision supervision);

  Status prepare();
  // Keeps the policy's host names resolved from here on. REQUIRES: our signals are blocked.
  Status follow_names();
  Status lock_state_folder();
  Status watch_state_folder();
  Status watch(int fd, std::uint32_t events);
  void stop_watching(int fd);
  void dispatch(int fd);
  [[nodiscard]] int timeout() const;
  // Whether any session wants to be looked after again soon.
  bool look_after_sessions();
  void accept_connections();
  void pause_accepting(int reason);
  void resume_accepting();
  void read_connection(std::list<HandoverConnection>::iterator connection);
  Status begin_session(Handover handover);
  Status adopt_id(const std::string& id);
  Status restore_state_folder();
  Status make_state_folder(const std::string& socket);
  // Puts the bundle's config back: the runtime reads it once, before it connects or at the latest before it
  // ends, and keeps a copy of its own for what comes later.
  void restore_bundle();
  [[nodiscard]] bool finished() const;
  void clean_up();

  Kernel& kernel_;
  AgentInheritance inheritance_;
  UniqueFd lock_;
  container::Record record_;
  const Supervision supervision_;
  std::unique_ptr<EventLog> events_;  // opened when the container's id is known
  std::string id_link_;  // the container id's name for a state folder that was made before the id was known

  UniqueFd epoll_;
  UniqueFd signals_;
  UniqueFd inotify_;
  UniqueFd wake_;   // see Waiting
  UniqueFd grace_;  // timerfd: how long to wait for a runtime whose pid nobody told
  std::list<HandoverConnection> connections_;
  std::list<std::unique_ptr<Session>> sessions_;
  bool creator_pending_ = true;  // the runtime that was to make the container may still come
  bool bundle_restored_ = false;
  // The container may outlive our sessions: an agent before us died, or one of ours could not go on.
  bool may_outlive_ = false;
  // When the listener, left alone for a while, is to be watched again; absent: it is.
  std::optional<std::chrono::steady_clock::time_point> accept_again_;
  bool anything_waits_ = false;
  bool terminated_ = false;
  std::unique_ptr<NameKeeper> names_;  // where the policy has host names; has a thread of its own
};

}  // namespace tidewaiter::supervisor

#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "oci/container/record.h"
#include "supervisor/keeper/channel.h"
#include "supervisor/names/kept_names.h"
#include "supervisor/names/name_keeper.h"
#include "supervisor/report/event.h"
#include "supervisor/report/event_log.h"
#include "supervisor/slots.h"
#include "supervisor/supervision.h"
#include "supervisor/tracer/tracing.h"
#include "supervisor/worker/deadline.h"
#include "supervisor/worker/folder_watches.h"
#include "supervisor/worker/handover.h"
#include "supervisor/worker/session.h"

namespace tidewaiter::supervisor {

// What a worker does for one container; a node's worker has several of these, each in a thread. It takes
// hand-overs as the keeper passes them on, starts a session for each notify descriptor, and goes when the
// container has gone, or when the keeper has. One thread runs this; the sessions have threads of their own,
// and so has what follows the policy's host names.
//
// The container has gone when nothing is left that could still notify: no session, no open connection (a
// created container that waits for its start keeps one), and the runtime that was to make the container has
// ended.
//
// It may die at any moment, and another will be in its place: what it has to pass on is in the shared slots,
// in the state folder, or known to the keeper.
class Agent {
 public:
  // Called before anything is looked at that a container could have written, and before there is any other
  // thread. `traces`: whether the sessions trace by themselves.
  using Confine = std::function<Status(bool traces)>;

  // Waits for the keeper's first words; reads the record, resolves the policy's names, opens the event log.
  // An error has been told to the keeper. `watches`: the process's, where it has several of us.
  static Result<std::unique_ptr<Agent>> make(Kernel& kernel, Channel keeper, const Confine& confine = {},
                                             FolderWatches* watches = nullptr);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Serves until the container is gone; then puts the bundle's config back and removes the state folder. Or
  // until kDrain has come, and nothing is being served any more; then it leaves everything to another worker,
  // whenever that is: the keeper waits no longer than it likes. An error: the keeper is gone, or of no use.
  Status run();

  // Whether any session is left: who holds this can only be rid of it by the process's end.
  [[nodiscard]] bool serves() const { return !sessions_.empty(); }

 private:
  struct Connection {
    HandoverMessage message;
    std::size_t size = 0;  // bytes that have come
    bool closed = false;
  };
  using Connections = std::map<std::uint64_t, Connection>;

  Agent(Kernel& kernel, Channel keeper, Message begin, std::unique_ptr<Slots> slots,
        std::unique_ptr<KeptNames> kept_names, container::Record record, Supervision supervision);

  Status prepare();
  Status open_hosts();
  // Keeps the policy's host names resolved from here on.
  Status follow_names();
  Status watch_state_folder();
  Status watch(int fd, std::uint32_t events);
  void stop_watching(int fd);
  void dispatch(int fd);
  [[nodiscard]] int timeout() const;
  // Whether any session wants to be looked after again soon.
  bool look_after_sessions();
  void begin_drain();
  [[nodiscard]] bool drained() const;
  Status hear();
  Status obey(Message message);
  Status go();
  void read_connection(std::uint64_t number);
  Status begin_session(std::uint64_t connection, Handover handover);
  Status start_session(unsigned number, UniqueFd notify_fd);
  Status set_deadline(const Handover& handover);
  void stop_container();
  [[nodiscard]] Event stop_event(bool killed) const;
  [[nodiscard]] std::optional<unsigned> free_number() const;
  void leave_cgroup();
  Status adopt_id(const std::string& id);
  Status restore_state_folder();
  [[nodiscard]] bool in_state_folder(const char* name) const;
  [[nodiscard]] bool state_folder_is_whole() const;
  [[nodiscard]] bool another_serves() const;
  Status hold_lock();
  Status make_state_folder();
  // Puts the bundle's config back: the runtime reads it once, before it connects or at the latest before it
  // ends, and keeps a copy of its own for what comes later.
  void restore_bundle();
  [[nodiscard]] bool finished() const;
  // Whether the next worker is to have another policy than this one.
  bool reload_policy();
  void clean_up();
  [[nodiscard]] container::Record whole(container::Record record) const;

  Kernel& kernel_;
  Channel keeper_;
  const pid_t keeper_pid_;
  std::uint64_t facts_;  // of Begin
  std::string state_folder_;
  UniqueFd creator_;      // pidfd of the process that becomes the runtime; invalid when unknown
  UniqueFd bundle_lock_;  // lock_bundle(); invalid where the runtime is not about to read the bundle
  UniqueFd grace_;        // timerfd: how long to wait for a runtime whose pid nobody told
  std::optional<Deadline> deadline_;
  std::unique_ptr<Slots> slots_;
  std::unique_ptr<KeptNames> kept_names_;
  std::unique_ptr<RemoteTracer> tracer_;  // absent: the sessions trace by themselves
  container::Record record_;              // without own_seccomp, which is supervision_'s, as text
  const Supervision supervision_;
  std::unique_ptr<EventLog> events_;  // opened when the container's id is known
  std::string id_link_;  // the container id's name for a state folder that was made before the id was known

  UniqueFd epoll_;
  FolderWatches* watches_ = nullptr;  // the process's
  UniqueFd folder_changed_;           // eventfd: it is told by
  UniqueFd inotify_;                  // where there are none
  UniqueFd wake_;                     // see Waiting
  Connections connections_;
  std::map<unsigned, UniqueFd> inherited_;  // sessions that an earlier worker has begun, until kGo
  std::list<std::unique_ptr<Session>> sessions_;
  bool gone_ = false;            // kGo has come
  bool creator_pending_ = true;  // the runtime that was to make the container may still come
  bool bundle_restored_ = false;
  bool told_finished_ = false;
  bool ending_ = false;    // kEnd has come
  bool draining_ = false;  // kDrain has come
  // The container may outlive our sessions: an agent before us died, or a session could not go on.
  bool may_outlive_ = false;
  bool anything_waits_ = false;
  std::optional<container::HostsFile> hosts_;  // until kGo
  std::unique_ptr<NameKeeper> names_;          // where the policy has host names; has a thread of its own
};

}  // namespace tidewaiter::supervisor

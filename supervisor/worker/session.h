#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "supervisor/answer.h"
#include "supervisor/operations/operation.h"
#include "supervisor/report/event_log.h"
#include "supervisor/slots.h"
#include "supervisor/supervision.h"
#include "supervisor/waiting.h"
#include "supervisor/worker/identity_cache.h"
#include "supervisor/worker/start.h"

namespace tidewaiter::supervisor {

// One notify descriptor: a container's own, or that of a process executed into it. serve() is the way of a
// notification, from top to bottom. `supervision` and `events` are shared by the sessions of a container and
// outlive them; everything here may run on any receiver.
class Session {
 public:
  // Its receivers note in `slots`, under `number`, how far they have come; there it takes up what an earlier
  // worker has left. `tracer`: who outlives this process; absent, the receivers trace themselves.
  static Result<std::unique_ptr<Session>> start(Kernel& kernel, UniqueFd notify_fd, std::string container_id,
                                                const Supervision& supervision, EventLog& events, int wake_fd,
                                                Slots& slots, unsigned number, Tracer* tracer = nullptr);
  // Interrupts whatever the receivers do and waits for them: without ended(), for as long as the kernel
  // likes.
  ~Session();

  // Borrowed, to be watched for the hang-up that tells that every task of the filter is gone.
  [[nodiscard]] int notify_fd() const { return notify_fd_.get(); }
  [[nodiscard]] unsigned number() const { return number_; }

  // See Waiting.
  bool look_after() { return waiting_.look_after(); }
  void begin_stop() { waiting_.begin_stop(); }
  void begin_drain() { waiting_.begin_drain(); }
  [[nodiscard]] bool ended() const { return waiting_.ended(); }
  // Whether the session has not come to the end of its filter: somebody may call still.
  [[nodiscard]] bool gave_up() const { return ended() && !hung_up(); }
  // Whether every task of the filter is gone.
  [[nodiscard]] bool hung_up() const;

 private:
  Session(Kernel& kernel, UniqueFd notify_fd, std::string container_id, const Supervision& supervision,
          EventLog& events, int wake_fd, Slots& slots, unsigned number, Tracer* tracer);

  void take_over();
  void remember_lost(const Slot& slot, const struct seccomp_notif& received);
  // The slot of the calling receiver; nullptr: there is none.
  Slot* own_slot();
  void leave();
  void leave_open();
  bool receive_one();
  bool serve_left();
  bool serve_stand_in(Notification& notification);
  void serve(Notification notification, Slot& slot);
  // To the target, by whatever way it is still to be had.
  Status answer(Notification& notification, Call& call, Outcome& outcome);
  static Status finish_stand_in(Notification& notification, Call& call, const Outcome& outcome);
  Outcome decide(Call& call, const Syscall& syscall);
  bool starting();
  // After the answer that let an execve go on.
  void finish_exec(Outcome& outcome) const;
  // Of a call that is not answered yet.
  Identity identify(const Notification& notification, const Target& target,
                    std::chrono::steady_clock::time_point received);
  [[nodiscard]] bool may_be_told_of(const Outcome& outcome) const;
  void report(const Syscall* syscall, const Outcome& outcome, pid_t tid, Identity identity,
              std::chrono::steady_clock::time_point received, std::chrono::nanoseconds duration);

  Kernel& kernel_;
  const UniqueFd notify_fd_;
  const std::string_view container_id_;  // the event log keeps it
  const Supervision& supervision_;
  EventLog& events_;
  Slots& slots_;
  const unsigned number_;
  LocalTracer own_tracer_;
  Tracer& tracer_;
  std::mutex mutex_;
  std::vector<Slot*> left_;  // by an earlier worker, each with a notification that stands
  std::atomic<bool> any_left_ = false;
  std::optional<IdentityCache> identities_;  // after take_over()
  Repeats repeats_;
  Start start_;
  Waiting waiting_;  // last: its threads use all of the above
};

}  // namespace tidewaiter::supervisor

#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "supervisor/keeper/keeper.h"

namespace tidewaiter::supervisor {

// The worker processes of a node's agent, and for each container that one serves a Worker, as its keeper
// wants it. Mostly there is one process (shared_worker.h); while a new version takes the place of an old one
// there are two.
//
// A container's worker cannot be killed alone: its threads are the process's. So what a keeper wants killed
// is given kPatience to end by itself, which it does where it has finished, and then the process is killed. A
// worker that is dropped without having been killed is left to itself: its channel has closed.
class WorkerPool {
 public:
  using Time = Upkeep::Time;

  // `launch` starts a process that runs run_shared_worker().
  static Result<std::unique_ptr<WorkerPool>> make(Launch launch);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // For keepers. It outlives them.
  Launch launch();

  // Borrowed; readable when there is something to do.
  [[nodiscard]] int events_fd() const { return epoll_.get(); }
  // When there is in any case.
  [[nodiscard]] std::optional<Time> next() const;
  // Does it.
  void turn(Time now);

  // Whoever is launched from here on is in another process than those before.
  void begin_generation() { ++generation_; }

  // So soon that the keeper does not think of giving up (Upkeep::kShortest).
  static constexpr std::chrono::milliseconds kPatience{500};

 private:
  class Hosted;
  struct Process;

  explicit WorkerPool(Launch launch);
  Result<std::unique_ptr<Worker>> host(Channel channel, int program);
  Result<Process*> process_for(int program);
  void look(Process& process);
  void want_end(Process& process, std::uint64_t number) const;
  void end_now(Process& process);

  Launch launch_;
  UniqueFd epoll_;
  std::list<std::unique_ptr<Process>> processes_;
  std::uint64_t generation_ = 0;
  std::uint64_t next_number_ = 1;  // of a hosted worker or a process
};

}  // namespace tidewaiter::supervisor

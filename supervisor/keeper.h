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
#include "supervisor/channel.h"
#include "supervisor/runtime_connection.h"
#include "supervisor/slots.h"

namespace tidewaiter::supervisor {

// What the launcher gave the agent; oci/container/agent_launcher.h has the protocol.
struct KeeperInheritance {
  std::string state_folder;
  UniqueFd listener;
  UniqueFd ready;             // where to say "ok", or what is wrong
  UniqueFd creator;           // pidfd of the process that becomes the runtime; invalid when unknown
  UniqueFd bundle_lock;       // lock_bundle(); invalid where the runtime is not about to read the bundle
  bool leaves_cgroup = true;  // its caller's
};

// Whoever does the work, as the keeper sees it: a process of its own.
class Worker {
 public:
  virtual ~Worker() = default;
  // Borrowed; becomes readable when none of its threads is left.
  [[nodiscard]] virtual int ended_fd() const = 0;
  // Ends it at once (SIGKILL). It has not ended when this returns.
  virtual void kill() = 0;
  // How it ended, for the log. REQUIRES: ended_fd() is readable.
  virtual std::string reap() = 0;
};

enum class Program {
  kOwn,      // as this process has it in memory
  kCurrent,  // what lies at its path now
};

// Starts a worker at the other end of a channel.
using Launch = std::function<Result<std::unique_ptr<Worker>>(Channel channel, Program program)>;

// What the process that traces gets, borrowed: its ends of RemoteTracer's sockets, and the slots' memory.
struct TracerFds {
  int requests = -1;
  int notified = -1;
  int slots = -1;
};

// Starts it (tracing.h).
using LaunchTracer = std::function<Result<std::unique_ptr<Worker>>(const TracerFds& fds)>;

// The agent's first process. It holds whatever must not be lost: the listening socket and what comes in
// there, the notify descriptors, the shared slots, the lock of the state folder. It looks into nothing that a
// container could have written; the worker does, and when that dies the keeper starts another with the same
// descriptors, who finds in the slots what is open.
//
// It has one thread, and never waits for anybody.
class Keeper {
 public:
  // Takes the lock of the state folder. Without `launch_tracer` a worker traces by itself.
  static Result<std::unique_ptr<Keeper>> make(KeeperInheritance inheritance, Launch launch,
                                              LaunchTracer launch_tracer = nullptr);

  // Until the container is gone. SIGTERM ends it before, and leaves state folder and bundle as they are: what
  // is still supervised fails closed with ENOSYS.
  Status run();

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Connection {
    RuntimeConnection runtime;
    bool told = false;
    bool told_closed = false;
    std::size_t told_size = 0;
    unsigned deaths = 0;  // of workers that had not finished with what they were told of it
  };
  struct Session {
    UniqueFd notify_fd;
    bool told = false;
  };
  // A worker and our end of the channel to it.
  struct Employed {
    std::unique_ptr<Worker> worker;
    Channel channel;
    bool ready = false;
    bool told_all = false;
    bool full = false;  // the channel, for now
  };

  Keeper(KeeperInheritance inheritance, Launch launch, LaunchTracer launch_tracer);
  Status prepare();
  Status watch(int fd, std::uint32_t events) const;
  void stop_watching(int fd) const;
  void dispatch(int fd);
  [[nodiscard]] int timeout() const;

  Result<std::unique_ptr<Employed>> employ(Program program);
  Status begin(const Employed& employed) const;
  Status open_requests();
  Status watch_requests() const;
  void stop_watching_requests() const;
  void start_tracer();
  void tracer_ended();
  void start_worker();
  void replace_worker();
  void worker_ended();
  void give_up();
  void end_worker(std::unique_ptr<Employed>& employed);

  void hear(Employed& employed);
  void obey(Employed& employed, Message message);
  void worker_ready(Employed& employed, const Message& message);
  void session_begun(const Message& message);
  void last_look();
  void tell();
  Status tell_all(Employed& employed);
  Status tell_connection(Employed& employed, std::uint64_t number, Connection& connection) const;

  void accept_connections();
  void pause_accepting(int reason);
  void resume_accepting();
  void receive(std::uint64_t number);
  void report(const std::string& line);
  void refuse_notifications();

  KeeperInheritance inheritance_;
  Launch launch_;
  UniqueFd lock_;
  UniqueFd epoll_;
  UniqueFd signals_;
  UniqueFd grace_;  // timerfd: how long to wait for a runtime whose pid nobody told
  std::unique_ptr<Slots> slots_;
  std::map<std::uint64_t, Connection> connections_;
  std::map<unsigned, Session> sessions_;
  std::uint64_t next_connection_ = 0;
  std::uint64_t facts_ = 0;  // of Begin

  LaunchTracer launch_tracer_;
  // To trace; the end that workers write to, and the one that the tracer reads. And of notifications.
  UniqueFd requests_;
  UniqueFd requested_;
  UniqueFd notify_;
  UniqueFd notified_;
  std::unique_ptr<Worker> tracer_;  // from the first request on

  std::unique_ptr<Employed> worker_;
  std::unique_ptr<Employed> successor_;  // is getting ready to take the worker's place
  Time began_{};                         // when the worker was ready
  unsigned short_lives_ = 0;             // workers in a row that were soon dead
  std::optional<Time> start_again_;
  std::optional<Time> failing_since_;  // no worker has been ready since
  std::chrono::seconds patience_{0};   // how long that may go on
  std::optional<Time> accept_again_;
  bool done_ = false;
  bool over_ = false;
  Status result_;
};

}  // namespace tidewaiter::supervisor

#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "supervisor/keeper/channel.h"
#include "supervisor/keeper/runtime_connection.h"
#include "supervisor/keeper/testament.h"
#include "supervisor/keeper/upkeep.h"
#include "supervisor/names/kept_names.h"
#include "supervisor/slots.h"

namespace tidewaiter::supervisor {

// How long others' calls may wait for those that a worker whose place is taken has under way. Most take
// microseconds, and a connection to another machine as long as that is far away.
inline constexpr std::chrono::milliseconds kLongestDrain{100};

// What the launcher gave the agent; oci/container/agent_launcher.h has the protocol.
struct KeeperInheritance {
  std::string state_folder;
  UniqueFd listener;
  UniqueFd ready;             // where to say "ok", or what is wrong
  UniqueFd creator;           // pidfd of the process that becomes the runtime; invalid when unknown
  UniqueFd bundle_lock;       // lock_bundle(); invalid where the runtime is not about to read the bundle
  bool leaves_cgroup = true;  // its caller's
  std::string program;        // where the agent's program lies, also when it is another one by now
  UniqueFd successor;         // the program (O_PATH) that has taken that one's place; invalid: none has
  std::chrono::milliseconds longest_drain = kLongestDrain;
  // Where to have files kept; nullptr: nobody keeps them. It outlives the keeper.
  Deposit* deposit = nullptr;
  // What an earlier keeper has had kept there, by its names; then there is nothing above but deposit,
  // program, node_socket and leaves_cgroup.
  std::map<std::string, UniqueFd> left = {};
  std::string node_socket;  // where the node's agent listens that this keeper is a part of; empty: of none
};

// Whoever does the work, as the keeper sees it: a process of its own. Dropped, it is ended.
class Worker {
 public:
  virtual ~Worker() = default;
  // Borrowed; becomes readable when none of its threads is left.
  [[nodiscard]] virtual int ended_fd() const = 0;
  // Ends it at once (SIGKILL). It has not ended when this returns.
  virtual void kill() = 0;
  // How it ended, for the log; nullopt: it has not. Does not wait.
  virtual std::optional<std::string> reap() = 0;
};

// The program as this process has it in memory.
inline constexpr int kOwnProgram = -1;

// Starts a worker at the other end of a channel. `program`: kOwnProgram, or a file (O_PATH), borrowed.
using Launch = std::function<Result<std::unique_ptr<Worker>>(Channel channel, int program)>;

// What the process that traces gets, borrowed: its ends of RemoteTracer's sockets, and the slots' memory.
struct TracerFds {
  int requests = -1;
  int notified = -1;
  int slots = -1;
};

// Starts it (tracing.h).
using LaunchTracer = std::function<Result<std::unique_ptr<Worker>>(const TracerFds& fds)>;

// What holds a container's supervision together, in the agent's first process; with a node's agent there are
// as many in that as containers, in turns (node/node.h). It holds whatever must not be lost: the listening
// socket and what comes in there, the notify descriptors, the shared slots, the lock of the state folder. It
// looks into nothing that a container could have written; the worker does, and when that dies the keeper
// starts another with the same descriptors, who finds in the slots what is open.
//
// It has no thread of its own, and waits for nobody: but a second at most for a process that it has killed.
class Keeper {
 public:
  // Takes the lock of the state folder. Without `launch_tracer` a worker traces by itself.
  static Result<std::unique_ptr<Keeper>> make(KeeperInheritance inheritance, Launch launch,
                                              LaunchTracer launch_tracer = nullptr);

  // Until the container is gone. SIGTERM ends it before, and leaves state folder and bundle as they are: what
  // is still supervised fails closed with ENOSYS.
  Status run();

  // run() in pieces, for who has several: turn() until it is over(), then finish(). A node's signals are not
  // looked at here.
  using Time = Upkeep::Time;
  // Borrowed; readable when there is something to do.
  [[nodiscard]] int events_fd() const { return epoll_.get(); }
  // Milliseconds until there is something to do in any case; -1: for ever.
  [[nodiscard]] int timeout() const;
  // Does what there is to do, and waits for it at most `wait` milliseconds.
  Status turn(int wait);
  [[nodiscard]] bool over() const { return over_; }
  Status finish();

  // Goes on as another version: SIGUSR2. Once the new worker is ready the old one receives no more and has
  // kLongestDrain to finish what it serves; what comes meanwhile waits for the new one. What takes longer
  // than that, a connect to a host that does not answer for one, goes on without a worker, as after a death
  // (slots.h): the old one is killed, and the new one takes it up.
  void replace_worker();
  // Has the worker look at the policy file again.
  void reload() { reload_ = Reload::kWanted; }
  [[nodiscard]] bool reloads() const { return reload_ != Reload::kNone; }
  // Whether one that comes now would have another policy than the present one.
  [[nodiscard]] bool wants_renewal() const { return wants_renewal_ && worker_ && !successor_; }
  // Once after another program has taken a worker's place: it (O_PATH); else invalid.
  UniqueFd take_successor() { return std::exchange(taken_over_by_, {}); }
  // Has another take its place, of the same program and in the same way.
  void renew_worker();
  // The container did not come to be: the worker is to go, and to leave everything as it is.
  void withdraw();
  // Nobody needs the agent any more: SIGTERM.
  void end();
  // Has nothing kept any more: no other keeper is to go on.
  void drop_deposit();
  [[nodiscard]] const std::string& state_folder() const { return inheritance_.state_folder; }

 private:
  // Where an event comes from. A descriptor's number says little: it is soon another's.
  enum class Source : std::uint64_t {
    kSignals,
    kListener,
    kChannel,
    kEnd,
    kTracerEnd,
    kRequests,
    kConnection
  };
  struct Connection {
    RuntimeConnection runtime;
    bool told = false;
    bool told_closed = false;
    std::size_t told_size = 0;
    bool failed = false;  // it is of no use any more
    unsigned deaths = 0;  // of workers that had not finished with what they were told of it
  };
  struct Session {
    UniqueFd notify_fd;
    bool told = false;
    std::string file = {};  // as the deposit knows it
  };
  using Connections = std::map<std::uint64_t, Connection>;
  enum class Reload { kNone, kWanted, kTold };
  // A worker and our end of the channel to it.
  struct Employed {
    std::unique_ptr<Worker> worker;
    Channel channel;
    std::uint64_t number;  // no other has had it
    Time started;
    UniqueFd program = {};  // invalid: our own
    bool ready = false;
    bool told_all = false;
    bool told_end = false;
    bool full = false;  // the channel, for now
    bool killed = false;
    bool drains = false;                  // it has been told to
    std::optional<Time> drained_by = {};  // if not, it is killed then
  };

  // A tracer serves from its first moment, as far as one can see: it may still die of its start.
  static constexpr std::chrono::seconds kShortTracer{1};
  // Of a node, first workers that may end without a word: others' containers may have taken them along.
  static constexpr unsigned kMostFirstEnds = 3;

  Keeper(KeeperInheritance inheritance, Launch launch, LaunchTracer launch_tracer);
  Status prepare();
  Status make_shared_memory();
  Status resume();
  Status restore_connections(const Testament& testament);
  Status restore_sessions(const Testament& testament);
  void adopt_unknown_session();
  UniqueFd take_left(const std::string& name);
  void save();
  void set_patience(std::uint64_t seconds);
  // Whether a first worker that has ended is to be followed by another.
  [[nodiscard]] bool begins_again();
  [[nodiscard]] std::map<std::string, int> files() const;
  [[nodiscard]] Testament testament() const;
  Status watch(int fd, Source source, std::uint64_t number = 0) const;
  void stop_watching(int fd) const;
  void dispatch(Source source, std::uint64_t number);
  void keep_up(Time now);
  [[nodiscard]] bool of_node() const { return !inheritance_.node_socket.empty(); }
  [[nodiscard]] std::string lock_text() const;

  Result<std::unique_ptr<Employed>> employ(UniqueFd program);
  void dismiss(std::unique_ptr<Employed>& employed) const;
  Status begin(const Employed& employed) const;
  Status open_requests();
  void watch_requests();
  void start_tracer();
  void tracer_ended();
  void refuse_requests() const;
  void start_worker(UniqueFd program);
  [[nodiscard]] UniqueFd next_program() const;
  [[nodiscard]] bool waits_for_successor() const;
  void worker_ended();
  void successor_ended();
  void forget_what_was_told();
  void give_up();
  void end_worker(std::unique_ptr<Employed>& employed) const;

  void hear(Employed& employed);
  void obey(Employed& employed, Message message);
  void kill(Employed& employed);
  void relieve(Employed& employed);
  void worker_ready(Employed& employed, const Message& message);
  void session_begun(const Message& message);
  void last_look();
  void tell();
  Status tell_all(Employed& employed);
  Status tell_connection(Employed& employed, std::uint64_t number, Connection& connection);

  void accept_connections();
  void pause_accepting(int reason);
  void resume_accepting();
  void receive(std::uint64_t number);
  Connections::iterator forget(Connections::iterator connection);
  void report(const std::string& line);
  void refuse_notifications();

  KeeperInheritance inheritance_;
  Launch launch_;
  UniqueFd lock_;
  UniqueFd epoll_;
  UniqueFd signals_;
  UniqueFd grace_;     // timerfd: how long to wait for a runtime whose pid nobody told
  UniqueFd deadline_;  // Begin::kDeadline
  UniqueFd init_;
  std::unique_ptr<Slots> slots_;
  std::optional<KeptNames> names_;
  Connections connections_;
  std::map<unsigned, Session> sessions_;
  std::uint64_t folders_ = 0;           // Testament
  std::optional<KeptNames> testament_;  // where there is a deposit
  std::string saved_;                   // what is in it
  std::set<std::string> deposited_;     // the files that are kept
  std::uint64_t next_connection_ = 0;
  std::uint64_t facts_ = 0;  // of Begin

  LaunchTracer launch_tracer_;
  // To trace; the end that workers write to, and the one that the tracer reads. And of notifications.
  UniqueFd requests_;
  UniqueFd requested_;
  UniqueFd notify_;
  UniqueFd notified_;
  std::unique_ptr<Worker> tracer_;  // from the first request on
  std::uint64_t tracer_number_ = 0;
  bool requests_watched_ = false;
  Upkeep tracers_{kShortTracer};

  std::unique_ptr<Employed> worker_;
  std::unique_ptr<Employed> successor_;  // is getting ready to take the worker's place
  std::uint64_t next_number_ = 1;        // of a worker or a tracer
  Upkeep workers_;
  UniqueFd program_;  // that took its own one's place; invalid: none has
  UniqueFd taken_over_by_;
  unsigned first_ends_ = 0;
  std::uint64_t patience_ = 0;  // seconds, as a worker has told
  std::optional<Time> accept_again_;
  std::optional<Time> tell_again_;
  Reload reload_ = Reload::kNone;
  bool wants_renewal_ = false;
  bool finished_ = false;  // the worker has nothing left that it knows of
  bool done_ = false;
  bool over_ = false;
  Status result_;
};

}  // namespace tidewaiter::supervisor

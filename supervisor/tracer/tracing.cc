#include "supervisor/tracer/tracing.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "oci/base/log.h"
#include "oci/base/system.h"
#include "oci/base/unix_socket.h"
#include "supervisor/answer.h"
#include "supervisor/target/stand_in.h"
#include "supervisor/tracer/object_socket.h"
#include "supervisor/tracer/remote_stand_in.h"
#include "supervisor/waiting.h"

namespace tidewaiter::supervisor {
namespace {

// Arguments that come with a request; longer ones are in a file of their own.
constexpr std::size_t kMostInline = 16384;

// Threads that wait for requests and are kept.
constexpr unsigned kSpare = 2;
// When to try again to have one, where all are at work.
constexpr std::chrono::seconds kThreadRetry{1};

struct Request {
  enum class Kind { kExec, kStandIn };
  Kind kind = Kind::kExec;
  pid_t tid = 0;
  int number = 0;
  std::uint64_t id = 0;  // of the notification
  pid_t worker = 0;      // who asks
  // Of an execve.
  std::uint64_t instruction = 0;
  FileStatus file{};
  std::uint64_t arguments = 0;  // bytes
  // Of a stand-in, as StandInRequest has it.
  pid_t process = 0;
  std::array<std::uint64_t, 6> call{};
  long message = 0;
  bool spares_unknown_calls = false;
};
static_assert(std::is_trivially_copyable_v<Request>);

// What became of letting it go on; then, if it did, of the execve.
struct Reply {
  enum class Kind { kAnswered, kNotTraced, kNotAnswered };
  Kind kind{};
  int code = 0;  // why not
};
struct EndReply {
  ExecTrace::End::Kind kind{};
  int errno_value = 0;
};

// Descriptors that come with a request: the other end of a socket for the replies, the notify descriptor; of
// an execve also the file that was decided on, and a file with the arguments if they are long.
constexpr std::size_t kRequestFds = 4;

// A stand-in's own notification. The notify descriptor comes with it.
struct Notified {
  std::uint64_t id = 0;
  pid_t tid = 0;
  struct seccomp_data call {};
};

// Of requests for one call. A tracer that is killed may still take one out of the queue, and do nothing with
// it: its threads die one by one, and who waits in recvmsg(2) looks into the queue before it looks for a
// signal (__skb_wait_for_more_packets, net/core/datagram.c).
class Requests {
 public:
  explicit Requests(const std::atomic<std::uint32_t>& refusals)
      : refusals_(refusals), refused_before_(refusals.load(std::memory_order_acquire)) {}

  // The last one came to nothing. An error: so does the call. ENOENT: it does not stand any more.
  Status again(const Notification& notification) {
    if (!notification.still_stands()) return fail(ENOENT, "the tracer");
    if (++lost_ == kMost || refusals_.load(std::memory_order_acquire) != refused_before_) {
      return fail(EIO, "the tracer");
    }
    return {};
  }

 private:
  static constexpr int kMost = 3;

  const std::atomic<std::uint32_t>& refusals_;
  const std::uint32_t refused_before_;
  int lost_ = 0;
};

// How long to wait before looking for room again.
constexpr int kRoomMilliseconds = 10;

// Waits for room as long as the notification stands, for what it is sent.
Status send_with_fds(int socket, std::span<const struct iovec> parts, std::span<const int> fds,
                     const Notification& notification) {
  alignas(struct cmsghdr) std::array<char, CMSG_SPACE(kRequestFds * sizeof(int))> control{};
  struct msghdr message {};
  message.msg_iov = const_cast<struct iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  attach_fds(message, fds, control);
  for (;;) {
    if (::sendmsg(socket, &message, MSG_NOSIGNAL) >= 0) return {};
    // Of descriptors on their way the kernel allows each user so many (unix(7)), and a container of the same
    // user may see to it that there are.
    const bool no_room = errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM;
    if (!no_room && errno != EINTR) return fail(errno, "ask the tracer");
    if (!notification.still_stands()) return fail(EINTR, "ask the tracer");
    if (no_room) ::poll(nullptr, 0, kRoomMilliseconds);
  }
}

Status send_request(int requests, Request request, const std::string& text, std::span<const int> fds,
                    const Notification& notification) {
  request.worker = ::getpid();
  const std::array<struct iovec, 2> parts = {
      {{&request, sizeof request}, {const_cast<char*>(text.data()), text.size()}}};
  return send_with_fds(requests, parts, fds, notification);
}

// The bytes of the next message, and what came with it; 0: none will come any more. Where there was no room
// for its descriptors it has none.
std::size_t receive_with_fds(int socket, std::span<struct iovec> parts, std::vector<UniqueFd>& fds) {
  auto message = receive_message(socket, parts, kRequestFds);
  if (!message) return 0;
  fds = std::move(message->fds);
  // Some may have come, and others not.
  if ((message->flags & MSG_CTRUNC) != 0) fds.clear();
  return message->size;
}

class RemoteTrace final : public Trace {
 public:
  RemoteTrace(int requests, const std::atomic<std::uint32_t>& refusals, Request request,
              DecidedExecution decided)
      : requests_(requests), refusals_(refusals), request_(request), decided_(std::move(decided)) {}

  Result<bool> let_go_on(Notification& notification) override {
    request_.id = notification.id();
    Reply reply;
    // Should the tracer have died, so does whom it traces; or nobody does, and who still waits is seen to by
    // the next one.
    Requests requests(refusals_);
    while (!TRY(ask(notification, reply))) TRY(requests.again(notification));
    switch (reply.kind) {
      case Reply::Kind::kAnswered:
        notification.answered_elsewhere();
        return true;
      case Reply::Kind::kNotTraced:
        return false;
      case Reply::Kind::kNotAnswered:
        break;
    }
    return fail(reply.code, "let an execve go on");
  }

  ExecTrace::End finish() override {
    EndReply reply;
    if (!receive_object(socket_.get(), reply)) return {};
    return {reply.kind, reply.errno_value};
  }

 private:
  // False: who got the request has died before it said anything.
  Result<bool> ask(const Notification& notification, Reply& reply) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      return fail(errno, "socketpair");
    }
    socket_ = UniqueFd(ends[0]);
    UniqueFd theirs(ends[1]);
    TRY(put_aside_long_arguments());
    std::vector<int> fds{theirs.get(), notification.notify_fd(), decided_.fd.get()};
    if (long_arguments_.valid()) fds.push_back(long_arguments_.get());
    TRY(send_request(requests_, request_, decided_.arguments, fds, notification));
    // When the tracing process closes its copy, nobody has one.
    theirs.reset();
    return receive_object(socket_.get(), reply);
  }

  Status put_aside_long_arguments() {
    if (long_arguments_.valid()) return {};
    request_.arguments = decided_.arguments.size();
    if (decided_.arguments.size() <= kMostInline) return {};
    UniqueFd file(::memfd_create("tidewaiter-arguments", MFD_CLOEXEC));
    if (!file.valid()) return fail(errno, "memfd_create");
    TRY(sys::write_all(file.get(), decided_.arguments));
    decided_.arguments.clear();
    long_arguments_ = std::move(file);
    return {};
  }

  const int requests_;
  const std::atomic<std::uint32_t>& refusals_;
  Request request_;
  DecidedExecution decided_;
  UniqueFd long_arguments_;
  UniqueFd socket_;
};

}  // namespace

Result<std::unique_ptr<Trace>> RemoteTracer::attach(pid_t tid, CallSite site, DecidedExecution decided) {
  Request request;
  request.kind = Request::Kind::kExec;
  request.tid = tid;
  request.number = site.number;
  request.instruction = site.instruction;
  request.file = decided.file;
  return std::make_unique<RemoteTrace>(requests_.get(), refusals_, request, std::move(decided));
}

Status RemoteTracer::start_stand_in(const Notification& notification, const StandInRequest& request,
                                    std::unique_ptr<StandInCalls>& stand_in) {
  Requests requests(refusals_);
  while (!TRY(ask_for_stand_in(notification, request, stand_in))) TRY(requests.again(notification));
  return {};
}

Result<bool> RemoteTracer::ask_for_stand_in(const Notification& notification, const StandInRequest& request,
                                            std::unique_ptr<StandInCalls>& stand_in) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return fail(errno, "socketpair");
  }
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  Request asked;
  asked.kind = Request::Kind::kStandIn;
  asked.tid = request.tid;
  asked.number = static_cast<int>(request.number);
  asked.id = notification.id();
  asked.process = request.process;
  asked.call = request.arguments;
  asked.message = request.message;
  asked.spares_unknown_calls = request.spares_unknown_calls;
  TRY(send_request(requests_.get(), asked, "", std::array{theirs.get(), notification.notify_fd()},
                   notification));
  // When the tracing process closes its copy, nobody has one.
  theirs.reset();
  return RemoteStandIn::start(kernel_, std::move(ours), request.stopping, stand_in);
}

bool RemoteTracer::answer_stand_in(Notification& notification) {
  if (!threads_.has(notification.tid())) return false;
  Notified notified{notification.id(), notification.tid(), notification.call()};
  const std::array<struct iovec, 1> parts = {{{&notified, sizeof notified}}};
  if (send_with_fds(notified_.get(), parts, std::array{notification.notify_fd()}, notification)) {
    notification.answered_elsewhere();
  }
  // Else it is answered when it is dropped: EPERM.
  return true;
}

namespace {

// As often as a notification may be taken up by another worker (Slot::kMostAttempts).
constexpr unsigned kMostAbandoned = 8;
// Processes of which that is remembered.
constexpr std::size_t kMostRemembered = 1024;

// How often a stand-in is looked after (StandIn::look_after).
constexpr std::chrono::milliseconds kTick{20};

// Interrupts those threads that make stand-ins, again and again. Not by timers of theirs: each would hold a
// place in its user's queue of signals (RLIMIT_SIGPENDING), which a container of the same user may fill.
class Ticker {
 public:
  // Interrupts the calling thread as long as it lives.
  class Ticks {
   public:
    explicit Ticks(Ticker& ticker) : ticker_(ticker) {
      const std::lock_guard lock(ticker_.mutex_);
      ticker_.threads_.insert(::pthread_self());
      ticker_.changed_.notify_one();
    }
    Ticks(const Ticks&) = delete;
    Ticks& operator=(const Ticks&) = delete;
    ~Ticks() {
      const std::lock_guard lock(ticker_.mutex_);
      ticker_.threads_.erase(::pthread_self());
    }

   private:
    Ticker& ticker_;
  };

  // In a thread of its own, for ever.
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return !threads_.empty(); });
      for (const pthread_t thread : threads_) ::pthread_kill(thread, Waiting::kInterrupt);
      lock.unlock();
      std::this_thread::sleep_for(kTick);
      lock.lock();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<pthread_t> threads_;  // each is alive
};

// Where a process can have no further thread, which a workload may bring about, nobody whom it traces is to
// die of that.
template <typename Work>
bool start_detached(Work work) {
  try {
    std::thread(std::move(work)).detach();
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

// The threads of the tracing process.
class Tracing {
 public:
  Tracing(Kernel& kernel, UniqueFd requests, UniqueFd notified, StandInThreads& threads,
          const TracerLimits& limits)
      : kernel_(kernel),
        limits_(limits),
        requests_(std::move(requests)),
        notified_(std::move(notified)),
        stand_ins_{ExpectedCalls(threads), {}} {
    static_assert(TracerLimits().stand_ins <= StandInThreads::kMost);
  }

  // Until no more requests can come and all are done. False: it cannot have the threads that it takes.
  bool run() {
    if (!start_detached([this] { answer_stand_ins(); }) || !start_detached([this] { ticker_.run(); })) {
      return false;
    }
    start_thread();
    std::unique_lock lock(mutex_);
    if (threads_ == 0) return false;
    // Where a thread could not be had, all may be at work, and none would ask again.
    while (!changed_.wait_for(lock, kThreadRetry, [this] { return threads_ == 0; })) {
      if (idle_ != 0 || threads_ >= limits_.threads) continue;
      lock.unlock();
      start_thread();
      lock.lock();
    }
    return true;
  }

 private:
  struct Job {
    UniqueFd socket;
    UniqueFd notify_fd;
    Request request;
    DecidedExecution decided;
  };

  struct Abandoned {
    unsigned workers = 0;  // in a row
    pid_t last = 0;        // of them
    pid_t thread = 0;      // whose call that one abandoned
  };

  // Those that there are serve on where there can be no more.
  void start_thread() {
    {
      const std::lock_guard lock(mutex_);
      ++threads_;
    }
    if (start_detached([this] { work(); })) return;
    log::error("no further thread to trace in");
    const std::lock_guard lock(mutex_);
    --threads_;
  }

  void work() {
    for (;;) {
      set_idle(+1);
      auto job = next();
      const unsigned idle = set_idle(-1);
      if (!job) break;
      if (idle == 0 && count() < limits_.threads) start_thread();
      if (job->socket.valid()) trace(std::move(*job));
      if (idle_now() >= kSpare) break;
    }
    const std::lock_guard lock(mutex_);
    --threads_;
    changed_.notify_all();
  }

  unsigned set_idle(int change) {
    const std::lock_guard lock(mutex_);
    return idle_ += static_cast<unsigned>(change);
  }
  unsigned idle_now() { return set_idle(0); }
  unsigned count() {
    const std::lock_guard lock(mutex_);
    return threads_;
  }

  // nullopt: none will come any more. Without a socket: it was none.
  std::optional<Job> next() {
    Job job;
    std::string text(kMostInline, '\0');
    std::array<struct iovec, 2> parts = {{{&job.request, sizeof job.request}, {text.data(), text.size()}}};
    std::vector<UniqueFd> fds;
    const std::size_t size = receive_with_fds(requests_.get(), parts, fds);
    if (size == 0) return std::nullopt;
    const bool executes = job.request.kind == Request::Kind::kExec;
    if (size < sizeof job.request || fds.size() < (executes ? 3 : 2)) return Job{};
    if (executes) {
      text.resize(size - sizeof job.request);
      if (job.request.arguments > DecidedExecution::kMostArguments) return Job{};
      if (fds.size() == kRequestFds) {
        text.resize(job.request.arguments);
        if (::pread(fds[3].get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
          return Job{};
      }
      if (text.size() != job.request.arguments) return Job{};
      job.decided = {std::move(fds[2]), job.request.file, std::move(text)};
    }
    job.socket = std::move(fds[0]);
    job.notify_fd = std::move(fds[1]);
    return job;
  }

  void trace(Job job) {
    const pid_t tid = job.request.tid;
    // The end of its former call may not have come: the worker that asked for that has died.
    {
      std::unique_lock lock(mutex_);
      released_.wait(lock, [&] { return !traced_.contains(tid); });
      traced_.insert(tid);
    }
    serve(job);
    const std::lock_guard lock(mutex_);
    traced_.erase(tid);
    released_.notify_all();
  }

  void serve(Job& job) {
    struct pollfd gone = {job.socket.get(), POLLIN, 0};
    if (::poll(&gone, 1, 0) != 0) return;  // the next worker will ask
    if (job.request.kind == Request::Kind::kExec) {
      serve_exec(job);
    } else {
      serve_stand_in(job);
    }
  }

  [[nodiscard]] bool stands(const Job& job) const {
    return kernel_.id_valid(job.notify_fd.get(), job.request.id).value_or(false);
  }

  void serve_exec(Job& job) {
    const int socket = job.socket.get();
    // Nobody else is to be stopped, however shortly.
    if (!stands(job)) return (void)send_object(socket, Reply{Reply::Kind::kNotAnswered, ENOENT});
    auto trace = ExecTrace::attach(kernel_, job.request.tid, {job.request.number, job.request.instruction});
    if (!trace) return (void)send_object(socket, Reply{Reply::Kind::kNotTraced, trace.error().code});
    // Now it is known that who is traced is who had called: the number may have become another's meanwhile.
    if (!stands(job)) return (void)send_object(socket, Reply{Reply::Kind::kNotAnswered, ENOENT});
    const Status answered = kernel_.answer_continue(job.notify_fd.get(), job.request.id);
    job.notify_fd.reset();
    if (!answered) return (void)send_object(socket, Reply{Reply::Kind::kNotAnswered, answered.error().code});
    (void)send_object(socket, Reply{Reply::Kind::kAnswered, 0});
    const ExecTrace::End end = trace->finish(job.decided);
    (void)send_object(socket, EndReply{end.kind, end.errno_value});
  }

  void serve_stand_in(Job& job) {
    if (!take_room())
      return refuse_stand_in(job.socket.get(), {ENOBUFS, "too many calls on Unix sockets wait"});
    make_stand_in(job);
    const std::lock_guard lock(mutex_);
    --stand_ins_made_;
  }

  bool take_room() {
    const std::lock_guard lock(mutex_);
    if (stand_ins_made_ >= limits_.stand_ins) return false;
    ++stand_ins_made_;
    return true;
  }

  void make_stand_in(Job& job) {
    const Ticker::Ticks ticks(ticker_);
    StandInRequest request;
    request.tid = job.request.tid;
    request.process = job.request.process;
    request.number = job.request.number;
    request.arguments = job.request.call;
    request.message = job.request.message;
    request.spares_unknown_calls = job.request.spares_unknown_calls;
    request.stands = [this, &job] { return stands(job); };
    if (!request.stands()) return;
    const bool given_up = abandoned(job.request.process) + 1 >= kMostAbandoned;
    const bool was_abandoned =
        supervisor::serve_stand_in(kernel_, stand_ins_, job.socket.get(), std::move(request), given_up);
    remember(job.request, was_abandoned);
  }

  // Of a process, how often workers in a row have died in the middle of its call: should it be the call that
  // kills them, it is not to come again for ever.
  unsigned abandoned(pid_t process) {
    const std::lock_guard lock(mutex_);
    const auto found = abandoned_.find(process);
    return found == abandoned_.end() ? 0 : found->second.workers;
  }
  // A worker that dies abandons the calls of all the process's threads at once.
  void remember(const Request& request, bool was_abandoned) {
    const std::lock_guard lock(mutex_);
    if (!was_abandoned) {
      // What another thread of its succeeds with says nothing of that call.
      const auto found = abandoned_.find(request.process);
      if (found != abandoned_.end() && found->second.thread == request.tid) abandoned_.erase(found);
      return;
    }
    if (abandoned_.size() >= kMostRemembered) abandoned_.erase(abandoned_.begin());
    Abandoned& abandoned = abandoned_[request.process];
    abandoned.thread = request.tid;
    if (abandoned.last == request.worker) return;
    abandoned.last = request.worker;
    ++abandoned.workers;
  }

  // The stand-ins' own notifications, until no more can come.
  void answer_stand_ins() {
    for (;;) {
      Notified notified;
      std::array<struct iovec, 1> parts = {{{&notified, sizeof notified}}};
      std::vector<UniqueFd> fds;
      const std::size_t size = receive_with_fds(notified_.get(), parts, fds);
      if (size == 0) return;
      if (size != sizeof notified || fds.size() != 1) continue;
      // An earlier worker may have passed it on as well; what is expected next is not to be taken for it.
      if (!kernel_.id_valid(fds[0].get(), notified.id).value_or(false)) continue;
      // So it stands, too, while it gets the descriptor that it waits for.
      if (installs(notified.tid, notified.id)) continue;
      // A thread that is none any more is refused.
      const auto expected =
          stand_ins_.expected.take(notified.tid, notified.call).value_or(ExpectedCalls::Expected{});
      if (expected.install < 0) {
        answer_stand_in(kernel_, fds[0].get(), notified.id, notified.tid, expected);
        continue;
      }
      // This one waits until the target has taken the descriptor, which a freezer may delay.
      const std::pair which(notified.tid, notified.id);
      {
        const std::lock_guard lock(mutex_);
        installing_.insert(which);
      }
      const auto fd = std::make_shared<UniqueFd>(std::move(fds[0]));
      const bool started = start_detached([this, fd, which, expected] {
        answer_stand_in(kernel_, fd->get(), which.second, which.first, expected);
        const std::lock_guard lock(mutex_);
        installing_.erase(which);
      });
      if (started) continue;
      answer_stand_in(kernel_, fd->get(), which.second, which.first, {});
      const std::lock_guard lock(mutex_);
      installing_.erase(which);
    }
  }

  bool installs(pid_t tid, std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    return installing_.contains({tid, id});
  }

  Kernel& kernel_;
  const TracerLimits limits_;
  const UniqueFd requests_;
  const UniqueFd notified_;
  StandIns stand_ins_;
  Ticker ticker_;
  std::mutex mutex_;
  std::condition_variable changed_;   // of threads_
  std::condition_variable released_;  // of traced_: with each call, and mostly nobody waits for it
  std::set<pid_t> traced_;
  std::map<pid_t, Abandoned> abandoned_;
  std::set<std::pair<pid_t, std::uint64_t>> installing_;  // threads and their notifications
  unsigned threads_ = 0;
  unsigned idle_ = 0;
  unsigned stand_ins_made_ = 0;
};

}  // namespace

int run_tracer(Kernel& kernel, UniqueFd requests, UniqueFd notified, StandInThreads& threads,
               const TracerLimits& limits) {
  if (!Waiting::install_interrupt()) return 1;
  threads.clear();
  // Never destroyed: some of its threads end with the process.
  auto* const tracing =
      std::make_unique<Tracing>(kernel, std::move(requests), std::move(notified), threads, limits).release();
  return tracing->run() ? 0 : 1;
}

}  // namespace tidewaiter::supervisor

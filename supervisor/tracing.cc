#include "supervisor/tracing.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "oci/base/log.h"
#include "oci/base/system.h"
#include "supervisor/answer.h"

namespace tidewaiter::supervisor {
namespace {

// Arguments that come with a request; longer ones are in a file of their own.
constexpr std::size_t kMostInline = 16384;

// Execves that are traced at once; more of them wait.
constexpr unsigned kMostThreads = 512;
// Threads that wait for requests and are kept.
constexpr unsigned kSpare = 2;

struct Request {
  pid_t tid = 0;
  int number = 0;
  std::uint64_t instruction = 0;
  std::uint64_t id = 0;  // of the notification
  FileStatus file{};
  std::uint64_t arguments = 0;  // bytes
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

// Descriptors that come with a request: the other end of a socket for the replies, the file that was decided
// on, the notify descriptor, and a file with the arguments if they are long.
constexpr std::size_t kMostFds = 4;

// Receives exactly one object; false: the other end is closed.
template <typename Object>
bool receive(int socket, Object& object) {
  ssize_t count = 0;
  do {
    count = ::recv(socket, &object, sizeof object, 0);
  } while (count < 0 && errno == EINTR);
  return count == static_cast<ssize_t>(sizeof object);
}

template <typename Object>
bool send(int socket, const Object& object) {
  ssize_t count = 0;
  do {
    count = ::send(socket, &object, sizeof object, MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  return count == static_cast<ssize_t>(sizeof object);
}

Status send_request(int requests, const Request& request, const std::string& text, std::span<const int> fds) {
  auto copy = request;
  std::array<struct iovec, 2> parts = {{{&copy, sizeof copy}, {const_cast<char*>(text.data()), text.size()}}};
  alignas(struct cmsghdr) std::array<char, CMSG_SPACE(kMostFds * sizeof(int))> control{};
  struct msghdr message {};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(fds.size_bytes());
  struct cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(fds.size_bytes());
  std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  ssize_t count = 0;
  do {
    count = ::sendmsg(requests, &message, MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return fail(errno, "ask the tracer");
  return {};
}

class RemoteTrace final : public Trace {
 public:
  RemoteTrace(int requests, Request request, DecidedExecution decided)
      : requests_(requests), request_(request), decided_(std::move(decided)) {}

  Result<bool> let_go_on(Notification& notification) override {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      return fail(errno, "socketpair");
    }
    socket_ = UniqueFd(ends[0]);
    request_.id = notification.id();
    TRY(ask(UniqueFd(ends[1]), notification.notify_fd()));
    Reply reply;
    // Should the tracer have died, so has whom it traced; or it still waits, and is refused.
    if (!receive(socket_.get(), reply)) return fail(EIO, "the tracer");
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
    if (!receive(socket_.get(), reply)) return {};
    return {reply.kind, reply.errno_value};
  }

 private:
  Status ask(UniqueFd theirs, int notify_fd) {
    std::vector<int> fds{theirs.get(), decided_.fd.get(), notify_fd};
    UniqueFd file;
    request_.arguments = decided_.arguments.size();
    if (decided_.arguments.size() > kMostInline) {
      file = UniqueFd(::memfd_create("tidewaiter-arguments", MFD_CLOEXEC));
      if (!file.valid()) return fail(errno, "memfd_create");
      TRY(sys::write_all(file.get(), decided_.arguments));
      decided_.arguments.clear();
      fds.push_back(file.get());
    }
    return send_request(requests_, request_, decided_.arguments, fds);
  }

  const int requests_;
  Request request_;
  DecidedExecution decided_;
  UniqueFd socket_;
};

}  // namespace

Result<std::unique_ptr<Trace>> RemoteTracer::attach(pid_t tid, CallSite site, DecidedExecution decided) {
  const Request request{tid, site.number, site.instruction, 0, decided.file, 0};
  return std::make_unique<RemoteTrace>(requests_.get(), request, std::move(decided));
}

namespace {

// The threads of the tracing process.
class Tracing {
 public:
  Tracing(Kernel& kernel, UniqueFd requests) : kernel_(kernel), requests_(std::move(requests)) {}

  // Until no more requests can come and all are done.
  void run() {
    start_thread();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return threads_ == 0; });
  }

 private:
  struct Job {
    UniqueFd socket;
    UniqueFd notify_fd;
    Request request;
    DecidedExecution decided;
  };

  void start_thread() {
    {
      const std::lock_guard lock(mutex_);
      ++threads_;
    }
    std::thread([this] { work(); }).detach();
  }

  void work() {
    for (;;) {
      set_idle(+1);
      auto job = next();
      const unsigned idle = set_idle(-1);
      if (!job) break;
      if (idle == 0 && count() < kMostThreads) start_thread();
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
    alignas(struct cmsghdr) std::array<char, CMSG_SPACE(kMostFds * sizeof(int))> control{};
    struct msghdr message {};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t count = 0;
    do {
      count = ::recvmsg(requests_.get(), &message, MSG_CMSG_CLOEXEC);
    } while (count < 0 && errno == EINTR);
    if (count <= 0) return std::nullopt;
    std::vector<UniqueFd> fds;
    for (struct cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
      for (std::size_t i = 0; i < (header->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
        fds.emplace_back(fd);
      }
    }
    const auto size = static_cast<std::size_t>(count);
    if (size < sizeof job.request || fds.size() < 3) return Job{};
    text.resize(size - sizeof job.request);
    if (fds.size() == kMostFds) {
      text.resize(job.request.arguments);
      if (::pread(fds[3].get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
        return Job{};
    }
    job.socket = std::move(fds[0]);
    job.notify_fd = std::move(fds[2]);
    job.decided = {std::move(fds[1]), job.request.file, std::move(text)};
    return job;
  }

  void trace(Job job) {
    const pid_t tid = job.request.tid;
    // The end of its former call may not have come: the worker that asked for that has died.
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return !traced_.contains(tid); });
      traced_.insert(tid);
    }
    serve(job);
    const std::lock_guard lock(mutex_);
    traced_.erase(tid);
    changed_.notify_all();
  }

  void serve(Job& job) {
    const int socket = job.socket.get();
    struct pollfd gone = {socket, POLLIN, 0};
    if (::poll(&gone, 1, 0) != 0) return;  // the next worker will ask
    const auto stands = [&] { return kernel_.id_valid(job.notify_fd.get(), job.request.id).value_or(false); };
    // Nobody else is to be stopped, however shortly.
    if (!stands()) return (void)send(socket, Reply{Reply::Kind::kNotAnswered, ENOENT});
    auto trace = ExecTrace::attach(kernel_, job.request.tid, {job.request.number, job.request.instruction});
    if (!trace) return (void)send(socket, Reply{Reply::Kind::kNotTraced, trace.error().code});
    // Now it is known that who is traced is who had called: the number may have become another's meanwhile.
    if (!stands()) return (void)send(socket, Reply{Reply::Kind::kNotAnswered, ENOENT});
    const Status answered = kernel_.answer_continue(job.notify_fd.get(), job.request.id);
    job.notify_fd.reset();
    if (!answered) return (void)send(socket, Reply{Reply::Kind::kNotAnswered, answered.error().code});
    (void)send(socket, Reply{Reply::Kind::kAnswered, 0});
    const ExecTrace::End end = trace->finish(job.decided);
    (void)send(socket, EndReply{end.kind, end.errno_value});
  }

  Kernel& kernel_;
  const UniqueFd requests_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<pid_t> traced_;
  unsigned threads_ = 0;
  unsigned idle_ = 0;
};

}  // namespace

int run_tracer(Kernel& kernel, UniqueFd requests) {
  Tracing(kernel, std::move(requests)).run();
  return 0;
}

}  // namespace tidewaiter::supervisor

#include "supervisor/node/worker_pool.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <set>
#include <utility>

#include "oci/base/log.h"
#include "oci/base/system.h"

namespace tidewaiter::supervisor {
namespace {

using std::chrono::steady_clock;

// What lies at a path may have been exchanged; a file stays the same.
struct Program {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const Program& other) const { return device == other.device && inode == other.inode; }
};

Result<Program> identify(int program) {
  if (program == kOwnProgram) return Program{};
  const struct stat status = TRY(sys::fstat(program));
  return Program{status.st_dev, status.st_ino};
}

Status watch(int epoll, int fd) {
  struct epoll_event event {};
  event.events = EPOLLIN;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) return fail(errno, "epoll_ctl");
  return {};
}

}  // namespace

struct WorkerPool::Process {
  std::unique_ptr<Worker> process;
  Channel control;
  std::uint64_t generation;
  Program program;
  std::map<std::uint64_t, Hosted*> hosted = {};
  std::set<std::uint64_t> unwanted = {};  // of those, who is to end
  std::optional<Time> kill_at = {};
  bool killed = false;
  bool ended = false;

  [[nodiscard]] bool takes_more() const { return !kill_at && !killed && !ended; }
};

class WorkerPool::Hosted final : public Worker {
 public:
  Hosted(WorkerPool& pool, Process& process, std::uint64_t number, UniqueFd ended)
      : pool_(pool), process_(&process), number_(number), ended_(std::move(ended)) {}
  Hosted(const Hosted&) = delete;
  Hosted& operator=(const Hosted&) = delete;
  ~Hosted() override {
    if (process_ == nullptr) return;
    // Whoever wants it ended, and cannot wait, goes on as if it were.
    if (killed_) pool_.end_now(*process_);
    if (process_ != nullptr) process_->hosted.erase(number_);
  }

  [[nodiscard]] int ended_fd() const override { return ended_.get(); }
  void kill() override {
    if (process_ == nullptr) return;
    killed_ = true;
    pool_.want_end(*process_, number_);
  }
  std::optional<std::string> reap() override { return end_; }

  // Nobody serves the container any more.
  void end(const std::string& how) {
    process_ = nullptr;
    end_ = how;
    (void)::eventfd_write(ended_.get(), 1);
  }

 private:
  WorkerPool& pool_;
  Process* process_;  // nullptr: it has ended
  std::uint64_t number_;
  UniqueFd ended_;
  bool killed_ = false;
  std::optional<std::string> end_;
};

Result<std::unique_ptr<WorkerPool>> WorkerPool::make(Launch launch) {
  std::unique_ptr<WorkerPool> pool(new WorkerPool(std::move(launch)));
  pool->epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!pool->epoll_.valid()) return fail(errno, "epoll_create1");
  return pool;
}

WorkerPool::WorkerPool(Launch launch) : launch_(std::move(launch)) {}

WorkerPool::~WorkerPool() = default;

Launch WorkerPool::launch() {
  return [this](Channel channel, int program) { return host(std::move(channel), program); };
}

Result<WorkerPool::Process*> WorkerPool::process_for(int program) {
  const Program which = TRY(identify(program));
  for (const auto& each : processes_) {
    if (each->takes_more() && each->generation == generation_ && each->program == which) return each.get();
  }
  auto pair = TRY(Channel::make());
  auto process = TRY(launch_(std::move(pair.worker), program));
  TRY(watch(epoll_.get(), process->ended_fd()));
  TRY(watch(epoll_.get(), pair.keeper.fd()));
  processes_.push_back(
      std::make_unique<Process>(Process{std::move(process), std::move(pair.keeper), generation_, which}));
  return processes_.back().get();
}

Result<std::unique_ptr<Worker>> WorkerPool::host(Channel channel, int program) {
  const std::uint64_t number = next_number_++;
  UniqueFd ended = TRY(sys::eventfd(0, EFD_NONBLOCK));
  const int fd = channel.fd();
  for (bool again = true;; again = false) {
    Process& process = *TRY(process_for(program));
    const Status sent = process.control.send(Word::kServe, number, 0, std::span(&fd, 1), {}, kProtocol);
    if (sent) {
      auto hosted = std::make_unique<Hosted>(*this, process, number, std::move(ended));
      process.hosted[number] = hosted.get();
      return hosted;
    }
    // It may have died while nobody needed it.
    if (!again || sent.error().code != EPIPE) return tl::unexpected(sent.error());
    process.process->kill();
    process.killed = true;
  }
}

std::optional<WorkerPool::Time> WorkerPool::next() const {
  std::optional<Time> next;
  for (const auto& each : processes_) {
    if (each->kill_at && !each->killed) next = next ? std::min(*next, *each->kill_at) : *each->kill_at;
  }
  return next;
}

void WorkerPool::turn(Time now) {
  for (const auto& each : processes_) {
    look(*each);
    if (!each->ended && !each->killed && each->kill_at && now >= *each->kill_at) {
      each->process->kill();
      each->killed = true;
    }
    // An old version that has nobody left who is wanted.
    if (!each->ended && !each->killed && each->hosted.size() == each->unwanted.size() &&
        each->generation != generation_) {
      each->process->kill();
      each->killed = true;
    }
  }
  processes_.remove_if([](const auto& each) { return each->ended; });
}

// Takes notice of who has ended.
void WorkerPool::look(Process& process) {
  if (process.ended) return;
  for (;;) {
    auto message = process.control.receive();
    if (!message || !*message) break;
    if ((*message)->word != Word::kServedToEnd) continue;
    const auto ended = process.hosted.find((*message)->number);
    process.unwanted.erase((*message)->number);
    if (ended == process.hosted.end()) continue;  // it was left to itself
    Hosted& hosted = *ended->second;
    process.hosted.erase(ended);
    hosted.end("by itself");
  }
  if (process.unwanted.empty()) process.kill_at.reset();
  const auto end = process.process->reap();
  if (!end) {
    // It hung up, and would be told of again and again; its end is watched for.
    struct pollfd control = {process.control.fd(), 0, 0};
    if (::poll(&control, 1, 0) == 1 && (control.revents & POLLHUP) != 0) {
      (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, process.control.fd(), nullptr);
      process.process->kill();
      process.killed = true;
    }
    return;
  }
  process.ended = true;
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, process.control.fd(), nullptr);
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, process.process->ended_fd(), nullptr);
  if (!process.hosted.empty() && !process.killed) {
    log::error("the worker has ended; another one takes its place",
               {{"end", *end}, {"containers", std::to_string(process.hosted.size())}});
  }
  for (const auto& [number, hosted] : std::exchange(process.hosted, {})) hosted->end(*end);
}

void WorkerPool::want_end(Process& process, std::uint64_t number) const {
  process.unwanted.insert(number);
  const Time now = steady_clock::now();
  // Who is wanted still is wanted for as long as possible.
  if (!process.kill_at) process.kill_at = now + kPatience;
  if (process.unwanted.size() != process.hosted.size()) return;
  if (process.hosted.size() > 1 || process.generation != generation_) process.kill_at = now;
}

// Not for long: the kernel may hold it for ever, should it wait for a file system.
void WorkerPool::end_now(Process& process) {
  constexpr int kLastPatience = 1000;  // milliseconds
  process.process->kill();
  process.killed = true;
  struct pollfd ended = {process.process->ended_fd(), POLLIN, 0};
  (void)::poll(&ended, 1, kLastPatience);
  look(process);
}

}  // namespace tidewaiter::supervisor

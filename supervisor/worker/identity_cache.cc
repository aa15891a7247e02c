#include "supervisor/worker/identity_cache.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "oci/base/log.h"
#include "oci/base/system.h"

namespace tidewaiter::supervisor {
namespace {

// Threads that are kept, each with up to three descriptors, where the agent may have enough of these.
constexpr std::size_t kMostEntries = 256;

// Multi-threaded processes in which an execve is under way, or was and nobody has heard of its end.
constexpr std::size_t kMostExecuting = 64;

// At most an eighth of the descriptors that this process may have.
std::size_t affordable_entries() {
  struct rlimit descriptors {};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) != 0) return 0;
  return static_cast<std::size_t>(std::min<rlim_t>(descriptors.rlim_cur / 24, kMostEntries));
}

// Of the thread itself. Before Linux 6.9 there are only those of whole processes, which tell of the first
// thread alone whether its number is free.
Result<UniqueFd> open_thread(pid_t tid, pid_t process) {
  auto thread = sys::pidfd_open(tid, PIDFD_THREAD);
  if (thread || thread.error().code != EINVAL || tid != process) return thread;
  return sys::pidfd_open(process);
}

}  // namespace

IdentityCache::IdentityCache(Kernel& kernel, bool told_of_execs)
    : kernel_(kernel), told_of_execs_(told_of_execs) {
  epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (epoll_.valid()) limit_ = affordable_entries();
}

std::optional<Identity> IdentityCache::find(pid_t tid, Time now) {
  const std::lock_guard lock(mutex_);
  if (!executing_.empty()) {
    // A thread is in one call at a time.
    std::erase_if(executing_, [&](const Executing& one) { return one.tid == tid; });
  }
  if (entries_.find(tid) == entries_.end()) return std::nullopt;
  forget_gone_locked();
  const auto found = entries_.find(tid);
  if (found == entries_.end()) return std::nullopt;
  if (now - found->second.read > kLongest || !still_executes(found->second)) {
    entries_.erase(found);
    return std::nullopt;
  }
  return found->second.identity;
}

bool IdentityCache::still_executes(const Entry& entry) {
  if (!entry.program.valid()) return true;
  const auto now = sys::readlinkat(entry.program.get(), "");
  return now && *now == entry.identity.executable;
}

void IdentityCache::forget_gone_locked() {
  for (;;) {
    std::array<struct epoll_event, 16> gone;
    const int count = ::epoll_wait(epoll_.get(), gone.data(), static_cast<int>(gone.size()), 0);
    if (count == 0) return;
    if (count < 0) return give_up_locked();
    for (int i = 0; i < count; ++i) {
      const std::uint64_t serial = gone[static_cast<std::size_t>(i)].data.u64;
      // Its descriptors leave epoll with it.
      std::erase_if(entries_, [&](const auto& entry) { return entry.second.serial == serial; });
    }
  }
}

Identity IdentityCache::read(const Notification& notification, const Target& target) {
  std::uint64_t executions = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto tid = static_cast<std::size_t>(target.tid());
    if (limit_ == 0 || std::exchange(seen_[tid % seen_.size()], target.tid()) != target.tid()) {
      return target.identity();
    }
    executions = executions_;
  }
  Identity identity;
  auto entry = read_to_keep(target, identity);
  if (!entry) return identity;

  const std::lock_guard lock(mutex_);
  if (executes_locked(identity.pid, target.tid())) return identity;
  // Last: after that whatever was read is of the thread that waits. And no execve may have come between.
  if (!notification.still_stands() || executions_ != executions || limit_ == 0) return identity;
  entries_.erase(target.tid());
  make_room_locked();
  entry->serial = ++serial_;
  // Watched before it is kept; what has gone meanwhile is told at once.
  if (watch(*entry)) entries_.emplace(target.tid(), std::move(*entry));
  return identity;
}

std::optional<IdentityCache::Entry> IdentityCache::read_to_keep(const Target& target, Identity& identity) {
  Entry entry;
  entry.read = std::chrono::steady_clock::now();
  identity = target.identity();
  if (identity.pid == 0 || identity.parent_pid == 0 || identity.executable.empty()) return std::nullopt;
  auto thread = open_thread(target.tid(), identity.pid);
  auto parent = sys::pidfd_open(identity.parent_pid);
  if (!thread || !parent) return std::nullopt;
  entry.thread = std::move(*thread);
  entry.parent = std::move(*parent);
  if (!told_of_execs_) {
    auto program =
        sys::open("/proc/" + std::to_string(target.tid()) + "/exe", O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (!program) return std::nullopt;
    entry.program = std::move(*program);
  }
  // Once more, for the parent and the thread may have been others before there was a descriptor.
  entry.identity = target.identity();
  Identity& now = entry.identity;
  if (now.pid != identity.pid || now.parent_pid != identity.parent_pid ||
      now.executable != identity.executable) {
    return std::nullopt;
  }
  now.threads = 0;
  return entry;
}

bool IdentityCache::watch(const Entry& entry) {
  struct epoll_event event {};
  event.events = EPOLLIN;
  event.data.u64 = entry.serial;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, entry.thread.get(), &event) == 0 &&
         ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, entry.parent.get(), &event) == 0;
}

void IdentityCache::make_room_locked() {
  if (entries_.size() < limit_) return;
  entries_.erase(std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
    return a.second.read < b.second.read;
  }));
}

void IdentityCache::executing(const Notification& notification, const Identity& identity) {
  if (!told_of_execs_) return;
  const std::lock_guard lock(mutex_);
  if (limit_ == 0) return;
  ++executions_;
  // Where there was one thread, it is this one, and has started no other since.
  const auto process = identity.pid != 0 && identity.threads == 1
                           ? ThreadGroup{identity.pid, identity.threads}
                           : Target(kernel_, notification.tid()).thread_group();
  // Without the notification the kernel does not run it; then it may also have been another's process.
  if (!notification.still_stands()) return;
  if (!process) return give_up_locked();
  std::erase_if(entries_, [&](const auto& entry) { return entry.second.identity.pid == process->pid; });
  std::erase_if(executing_, [&](const Executing& one) { return one.tid == notification.tid(); });
  // Alone it has nobody beside it who could still call, nor who could start a thread.
  if (process->threads == 1) return;
  if (executing_.size() >= kMostExecuting) {
    std::erase_if(executing_, [&](const Executing& one) {
      const auto now = Target(kernel_, one.tid).thread_group();
      return !now || now->pid != one.process;
    });
  }
  if (executing_.size() >= kMostExecuting) return give_up_locked();
  executing_.push_back({notification.tid(), process->pid});
}

bool IdentityCache::executes_locked(pid_t process, pid_t caller) {
  std::erase_if(executing_, [&](const Executing& one) {
    if (one.process != process) return false;
    if (one.tid == caller) return true;
    const auto now = Target(kernel_, one.tid).thread_group();
    return !now || now->pid != process;
  });
  return std::any_of(executing_.begin(), executing_.end(),
                     [&](const Executing& one) { return one.process == process; });
}

// What can no longer be told apart is asked for each time from now on.
void IdentityCache::give_up_locked() {
  log::warning("callers are looked up in /proc for each event from now on");
  limit_ = 0;
  entries_.clear();
  executing_.clear();
}

}  // namespace tidewaiter::supervisor

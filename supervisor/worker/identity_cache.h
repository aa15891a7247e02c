#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "oci/base/unique_fd.h"
#include "supervisor/answer.h"
#include "supervisor/target/target.h"

namespace tidewaiter::supervisor {

// What Target::identity() said of the threads that call often: to ask /proc again takes five times as long as
// the whole rest of a call. One for each listener. Thread-safe.
//
// SAFETY: why find() never takes one program for another. What it returns was read while the thread waited in
// a call, and since then:
//
//  - the number is the thread's still. A pidfd of it has been held since before that reading, and the kernel
//    tells through it that the thread has gone before it gives the number away (do_notify_pidfd and
//    __change_pid, kernel/exit.c and kernel/pid.c); find() asks whether it has told.
//  - the process is the thread's still: a thread changes it by nothing but an execve.
//  - the parent is the same process still. A process gets another parent only when its parent has gone
//    (forget_original_parent, kernel/exit.c), and a pidfd of the parent tells of that in the same moment. The
//    new parent is one that lived while the former did, so its number is another one: who finds the same
//    number before and after it has a pidfd of it has one of the parent.
//  - the program is the same still: it changes by nothing but an execve of one of the process's threads.
//    Where the filter lets one run without a notification (Plan::told_of_execs), /proc/TID/exe is kept open
//    and asked each time, which still is a third of reading all. Else each notifies this very listener:
//    executing() is called before such a call is let run, and forgets the process.
//    From then until its execve has ended, any other thread of the process may still call and be the former
//    program, so nothing is kept of the process for as long as that is not known: until the thread calls
//    again or there is no such thread in that process. A thread that has others beside it when it executes a
//    program takes the first one's number when all others are gone and before the program changes
//    (de_thread, then exec_mmap, fs/exec.c), and thereby loses its own; whoever waits in a call after that is
//    none of the others.
//
// What PR_SET_MM_EXE_FILE or a renaming make of /proc/TID/exe without an execve is found out after kLongest,
// when all is read anew.
class IdentityCache {
 public:
  // `told_of_execs`: whether every execve of the listener's tasks that may succeed notifies, and
  // executing() is called for it. Else the program is asked for each time.
  IdentityCache(Kernel& kernel, bool told_of_execs);

  // Whose call this is, if that is known. REQUIRES: the thread waits in it, or did when it was received.
  std::optional<Identity> find(pid_t tid, std::chrono::steady_clock::time_point now);

  // Reads it. REQUIRES: nothing yet; where the notification does not stand afterwards, it may be another's.
  Identity read(const Notification& notification, const Target& target);

  // The thread's execve may be let run now. `identity`: what read() said of it while it waited in this call,
  // or else nothing. REQUIRES: it is not let run yet.
  void executing(const Notification& notification, const Identity& identity);

  static constexpr std::chrono::milliseconds kLongest{1'000};

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Entry {
    Identity identity;
    Time read;
    std::uint64_t serial = 0;
    UniqueFd thread;
    UniqueFd parent;
    UniqueFd program;  // /proc/TID/exe itself, not what it leads to; invalid: we are told of each execve
  };
  // A thread whose execve was let run while its process had others.
  struct Executing {
    pid_t tid;
    pid_t process;
  };

  // Descriptors of a thread and its parent, with what was read while they were open; nullopt: not to be kept.
  std::optional<Entry> read_to_keep(const Target& target, Identity& identity);
  bool watch(const Entry& entry);
  void forget_gone_locked();
  void make_room_locked();
  // Whether an execve may be under way in the process. REQUIRES: `caller` waits in a call.
  bool executes_locked(pid_t process, pid_t caller);
  void give_up_locked();

  [[nodiscard]] static bool still_executes(const Entry& entry);

  Kernel& kernel_;
  const bool told_of_execs_;
  std::size_t limit_ = 0;  // of entries; 0: nothing is kept
  UniqueFd epoll_;         // of the pidfds

  std::mutex mutex_;
  std::unordered_map<pid_t, Entry> entries_;
  std::vector<Executing> executing_;
  std::uint64_t executions_ = 0;  // calls of executing()
  std::uint64_t serial_ = 0;
  // Threads that were read before: what calls but once is not worth its descriptors.
  std::array<pid_t, 256> seen_{};
};

}  // namespace tidewaiter::supervisor

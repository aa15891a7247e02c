#pragma once

#include "oci/base/result.h"

namespace tidewaiter::seccomp {

// What a child process found that gave itself a seccomp listener. Errnos; 0: it worked.
struct ListenerTrial {
  int listener = 0;      // making one (SECCOMP_FILTER_FLAG_NEW_LISTENER)
  int sync_wake_up = 0;  // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, as the agent sets it
  int take_fd = 0;       // pidfd_getfd(2), on itself
};

// Fails where it could not be tried: no process to be had, or a filter that is in force here killed it.
Result<ListenerTrial> try_listener();

// Whether what this process starts can have a listener, as far as that hangs on a filter that is in force
// here: the kernel admits one listener for all filters of a task, those it inherited among them
// (has_duplicate_listener(), kernel/seccomp.c). It costs one prctl(2) where there is none, and a process
// where there is. Fails in words.
Status check_own_filter();

}  // namespace tidewaiter::seccomp

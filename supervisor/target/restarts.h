#pragma once

namespace tidewaiter::supervisor {

// Whether a call's result, as the kernel has it, is one that user mode never sees: the kernel makes the call
// again, or has it fail with EINTR, as the target's handler says (ERESTARTSYS to ERESTART_RESTARTBLOCK,
// include/linux/errno.h).
constexpr bool restarts(long result) { return -516 <= result && result <= -512; }

}  // namespace tidewaiter::supervisor

// escape: a tracer makes getppid a connect where its own filter stops for the tracer (SECCOMP_RET_TRACE)
// group: filters of its own
// policy: network
// neighbour: nested_allow --neighbour
#include "filter.h"

static void begin(void) {
  if (filter(SYS_getppid, SECCOMP_RET_TRACE, 0) < 0) broken("seccomp");
}

static void attack(void) { trace_and_rewrite(begin, PTRACE_CONT, SIGTRAP | PTRACE_EVENT_SECCOMP << 8); }

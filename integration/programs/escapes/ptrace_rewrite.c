// escape: a tracer makes getppid a connect where the call begins
// group: filters of its own
// policy: network
// neighbour: connect_tcp --neighbour
#include "filter.h"

static void begin(void) {}

static void attack(void) { trace_and_rewrite(begin, PTRACE_SYSCALL, SIGTRAP | 0x80); }

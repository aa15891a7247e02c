#pragma once

#include <linux/io_uring.h>

#include "escape.h"

// Has the kernel do one operation through io_uring, and returns its result; held() where there is no
// io_uring. `flags`: of the ring, none or IORING_SETUP_SQPOLL.
static inline int by_io_uring_of(unsigned flags, struct io_uring_sqe operation) {
  struct io_uring_params parameters = {.flags = flags, .sq_thread_idle = 1000};
  const int ring = (int)syscall(SYS_io_uring_setup, 4, &parameters);
  if (ring < 0) held("io_uring_setup: %s", strerror(errno));
  const size_t size = parameters.cq_off.cqes + parameters.cq_entries * sizeof(struct io_uring_cqe) + 4096;
  char* queues = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
  struct io_uring_sqe* entries =
      mmap(NULL, 4 * sizeof operation, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
  if (queues == MAP_FAILED || entries == MAP_FAILED) broken("mmap of the ring");
  entries[0] = operation;
  ((unsigned*)(queues + parameters.sq_off.array))[0] = 0;
  *(volatile unsigned*)(queues + parameters.sq_off.tail) += 1;
  __sync_synchronize();
  const unsigned wake = flags & IORING_SETUP_SQPOLL ? IORING_ENTER_SQ_WAKEUP : 0;
  if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS | wake, NULL, 0) < 0)
    broken("io_uring_enter");
  const int result = ((struct io_uring_cqe*)(queues + parameters.cq_off.cqes))[0].res;
  if (result < 0) errno = -result;
  return result;
}

static inline int by_io_uring(struct io_uring_sqe operation) { return by_io_uring_of(0, operation); }

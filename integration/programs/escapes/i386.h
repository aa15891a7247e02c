#pragma once

#include "escape.h"

// The i386 system calls of an x86-64 kernel. Their pointers have 32 bits, so what they point to lies in
// low_page().
enum { kI386Execve = 11, kI386Socketcall = 102, kI386Execveat = 358, kI386Socket = 359, kI386Bind = 361 };
enum { kI386Connect = 362, kI386Sendto = 369 };

static inline unsigned char* low_page(void) {
  void* page =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  if (page == MAP_FAILED) broken("mmap of a low page");
  return page;
}

static inline uint32_t low(const void* pointer) { return (uint32_t)(uintptr_t)pointer; }

static inline int i386_call(long number, unsigned long first, unsigned long second, unsigned long third,
                            unsigned long fourth, unsigned long fifth) {
  int result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "a"(number), "b"(first), "c"(second), "d"(third), "S"(fourth), "D"(fifth)
                   : "memory", "r8", "r9", "r10", "r11");
  if (result < 0) errno = -result;
  return result;
}

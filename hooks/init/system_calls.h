#pragma once

// System calls without a C library, on x86-64 (syscall(2), "Architecture calling conventions").

namespace tidewaiter::init {

// A negative result is an errno.
inline long system_call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
  long result = 0;
  register long fourth asm("r10") = d;
  register long fifth asm("r8") = e;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth)
               : "rcx", "r11", "memory");
  return result;
}

template <typename T>
long word(T* pointer) {
  return reinterpret_cast<long>(pointer);
}

}  // namespace tidewaiter::init

#include "supervisor/worker/spare_memory.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <thread>

namespace tidewaiter::supervisor {
namespace {

// mallopt(3): where it is set, it does not grow with what is freed.
constexpr int kLarge = 128 << 10;

// How much below an address of a caller's there may be in use: its frame, ours, and the red zone beyond.
constexpr std::size_t kInUse = 4096;

// How far an address is above the beginning of its page.
std::size_t into_page(const char* address) {
  return reinterpret_cast<std::uintptr_t>(address) % static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// From the beginning of its first whole page on; empty: it is not known.
struct Stack {
  char* begin = nullptr;
  char* end = nullptr;
};

Stack own_stack() {
  // Of the first thread the kernel decides where it ends.
  if (::gettid() == ::getpid()) return {};
  pthread_attr_t attributes;
  if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return {};
  void* lowest = nullptr;
  std::size_t size = 0;
  const bool known = ::pthread_attr_getstack(&attributes, &lowest, &size) == 0;
  ::pthread_attr_destroy(&attributes);
  if (!known) return {};
  auto* const begin = static_cast<char*>(lowest);
  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return {begin + (page - into_page(begin)) % page, begin + size};
}

}  // namespace

void share_heaps() {
  ::mallopt(M_ARENA_MAX, static_cast<int>(std::max(2U, std::thread::hardware_concurrency())));
  ::mallopt(M_MMAP_THRESHOLD, kLarge);
  ::mallopt(M_TRIM_THRESHOLD, kLarge);
}

void give_back_heaps() { ::malloc_trim(0); }

// SAFETY: a stack grows downwards, and nothing lives below the frame of a thread's innermost function. What
// the kernel is told to drop reads as zero from then on.
void give_back_stack() {
  static thread_local const Stack stack = own_stack();
  auto* const here = static_cast<char*>(__builtin_frame_address(0));
  char* const used = here - kInUse;
  char* const end = used - into_page(used);
  // A signal may be handled on another stack.
  if (stack.begin >= end || here > stack.end) return;
  (void)::madvise(stack.begin, static_cast<std::size_t>(end - stack.begin), MADV_DONTNEED);
}

}  // namespace tidewaiter::supervisor

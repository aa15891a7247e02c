#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>

#include "oci/base/result.h"
#include "supervisor/target/kernel.h"

namespace tidewaiter::supervisor {

// Memory that the agent writes and a target's process has mapped: no thread of the process, no other process
// and no debugger can change what the kernel reads there on behalf of the target.
//
// What could change it, and what stands against that:
//   - write(2), a writable mapping, mprotect(2): the memfd is sealed (F_SEAL_FUTURE_WRITE).
//   - /proc/PID/mem, process_vm_writev(2): they write to no shared mapping that is read-only
//     (check_vma_flags, mm/gup.c).
//   - munmap(2), mremap(2), mmap(2) over it: the mapping is sealed (mseal(2)), and looked at when it is.
//   - truncation, holes: the memfd is sealed (F_SEAL_SHRINK; shmem_fallocate).
//
// One for each process, which keeps it: a sealed mapping cannot be taken away again. Thread-safe.
class SealedMemory {
 public:
  static constexpr std::size_t kSize = 16384;
  static constexpr std::size_t kSlotSize = 512;
  static constexpr std::size_t kSlots = kSize / kSlotSize;

  static Result<std::shared_ptr<SealedMemory>> make(Kernel& kernel);
  ~SealedMemory();
  SealedMemory(const SealedMemory&) = delete;
  SealedMemory& operator=(const SealedMemory&) = delete;

  // A part of it for one call.
  class Slot {
   public:
    Slot(std::shared_ptr<SealedMemory> memory, std::size_t index)
        : memory_(std::move(memory)), index_(index) {}
    Slot(Slot&& other) noexcept : memory_(std::move(other.memory_)), index_(other.index_) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (memory_ != nullptr) memory_->give_back(index_);
    }

    // Where it begins in the memory.
    [[nodiscard]] std::size_t offset() const { return index_ * kSlotSize; }
    [[nodiscard]] std::span<std::byte> bytes() const { return memory_->bytes_.subspan(offset(), kSlotSize); }
    [[nodiscard]] SealedMemory& memory() const { return *memory_; }

   private:
    std::shared_ptr<SealedMemory> memory_;
    std::size_t index_;
  };
  // EAGAIN: kSlots calls of the process are under way.
  static Result<Slot> lease(const std::shared_ptr<SealedMemory>& memory);

  [[nodiscard]] int fd() const { return fd_.get(); }
  // Where the process has it, as far as we remember; 0: nowhere. To be believed only after holds().
  [[nodiscard]] std::uint64_t address() const;
  void set_address(std::uint64_t address);
  // Whether the thread's process has this memory, whole and read-only, at `address`. REQUIRES: the mapping
  // there has been sealed, so that it is still so afterwards.
  [[nodiscard]] bool mapped_at(pid_t tid, std::uint64_t address) const;
  // Whether what the process has at `address` is sealed, however that came about.
  [[nodiscard]] bool sealed_at(pid_t tid, std::uint64_t address) const;

 private:
  SealedMemory(Kernel& kernel, InjectCalls::SharedMemory memory, const FileStatus& file)
      : kernel_(kernel), fd_(std::move(memory.fd)), bytes_(memory.bytes), file_(file) {}
  void give_back(std::size_t index);

  Kernel& kernel_;
  const UniqueFd fd_;
  const std::span<std::byte> bytes_;
  const FileStatus file_;
  mutable std::mutex mutex_;
  std::array<bool, kSlots> taken_ = {};
  std::uint64_t address_ = 0;
};

// The memories of a container's processes. Bounded: the one not used for longest is forgotten, and its
// process keeps a few pages that it cannot get rid of. Thread-safe.
class SealedMemories {
 public:
  // That of a process, made if there is none. It may have been that of an earlier process of the same number.
  Result<std::shared_ptr<SealedMemory>> of(Kernel& kernel, pid_t process);

 private:
  static constexpr std::size_t kLimit = 256;
  struct Entry {
    pid_t process;
    std::shared_ptr<SealedMemory> memory;
  };
  std::mutex mutex_;
  std::list<Entry> entries_;  // the last used first
};

}  // namespace tidewaiter::supervisor

#include "supervisor/target/sealed_memory.h"

#include <algorithm>
#include <cerrno>

namespace tidewaiter::supervisor {

Result<std::shared_ptr<SealedMemory>> SealedMemory::make(Kernel& kernel) {
  InjectCalls::SharedMemory memory = TRY(kernel.inject().make_shared_memory(kSize));
  auto file = kernel.files().status(memory.fd.get());
  if (!file) {
    kernel.inject().unmap(memory.bytes);
    return tl::unexpected(file.error());
  }
  return std::shared_ptr<SealedMemory>(new SealedMemory(kernel, std::move(memory), *file));
}

SealedMemory::~SealedMemory() { kernel_.inject().unmap(bytes_); }

Result<SealedMemory::Slot> SealedMemory::lease(const std::shared_ptr<SealedMemory>& memory) {
  const std::lock_guard lock(memory->mutex_);
  const auto free = std::find(memory->taken_.begin(), memory->taken_.end(), false);
  if (free == memory->taken_.end()) return fail(EAGAIN, "calls under way in one process");
  *free = true;
  return Slot(memory, static_cast<std::size_t>(free - memory->taken_.begin()));
}

void SealedMemory::give_back(std::size_t index) {
  const std::lock_guard lock(mutex_);
  taken_[index] = false;
}

std::uint64_t SealedMemory::address() const {
  const std::lock_guard lock(mutex_);
  return address_;
}

void SealedMemory::set_address(std::uint64_t address) {
  const std::lock_guard lock(mutex_);
  address_ = address;
}

bool SealedMemory::mapped_at(pid_t tid, std::uint64_t address) const {
  const auto found = kernel_.inject().mapping_at(tid, address);
  return found && found->start <= address && found->end - address >= kSize &&
         found->offset + (address - found->start) == 0 && found->device == file_.device &&
         found->inode == file_.inode && found->shared && !found->writable;
}

bool SealedMemory::sealed_at(pid_t tid, std::uint64_t address) const {
  return kernel_.inject().sealed_at(tid, address).value_or(false);
}

Result<std::shared_ptr<SealedMemory>> SealedMemories::of(Kernel& kernel, pid_t process) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.process == process; });
  if (found != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, found);
    return entries_.front().memory;
  }
  auto memory = TRY(SealedMemory::make(kernel));
  entries_.push_front({process, std::move(memory)});
  if (entries_.size() > kLimit) entries_.pop_back();
  return entries_.front().memory;
}

}  // namespace tidewaiter::supervisor

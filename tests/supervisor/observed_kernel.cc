#include "tests/supervisor/observed_kernel.h"

#include <cerrno>
#include <chrono>

namespace tidewaiter::supervisor {

bool ObservedKernel::wait_for(const std::size_t& counter, std::size_t count) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return counter >= count; });
}

bool ObservedKernel::wait_for_connects_begun(std::size_t count) { return wait_for(begun_, count); }
bool ObservedKernel::wait_for_connects_ended(std::size_t count) { return wait_for(ended_, count); }

std::size_t ObservedKernel::connects_begun() const {
  const std::lock_guard lock(mutex_);
  return begun_;
}

std::map<std::uint64_t, ObservedKernel::Answers> ObservedKernel::answers() const {
  const std::lock_guard lock(mutex_);
  return answers_;
}

Status ObservedKernel::receive(int notify_fd, seccomp::NotificationBuffer& buffer) {
  Status received = real_.receive(notify_fd, buffer);
  if (received) {
    const std::lock_guard lock(mutex_);
    answers_.try_emplace(buffer.get().id);
  }
  return received;
}

Status ObservedKernel::answered(std::uint64_t id, Status status) {
  const std::lock_guard lock(mutex_);
  Answers& answers = answers_[id];
  if (status) {
    ++answers.delivered;
  } else if (status.error().code == ENOENT) {
    ++answers.late;
  } else {
    ++answers.failed;
  }
  return status;
}

Status ObservedKernel::answer_value(int notify_fd, std::uint64_t id, std::int64_t value) {
  return answered(id, real_.answer_value(notify_fd, id, value));
}

Status ObservedKernel::answer_errno(int notify_fd, std::uint64_t id, int errno_value) {
  return answered(id, real_.answer_errno(notify_fd, id, errno_value));
}

Status ObservedKernel::answer_continue(int notify_fd, std::uint64_t id) {
  return answered(id, real_.answer_continue(notify_fd, id));
}

Status ObservedKernel::connect(int socket, std::span<const std::byte> address) {
  {
    const std::lock_guard lock(mutex_);
    ++begun_;
    changed_.notify_all();
  }
  Status connected = real_.connect(socket, address);
  const std::lock_guard lock(mutex_);
  ++ended_;
  changed_.notify_all();
  return connected;
}

}  // namespace tidewaiter::supervisor

#include "supervisor/operations/repeats.h"

#include <algorithm>
#include <cerrno>

#include "supervisor/operations/operation.h"

namespace tidewaiter::supervisor {
namespace {

bool held(const LostAnswer& entry) { return entry.held.load(std::memory_order_acquire) != 0; }

// Nothing that follows it is stored before it.
void clear(LostAnswer& entry) { entry.held.exchange(0, std::memory_order_acq_rel); }

}  // namespace

bool PerformedCall::is(const LostAnswer& lost) const {
  const std::size_t size = std::min<std::size_t>(lost.address_size, lost.address.size());
  return tid == lost.tid && number == lost.number && socket_cookie == lost.socket_cookie &&
         std::equal(address.begin(), address.end(), lost.address.begin(),
                    lost.address.begin() + static_cast<std::ptrdiff_t>(size));
}

std::span<LostAnswer> Repeats::used() const {
  return lost_.room.first(std::min<std::size_t>(lost_.used.load(std::memory_order_acquire), lost_.kLimit));
}

LostAnswer& Repeats::room() {
  const std::span<LostAnswer> entries = used();
  const auto free =
      std::find_if(entries.begin(), entries.end(), [](const auto& each) { return !held(each); });
  if (free != entries.end()) return *free;
  if (entries.size() < lost_.kLimit) {
    LostAnswer& next = lost_.room[entries.size()];
    clear(next);  // of an earlier session
    lost_.used.store(static_cast<std::uint8_t>(entries.size() + 1), std::memory_order_release);
    return next;
  }
  LostAnswer& oldest = entries[oldest_];
  oldest_ = (oldest_ + 1) % lost_.kLimit;
  return oldest;
}

void Repeats::remember(const PerformedCall& call, const Answer& lost) {
  if (call.socket_cookie == 0 || call.address.size() > sizeof(LostAnswer::address)) return;
  const std::lock_guard lock(mutex_);
  LostAnswer& entry = room();
  clear(entry);
  entry.tid = call.tid;
  entry.number = call.number;
  entry.of_thread_alone = call.of_thread_alone ? 1 : 0;
  entry.socket_cookie = call.socket_cookie;
  entry.address_size = static_cast<std::uint32_t>(call.address.size());
  std::copy(call.address.begin(), call.address.end(), entry.address.begin());
  entry.last_length = call.last_length;
  entry.answer = lost;
  entry.held.store(1, std::memory_order_release);
}

std::optional<Answer> Repeats::find(const PerformedCall& call, std::uint32_t* last_length) {
  const std::lock_guard lock(mutex_);
  std::optional<Answer> answer;
  for (LostAnswer& entry : used()) {
    if (!held(entry)) continue;
    if (call.is(entry)) {
      answer = entry.answer;
      if (last_length != nullptr) *last_length = entry.last_length;
    } else if (entry.socket_cookie == call.socket_cookie && entry.number == call.number &&
               (entry.of_thread_alone == 0 || entry.tid == call.tid)) {
      clear(entry);
    }
  }
  return answer;
}

void Repeats::forget(const PerformedCall& call) {
  const std::lock_guard lock(mutex_);
  for (LostAnswer& entry : used()) {
    if (held(entry) && call.is(entry)) clear(entry);
  }
}

std::optional<Answer> lost_answer(Call& call, PerformedCall& performed) {
  const auto lost = call.repeats.find(performed, &performed.last_length);
  if (!lost || lost->fails_with(EINTR)) return lost;
  // The answer of one that has a stand-in is not lost with the worker (Slot).
  if (!call.stand_in) {
    call.slot.begin(performed.socket_cookie, performed.address);
    call.slot.record(*lost);
  }
  call.repeats.forget(performed);
  return lost;
}

}  // namespace tidewaiter::supervisor

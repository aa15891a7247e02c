#include <algorithm>

#include "supervisor/operations/operation.h"

namespace tidewaiter::supervisor {

void Repeats::remember(PerformedCall call) {
  const std::lock_guard lock(mutex_);
  if (calls_.size() == kLimit) calls_.erase(calls_.begin());
  calls_.push_back(std::move(call));
}

bool Repeats::take(const PerformedCall& call) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find(calls_.begin(), calls_.end(), call);
  if (found == calls_.end()) return false;
  calls_.erase(found);
  return true;
}

}  // namespace tidewaiter::supervisor

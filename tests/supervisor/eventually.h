#pragma once

#include <chrono>
#include <thread>

namespace tidewaiter::supervisor {

// Waits until `condition` holds, which nothing announces; false: it did not within ten seconds.
template <typename Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace tidewaiter::supervisor

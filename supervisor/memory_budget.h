#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

namespace tidewaiter::supervisor {

// How much of the agent's memory may hold what was captured of its targets' memory, all calls together. One
// call stays within it; many at once, which a container can have for the price of one piece of shared memory,
// do not.
class MemoryBudget {
 public:
  explicit constexpr MemoryBudget(std::size_t bytes) : limit_(bytes) {}

  // What one call has taken; given back at its end.
  class Share {
   public:
    explicit Share(MemoryBudget& budget) : budget_(&budget) {}
    Share(Share&& other) noexcept : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}
    Share& operator=(Share&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Share() { budget_->used_ -= bytes_; }

    // False: there is no more.
    [[nodiscard]] bool take(std::size_t bytes) {
      if (budget_->used_.fetch_add(bytes) + bytes > budget_->limit_) {
        budget_->used_ -= bytes;
        return false;
      }
      bytes_ += bytes;
      return true;
    }

   private:
    MemoryBudget* budget_;
    std::size_t bytes_ = 0;
  };

 private:
  const std::size_t limit_;
  std::atomic<std::size_t> used_{0};
};

}  // namespace tidewaiter::supervisor

#include "supervisor/keeper/upkeep.h"

#include <algorithm>

namespace tidewaiter::supervisor {

void Upkeep::set_patience(Duration patience) { patience_ = std::max<Duration>(patience, kShortest); }

void Upkeep::started(Time /*now*/) { state_ = State::kStarting; }

void Upkeep::serving(Time now) {
  if (state_ != State::kStarting) return;
  state_ = State::kServing;
  since_ = now;
}

void Upkeep::killed(Time now) {
  if (state_ == State::kNone || state_ == State::kDying) return;
  end_life(now);
  state_ = State::kDying;
}

void Upkeep::ended(Time now) {
  if (state_ != State::kDying) end_life(now);
  state_ = State::kNone;
  start_at_ = now;
  if (short_lives_ <= kShortLives) return;
  start_at_ += std::min(kDelay * (1U << std::min(short_lives_ - kShortLives, 10U)), kLongestDelay);
}

void Upkeep::missed() {
  if (!in_vain()) failing_since_.reset();
}

// The only place where what has failed is forgotten: to be ready for a moment is not to serve.
void Upkeep::end_life(Time now) {
  if (state_ == State::kServing && now - since_ >= short_life_) {
    failing_since_.reset();
    short_lives_ = 0;
  } else {
    ++short_lives_;
  }
  if (!failing_since_) failing_since_ = now;
}

Upkeep::Time Upkeep::overdue_at(Time started) const {
  return started + std::max<Duration>(patience_ / 2, kShortest);
}

std::optional<Upkeep::Time> Upkeep::give_up_at() const {
  if (!failing_since_ || state_ == State::kServing) return std::nullopt;
  return *failing_since_ + patience_;
}

}  // namespace tidewaiter::supervisor

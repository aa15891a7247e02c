#pragma once

#include <chrono>
#include <optional>

namespace tidewaiter::supervisor {

// Of a process that is always to be there: when the next one is started, when one that does not get ready is
// to be ended, and for how long all that is tried. It does nothing and looks at no clock; whoever starts the
// processes tells it what has happened, and when.
class Upkeep {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  // Who lived shorter than `short_life` may have died of what the next one will die of.
  explicit Upkeep(Duration short_life = kShortLife) : short_life_(short_life) {}

  enum class State {
    kNone,      // there is none; the next one is started at start_at()
    kStarting,  // it runs, and has not said that it can serve
    kServing,   // it does
    kDying,     // it has been killed, and has not ended
  };
  [[nodiscard]] State state() const { return state_; }

  // How long calls may wait for one that serves. Not shorter than kShortest.
  void set_patience(Duration patience);

  void started(Time now);
  void serving(Time now);
  void killed(Time now);
  // It has ended, or could not even be started.
  void ended(Time now);
  // It was not missed until now. REQUIRES: there is none.
  void missed();

  // REQUIRES: there is none.
  [[nodiscard]] Time start_at() const { return start_at_; }
  // Whether the last one served for less than a short life, or not at all.
  [[nodiscard]] bool in_vain() const { return short_lives_ != 0; }
  // When one that was started then, and does not yet serve, is to be killed.
  [[nodiscard]] Time overdue_at(Time started) const;
  // When to give up; nullopt: not as long as things are as they are.
  [[nodiscard]] std::optional<Time> give_up_at() const;

  static constexpr std::chrono::milliseconds kShortLife{10};
  // So many of them are replaced at once, and those after them ever later.
  static constexpr unsigned kShortLives = 5;
  static constexpr std::chrono::milliseconds kDelay{10};
  static constexpr std::chrono::milliseconds kLongestDelay{1000};
  static constexpr std::chrono::seconds kShortest{1};

 private:
  void end_life(Time now);

  Duration short_life_;
  State state_ = State::kNone;
  Time since_{};                       // it serves
  Time start_at_{};                    // the next one
  std::optional<Time> failing_since_;  // none has served for short_life_ since
  unsigned short_lives_ = 0;           // in a row
  Duration patience_ = kShortest;
};

}  // namespace tidewaiter::supervisor

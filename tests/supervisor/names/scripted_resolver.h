#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <initializer_list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "oci/policy/address.h"
#include "supervisor/names/resolver.h"

namespace tidewaiter::supervisor {

inline Resolution resolution(std::initializer_list<const char*> addresses,
                             std::optional<std::chrono::seconds> ttl = std::chrono::seconds(60)) {
  Resolution made;
  for (const char* address : addresses) made.addresses.push_back(policy::parse_address(address).value());
  made.ttl = ttl;
  return made;
}

// Answers what it was told to, the last for ever. A name that it was told nothing of does not resolve.
class ScriptedResolver final : public Resolver {
 public:
  void will_answer(const std::string& name, Result<Resolution> answer) {
    const std::lock_guard lock(mutex_);
    answers_[name].push_back(std::move(answer));
  }

  std::vector<Result<Resolution>> resolve(const std::vector<std::string>& names, int /*stop*/) override {
    const std::lock_guard lock(mutex_);
    std::vector<Result<Resolution>> results;
    for (const std::string& name : names) {
      auto& answers = answers_[name];
      if (answers.empty()) {
        results.emplace_back(fail("not found"));
        continue;
      }
      results.push_back(answers.front());
      if (answers.size() > 1) answers.pop_front();
    }
    asked_.push_back(names);
    was_asked_.notify_all();
    return results;
  }

  // What each call asked for.
  [[nodiscard]] std::vector<std::vector<std::string>> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

  bool wait_for_calls(std::size_t calls) {
    std::unique_lock lock(mutex_);
    return was_asked_.wait_for(lock, std::chrono::seconds(10), [&] { return asked_.size() >= calls; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable was_asked_;
  std::map<std::string, std::deque<Result<Resolution>>> answers_;
  std::vector<std::vector<std::string>> asked_;
};

}  // namespace tidewaiter::supervisor

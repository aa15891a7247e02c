#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "oci/base/system.h"
#include "supervisor/keeper/channel.h"
#include "supervisor/keeper/keeper.h"

namespace tidewaiter::supervisor {

// A worker that is none, but does only this.
class StubWorker final : public Worker {
 public:
  StubWorker(const Channel& channel, void (*does)(const Channel& keeper))
      : StubWorker([&] { does(channel); }) {}
  explicit StubWorker(const std::function<void()>& does) : pid_(::fork()) {
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      does();
      ::_exit(0);
    }
    auto pidfd = sys::pidfd_open(pid_);
    if (!pidfd) std::abort();
    pidfd_ = std::move(*pidfd);
  }
  StubWorker(const StubWorker&) = delete;
  StubWorker& operator=(const StubWorker&) = delete;
  ~StubWorker() override {
    if (reaped_) return;
    kill();
    (void)::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] int ended_fd() const override { return pidfd_.get(); }
  void kill() override { ::kill(pid_, SIGKILL); }
  std::optional<std::string> reap() override {
    if (::waitpid(pid_, nullptr, WNOHANG) != pid_) return std::nullopt;
    reaped_ = true;
    return "stub";
  }

 private:
  pid_t pid_;
  UniqueFd pidfd_;
  bool reaped_ = false;
};

}  // namespace tidewaiter::supervisor

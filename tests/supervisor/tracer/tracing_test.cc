#include "supervisor/tracer/tracing.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>

#include "supervisor/answer.h"
#include "tests/supervisor/scripted_kernel.h"

// What the worker makes of requests that come to nothing.

namespace tidewaiter::supervisor {
namespace {

constexpr std::uint64_t kId = 7;

// A tracer that takes requests and dies with each.
class LostRequests {
 public:
  explicit LostRequests(std::function<void()> on_request) : on_request_(std::move(on_request)) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) std::abort();
    requests_ = UniqueFd(ends[0]);
    taken_ = UniqueFd(ends[1]);
    thread_ = std::thread([this] {
      char byte = 0;
      // What came with it is closed.
      while (::recv(taken_.get(), &byte, 1, MSG_PEEK) > 0) {
        ++count_;
        on_request_();
        (void)::recv(taken_.get(), &byte, 1, 0);
      }
    });
  }
  LostRequests(const LostRequests&) = delete;
  LostRequests& operator=(const LostRequests&) = delete;
  ~LostRequests() {
    ::shutdown(taken_.get(), SHUT_RDWR);
    thread_.join();
  }
  UniqueFd requests() { return std::move(requests_); }
  [[nodiscard]] int count() const { return count_; }

 private:
  std::function<void()> on_request_;
  UniqueFd requests_;
  UniqueFd taken_;
  std::atomic<int> count_ = 0;
  std::thread thread_;
};

class TracerRequest : public ::testing::TestWithParam<bool> {
 protected:
  // Asks for a stand-in, or for an execve to be traced; the error's code.
  int ask(LostRequests& lost) {
    kernel_.stand(kId);
    const UniqueFd notify_fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    struct seccomp_notif received {};
    received.id = kId;
    received.pid = 200;
    Notification notification = Notification::borrowed(kernel_, notify_fd.get(), received);
    RemoteTracer tracer(kernel_, lost.requests(), {}, threads_, refusals_);
    if (GetParam()) {
      std::unique_ptr<StandInCalls> stand_in;
      StandInRequest request;
      request.stopping = [] { return false; };
      return tracer.start_stand_in(notification, request, stand_in).error().code;
    }
    DecidedExecution decided;
    decided.fd = UniqueFd(::open("/dev/null", O_PATH | O_CLOEXEC));
    const auto trace = tracer.attach(200, {}, std::move(decided));
    return (*trace)->let_go_on(notification).error().code;
  }

  ScriptedKernel kernel_;
  StandInThreads threads_;
  std::atomic<std::uint32_t> refusals_{0};
};

TEST_P(TracerRequest, IsMadeAgainButNotForEver) {
  LostRequests lost([] {});
  EXPECT_EQ(ask(lost), EIO);
  EXPECT_EQ(lost.count(), 3);
}

TEST_P(TracerRequest, IsMadeOnceWhereItWasRefused) {
  LostRequests lost([this] { ++refusals_; });
  EXPECT_EQ(ask(lost), EIO);
  EXPECT_EQ(lost.count(), 1);
}

TEST_P(TracerRequest, IsMadeOnceWhereNobodyWaitsAnyMore) {
  LostRequests lost([this] { kernel_.invalidate(kId); });
  EXPECT_EQ(ask(lost), ENOENT);
  EXPECT_EQ(lost.count(), 1);
}

INSTANTIATE_TEST_SUITE_P(Kinds, TracerRequest, ::testing::Bool(),
                         [](const auto& kind) { return kind.param ? "StandIn" : "Execve"; });

}  // namespace
}  // namespace tidewaiter::supervisor

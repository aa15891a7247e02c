#include "supervisor/node/worker_pool.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tests/supervisor/stub_worker.h"

// What keepers see of a process that serves several containers.

namespace tidewaiter::supervisor {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Serves nobody, but ends with the service of a container when its keeper hangs up, or as one that crashes
// when that says anything.
void pretend_to_serve(const Channel& node) {
  // Among what else there is are the keepers' ends.
  const auto own = static_cast<unsigned>(node.fd());
  ::close_range(STDERR_FILENO + 1, own - 1, 0);
  ::close_range(own + 1, ~0U, 0);
  for (;;) {
    auto message = node.receive();
    if (!message || !*message) return;
    const Channel keeper(std::move((*message)->fds.front()));
    if (keeper.receive()) ::abort();
    (void)node.send(Word::kServedToEnd, (*message)->number);
  }
}

class WorkerPoolTest : public ::testing::Test {
 protected:
  WorkerPoolTest() {
    auto made = WorkerPool::make([this](Channel channel, int) -> Result<std::unique_ptr<Worker>> {
      ++processes_;
      return std::make_unique<StubWorker>(channel, pretend_to_serve);
    });
    if (!made) std::abort();
    pool_ = std::move(*made);
  }

  struct Employed {
    std::unique_ptr<Worker> worker;
    Channel channel;
  };
  Employed employ() {
    auto pair = Channel::make();
    if (!pair) std::abort();
    auto worker = pool_->launch()(std::move(pair->worker), kOwnProgram);
    if (!worker) std::abort();
    return {std::move(*worker), std::move(pair->keeper)};
  }

  // Whether it has ended, within the time.
  bool ends(const Employed& employed, milliseconds patience = milliseconds(5000)) {
    const auto deadline = steady_clock::now() + patience;
    while (!employed.worker->reap()) {
      if (steady_clock::now() >= deadline) return false;
      struct pollfd waiting = {pool_->events_fd(), POLLIN, 0};
      (void)::poll(&waiting, 1, 10);
      pool_->turn(steady_clock::now());
    }
    struct pollfd told = {employed.worker->ended_fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&told, 1, 0), 1);
    return true;
  }

  int processes_ = 0;
  std::unique_ptr<WorkerPool> pool_;
};

TEST_F(WorkerPoolTest, HasOneProcessForAll) {
  const Employed a = employ();
  const Employed b = employ();
  EXPECT_EQ(processes_, 1);
  EXPECT_FALSE(ends(a, milliseconds(50)));
}

TEST_F(WorkerPoolTest, LeavesTheOthersWhenOneEndsByItself) {
  Employed a = employ();
  Employed b = employ();
  a.channel = Channel(UniqueFd());
  // As a keeper does when it is hung up on.
  a.worker->kill();
  EXPECT_TRUE(ends(a));
  EXPECT_EQ(a.worker->reap(), "by itself");
  EXPECT_FALSE(ends(b, WorkerPool::kPatience + milliseconds(200)));
}

TEST_F(WorkerPoolTest, EndsAllWithTheirProcess) {
  const Employed a = employ();
  const Employed b = employ();
  ASSERT_TRUE(a.channel.send(Word::kGo));
  EXPECT_TRUE(ends(a));
  EXPECT_TRUE(ends(b));
  EXPECT_EQ(b.worker->reap(), "stub");
  // And has another process for who comes then.
  const Employed c = employ();
  EXPECT_EQ(processes_, 2);
  EXPECT_FALSE(ends(c, milliseconds(50)));
}

TEST_F(WorkerPoolTest, KillsTheProcessOfWhomDoesNotEnd) {
  const Employed a = employ();
  const Employed b = employ();
  const auto began = steady_clock::now();
  // The process looks at `a` first, and for ever.
  b.worker->kill();
  EXPECT_TRUE(ends(b));
  EXPECT_GE(steady_clock::now() - began, WorkerPool::kPatience - milliseconds(20));
  EXPECT_TRUE(ends(a));
}

TEST_F(WorkerPoolTest, WaitsForNobodyWhomItIsToForget) {
  std::optional<Employed> a = employ();
  const Employed b = employ();
  a->worker->kill();
  const auto began = steady_clock::now();
  a.reset();
  EXPECT_LT(steady_clock::now() - began, milliseconds(900));
  EXPECT_TRUE(ends(b));
}

TEST_F(WorkerPoolTest, BeginsAnotherProcessWithAnotherGeneration) {
  const Employed a = employ();
  pool_->begin_generation();
  const Employed b = employ();
  EXPECT_EQ(processes_, 2);
  // Of whom all are to go it is rid at once.
  a.worker->kill();
  ASSERT_TRUE(pool_->next());
  EXPECT_LE(*pool_->next(), steady_clock::now());
  EXPECT_TRUE(ends(a));
  EXPECT_FALSE(ends(b, milliseconds(50)));
}

TEST_F(WorkerPoolTest, NoticesAProcessThatDiedWhileNobodyNeededIt) {
  {
    const Employed a = employ();
    ASSERT_TRUE(a.channel.send(Word::kGo));
    ::poll(nullptr, 0, 200);
  }
  // Not looked at since.
  const Employed b = employ();
  EXPECT_EQ(processes_, 2);
  EXPECT_FALSE(ends(b, milliseconds(50)));
}

}  // namespace
}  // namespace tidewaiter::supervisor

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "oci/base/system.h"
#include "oci/base/unix_socket.h"
#include "supervisor/keeper/keeper.h"
#include "supervisor/worker/worker_process.h"
#include "tests/oci/base/temporary_folder.h"
#include "tests/supervisor/stub_worker.h"
#include "tests/supervisor/supervised_call.h"

// A keeper that is one of a node's.

namespace tidewaiter::supervisor {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::TemporaryFolder;

void end_at_once(const Channel& keeper) { (void)keeper.receive(); }
void end_unheard(const Channel& /*keeper*/) {}

void hang(const Channel& /*keeper*/) {
  for (;;) ::pause();
}

// Keeps copies, as a service manager does.
class Copies final : public Deposit {
 public:
  void keep(const std::string& name, int fd) override { files[name] = UniqueFd(::dup(fd)); }
  void drop(const std::string& name) override { files.erase(name); }
  std::map<std::string, UniqueFd> files;
};

class NodeKeeper : public ::testing::Test {
 protected:
  NodeKeeper() : state_folder_(folder_ / "box"), ready_(std::move(*sys::pipe())) {
    if (!sys::make_directories(state_folder_, 0700)) std::abort();
    container::Record record = record_of(R"({"version": 1})");
    record.log_directory = folder_ / "log";
    record.log_max_bytes = 1U << 20U;
    record.log_total_bytes = 1U << 20U;
    if (!container::write_record(state_folder_, record)) std::abort();
  }

  KeeperInheritance registered() {
    KeeperInheritance inheritance = of_node();
    inheritance.state_folder = state_folder_;
    inheritance.listener = std::move(*listen_unix(state_folder_ + "/" + container::Record::kSocketName));
    inheritance.ready = std::move(ready_.write_end);
    return inheritance;
  }
  KeeperInheritance of_node() {
    KeeperInheritance inheritance;
    inheritance.leaves_cgroup = false;
    inheritance.program = "/bin/false";
    inheritance.node_socket = "/run/node.sock";
    inheritance.deposit = &copies_;
    return inheritance;
  }

  // The first `stubs` workers do only this; later ones are real.
  Launch launch(unsigned stubs, void (*does)(const Channel& keeper)) {
    return [this, stubs, does, real = launch_processes()](Channel channel,
                                                          int program) -> Result<std::unique_ptr<Worker>> {
      programs_.push_back(program);
      if (programs_.size() <= stubs) {
        auto stub = std::make_unique<StubWorker>(channel, does);
        struct pollfd ended = {stub->ended_fd(), POLLIN, 0};
        if (does == end_unheard) (void)::poll(&ended, 1, -1);
        return stub;
      }
      return real(std::move(channel), program);
    };
  }

  // Until it has told whoever registers the container, or is over; what it told.
  std::string serve(Keeper& keeper) {
    std::array<char, 256> line{};
    ::fcntl(ready_.read_end.get(), F_SETFL, O_NONBLOCK);
    const auto deadline = steady_clock::now() + seconds(20);
    while (!keeper.over() && steady_clock::now() < deadline) {
      const auto size = ::read(ready_.read_end.get(), line.data(), line.size());
      if (size > 0) return {line.data(), static_cast<std::size_t>(size)};
      const int wait = keeper.timeout();
      if (!keeper.turn(wait < 0 ? 100 : std::min(wait, 100))) break;
    }
    return "nothing";
  }

  TemporaryFolder folder_;
  std::string state_folder_;
  sys::Pipe ready_;
  Copies copies_;
  std::vector<int> programs_;  // that have been asked for
};

// Whoever kills the worker of many containers does not keep another from being created.
TEST_F(NodeKeeper, FollowsAFirstWorkerThatEndedWithoutAWord) {
  auto keeper = Keeper::make(registered(), launch(2, end_at_once));
  ASSERT_TRUE(keeper) << keeper.error().message();
  EXPECT_EQ(serve(**keeper), "ok\n");
  EXPECT_EQ(programs_.size(), 3U);
}

TEST_F(NodeKeeper, FollowsAFirstWorkerThatEndedBeforeAnythingWasSaidToIt) {
  auto keeper = Keeper::make(registered(), launch(2, end_unheard));
  ASSERT_TRUE(keeper) << keeper.error().message();
  EXPECT_EQ(serve(**keeper), "ok\n");
  EXPECT_EQ(programs_.size(), 3U);
}

// Nor does a container whose beginning kills workers do so for ever.
TEST_F(NodeKeeper, DoesNotFollowFirstWorkersThatAlwaysEnd) {
  auto keeper = Keeper::make(registered(), launch(100, end_at_once));
  ASSERT_TRUE(keeper) << keeper.error().message();
  EXPECT_EQ(serve(**keeper), "nothing");
  EXPECT_TRUE((*keeper)->over());
  EXPECT_EQ(programs_.size(), 3U);
}

TEST_F(NodeKeeper, BeginsWithTheProgramThatTookAnothersPlace) {
  KeeperInheritance inheritance = registered();
  inheritance.successor = UniqueFd(::open("/bin/true", O_PATH | O_CLOEXEC));
  auto keeper = Keeper::make(std::move(inheritance), launch(1, end_at_once));
  ASSERT_TRUE(keeper) << keeper.error().message();
  // That came to nothing, so the next one is the keeper's own.
  EXPECT_EQ(serve(**keeper), "ok\n");
  ASSERT_EQ(programs_.size(), 2U);
  EXPECT_NE(programs_[0], kOwnProgram);
  EXPECT_EQ(programs_[1], kOwnProgram);
}

// With hundreds of containers a worker takes longer to begin than a second.
TEST_F(NodeKeeper, GivesTheWorkerThatGoesOnTheTimeOfTheRecord) {
  {
    auto keeper = Keeper::make(registered(), launch(0, nullptr));
    ASSERT_TRUE(keeper) << keeper.error().message();
    ASSERT_EQ(serve(**keeper), "ok\n");
    ASSERT_TRUE((*keeper)->turn(0));
  }
  KeeperInheritance inheritance = of_node();
  inheritance.left = std::exchange(copies_.files, {});
  programs_.clear();
  auto next = Keeper::make(std::move(inheritance), launch(1, hang));
  ASSERT_TRUE(next) << next.error().message();
  const int patience = (*next)->timeout();
  EXPECT_GT(patience, 10'000);
  EXPECT_LE(patience, static_cast<int>(container::kRestartSeconds) * 1000);
}

}  // namespace
}  // namespace tidewaiter::supervisor

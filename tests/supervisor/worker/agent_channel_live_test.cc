#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <thread>

#include "oci/base/system.h"
#include "supervisor/worker/agent.h"
#include "supervisor/worker/deadline.h"
#include "tests/oci/base/temporary_folder.h"
#include "tests/supervisor/live_target.h"
#include "tests/supervisor/supervised_call.h"

// What a worker says to its keeper, whom the tests play.

namespace tidewaiter::supervisor {
namespace {

using testing::TemporaryFolder;

constexpr const char* kPolicy =
    R"({"version": 1, "syscalls": [{"names": ["getpgid"], "action": "errno", "errno": "ENOTSUP"}]})";

class PlayedKeeper {
 public:
  explicit PlayedKeeper(const std::function<void(container::Record&)>& change = {})
      : state_folder_(folder_ / "box") {
    if (!sys::make_directories(state_folder_, 0700)) std::abort();
    container::Record record = record_of(kPolicy);
    record.log_directory = folder_ / "log";
    record.log_max_bytes = record.log_total_bytes = 1U << 20U;
    if (change) change(record);
    if (!container::write_record(state_folder_, record)) std::abort();
  }
  PlayedKeeper(const PlayedKeeper&) = delete;
  PlayedKeeper& operator=(const PlayedKeeper&) = delete;
  ~PlayedKeeper() {
    channel_.reset();
    if (worker_.joinable()) worker_.join();
  }

  // REQUIRES: every child has been forked.
  // `more`: descriptors that `facts` name.
  void start(std::uint64_t facts = 0, Kernel& kernel = system_kernel(), std::uint32_t protocol = kProtocol,
             const std::vector<int>& more = {}) {
    auto pair = Channel::make();
    if (!pair) std::abort();
    channel_.emplace(std::move(pair->keeper));
    worker_ = std::thread([&kernel, channel = std::move(pair->worker)]() mutable {
      if (auto agent = Agent::make(kernel, std::move(channel))) (void)(*agent)->run();
    });
    std::vector<int> fds{slots().memory(), names_.memory()};
    fds.insert(fds.end(), more.begin(), more.end());
    EXPECT_TRUE(channel().send(Word::kBegin, facts | Begin::kCame | Begin::kMoved,
                               static_cast<std::uint64_t>(::getpid()), fds, state_folder_, protocol));
  }

  [[nodiscard]] const Channel& channel() const { return *channel_; }
  [[nodiscard]] Slots& slots() const { return *slots_; }
  [[nodiscard]] const std::string& state_folder() const { return state_folder_; }

  // The next thing that is said; kBegin: nothing for ten seconds, or it has hung up.
  Message hear() {
    struct pollfd poll_fd = {channel().fd(), POLLIN, 0};
    if (::poll(&poll_fd, 1, 10'000) != 1) return {};
    auto message = channel().receive();
    return message && *message ? std::move(**message) : Message{};
  }

 private:
  TemporaryFolder folder_;
  std::string state_folder_;
  std::unique_ptr<Slots> slots_ = std::move(*Slots::make());
  KeptNames names_ = std::move(*KeptNames::make());
  std::optional<Channel> channel_;
  std::thread worker_;
};

// A kernel that has no notifications for anybody.
class BrokenKernel final : public ObservedKernel {
 public:
  Status receive(int /*notify_fd*/, seccomp::NotificationBuffer& /*buffer*/) override {
    return fail(EIO, "receive");
  }
};

// Its filter lives, and so does the workload: should the worker die now, the next one must not take it for a
// runtime that has yet to start it.
TEST(LiveAgent, LeavesTheStartOfASessionThatGaveUpOver) {
  PlayedKeeper keeper;
  BrokenKernel kernel;
  auto proceed = sys::pipe();
  ASSERT_TRUE(proceed);
  LiveTarget target({SYS_getpgid}, [&] {
    proceed->write_end.reset();
    char byte = 0;
    (void)!::read(proceed->read_end.get(), &byte, 1);
    return std::vector<long>{};
  });
  const UniqueFd notify_fd = target.take_notify_fd();
  keeper.slots().start_over(0) = 1;
  keeper.start(0, kernel);
  ASSERT_EQ(keeper.hear().word, Word::kReady);
  ASSERT_TRUE(keeper.channel().send(Word::kSession, 0, 0, std::array{notify_fd.get()}));
  ASSERT_TRUE(keeper.channel().send(Word::kGo));
  ASSERT_EQ(keeper.hear().word, Word::kServing);
  const Message ended = keeper.hear();
  EXPECT_EQ(ended.word, Word::kSessionEnded);
  EXPECT_EQ(ended.size, 1U);
  EXPECT_EQ(keeper.slots().start_over(0), 1U);
  proceed->write_end.reset();
  (void)target.child().report();
}

TEST(LiveAgent, DoesNotServeAKeeperOfAnotherVersion) {
  PlayedKeeper keeper;
  keeper.start(0, system_kernel(), kProtocol - 1);
  const Message said = keeper.hear();
  EXPECT_EQ(said.word, Word::kFailed);
  EXPECT_NE(said.text.find("version"), std::string::npos) << said.text;
}

// A worker dies, and time goes on.
TEST(LiveAgent, GoesOnToStopAContainerWhereAnotherLeftIt) {
  for (const bool asked : {false, true}) {
    SCOPED_TRACE(asked);
    PlayedKeeper keeper([](container::Record& record) {
      record.timeout = 1;
      record.stop_signal = SIGTERM;
      record.stop_grace = 1000;
    });
    seccomp::Child first([] {
      ::pause();
      return std::vector<long>{};
    });
    const auto deadline = Deadline::set(first.pid(), -1, std::chrono::seconds(1), std::chrono::seconds(1000));
    ASSERT_TRUE(deadline && *deadline);
    keeper.start(Begin::kDeadline | (asked ? Begin::kStopping : 0), system_kernel(), kProtocol,
                 {(*deadline)->timer(), (*deadline)->first_process()});
    ASSERT_EQ(keeper.hear().word, Word::kReady);
    EXPECT_EQ(keeper.hear().word, Word::kStopping);
    const int status = first.wait();
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), asked ? SIGKILL : SIGTERM);
  }
}

// What another worker had begun to remove is removed; not what is only hard to read, or needed again.
TEST(LiveAgent, RemovesOnlyWhatWasBeingRemoved) {
  struct Case {
    std::uint64_t facts;
    bool has_record;
    bool stays;
  };
  for (const Case& test : {Case{Begin::kEnding, false, false}, Case{Begin::kEnding, true, true},
                           Case{Begin::kEnding | Begin::kOutlives, false, true}, Case{0, false, true}}) {
    SCOPED_TRACE(::testing::Message() << test.facts << ' ' << test.has_record);
    PlayedKeeper keeper;
    const std::string record = keeper.state_folder() + "/" + container::Record::kFileName;
    if (test.has_record) {
      ASSERT_TRUE(sys::replace_file(record, "{"));
    } else {
      ASSERT_TRUE(sys::unlink(record));
    }
    keeper.start(test.facts);
    EXPECT_EQ(keeper.hear().word, test.stays ? Word::kFailed : Word::kDone);
    EXPECT_EQ(std::filesystem::exists(keeper.state_folder()), test.stays);
  }
}

}  // namespace
}  // namespace tidewaiter::supervisor

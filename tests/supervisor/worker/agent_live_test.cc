#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "oci/base/unix_socket.h"
#include "oci/container/agent_launcher.h"
#include "supervisor/keeper/keeper.h"
#include "supervisor/worker/agent.h"
#include "tests/oci/base/temporary_folder.h"
#include "tests/supervisor/event_lines.h"
#include "tests/supervisor/eventually.h"
#include "tests/supervisor/live_target.h"
#include "tests/supervisor/supervised_call.h"

// An agent as tidewaiter-agent runs it, with runtimes that the tests play: from hand-over to clean-up.

namespace tidewaiter::supervisor {
namespace {

using seccomp::Child;
using testing::TemporaryFolder;

constexpr const char* kPolicy =
    R"({"version": 1, "syscalls": [{"names": ["getpgid"], "action": "errno", "errno": "ENOTSUP"}]})";
constexpr std::chrono::seconds kLongest{10};

// A target that waits for its start, calls once, and reports what came of it.
class Workload {
 public:
  // Makes so many calls, each when it is told to. `ignored`: a signal; 0: none.
  explicit Workload(int calls = 1, int ignored = 0)
      : start_(std::move(*sys::pipe())), target_({SYS_getpgid}, [this, calls, ignored] {
          if (ignored != 0) (void)::signal(ignored, SIG_IGN);
          long result = 0;
          for (int i = 0; i < calls; ++i) {
            char byte = 0;
            (void)sys::read(start_.read_end.get(), &byte, 1);
            result = seccomp::raw_call(SYS_getpgid, 0);
          }
          return std::vector<long>{result};
        }) {}
  UniqueFd take_notify_fd() { return target_.take_notify_fd(); }
  void begin_call() { EXPECT_EQ(::write(start_.write_end.get(), "x", 1), 1); }
  long call() {
    begin_call();
    return target_.child().result();
  }
  void kill() {
    EXPECT_EQ(::kill(target_.child().pid(), SIGKILL), 0);
    (void)target_.child().wait();
  }
  // The wait status.
  int end() { return target_.child().wait(); }
  [[nodiscard]] pid_t pid() { return target_.child().pid(); }

 private:
  sys::Pipe start_;
  LiveTarget target_;
};

// A worker that is a thread of this process, which cannot be killed: it ends when its channel is closed.
class ThreadWorker final : public Worker {
 public:
  ThreadWorker(Kernel& kernel, Channel channel)
      : ended_(::eventfd(0, EFD_CLOEXEC)),
        channel_(::fcntl(channel.fd(), F_DUPFD_CLOEXEC, 0)),
        thread_([this, &kernel, channel = std::move(channel)]() mutable {
          if (auto agent = Agent::make(kernel, std::move(channel))) (void)(*agent)->run();
          (void)::eventfd_write(ended_.get(), 1);
        }) {}
  ThreadWorker(const ThreadWorker&) = delete;
  ThreadWorker& operator=(const ThreadWorker&) = delete;
  ~ThreadWorker() override { thread_.join(); }

  [[nodiscard]] int ended_fd() const override { return ended_.get(); }
  void kill() override { (void)::shutdown(channel_.get(), SHUT_RDWR); }
  std::optional<std::string> reap() override { return "thread"; }

 private:
  UniqueFd ended_;
  UniqueFd channel_;
  std::thread thread_;
};

Launch launch_threads(Kernel& kernel) {
  return [&kernel](Channel channel, int) -> Result<std::unique_ptr<Worker>> {
    return std::make_unique<ThreadWorker>(kernel, std::move(channel));
  };
}

// The agent of container "box", keeper and worker each in a thread, and the process that becomes the runtime.
class RunningAgent {
 public:
  // `id` as the record has it: empty where the launcher did not know it.
  explicit RunningAgent(const std::string& id = "box", Kernel& kernel = system_kernel(),
                        const std::function<void(container::Record&)>& change = {})
      : kernel_(kernel), creator_end_(std::move(*sys::pipe())), creator_([this] {
          char byte = 0;
          (void)sys::read(creator_end_.read_end.get(), &byte, 1);
          return std::vector<long>{};
        }) {
    state_folder_ = folder_ / (id.empty() ? "unnamed" : id);
    if (!sys::make_directories(state_folder_, 0700)) std::abort();
    container::Record record = record_of(kPolicy);
    record.id = id;
    record.log_directory = folder_ / "log";
    record.log_max_bytes = 1U << 20U;
    record.log_total_bytes = 1U << 20U;
    if (change) change(record);
    if (!container::write_record(state_folder_, record)) std::abort();
  }
  RunningAgent(const RunningAgent&) = delete;
  RunningAgent& operator=(const RunningAgent&) = delete;
  ~RunningAgent() {
    creator_ends();
    connections_.clear();
    if (!ended()) std::abort();  // its thread cannot be ended from outside
  }

  // REQUIRES: every child has been forked; it would hold what the agent holds.
  void start() {
    auto listener = listen_unix(socket_path());
    if (!listener || ::fcntl(listener->get(), F_SETFL, O_NONBLOCK) != 0) std::abort();
    auto creator = sys::pidfd_open(creator_.pid());
    if (!creator) std::abort();
    auto ready = sys::pipe();
    if (!ready) std::abort();
    KeeperInheritance inheritance;
    inheritance.state_folder = state_folder_;
    inheritance.listener = std::move(*listener);
    inheritance.creator = std::move(*creator);
    inheritance.ready = std::move(ready->write_end);
    inheritance.leaves_cgroup = false;
    run_ = std::async(std::launch::async, [this, inheritance = std::move(inheritance)]() mutable {
      auto keeper = Keeper::make(std::move(inheritance), launch_threads(kernel_));
      return keeper ? (*keeper)->run() : tl::unexpected(keeper.error());
    });
    EXPECT_EQ(sys::read_all(ready->read_end.get()).value_or("nothing"), "ok\n");
  }

  void creator_ends() { EXPECT_EQ(::write(creator_end_.write_end.get(), "x", 1), 1); }

  // A runtime's connection, which stays open until hang_up().
  UniqueFd& connect() {
    auto connection = connect_unix(socket_path());
    EXPECT_TRUE(connection) << connection.error().message();
    return connections_.emplace_back(std::move(*connection));
  }

  // `first`: the pid of the container's first process; 0: unknown.
  static void hand_over(const UniqueFd& connection, const UniqueFd& notify_fd, const std::string& id = "box",
                        pid_t first = 0) {
    const std::string state = R"({"ociVersion": "0.2.0", "fds": ["seccompFd"], "state": {"id": ")" + id +
                              R"(", "pid": )" + std::to_string(first) + "}}";
    // The descriptor with the first byte, as send_fd() sends it; hence a space first.
    seccomp::FdMessage message;
    message.byte = ' ';
    struct cmsghdr* control = CMSG_FIRSTHDR(&message.header);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    const int fd = notify_fd.get();
    control->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(control), &fd, sizeof fd);
    ASSERT_EQ(::sendmsg(connection.get(), &message.header, 0), 1);
    ASSERT_TRUE(sys::write_all(connection.get(), state));
  }

  // Connects, hands over and closes.
  void serve(Workload& workload, const std::string& id = "box") {
    hand_over(connect(), workload.take_notify_fd(), id, workload.pid());
    connections_.pop_back();
  }

  void hang_up() { connections_.clear(); }

  // Whether the agent has gone, or does within ten seconds.
  [[nodiscard]] bool ended() { return !run_.valid() || run_.wait_for(kLongest) == std::future_status::ready; }
  [[nodiscard]] bool runs() { return run_.wait_for(std::chrono::seconds(0)) == std::future_status::timeout; }

  [[nodiscard]] const std::string& state_folder() const { return state_folder_; }
  // Where a container of that id is looked for.
  [[nodiscard]] std::string name_of(const std::string& id) const { return folder_ / id; }
  [[nodiscard]] std::string socket_path() const {
    return state_folder_ + "/" + container::Record::kSocketName;
  }
  [[nodiscard]] std::vector<nlohmann::json> events() { return event_lines(folder_ / "log/box.jsonl"); }

 private:
  TemporaryFolder folder_;
  std::string state_folder_;
  Kernel& kernel_;
  sys::Pipe creator_end_;
  Child creator_;
  std::list<UniqueFd> connections_;
  std::future<Status> run_;
};

TEST(LiveAgent, ServesAContainerAndGoesWithIt) {
  RunningAgent agent;
  Workload workload;
  agent.start();
  agent.serve(workload);
  agent.creator_ends();
  EXPECT_EQ(workload.call(), -ENOTSUP);
  workload.end();
  EXPECT_TRUE(agent.ended());
  EXPECT_FALSE(std::filesystem::exists(agent.state_folder()));
  const auto events = agent.events();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["container"], "box");
  EXPECT_EQ(events[0]["verdict"], "denied");
}

TEST(LiveAgent, ServesEachProcessExecutedIntoTheContainer) {
  RunningAgent agent;
  Workload workloads[5];
  agent.start();
  for (Workload& workload : workloads) agent.serve(workload);
  agent.creator_ends();
  for (Workload& workload : workloads) {
    EXPECT_TRUE(agent.runs());
    EXPECT_EQ(workload.call(), -ENOTSUP);
    workload.end();
  }
  EXPECT_TRUE(agent.ended());
  EXPECT_EQ(agent.events().size(), 5U);
}

TEST(LiveAgent, WaitsForACreatedContainerWhileItServesOthers) {
  RunningAgent agent;
  Workload created;
  Workload running;
  agent.start();
  // Connected at `create`; the message comes at `start`.
  const UniqueFd& idle = agent.connect();
  agent.creator_ends();
  // A connection that never says anything is another's affair, too.
  agent.connect();
  agent.serve(running);
  EXPECT_EQ(running.call(), -ENOTSUP);
  running.end();
  EXPECT_TRUE(agent.runs());
  RunningAgent::hand_over(idle, created.take_notify_fd());
  agent.hang_up();
  EXPECT_EQ(created.call(), -ENOTSUP);
  created.end();
  EXPECT_TRUE(agent.ended());
}

TEST(LiveAgent, TakesAHandOverWhoseSenderNeverCloses) {
  RunningAgent agent;
  Workload workload;
  agent.start();
  RunningAgent::hand_over(agent.connect(), workload.take_notify_fd());
  agent.creator_ends();
  EXPECT_EQ(workload.call(), -ENOTSUP);
  workload.end();
  EXPECT_TRUE(agent.ended());
}

// Leaves this process no descriptor but those it has, for a scope.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() : lowest_free_(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {
    if (!lowest_free_.valid() || ::getrlimit(RLIMIT_NOFILE, &before_) != 0) std::abort();
    set(static_cast<rlim_t>(lowest_free_.get()) + 1);
  }
  NoMoreDescriptors(const NoMoreDescriptors&) = delete;
  NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;
  ~NoMoreDescriptors() { set(before_.rlim_cur); }

 private:
  void set(rlim_t limit) {
    const struct rlimit next = {limit, before_.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &next) != 0) std::abort();
  }
  struct rlimit before_ {};
  UniqueFd lowest_free_;
};

// Has the agent, which is a part of this process, do whatever it does for its start, for a workload and for
// its call, so that later it gives no descriptor back, and needs none, unasked.
void settle(RunningAgent& agent, Workload& workload) {
  const UniqueFd& connection = agent.connect();
  RunningAgent::hand_over(connection, workload.take_notify_fd());
  struct pollfd hung_up = {connection.get(), 0, 0};
  ASSERT_EQ(::poll(&hung_up, 1, std::chrono::milliseconds(kLongest).count()), 1);
  workload.begin_call();
  const auto deadline = std::chrono::steady_clock::now() + kLongest;
  while (agent.events().empty()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
}

// Makes a workload's hand-over wait in the backlog of an agent without descriptors, and waits for a while.
void hand_over_to_nobody(RunningAgent& agent, Workload& workload) {
  const UniqueFd notify_fd = workload.take_notify_fd();
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const NoMoreDescriptors none;
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  ASSERT_LT(agent.socket_path().size(), sizeof address.sun_path);
  agent.socket_path().copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
  ASSERT_EQ(::connect(socket.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address), 0);
  RunningAgent::hand_over(socket, notify_fd);
  const std::clock_t busy = std::clock();
  constexpr int kPatience = 300;  // milliseconds
  struct pollfd hung_up = {socket.get(), 0, 0};
  EXPECT_EQ(::poll(&hung_up, 1, kPatience), 0) << "the connection waits";
  EXPECT_LT((std::clock() - busy) * 1000 / CLOCKS_PER_SEC, kPatience / 3) << "of processor time";
}

// No descriptor is left: for a while no connection can be accepted, and nobody may be lost or the processor
// kept busy by that.
TEST(LiveAgent, AcceptsLaterWhatItCannotAcceptNow) {
  RunningAgent agent;
  Workload first(2);
  Workload workload;
  agent.start();
  settle(agent, first);
  hand_over_to_nobody(agent, workload);
  for (Workload* each : {&first, &workload}) EXPECT_EQ(each->call(), -ENOTSUP);
  agent.creator_ends();
  first.end();
  workload.end();
  EXPECT_TRUE(agent.ended());
}

// Until the peer has read everything.
bool wait_until_read(const UniqueFd& socket) {
  const auto deadline = std::chrono::steady_clock::now() + kLongest;
  int unread = 1;
  while (unread != 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
    if (::ioctl(socket.get(), SIOCOUTQ, &unread) != 0) return false;
  }
  return unread == 0;
}

TEST(LiveAgent, AcceptsLaterHoweverMuchElseThereIsToDo) {
  RunningAgent agent;
  Workload first(2);
  Workload workload;
  agent.start();
  settle(agent, first);
  // White space before a message that never comes. Accepted while that is still possible.
  const UniqueFd& talker = agent.connect();
  ASSERT_EQ(::write(talker.get(), " ", 1), 1);
  ASSERT_TRUE(wait_until_read(talker));
  std::atomic<bool> done = false;
  std::thread talk([&] {
    while (!done && ::send(talker.get(), " ", 1, MSG_NOSIGNAL) == 1) {
      const struct timespec pause = {0, 5'000'000};
      ::nanosleep(&pause, nullptr);
    }
  });
  hand_over_to_nobody(agent, workload);
  for (Workload* each : {&first, &workload}) EXPECT_EQ(each->call(), -ENOTSUP);
  done = true;
  talk.join();
  agent.hang_up();
  agent.creator_ends();
  first.end();
  workload.end();
  EXPECT_TRUE(agent.ended());
}

TEST(LiveAgent, GoesWhenTheContainerWasNeverMade) {
  RunningAgent agent;
  agent.start();
  // The runtime connected, and failed.
  agent.connect();
  agent.hang_up();
  EXPECT_TRUE(agent.runs());
  agent.creator_ends();
  EXPECT_TRUE(agent.ended());
  EXPECT_FALSE(std::filesystem::exists(agent.state_folder()));
}

TEST(LiveAgent, FailsClosedForAContainerThatIsNotItsOwn) {
  RunningAgent agent;
  Workload workload;
  Workload stranger;  // last: no other child holds a copy of its listener, which has to be closed
  agent.start();
  agent.serve(stranger, "other");
  agent.serve(workload);
  agent.creator_ends();
  EXPECT_EQ(stranger.call(), -ENOSYS);
  EXPECT_EQ(workload.call(), -ENOTSUP);
  stranger.end();
  workload.end();
  EXPECT_TRUE(agent.ended());
  EXPECT_EQ(agent.events().size(), 1U);
}

// The runtime's hand-over names the container; `exec` finds it by a link of that name.
TEST(LiveAgent, TakesAnIdOnlyTogetherWithItsLink) {
  RunningAgent agent("");
  Workload third;
  Workload second;
  Workload first;  // last: as above
  agent.start();
  ASSERT_TRUE(sys::mkdir(agent.name_of("box"), 0700));
  agent.serve(first);
  EXPECT_EQ(first.call(), -ENOSYS);
  first.end();
  agent.serve(second);
  EXPECT_EQ(second.call(), -ENOSYS);
  second.end();
  ASSERT_TRUE(sys::remove_tree(agent.name_of("box")));
  agent.serve(third);
  EXPECT_EQ(third.call(), -ENOTSUP);
  EXPECT_EQ(sys::readlink(agent.name_of("box")).value_or(""), agent.state_folder());
  agent.creator_ends();
  third.end();
  EXPECT_TRUE(agent.ended());
}

// A kernel whose notifications cannot be received any more.
class DeafKernel final : public ObservedKernel {
 public:
  Status receive(int notify_fd, seccomp::NotificationBuffer& buffer) override {
    struct pollfd ready = {notify_fd, POLLIN, 0};
    if (::poll(&ready, 1, -1) < 0) return fail(errno, "poll");
    if ((ready.revents & POLLIN) != 0) return fail(EIO, "receive");
    return ObservedKernel::receive(notify_fd, buffer);
  }
};

TEST(LiveAgent, FailsClosedWhereItCannotReceive) {
  DeafKernel kernel;
  RunningAgent agent("box", kernel);
  Workload workload;
  agent.start();
  agent.serve(workload);
  EXPECT_EQ(workload.call(), -ENOSYS);
  agent.creator_ends();
  EXPECT_TRUE(agent.ended());
  // Of the container's other processes nothing is known: `exec` will need the folder.
  EXPECT_TRUE(std::filesystem::exists(agent.state_folder()));
  workload.end();
}

// A kernel in which a call can be interrupted by nothing, as reading memory can be that a file system in user
// space backs.
class StuckKernel final : public ObservedKernel {
 public:
  Result<std::string> read_proc_file(pid_t tid, const char* name, std::size_t limit) override {
    std::unique_lock lock(mutex_);
    if (!std::exchange(stuck_, true)) {
      changed_.notify_all();
      changed_.wait(lock, [&] { return released_; });
    }
    return ObservedKernel::read_proc_file(tid, name, limit);
  }
  [[nodiscard]] bool wait_until_stuck() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLongest, [&] { return stuck_; });
  }
  void release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stuck_ = false;
  bool released_ = false;
};

TEST(LiveAgent, DoesNotWaitForWhatCannotBeInterrupted) {
  StuckKernel kernel;
  RunningAgent agent("box", kernel);
  Workload second;
  Workload first;  // last: as above
  agent.start();
  agent.serve(first);
  first.begin_call();
  ASSERT_TRUE(kernel.wait_until_stuck());
  first.kill();
  agent.serve(second);
  EXPECT_EQ(second.call(), -ENOTSUP);
  second.end();
  agent.creator_ends();
  EXPECT_TRUE(agent.runs());
  kernel.release();
  EXPECT_TRUE(agent.ended());
  EXPECT_FALSE(std::filesystem::exists(agent.state_folder()));
}

TEST(LiveAgent, FailsClosedOnAMessageItCannotRead) {
  RunningAgent agent;
  Workload unread;
  agent.start();
  {
    const UniqueFd notify = unread.take_notify_fd();
    const UniqueFd& connection = agent.connect();
    ASSERT_TRUE(seccomp::send_fd(connection.get(), notify.get()));
    // It may have gone at the first byte.
    (void)::send(connection.get(), "nonsense", 8, MSG_NOSIGNAL);
  }
  EXPECT_EQ(unread.call(), -ENOSYS);
  unread.end();
  agent.creator_ends();
  EXPECT_TRUE(agent.ended());
}

std::function<void(container::Record&)> with_timeout(std::uint64_t seconds, int signal, std::uint64_t grace) {
  return [=](container::Record& record) {
    record.timeout = seconds;
    record.stop_signal = static_cast<std::uint64_t>(signal);
    record.stop_grace = grace;
  };
}

TEST(LiveAgent, AsksAContainerToEndWhoseTimeIsOver) {
  RunningAgent agent("box", system_kernel(), with_timeout(1, SIGTERM, 1000));
  Workload workload;
  agent.start();
  const auto begun = std::chrono::steady_clock::now();
  agent.serve(workload);
  agent.creator_ends();
  const int status = workload.end();
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::seconds(1));
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
  EXPECT_TRUE(agent.ended());
  const auto events = agent.events();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["rule"], "/limits/timeout");
  EXPECT_EQ(events[0]["verdict"], "stopped");
  EXPECT_EQ(events[0]["category"], "process");
  EXPECT_FALSE(events[0].contains("syscall"));
}

TEST(LiveAgent, KillsAContainerThatDoesNotEnd) {
  RunningAgent agent("box", system_kernel(), with_timeout(1, SIGUSR1, 1));
  Workload workload(1, SIGUSR1);
  const pid_t pid = workload.pid();
  agent.start();
  agent.serve(workload);
  agent.creator_ends();
  const int status = workload.end();
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_TRUE(agent.ended());
  const auto events = agent.events();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0]["verdict"], "stopped");
  EXPECT_EQ(events[0]["pid"], pid);
  EXPECT_EQ(events[1]["verdict"], "killed");
}

TEST(LiveAgent, LeavesAContainerThatEndsInTime) {
  RunningAgent agent("box", system_kernel(), with_timeout(1000, SIGTERM, 10));
  Workload workload;
  agent.start();
  agent.serve(workload);
  agent.creator_ends();
  EXPECT_EQ(workload.call(), -ENOTSUP);
  EXPECT_EQ(workload.end(), 0);
  EXPECT_TRUE(agent.ended());
  EXPECT_EQ(agent.events().size(), 1U);
}

// Who would not be stopped is not served.
TEST(LiveAgent, ServesNoContainerThatItCouldNotStop) {
  RunningAgent agent("box", system_kernel(), with_timeout(1000, SIGTERM, 10));
  Workload workload;
  agent.start();
  RunningAgent::hand_over(agent.connect(), workload.take_notify_fd());
  agent.hang_up();
  agent.creator_ends();
  EXPECT_EQ(workload.call(), -ENOSYS);
  workload.end();
  EXPECT_TRUE(agent.ended());
}

// Both workloads are served, and the agent ends with them and leaves nothing.
void serves_to_the_end(RunningAgent& agent, Workload& first, Workload& second) {
  agent.creator_ends();
  EXPECT_EQ(first.call(), -ENOTSUP);
  EXPECT_EQ(second.call(), -ENOTSUP);
  first.end();
  second.end();
  EXPECT_TRUE(agent.ended());
  EXPECT_FALSE(std::filesystem::exists(agent.state_folder()));
}

TEST(LiveAgent, MakesItsFolderAgainWhenSomebodyRemovesIt) {
  RunningAgent agent;
  Workload first;
  Workload second;
  agent.start();
  agent.serve(first);
  // Fails where the agent is quick: then what was to be removed is not empty.
  (void)sys::remove_tree(agent.state_folder());
  ASSERT_TRUE(eventually([&] { return connect_unix(agent.socket_path()).has_value(); }));
  agent.serve(second);
  serves_to_the_end(agent, first, second);
}

// Another file that says `text` takes the lock's place. With `operation`, of flock(2), who has the result
// holds it.
UniqueFd replace_lock(const RunningAgent& agent, const std::string& text, int operation) {
  const std::string lock = agent.state_folder() + "/" + container::Record::kLockName;
  const std::string another = agent.state_folder() + "/another";
  UniqueFd file = std::move(*sys::open(another, O_RDWR | O_CREAT | O_EXCL, 0600));
  EXPECT_EQ(::flock(file.get(), operation), 0);
  EXPECT_TRUE(sys::write_all(file.get(), text));
  EXPECT_EQ(::rename(another.c_str(), lock.c_str()), 0);
  return file;
}

TEST(LiveAgent, MakesAgainWhatSomebodyRemovesOfItsFolder) {
  using container::Record;
  for (const std::string name : {Record::kLockName, Record::kFileName, Record::kSocketName}) {
    SCOPED_TRACE(name);
    RunningAgent agent;
    Workload first;
    Workload second;
    agent.start();
    agent.serve(first);
    const auto in_folder = [&](const std::string& file) { return agent.state_folder() + "/" + file; };
    // Held open, so that no other file gets their inodes' numbers.
    const auto lock = sys::open(in_folder(Record::kLockName), O_PATH);
    const auto socket = sys::open(in_folder(Record::kSocketName), O_PATH);
    ASSERT_TRUE(lock && socket);
    const auto replaced = [&](const char* file, const UniqueFd& old) {
      const auto found = sys::stat(in_folder(file));
      return !found || found->st_ino != sys::fstat(old.get())->st_ino;
    };
    ASSERT_TRUE(sys::unlink(in_folder(name)));
    const auto whole = [&] {
      return container::agent_pid(agent.state_folder()) == ::getpid() &&
             container::read_record(agent.state_folder()) && connect_unix(agent.socket_path());
    };
    EXPECT_TRUE(eventually(whole));
    // What nobody removed is in use.
    EXPECT_EQ(replaced(Record::kLockName, *lock), name == Record::kLockName);
    EXPECT_EQ(replaced(Record::kSocketName, *socket), name == Record::kSocketName);
    agent.serve(second);
    serves_to_the_end(agent, first, second);
  }
}

// A lock that nobody holds says that the agent is dead: `exec` would start another one.
TEST(LiveAgent, TakesALockThatLiesInThePlaceOfItsOwn) {
  RunningAgent agent;
  Workload first;
  Workload second;
  agent.start();
  agent.serve(first);
  replace_lock(agent, "", LOCK_UN);
  EXPECT_TRUE(eventually([&] { return container::agent_pid(agent.state_folder()) == ::getpid(); }));
  agent.serve(second);
  serves_to_the_end(agent, first, second);
}

TEST(LiveAgent, LeavesAFolderThatAnotherAgentServes) {
  using container::Record;
  RunningAgent agent;
  Workload workload;
  agent.start();
  agent.serve(workload);
  const pid_t another = ::getppid();
  const UniqueFd held = replace_lock(agent, container::lock_text(another, ""), LOCK_EX);
  agent.creator_ends();
  // Whom it has it serves on.
  EXPECT_EQ(workload.call(), -ENOTSUP);
  workload.end();
  EXPECT_TRUE(agent.ended());
  EXPECT_EQ(container::agent_pid(agent.state_folder()), another);
  EXPECT_TRUE(container::read_record(agent.state_folder()));
}

TEST(LiveAgent, IsAloneWithItsFolder) {
  RunningAgent agent;
  agent.start();
  KeeperInheritance inheritance;
  inheritance.state_folder = agent.state_folder();
  auto second = Keeper::make(std::move(inheritance), launch_threads(system_kernel()));
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message().find("another agent serves"), std::string::npos)
      << second.error().message();
}

}  // namespace
}  // namespace tidewaiter::supervisor

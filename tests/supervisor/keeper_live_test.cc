#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <new>
#include <optional>
#include <utility>

#include "oci/base/unix_socket.h"
#include "supervisor/keeper/keeper.h"
#include "supervisor/worker/worker_process.h"
#include "tests/oci/base/temporary_folder.h"
#include "tests/supervisor/event_lines.h"
#include "tests/supervisor/live_target.h"
#include "tests/supervisor/stub_worker.h"
#include "tests/supervisor/supervised_call.h"

// A keeper with workers that are processes, which die.

namespace tidewaiter::supervisor {
namespace {

using seccomp::Child;
using testing::TemporaryFolder;

constexpr const char* kPolicy =
    R"({"version": 1, "syscalls": [{"names": ["getpgid"], "action": "errno", "errno": "ENOTSUP"}]})";

// Names that nobody else in this network namespace has.
std::string abstract_name(const std::string& name) {
  return "@tidewaiter.keeper." + std::to_string(::getpid()) + "." + name;
}
std::string unix_policy() {
  return R"({"version": 1, "network": {"allow": ["unix:)" + abstract_name("good") + R"("]}})";
}

struct sockaddr_un unix_address(const std::string& name) {
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  std::memcpy(static_cast<void*>(address.sun_path), name.data(), name.size());
  address.sun_path[0] = '\0';
  return address;
}
socklen_t unix_size(const std::string& name) {
  return static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) + name.size());
}

UniqueFd unix_server(const std::string& name, int type, int backlog = 0) {
  UniqueFd server(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  const auto address = unix_address(name);
  if (::bind(server.get(), reinterpret_cast<const struct sockaddr*>(&address), unix_size(name)) != 0)
    std::abort();
  if (type == SOCK_STREAM && ::listen(server.get(), backlog) != 0) std::abort();
  return server;
}

long connect_to(int fd, const std::string& name) {
  const auto address = unix_address(name);
  return seccomp::raw_call(SYS_connect, fd, &address, unix_size(name));
}

long connect_new(const std::string& name, int type) {
  const UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  return connect_to(socket.get(), name);
}

// How the processes are started, where that is not as always.
struct Starts {
  std::function<Launch(Launch)> workers = [](Launch launch) { return launch; };
  std::function<LaunchTracer(LaunchTracer)> tracers = [](LaunchTracer launch) { return launch; };
  std::string program = "/bin/false";  // of replacements
  std::chrono::milliseconds longest_drain = kLongestDrain;
};

void hang(const Channel& /*keeper*/) {
  for (;;) ::pause();
}

// As one whom whatever it finds kills.
void get_ready_and_die(const Channel& keeper) {
  if (keeper.receive()) (void)keeper.send(Word::kReady, 0, 1);
}

// The keeper of container "box", in a process of its own.
class KeeperProcess {
 public:
  // REQUIRES: it is made before any target; it would hold what they wait for.
  // `workers`: so many can be started, and no more.
  // `restart_seconds`: how long calls wait for one.
  explicit KeeperProcess(Kernel& kernel = system_kernel(), int workers = 1000,
                         const std::string& policy = kPolicy, std::uint64_t restart_seconds = 60,
                         const Starts& starts = {})
      : state_folder_(folder_ / "box") {
    if (!sys::make_directories(state_folder_, 0700)) std::abort();
    container::Record record = record_of(policy);
    record.log_directory = folder_ / "log";
    record.log_max_bytes = 1U << 20U;
    record.log_total_bytes = 1U << 20U;
    record.restart_seconds = restart_seconds;
    if (!container::write_record(state_folder_, record)) std::abort();
    auto listener = listen_unix(socket_path());
    auto ready = sys::pipe();
    if (!listener || !ready) std::abort();
    keeper_.emplace([&]() -> std::vector<long> {
      KeeperInheritance inheritance;
      inheritance.state_folder = state_folder_;
      inheritance.listener = std::move(*listener);
      inheritance.ready = std::move(ready->write_end);
      inheritance.leaves_cgroup = false;
      ready->read_end.reset();
      inheritance.program = starts.program;
      inheritance.longest_drain = starts.longest_drain;
      const auto launch = [made = launch_processes(kernel), workers](
                              Channel channel, int program) mutable -> Result<std::unique_ptr<Worker>> {
        if (workers-- <= 0) return fail(EAGAIN, "fork");
        return made(std::move(channel), program);
      };
      auto keeper = Keeper::make(std::move(inheritance), starts.workers(launch),
                                 starts.tracers(launch_tracing_process()));
      return {keeper && (*keeper)->run() ? 0L : 1L};
    });
    ready->write_end.reset();
    EXPECT_EQ(sys::read_all(ready->read_end.get()).value_or("nothing"), "ok\n");
  }

  [[nodiscard]] Child& keeper() { return *keeper_; }
  [[nodiscard]] std::vector<nlohmann::json> events() { return event_lines(folder_ / "log/box.jsonl"); }
  // Whether any has been written, at least in part.
  [[nodiscard]] bool has_events() {
    std::error_code none;
    const auto size = std::filesystem::file_size(folder_ / "log/box.jsonl", none);
    return !none && size != 0;
  }
  [[nodiscard]] const std::string& state_folder() const { return state_folder_; }

  // 0: there is none at the moment.
  [[nodiscard]] pid_t worker() const { return child("tw-worker"); }
  [[nodiscard]] pid_t tracer() const { return child("tw-tracer"); }

  // How many the keeper has.
  [[nodiscard]] int children() const {
    const std::string pid = std::to_string(keeper_->pid());
    std::ifstream children("/proc/" + pid + "/task/" + pid + "/children");
    int count = 0;
    for (pid_t child = 0; children >> child;) ++count;
    return count;
  }

  // Until another one is there in its place.
  void kill_worker(int signal = SIGKILL) const {
    const pid_t before = worker();
    ASSERT_GT(before, 0);
    ASSERT_EQ(::kill(before, signal), 0);
    for (pid_t now = before; now == before || now == 0; now = worker()) ::poll(nullptr, 0, 1);
  }

  // Connects and sends so much of the message, with the descriptor; then it can be gone on with.
  UniqueFd begin_hand_over(const UniqueFd& notify_fd, std::size_t bytes = std::string::npos) const {
    auto connection = connect_unix(socket_path());
    if (!connection) std::abort();
    seccomp::FdMessage message;
    message.byte = ' ';
    struct cmsghdr* control = CMSG_FIRSTHDR(&message.header);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    const int fd = notify_fd.get();
    control->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(control), &fd, sizeof fd);
    EXPECT_EQ(::sendmsg(connection->get(), &message.header, 0), 1);
    EXPECT_TRUE(sys::write_all(connection->get(), kState.substr(0, bytes)));
    return std::move(*connection);
  }
  static constexpr std::string_view kState =
      R"({"ociVersion": "0.2.0", "fds": ["seccompFd"], "state": {"id": "box"}})";

  [[nodiscard]] std::string socket_path() const {
    return state_folder_ + "/" + container::Record::kSocketName;
  }

 private:
  [[nodiscard]] pid_t child(const std::string& name) const {
    const std::string pid = std::to_string(keeper_->pid());
    std::ifstream children("/proc/" + pid + "/task/" + pid + "/children");
    pid_t child = 0;
    while (children >> child) {
      std::string its_name;
      std::ifstream("/proc/" + std::to_string(child) + "/comm") >> its_name;
      if (its_name == name) return child;
    }
    return 0;
  }

  TemporaryFolder folder_;
  std::string state_folder_;
  std::optional<Child> keeper_;
};

// A target that makes as many calls as are written to it, and reports what they came to.
class Caller {
 public:
  Caller()
      : order_(std::move(*sys::pipe())), target_({SYS_getpgid}, [this] {
          order_.write_end.reset();
          std::vector<long> results;
          char byte = 0;
          while (::read(order_.read_end.get(), &byte, 1) == 1) {
            results.push_back(seccomp::raw_call(SYS_getpgid, 0));
          }
          return results;
        }) {
    order_.read_end.reset();
  }
  UniqueFd take_notify_fd() { return target_.take_notify_fd(); }
  void call() { EXPECT_EQ(::write(order_.write_end.get(), "x", 1), 1); }
  std::vector<long> end() {
    order_.write_end.reset();
    return target_.child().report();
  }

 private:
  sys::Pipe order_;
  LiveTarget target_;
};

TEST(LiveKeeper, ServesOnWhenItsWorkerDies) {
  KeeperProcess process;
  Caller caller;
  UniqueFd notify_fd = caller.take_notify_fd();
  (void)process.begin_hand_over(notify_fd);
  notify_fd.reset();
  for (int i = 0; i < 5; ++i) {
    caller.call();
    process.kill_worker();
    caller.call();
  }
  EXPECT_EQ(caller.end(), std::vector<long>(10, -ENOTSUP));
  EXPECT_EQ(process.keeper().report(), std::vector<long>{0});
  EXPECT_FALSE(std::filesystem::exists(process.state_folder()));
}

TEST(LiveKeeper, HasConfinedWorkersAndTracer) {
  const std::string good = abstract_name("good");
  KeeperProcess process(system_kernel(), 1000, unix_policy());
  const UniqueFd server = unix_server(good, SOCK_DGRAM);
  auto proceed = sys::pipe();
  ASSERT_TRUE(proceed);
  LiveTarget target({SYS_connect}, [&] {
    const long connected = connect_new(good, SOCK_DGRAM);
    char byte = 0;
    proceed->write_end.reset();
    (void)!::read(proceed->read_end.get(), &byte, 1);
    return std::vector<long>{connected};
  });
  {
    const UniqueFd notify_fd = target.take_notify_fd();
    (void)process.begin_hand_over(notify_fd);
  }
  while (!process.has_events()) ::poll(nullptr, 0, 1);
  const auto status = [](pid_t pid) {
    return sys::read_file("/proc/" + std::to_string(pid) + "/status").value_or("");
  };
  const std::string worker = status(process.worker());
  EXPECT_NE(worker.find("NoNewPrivs:\t1\n"), std::string::npos) << worker;
  EXPECT_NE(worker.find("Seccomp:\t2\n"), std::string::npos) << worker;
  const std::string tracer = status(process.tracer());
  EXPECT_NE(tracer.find("NoNewPrivs:\t1\n"), std::string::npos) << tracer;
  // It could not drive a stand-in past the target's.
  EXPECT_NE(tracer.find("Seccomp:\t0\n"), std::string::npos) << tracer;
  proceed->write_end.reset();
  EXPECT_EQ(target.child().report(), std::vector<long>{0});
  EXPECT_EQ(process.keeper().report(), std::vector<long>{0});
}

TEST(LiveKeeper, KeepsAHandOverOfWhichAPartHasCome) {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{30}}) {
    KeeperProcess process;
    Caller caller;
    UniqueFd notify_fd = caller.take_notify_fd();
    const UniqueFd connection = process.begin_hand_over(notify_fd, bytes);
    notify_fd.reset();
    process.kill_worker();
    caller.call();
    ASSERT_TRUE(sys::write_all(connection.get(), KeeperProcess::kState.substr(bytes)));
    EXPECT_EQ(caller.end(), std::vector<long>{-ENOTSUP});
    EXPECT_EQ(process.keeper().report(), std::vector<long>{0});
  }
}

TEST(LiveKeeper, TakesItsWorkerAlongAndFailsClosed) {
  KeeperProcess process;
  Caller caller;
  UniqueFd notify_fd = caller.take_notify_fd();
  (void)process.begin_hand_over(notify_fd);
  notify_fd.reset();
  caller.call();
  const auto worker = sys::pidfd_open(process.worker());
  ASSERT_TRUE(worker);
  ASSERT_EQ(::kill(process.keeper().pid(), SIGKILL), 0);
  struct pollfd ended = {worker->get(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 10'000), 1);
  caller.call();
  const auto results = caller.end();
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[1], -ENOSYS);
}

// A kernel that kills whoever asks it for the target's executable.
class DeadlyKernel final : public ObservedKernel {
 public:
  Result<std::string> read_proc_link(pid_t /*tid*/, const char* /*name*/) override { __builtin_trap(); }
};

// A number that this process and its children have in common.
class SharedCount {
 public:
  SharedCount()
      : count_(new (::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))
                   std::atomic<int>(0)) {}
  ~SharedCount() { ::munmap(count_, kSize); }
  SharedCount(const SharedCount&) = delete;
  SharedCount& operator=(const SharedCount&) = delete;
  std::atomic<int>& operator*() const { return *count_; }

 private:
  static constexpr std::size_t kSize = sizeof(std::atomic<int>);
  std::atomic<int>* count_;
};

TEST(LiveKeeper, LosesNoCallOnAUnixSocketWithItsWorkers) {
  const std::string good = abstract_name("good");
  const std::string bad = abstract_name("bad");
  KeeperProcess process(system_kernel(), 1000, unix_policy());
  const UniqueFd server = unix_server(good, SOCK_DGRAM);
  const UniqueFd other = unix_server(bad, SOCK_DGRAM);
  constexpr int kCalls = 1000;
  const SharedCount made;
  LiveTarget target({SYS_connect}, [&] {
    long wrong = 0;
    for (int i = 0; i < kCalls; ++i) {
      wrong += connect_new(good, SOCK_DGRAM) != 0;
      wrong += connect_new(bad, SOCK_DGRAM) != -EACCES;
      ++*made;
    }
    return std::vector<long>{wrong};
  });
  {
    const UniqueFd notify_fd = target.take_notify_fd();
    (void)process.begin_hand_over(notify_fd);
  }
  const auto end = sys::pidfd_open(target.child().pid());
  ASSERT_TRUE(end);
  struct pollfd ended = {end->get(), POLLIN, 0};
  int kills = 0;
  int before = 0;
  // At any moment of a call, but none before it has served any: on a slow machine the calls would have no
  // end.
  while (::poll(&ended, 1, kills % 10 + 15) == 0) {
    if (*made == before) continue;
    process.kill_worker();
    ++kills;
    before = *made;
  }
  EXPECT_EQ(target.child().report(), std::vector<long>{0});
  EXPECT_GT(kills, 3);
  EXPECT_EQ(process.keeper().report(), std::vector<long>{0});
}

// Whether a thread that is not the process's first waits in connect(2).
bool stand_in_waits(pid_t process) {
  const std::string first = std::to_string(process);
  std::error_code ended;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + first + "/task", ended)) {
    if (task.path().filename() == first) continue;
    const auto call = sys::read_file(task.path().string() + "/syscall");
    if (call && call->starts_with(std::to_string(SYS_connect) + " ")) return true;
  }
  return false;
}

// 0: it has none.
pid_t first_child(pid_t process) {
  const std::string pid = std::to_string(process);
  std::ifstream children("/proc/" + pid + "/task/" + pid + "/children");
  pid_t child = 0;
  children >> child;
  return child;
}

TEST(LiveKeeper, GoesOnWithACallOnAUnixSocketThatWaitsWhenItsWorkerDies) {
  const std::string good = abstract_name("good");
  KeeperProcess process(system_kernel(), 1000, unix_policy());
  const UniqueFd server = unix_server(good, SOCK_STREAM);
  const UniqueFd filler(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect_to(filler.get(), good), 0);
  LiveTarget target({SYS_connect}, [&] { return std::vector<long>{connect_new(good, SOCK_STREAM)}; });
  {
    const UniqueFd notify_fd = target.take_notify_fd();
    (void)process.begin_hand_over(notify_fd);
  }
  const pid_t pid = target.child().pid();
  while (!stand_in_waits(pid)) ::poll(nullptr, 0, 1);
  for (int i = 0; i < 10; ++i) process.kill_worker();
  // It may run for a moment, whenever it is looked after.
  bool waits = false;
  for (int i = 0; i < 1000 && !waits; ++i) {
    waits = stand_in_waits(pid);
    if (!waits) ::poll(nullptr, 0, 1);
  }
  EXPECT_TRUE(waits);
  const UniqueFd accepted(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_EQ(target.child().report(), std::vector<long>{0});
  EXPECT_EQ(process.keeper().report(), std::vector<long>{0});
}

// Nobody is left who could hold the call to what was decided.
TEST(LiveKeeper, KillsWhoIsInACallOnAUnixSocketWithItsTracer) {
  const std::string good = abstract_name("good");
  KeeperProcess process(system_kernel(), 1000, unix_policy());
  const UniqueFd server = unix_server(good, SOCK_STREAM);
  const UniqueFd filler(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect_to(filler.get(), good), 0);
  LiveTarget target({SYS_connect}, [&] {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(connect_new(good, SOCK_STREAM) == 0 ? 1 : 2);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    // Another one takes its place.
    const UniqueFd accepted(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return std::vector<long>{WIFSIGNALED(status) ? WTERMSIG(status) : 0, connect_new(good, SOCK_STREAM)};
  });
  {
    const UniqueFd notify_fd = target.take_notify_fd();
    (void)process.begin_hand_over(notify_fd);
  }
  for (pid_t child = 0; child == 0 || !stand_in_waits(child); child = first_child(target.child().pid())) {
    ::poll(nullptr, 0, 1);
  }
  ASSERT_GT(process.tracer(), 0);
  ASSERT_EQ(::kill(process.tracer(), SIGKILL), 0);
  EXPECT_EQ(target.child().report(), (std::vector<long>{SIGKILL, 0}));
  EXPECT_EQ(process.keeper().report(), std::vector<long>{0});
}

// Two tracers that take a request and die, as one does that is killed at this moment; then as always.
class DyingTracers {
 public:
  Starts starts() {
    Starts starts;
    starts.tracers = [this](const LaunchTracer& launch) -> LaunchTracer {
      return [this, launch](const TracerFds& fds) -> Result<std::unique_ptr<Worker>> {
        if (*died_ == kDeaths) return launch(fds);
        return std::make_unique<StubWorker>([this, requests = fds.requests] {
          char byte = 0;
          if (::recv(requests, &byte, 1, 0) > 0) ++*died_;
        });
      };
    };
    return starts;
  }
  [[nodiscard]] int died() const { return *died_; }
  static constexpr int kDeaths = 2;

 private:
  SharedCount died_;
};

TEST(LiveKeeper, LosesNoCallOnAUnixSocketThatADyingTracerTook) {
  const std::string good = abstract_name("good");
  DyingTracers tracers;
  KeeperProcess process(system_kernel(), 1000, unix_policy(), 60, tracers.starts());
  const UniqueFd server = unix_server(good, SOCK_STREAM);
  LiveTarget target({SYS_connect}, [&] { return std::vector<long>{connect_new(good, SOCK_STREAM)}; });
  {
    const UniqueFd notify_fd = target.take_notify_fd();
    (void)process.begin_hand_over(notify_fd);
  }
  EXPECT_EQ(target.child().report(), std::vector<long>{0});
  EXPECT_EQ(tracers.died(), DyingTracers::kDeaths);
  EXPECT_EQ(process.keeper().report(), std::vector<long>{0});
}

TEST(LiveKeeper, LosesNoExecveThatADyingTracerTook) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{100'000}}) {
    SCOPED_TRACE(size);
    const std::string program = sys::realpath("/bin/true").value_or("/bin/true");
    DyingTracers tracers;
    KeeperProcess process(system_kernel(), 1000,
                          R"({"version": 1, "exec": {"allow": [")" + program + R"("]}})", 60,
                          tracers.starts());
    LiveTarget target({SYS_execve}, [&] {
      const std::string argument(size, 'x');
      const std::array<const char*, 3> arguments{"true", argument.c_str(), nullptr};
      const pid_t child = ::fork();
      if (child == 0) {
        ::execve(program.c_str(), const_cast<char* const*>(arguments.data()), environ);
        ::_exit(errno);
      }
      int status = 0;
      while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
      }
      return std::vector<long>{status};
    });
    {
      const UniqueFd notify_fd = target.take_notify_fd();
      (void)process.begin_hand_over(notify_fd);
    }
    EXPECT_EQ(target.child().report(), std::vector<long>{0});
    EXPECT_EQ(tracers.died(), DyingTracers::kDeaths);
    EXPECT_EQ(process.keeper().report(), std::vector<long>{0});
  }
}

// What waits on Unix sockets leaves room for an execve.
TEST(LiveKeeper, RefusesMoreCallsOnUnixSocketsThanMayWait) {
  const std::string good = abstract_name("good");
  Starts starts;
  starts.tracers = [](const LaunchTracer&) { return launch_tracing_process({.threads = 4, .stand_ins = 2}); };
  KeeperProcess process(system_kernel(), 1000, unix_policy(), 60, starts);
  const UniqueFd server = unix_server(good, SOCK_STREAM);
  const UniqueFd filler(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect_to(filler.get(), good), 0);
  LiveTarget target({SYS_connect}, [&] {
    std::array<pid_t, 2> waiting{};
    for (pid_t& child : waiting) {
      child = ::fork();
      if (child == 0) ::_exit(connect_new(good, SOCK_STREAM) == 0 ? 0 : 1);
      while (!stand_in_waits(child)) ::poll(nullptr, 0, 1);
    }
    std::vector<long> results{connect_new(good, SOCK_STREAM)};
    std::vector<UniqueFd> accepted;
    for (int i = 0; i < 3; ++i)
      accepted.emplace_back(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
    for (const pid_t child : waiting) {
      int status = 0;
      while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
      }
      results.push_back(status);
    }
    // There is room again.
    results.push_back(connect_new(good, SOCK_STREAM));
    return results;
  });
  {
    const UniqueFd notify_fd = target.take_notify_fd();
    (void)process.begin_hand_over(notify_fd);
  }
  EXPECT_EQ(target.child().report(), (std::vector<long>{-ENOBUFS, 0, 0, 0}));
  EXPECT_EQ(process.keeper().report(), std::vector<long>{0});
}

// A kernel that kills whoever has answered, before that is told of.
class HastyKernel final : public ObservedKernel {
 public:
  Status answer_errno(int notify_fd, std::uint64_t id, int errno_value) override {
    const Status answered = ObservedKernel::answer_errno(notify_fd, id, errno_value);
    ::raise(SIGKILL);
    return answered;
  }
};

TEST(LiveKeeper, CountsTheEventsThatDieWithWorkers) {
  HastyKernel kernel;
  KeeperProcess process(kernel);
  Caller caller;
  UniqueFd notify_fd = caller.take_notify_fd();
  (void)process.begin_hand_over(notify_fd);
  notify_fd.reset();
  for (int i = 0; i < 3; ++i) caller.call();
  EXPECT_EQ(caller.end(), std::vector<long>(3, -ENOTSUP));
  EXPECT_EQ(process.keeper().report(), std::vector<long>{0});
  int lost = 0;
  for (const auto& event : process.events()) lost += event.value("lost", 0);
  EXPECT_EQ(lost, 3);
}

// A kernel on whose way a thread's stack is used up.
class DeepKernel final : public ObservedKernel {
 public:
  Result<std::string> read_proc_link(pid_t tid, const char* name) override {
    if (*name == '\0') return fail(ENOENT, "no name");
    volatile char room[4096];
    room[0] = *name;
    auto deeper = read_proc_link(tid, name);
    if (room[0] == '\0') return fail(EIO, "");
    return deeper;
  }
};

TEST(LiveKeeper, KnowsWhoseStackWasUsedUp) {
  DeepKernel kernel;
  auto launched = sys::pipe();
  ASSERT_TRUE(launched);
  Starts starts;
  starts.workers = [&](Launch launch) -> Launch {
    return [launch = std::move(launch), &launched](Channel channel, int program) {
      (void)!::write(launched->write_end.get(), "x", 1);
      return launch(std::move(channel), program);
    };
  };
  KeeperProcess process(kernel, 1000, kPolicy, 60, starts);
  launched->write_end.reset();
  Caller caller;
  UniqueFd notify_fd = caller.take_notify_fd();
  (void)process.begin_hand_over(notify_fd);
  notify_fd.reset();
  caller.call();
  EXPECT_EQ(caller.end(), std::vector<long>{-EPERM});
  EXPECT_EQ(process.keeper().report(), std::vector<long>{0});
  // The first, and one for each that died: whoever only seems to have killed them is given more.
  EXPECT_EQ(sys::read_all(launched->read_end.get()).value_or("").size(), 1 + Slot::kMostCrashes);
}

TEST(LiveKeeper, RefusesWhatKilledTwoWorkers) {
  DeadlyKernel kernel;
  KeeperProcess process(kernel);
  Caller caller;
  UniqueFd notify_fd = caller.take_notify_fd();
  (void)process.begin_hand_over(notify_fd);
  notify_fd.reset();
  const pid_t first = process.worker();
  caller.call();
  EXPECT_EQ(caller.end(), std::vector<long>{-EPERM});
  EXPECT_NE(process.worker(), first);
  EXPECT_EQ(process.keeper().report(), std::vector<long>{0});
  const auto events = process.events();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["verdict"], "failed");
  EXPECT_NE(events[0]["reason"].get<std::string>().find("killed"), std::string::npos);
}

TEST(LiveKeeper, RefusesWhatWaitsWhereNoWorkerCanBeStarted) {
  using std::chrono::seconds;
  using std::chrono::steady_clock;
  constexpr std::uint64_t kRestartSeconds = 1;
  KeeperProcess process(system_kernel(), 1, kPolicy, kRestartSeconds);
  Caller caller;
  UniqueFd notify_fd = caller.take_notify_fd();
  (void)process.begin_hand_over(notify_fd);
  notify_fd.reset();
  caller.call();
  while (!process.has_events()) ::poll(nullptr, 0, 1);  // the session has begun
  const auto begun = steady_clock::now();
  ASSERT_EQ(::kill(process.worker(), SIGKILL), 0);
  caller.call();
  EXPECT_EQ(caller.end(), (std::vector<long>{-ENOTSUP, -EPERM}));
  const auto waited = steady_clock::now() - begun;
  EXPECT_GE(waited, seconds(kRestartSeconds));
  EXPECT_LT(waited, seconds(kRestartSeconds + 10));
  EXPECT_EQ(process.keeper().report(), std::vector<long>{1});
}

TEST(LiveKeeper, KeepsTheOldWorkerWhereANewOneDoesNotStart) {
  // Its program is no agent, and ends at once when it is executed.
  auto replaced = sys::pipe();
  ASSERT_TRUE(replaced);
  Starts starts;
  starts.workers = [&](Launch launch) -> Launch {
    return [launch = std::move(launch), &replaced](Channel channel, int program) {
      auto launched = launch(std::move(channel), program);
      if (program != kOwnProgram) (void)!::write(replaced->write_end.get(), "x", 1);
      return launched;
    };
  };
  KeeperProcess process(system_kernel(), 1000, kPolicy, 60, starts);
  replaced->write_end.reset();
  Caller caller;
  UniqueFd notify_fd = caller.take_notify_fd();
  (void)process.begin_hand_over(notify_fd);
  notify_fd.reset();
  const pid_t worker = process.worker();
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(::kill(process.keeper().pid(), SIGUSR2), 0);
    char byte = 0;
    ASSERT_EQ(::read(replaced->read_end.get(), &byte, 1), 1);
    caller.call();
    // Until the keeper has only the one left.
    while (process.children() != 1) ::poll(nullptr, 0, 1);
    EXPECT_EQ(process.worker(), worker);
  }
  EXPECT_EQ(caller.end(), std::vector<long>(3, -ENOTSUP));
}

// Whether `pid` runs the agent's program, and not this one.
bool is_agent(pid_t pid) {
  return std::filesystem::equivalent("/proc/" + std::to_string(pid) + "/exe", TIDEWAITER_AGENT);
}

TEST(LiveKeeper, StaysReplacedWhenWorkersDie) {
  Starts starts;
  starts.program = TIDEWAITER_AGENT;
  KeeperProcess process(system_kernel(), 1000, kPolicy, 60, starts);
  Caller caller;
  UniqueFd notify_fd = caller.take_notify_fd();
  (void)process.begin_hand_over(notify_fd);
  notify_fd.reset();
  const pid_t first = process.worker();
  EXPECT_FALSE(is_agent(first));
  ASSERT_EQ(::kill(process.keeper().pid(), SIGUSR2), 0);
  for (pid_t now = first; now == first || now == 0; now = process.worker()) ::poll(nullptr, 0, 1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(is_agent(process.worker())) << i;
    caller.call();
    while (process.events().size() != static_cast<std::size_t>(i) + 1) ::poll(nullptr, 0, 1);
    ::poll(nullptr, 0, 2 * static_cast<int>(Upkeep::kShortLife.count()));
    process.kill_worker();
  }
  EXPECT_TRUE(is_agent(process.worker()));
  EXPECT_EQ(caller.end(), std::vector<long>(3, -ENOTSUP));
  EXPECT_EQ(process.keeper().report(), std::vector<long>{0});
}

// A kernel on whose way an answer waits until it is let through.
class WaitingKernel final : public ObservedKernel {
 public:
  Status answer_errno(int notify_fd, std::uint64_t id, int errno_value) override {
    shared_.reached = true;
    while (!shared_.released) ::poll(nullptr, 0, 1);
    return ObservedKernel::answer_errno(notify_fd, id, errno_value);
  }
  void wait_until_reached() const {
    while (!shared_.reached) ::poll(nullptr, 0, 1);
  }
  void release() const { shared_.released = true; }

 private:
  // Also by workers, which have no descriptors of ours.
  struct Shared {
    std::atomic<bool> reached = false;
    std::atomic<bool> released = false;
  };
  Shared& shared_ = *new (
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Shared;
};

// A worker of which is told how it ended.
class ToldWorker final : public Worker {
 public:
  ToldWorker(std::unique_ptr<Worker> worker, int told) : worker_(std::move(worker)), told_(told) {}
  [[nodiscard]] int ended_fd() const override { return worker_->ended_fd(); }
  void kill() override { worker_->kill(); }
  std::optional<std::string> reap() override {
    auto end = worker_->reap();
    if (end) (void)sys::write_all(told_, "; " + *end);
    return end;
  }

 private:
  std::unique_ptr<Worker> worker_;
  int told_;
};

// Of a worker that is replaced while it serves a call: how it ends, and what is told before. One that takes
// its place tells when it is ready and when it is to go on.
class ReplacedWorker : public ::testing::Test {
 protected:
  void replace(std::chrono::milliseconds longest_drain) {
    Starts starts;
    starts.longest_drain = longest_drain;
    starts.workers = [this](Launch launch) -> Launch {
      return [this, launch = std::move(launch)](Channel channel,
                                                int program) -> Result<std::unique_ptr<Worker>> {
        const int told = told_.write_end.get();
        if (program == kOwnProgram) {
          auto worker = launch(std::move(channel), program);
          if (!worker) return worker;
          return std::make_unique<ToldWorker>(std::move(*worker), told);
        }
        return std::make_unique<StubWorker>([&channel, told] {
          if (!channel.receive() || !channel.send(Word::kReady, 0, 60)) return;
          (void)sys::write_all(told, "ready");
          while (const auto message = channel.receive()) {
            if (*message && (*message)->word == Word::kGo) (void)sys::write_all(told, "; goes on");
          }
        });
      };
    };
    process_.emplace(kernel_, 1000, kPolicy, 60, starts);
    caller_.emplace();
    (void)process_->begin_hand_over(caller_->take_notify_fd());
    caller_->call();
    kernel_.wait_until_reached();
    ASSERT_EQ(::kill(process_->keeper().pid(), SIGUSR2), 0);
    ASSERT_EQ(told("ready"), "ready");
  }

  // What has been told, up to `last`; or until nothing has been for ten seconds.
  std::string told(const std::string& last) {
    char byte = 0;
    while (!text_.ends_with(last) && more_is_told(10'000) && ::read(told_.read_end.get(), &byte, 1) == 1)
      text_ += byte;
    return text_;
  }
  // Whether anything else is, within some time.
  [[nodiscard]] bool more_is_told(int milliseconds) const {
    struct pollfd poll_fd = {told_.read_end.get(), POLLIN, 0};
    return ::poll(&poll_fd, 1, milliseconds) == 1;
  }
  void end() {
    ASSERT_EQ(::kill(process_->keeper().pid(), SIGTERM), 0);
    EXPECT_EQ(process_->keeper().report(), std::vector<long>{0});
  }

  WaitingKernel kernel_;
  sys::Pipe told_ = std::move(*sys::pipe());
  std::string text_;
  std::optional<KeeperProcess> process_;
  std::optional<Caller> caller_;
};

TEST_F(ReplacedWorker, FinishesWhatItServesAndEndsByItself) {
  replace(std::chrono::hours(1));
  EXPECT_FALSE(more_is_told(100));
  kernel_.release();
  EXPECT_EQ(caller_->end(), std::vector<long>{-ENOTSUP});
  EXPECT_EQ(told("goes on"), "ready; exit code 0; goes on");
  end();
  const auto events = process_->events();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["syscall"], "getpgid");
}

TEST_F(ReplacedWorker, IsKilledWhereThatTakesTooLong) {
  replace(std::chrono::milliseconds(1));
  EXPECT_EQ(told("goes on"), "ready; signal 9; goes on");
  end();
  // The keeper is gone, and nobody has answered.
  EXPECT_EQ(caller_->end(), std::vector<long>{-ENOSYS});
  EXPECT_TRUE(process_->events().empty());
}

// It is what to do when the program that runs has a mistake which kills it at its start.
TEST(LiveKeeper, IsReplacedWhereNoWorkerOfItsOwnCanBeStarted) {
  Starts starts;
  starts.program = TIDEWAITER_AGENT;
  starts.workers = [](Launch launch) -> Launch {
    return [launch = std::move(launch), own = 0](Channel channel,
                                                 int program) mutable -> Result<std::unique_ptr<Worker>> {
      if (program == kOwnProgram && own++ != 0) return fail(EAGAIN, "fork");
      return launch(std::move(channel), program);
    };
  };
  KeeperProcess process(system_kernel(), 1000, kPolicy, 60, starts);
  Caller caller;
  UniqueFd notify_fd = caller.take_notify_fd();
  (void)process.begin_hand_over(notify_fd);
  notify_fd.reset();
  ASSERT_EQ(::kill(process.worker(), SIGKILL), 0);
  caller.call();
  while (process.children() != 0) ::poll(nullptr, 0, 1);
  ASSERT_EQ(::kill(process.keeper().pid(), SIGUSR2), 0);
  EXPECT_EQ(caller.end(), std::vector<long>{-ENOTSUP});
  EXPECT_EQ(process.keeper().report(), std::vector<long>{0});
}

TEST(LiveKeeper, EndsANewWorkerThatHangs) {
  auto replaced = sys::pipe();
  ASSERT_TRUE(replaced);
  Starts starts;
  starts.workers = [&](Launch launch) -> Launch {
    return [launch = std::move(launch), &replaced](Channel channel,
                                                   int program) -> Result<std::unique_ptr<Worker>> {
      if (program == kOwnProgram) return launch(std::move(channel), program);
      auto launched = std::make_unique<StubWorker>(channel, hang);
      (void)!::write(replaced->write_end.get(), "x", 1);
      return launched;
    };
  };
  KeeperProcess process(system_kernel(), 1000, kPolicy, 1, starts);
  replaced->write_end.reset();
  const pid_t worker = process.worker();
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(::kill(process.keeper().pid(), SIGUSR2), 0);
    char byte = 0;
    ASSERT_EQ(::read(replaced->read_end.get(), &byte, 1), 1);
    while (process.children() != 1) ::poll(nullptr, 0, 1);
    EXPECT_EQ(process.worker(), worker);
  }
  ASSERT_EQ(::kill(process.keeper().pid(), SIGTERM), 0);
  EXPECT_EQ(process.keeper().report(), std::vector<long>{0});
}

TEST(LiveKeeper, RefusesWhatWaitsWhereWorkersComeToNothing) {
  for (const auto does : {hang, get_ready_and_die}) {
    Starts starts;
    starts.workers = [does](Launch launch) -> Launch {
      return [launch = std::move(launch), does, count = 0](
                 Channel channel, int program) mutable -> Result<std::unique_ptr<Worker>> {
        if (count++ == 0) return launch(std::move(channel), program);
        return std::make_unique<StubWorker>(channel, does);
      };
    };
    KeeperProcess process(system_kernel(), 1000, kPolicy, 1, starts);
    Caller caller;
    UniqueFd notify_fd = caller.take_notify_fd();
    (void)process.begin_hand_over(notify_fd);
    notify_fd.reset();
    caller.call();
    while (!process.has_events()) ::poll(nullptr, 0, 1);
    ASSERT_EQ(::kill(process.worker(), SIGKILL), 0);
    caller.call();
    EXPECT_EQ(caller.end(), (std::vector<long>{-ENOTSUP, -EPERM}));
    EXPECT_EQ(process.keeper().report(), std::vector<long>{1});
  }
}

TEST(LiveKeeper, TriesAgainToStartATracer) {
  const std::string good = abstract_name("good");
  Starts starts;
  starts.tracers = [](LaunchTracer launch) -> LaunchTracer {
    return [launch = std::move(launch),
            count = 0](const TracerFds& fds) mutable -> Result<std::unique_ptr<Worker>> {
      if (count++ < 8) return fail(EAGAIN, "fork");
      return launch(fds);
    };
  };
  KeeperProcess process(system_kernel(), 1000, unix_policy(), 60, starts);
  const UniqueFd server = unix_server(good, SOCK_DGRAM);
  LiveTarget target({SYS_connect}, [&] { return std::vector<long>{connect_new(good, SOCK_DGRAM)}; });
  {
    const UniqueFd notify_fd = target.take_notify_fd();
    (void)process.begin_hand_over(notify_fd);
  }
  EXPECT_EQ(target.child().report(), std::vector<long>{0});
  EXPECT_EQ(process.keeper().report(), std::vector<long>{0});
}

TEST(LiveKeeper, RefusesWhatWouldBeTracedWhereNoTracerCanBeStarted) {
  const std::string good = abstract_name("good");
  Starts starts;
  starts.tracers = [](const LaunchTracer&) -> LaunchTracer {
    return [](const TracerFds&) -> Result<std::unique_ptr<Worker>> { return fail(EAGAIN, "fork"); };
  };
  KeeperProcess process(system_kernel(), 1000, unix_policy(), 1, starts);
  const UniqueFd server = unix_server(good, SOCK_DGRAM);
  LiveTarget target({SYS_connect}, [&] {
    const long first = connect_new(good, SOCK_DGRAM);
    return std::vector<long>{first, connect_new(good, SOCK_DGRAM)};
  });
  {
    const UniqueFd notify_fd = target.take_notify_fd();
    (void)process.begin_hand_over(notify_fd);
  }
  EXPECT_EQ(target.child().report(), (std::vector<long>{-EACCES, -EACCES}));
  EXPECT_EQ(process.keeper().report(), std::vector<long>{0});
}

// A worker before it has been told anything.
TEST(LiveProcess, IsNotWaitedForBeforeItEndsAndEndsWhenItIsDropped) {
  auto pair = Channel::make();
  ASSERT_TRUE(pair);
  auto worker = launch_processes()(std::move(pair->worker), kOwnProgram);
  ASSERT_TRUE(worker);
  EXPECT_FALSE((*worker)->reap());
  const UniqueFd ended(::fcntl((*worker)->ended_fd(), F_DUPFD_CLOEXEC, 0));
  worker->reset();
  struct pollfd poll_fd = {ended.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&poll_fd, 1, 0), 1);
  siginfo_t information{};
  EXPECT_NE(::waitid(P_PIDFD, static_cast<id_t>(ended.get()), &information, WEXITED | WNOHANG), 0);
  EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace tidewaiter::supervisor

#include "supervisor/worker/worker_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <initializer_list>
#include <utility>

#include "oci/base/log.h"
#include "oci/base/system.h"
#include "supervisor/confine.h"
#include "supervisor/tracer/tracing.h"
#include "supervisor/waiting.h"
#include "supervisor/worker/agent.h"
#include "supervisor/worker/spare_memory.h"

namespace tidewaiter::supervisor {
namespace {

// Where a worker finds its channel: above stdin, stdout and stderr, and all that it gets.
constexpr int kChannelFd = 3;

class Process final : public Worker {
 public:
  Process(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() override {
    if (reaped_ || reap()) return;
    kill();
    // The kernel may hold it for ever, should it wait for a file system.
    struct pollfd ended = {pidfd_.get(), POLLIN, 0};
    (void)::poll(&ended, 1, kLastPatience);
    (void)reap();
  }

  [[nodiscard]] int ended_fd() const override { return pidfd_.get(); }
  void kill() override { ::kill(pid_, SIGKILL); }  // it is ours to wait for, and so keeps its number
  std::optional<std::string> reap() override {
    siginfo_t end{};
    const auto id = static_cast<id_t>(pid_);
    if (::waitid(P_PID, id, &end, WEXITED | WNOHANG) != 0 || end.si_pid != pid_) return std::nullopt;
    reaped_ = true;
    return (end.si_code == CLD_EXITED ? "exit code " : "signal ") + std::to_string(end.si_status);
  }

 private:
  static constexpr int kLastPatience = 1000;  // milliseconds

  pid_t pid_;
  UniqueFd pidfd_;
  bool reaped_ = false;
};

Result<std::unique_ptr<Worker>> process_of(pid_t pid) {
  auto pidfd = sys::pidfd_open(pid);
  if (pidfd) return std::make_unique<Process>(pid, std::move(*pidfd));
  ::kill(pid, SIGKILL);
  (void)::waitpid(pid, nullptr, 0);  // it has come to nothing that it could be held by
  return tl::unexpected(pidfd.error());
}

// In a process that was just forked: it dies with the keeper, and has none of its descriptors but `fds`,
// which become kChannelFd and the next ones: where one is closed that waits for it, no copy may be left.
void begin_process(pid_t keeper, std::initializer_list<int> fds) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != keeper) ::_exit(1);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR2}) ::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  const int end = kChannelFd + static_cast<int>(fds.size());
  // Out of the way first: one may be where another is to go.
  std::array<int, 3> copies{};
  std::size_t count = 0;
  for (const int fd : fds) {
    copies.at(count) = ::fcntl(fd, F_DUPFD_CLOEXEC, end);
    if (copies.at(count++) < 0) ::_exit(1);
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (::dup3(copies.at(i), kChannelFd + static_cast<int>(i), O_CLOEXEC) < 0) ::_exit(1);
  }
  if (::close_range(static_cast<unsigned>(end), ~0U, 0) != 0) ::_exit(1);
}

[[noreturn]] void become_worker(pid_t keeper, int channel, int program, Kernel& kernel,
                                const Employment& employment) {
  if (program == kOwnProgram) {
    begin_process(keeper, {channel});
    ::_exit(employment.serve(Channel(UniqueFd(kChannelFd)), kernel));
  }
  begin_process(keeper, {channel, program});
  ::fcntl(kChannelFd, F_SETFD, 0);
  const std::string number = std::to_string(kChannelFd);
  std::array<const char*, 4> arguments{"tidewaiter-agent", employment.option, number.c_str(), nullptr};
  ::execveat(kChannelFd + 1, "", const_cast<char* const*>(arguments.data()), environ, AT_EMPTY_PATH);
  ::_exit(127);
}

// A thread takes the whole worker along: the next one is to know that it was this thread's notification, and
// not one of those that others were serving.
void blame(int signal, siginfo_t* information, void* /*context*/) {
  const bool by_itself =
      information->si_code > 0 || (signal == SIGABRT && information->si_pid == ::getpid());  // abort(3)
  if (by_itself && Slot::own != nullptr) Slot::own->crashes.fetch_add(1, std::memory_order_release);
  ::raise(signal);  // as if nobody had caught it
}

Status install_blame() {
  struct sigaction action {};
  action.sa_sigaction = blame;
  action.sa_flags = static_cast<int>(SA_SIGINFO | SA_RESETHAND | SA_NODEFER | SA_ONSTACK);
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS}) {
    if (::sigaction(signal, &action, nullptr) != 0) return fail(errno, "sigaction");
  }
  return {};
}

}  // namespace

Launch launch_processes(Kernel& kernel, const Employment& employment) {
  return [&kernel, employment](Channel channel, int program) -> Result<std::unique_ptr<Worker>> {
    const pid_t keeper = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) return fail(errno, "fork");
    if (pid == 0) become_worker(keeper, channel.fd(), program, kernel, employment);
    return process_of(pid);
  };
}

LaunchTracer launch_tracing_process(const TracerLimits& limits) {
  return [limits](const TracerFds& fds) -> Result<std::unique_ptr<Worker>> {
    const pid_t keeper = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) return fail(errno, "fork");
    if (pid == 0) {
      begin_process(keeper, {fds.requests, fds.notified, fds.slots});
      ::prctl(PR_SET_NAME, "tw-tracer");
      const auto slots = Slots::open(UniqueFd(kChannelFd + 2));
      if (!slots || !confine_tracer()) ::_exit(1);
      ::_exit(run_tracer(system_kernel(), UniqueFd(kChannelFd), UniqueFd(kChannelFd + 1),
                         (*slots)->stand_ins(), limits));
    }
    return process_of(pid);
  };
}

Status install_worker_signals() {
  TRY(Waiting::install_interrupt());
  return install_blame();
}

int run_worker(Channel keeper, Kernel& kernel) {
  ::prctl(PR_SET_NAME, "tw-worker");
  if (!install_worker_signals()) return 1;
  const auto confine = [](bool traces) -> Status {
    TRY(confine_worker());
    return traces ? Status() : install_worker_filter();
  };
  auto agent = Agent::make(kernel, std::move(keeper), confine);
  if (!agent) return 1;
  // To read a policy takes more of them than to decide by it.
  give_back_heaps();
  if (const Status served = (*agent)->run(); !served) {
    log::error("the worker cannot go on", {{"error", served.error().message()}});
    return 1;
  }
  return 0;
}

}  // namespace tidewaiter::supervisor

#include "tests/supervisor/live_target.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <cstdlib>

#include "tests/supervisor/event_lines.h"
#include "tests/supervisor/supervised_call.h"

// A forked child may start threads although its parent had some when it forked: none of them held a lock.
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }

namespace tidewaiter::supervisor {
namespace {

int install_filter(const std::vector<int>& notified) {
  std::vector<struct sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
  for (const int number : notified) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<__u32>(number), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const struct sock_fprog filter { static_cast<unsigned short>(program.size()), program.data() };
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return static_cast<int>(
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter));
}

}  // namespace

LiveTarget::LiveTarget(std::vector<int> notified, const Body& body)
    : child_([&] {
        hand_over(notified);
        return body();
      }) {
  // Fetched, not sent: sendmsg(2) may be what notifies.
  int number = -1;
  const auto process = sys::pidfd_open(child_.pid());
  if (!process || ::read(to_us_.read_end.get(), &number, sizeof number) != sizeof number) std::abort();
  notify_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_getfd, process->get(), number, 0)));
  if (!notify_.valid() || ::write(to_child_.write_end.get(), "x", 1) != 1) std::abort();
}

void LiveTarget::hand_over(const std::vector<int>& notified) {
  const UniqueFd notify(install_filter(notified));
  const int number = notify.get();
  char fetched = 0;
  if (!notify.valid() || ::write(to_us_.write_end.get(), &number, sizeof number) != sizeof number ||
      ::read(to_child_.read_end.get(), &fetched, 1) != 1) {
    ::_exit(2);
  }
}

LiveSession::LiveSession(const std::string& policy, std::vector<int> notified, const Body& body,
                         Kernel* kernel, std::optional<container::Record::File> init)
    : LiveSession(supervision_of(policy, std::nullopt, {}, init), std::move(notified), body, kernel) {}

LiveSession::LiveSession(Supervision supervision, std::vector<int> notified, const Body& body, Kernel* kernel)
    : supervision_(std::move(supervision)),
      target_(std::move(notified), body),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      stop_watching_(::eventfd(0, EFD_CLOEXEC)) {
  events_.emplace(*EventLog::open(folder_.path(), "box", 64U << 20U));
  auto session = Session::start(kernel != nullptr ? *kernel : kernel_, target_.take_notify_fd(), "box",
                                supervision_, *events_, wake_.get(), *slots_, 0);
  if (!session) std::abort();
  session_ = std::move(*session);
  watcher_ = std::thread([this] { watch(); });
}

LiveSession::~LiveSession() {
  if (session_) (void)end();
}

// What Agent::run() does for its sessions.
void LiveSession::watch() {
  bool anything_waits = false;
  for (;;) {
    std::array<struct pollfd, 2> ready = {{{wake_.get(), POLLIN, 0}, {stop_watching_.get(), POLLIN, 0}}};
    (void)::poll(ready.data(), ready.size(), anything_waits ? 20 : -1);
    if (ready[1].revents != 0) return;
    eventfd_t count = 0;
    if (ready[0].revents != 0) (void)::eventfd_read(wake_.get(), &count);
    anything_waits = session_->look_after();
  }
}

std::vector<nlohmann::json> LiveSession::end() {
  (void)::eventfd_write(stop_watching_.get(), 1);
  watcher_.join();
  session_.reset();
  events_->flush();
  return event_lines(folder_ / "box.jsonl");
}

LiveSession::Ended LiveSession::run_to_end() {
  // Longer than a report is waited for: sanitizers take their time.
  constexpr int kLongest = 100'000;
  if (const auto child_end = sys::pidfd_open(child().pid())) {
    struct pollfd ready = {child_end->get(), POLLIN, 0};
    (void)::poll(&ready, 1, kLongest);
  }
  Ended ended;
  ended.report = child().report();
  ended.events = end();
  return ended;
}

namespace {

const struct sockaddr* as_address(const std::vector<std::byte>& address) {
  return reinterpret_cast<const struct sockaddr*>(address.data());
}

}  // namespace

long connect_to(int fd, const std::vector<std::byte>& address) {
  return ::connect(fd, as_address(address), static_cast<socklen_t>(address.size())) == 0 ? 0 : -errno;
}

long bind_to(int fd, const std::vector<std::byte>& address) {
  return ::bind(fd, as_address(address), static_cast<socklen_t>(address.size())) == 0 ? 0 : -errno;
}

}  // namespace tidewaiter::supervisor

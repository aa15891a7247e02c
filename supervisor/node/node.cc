#include "supervisor/node/node.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <new>
#include <utility>

#include "oci/base/log.h"
#include "oci/base/system.h"
#include "supervisor/node/asker.h"

namespace tidewaiter::supervisor {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr unsigned kSourceShift = 56;

// How long to leave the listener alone when there was no descriptor for who asks.
constexpr milliseconds kAcceptPause{500};

// What all containers together may have the agent log goes for so long (log::kMaxWritten).
constexpr std::chrono::hours kLogPeriod{1};

// Who changes one file may be about to change another.
constexpr milliseconds kReloadDelay{200};

// How long to wait for containers that have not answered, before those that have get their new policy.
constexpr std::chrono::seconds kReloadPatience{5};

Result<UniqueFd> make_signalfd() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR2, SIGHUP}) ::sigaddset(&signals, signal);
  if (::pthread_sigmask(SIG_BLOCK, &signals, nullptr) != 0) return fail(errno, "pthread_sigmask");
  UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return fail(errno, "signalfd");
  return fd;
}

// What this process and those that it forks have logged, counted together.
Result<std::atomic<std::uint64_t>*> share_log_bound() {
  void* const mapped = ::mmap(nullptr, sizeof(std::atomic<std::uint64_t>), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return fail(errno, "mmap");
  auto* const counter = new (mapped) std::atomic<std::uint64_t>(0);
  log::count_in(*counter);
  return counter;
}

std::atomic<std::uint64_t>* logged = nullptr;

// A listener that somebody else made, and handed over.
Status check_listener(int fd) {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &size) != 0) return fail(errno, "listener");
  if (value != AF_UNIX) return fail("the listener is no Unix socket");
  size = sizeof value;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) != 0) return fail(errno, "listener");
  if (value == 0) return fail("the listener does not listen");
  return {};
}

}  // namespace

Result<std::unique_ptr<Node>> Node::make(NodeInheritance inheritance, Launch launch,
                                         LaunchTracer launch_tracer) {
  std::unique_ptr<Node> node(new Node(std::move(inheritance)));
  node->launch_tracer_ = node->kept(std::move(launch_tracer));
  TRY(node->prepare(std::move(launch)));
  return node;
}

Node::Node(NodeInheritance inheritance) : inheritance_(std::move(inheritance)) {}

Node::~Node() = default;

Status Node::prepare(Launch launch) {
  if (logged == nullptr) logged = TRY(share_log_bound());
  signals_ = TRY(make_signalfd());
  workers_ = TRY(WorkerPool::make(kept(std::move(launch))));
  epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return fail(errno, "epoll_create1");
  TRY(watch(signals_.get(), Source::kSignals));
  if (::fcntl(inheritance_.listener.get(), F_SETFL, O_NONBLOCK) != 0) return fail(errno, "listener");
  TRY(watch(inheritance_.listener.get(), Source::kListener));
  TRY(watch(workers_->events_fd(), Source::kWorkers));
  if (const Status watched = watch_policies(); !watched) {
    log::warning("changed policies are not noticed; SIGHUP has them looked at",
                 {{"error", watched.error().message()}});
  }
  clock_ = UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!clock_.valid()) return fail(errno, "timerfd_create");
  // Twice in the time that the manager leaves us (sd_watchdog_enabled(3)).
  const std::chrono::microseconds interval =
      inheritance_.manager.watchdog() ? *inheritance_.manager.watchdog() / 2 : kLogPeriod;
  struct itimerspec when {};
  when.it_interval.tv_sec = interval.count() / 1'000'000;
  when.it_interval.tv_nsec = interval.count() % 1'000'000 * 1000;
  when.it_value = when.it_interval;
  if (::timerfd_settime(clock_.get(), 0, &when, nullptr) != 0) return fail(errno, "timerfd_settime");
  TRY(watch(clock_.get(), Source::kClock));
  return resume();
}

Status Node::watch(int fd, Source source, std::uint64_t number) const {
  struct epoll_event event {};
  event.events = EPOLLIN;
  event.data.u64 = static_cast<std::uint64_t>(source) << kSourceShift | number;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail(errno, "epoll_ctl");
  return {};
}

void Node::stop_watching(int fd) const { (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

Status Node::run() {
  TRY(inheritance_.manager.ready("supervising no container"));
  while (!over_) {
    std::array<struct epoll_event, 64> ready;
    const int count = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), timeout());
    if (count < 0 && errno != EINTR) return fail(errno, "epoll_wait");
    for (int i = 0; i < count; ++i) {
      const std::uint64_t key = ready[static_cast<std::size_t>(i)].data.u64;
      constexpr std::uint64_t kNumber = (std::uint64_t{1} << kSourceShift) - 1;
      dispatch(static_cast<Source>(key >> kSourceShift), key & kNumber);
    }
    resume_accepting(steady_clock::now());
    workers_->turn(steady_clock::now());
    take_turns();
    look_after_reload(steady_clock::now());
    tell_manager();
  }
  (void)inheritance_.manager.stopping();
  // What is kept stays: who stops a service for good has it dropped by the manager.
  for (auto& [number, container] : containers_) {
    container.keeper->end();
    (void)container.keeper->finish();
  }
  containers_.clear();
  return {};
}

int Node::timeout() const {
  std::optional<milliseconds> next;
  const auto sooner = [&next](milliseconds left) { next = next ? std::min(*next, left) : left; };
  if (const auto workers = workers_->next()) {
    sooner(std::chrono::ceil<milliseconds>(*workers - steady_clock::now()));
  }
  for (const auto& time : {reload_at_, reloaded_by_, accept_again_}) {
    if (time) sooner(std::chrono::ceil<milliseconds>(*time - steady_clock::now()));
  }
  for (const auto& [number, container] : containers_) {
    if (container.due) return 0;
    if (const int left = container.keeper->timeout(); left >= 0) sooner(milliseconds(left));
  }
  if (!next) return -1;
  return static_cast<int>(std::max<milliseconds::rep>(next->count(), 0));
}

void Node::dispatch(Source source, std::uint64_t number) {
  switch (source) {
    case Source::kSignals:
      return signalled();
    case Source::kListener:
      return accept_asking();
    case Source::kAsking:
      return hear(number);
    case Source::kWorkers:
      return;  // at every turn
    case Source::kContainer:
      if (const auto container = containers_.find(number); container != containers_.end()) {
        container->second.due = true;
      }
      return;
    case Source::kPolicies:
      return policies_changed();
    case Source::kClock: {
      std::uint64_t times = 0;
      (void)sys::read(clock_.get(), &times, sizeof times);
      (void)inheritance_.manager.alive();
      if (steady_clock::now() - logged_since_ < kLogPeriod) return;
      logged_since_ = steady_clock::now();
      logged->store(0);
      return;
    }
  }
}

// Each keeper does what it has to do, and none waits.
void Node::take_turns() {
  for (auto each = containers_.begin(); each != containers_.end();) {
    Keeper& keeper = *each->second.keeper;
    const bool due = std::exchange(each->second.due, false) || keeper.timeout() == 0;
    Status went;
    if (due && !keeper.over()) went = keeper.turn(0);
    if (UniqueFd successor = keeper.take_successor(); successor.valid()) successor_ = std::move(successor);
    if (!went || keeper.over()) {
      stop_watching(keeper.events_fd());
      Status finished = keeper.finish();
      if (went) went = std::move(finished);
      if (!went) {
        log::error("a container is supervised no more",
                   {{"folder", keeper.state_folder()}, {"error", went.error().message()}});
      }
      keeper.drop_deposit();
      if (each->second.registering.valid()) stop_watching(each->second.registering.get());
      each = containers_.erase(each);
      continue;
    }
    ++each;
  }
}

void Node::tell_manager() {
  if (!inheritance_.manager.present() || told_containers_ == containers_.size()) return;
  told_containers_ = containers_.size();
  (void)inheritance_.manager.ready("supervising " + std::to_string(told_containers_) +
                                   (told_containers_ == 1 ? " container" : " containers"));
}

void Node::signalled() {
  struct signalfd_siginfo signal {};
  if (::read(signals_.get(), &signal, sizeof signal) != sizeof signal) return;
  if (signal.ssi_signo == SIGUSR2) {
    replace();
  } else if (signal.ssi_signo == SIGHUP) {
    reload();
  } else {
    over_ = true;
  }
}

// All of them, for there is one process.
void Node::replace() {
  workers_->begin_generation();
  // Nobody would tell that it has come to be a worker.
  if (containers_.empty()) successor_ = sys::open(inheritance_.program, O_PATH).value_or(UniqueFd());
  for (auto& [number, container] : containers_) {
    container.keeper->replace_worker();
    container.due = true;
  }
}

// --- policies ----------------------------------------------------------------------------------------

Status Node::watch_policies() {
  policies_ = TRY(PolicyFolder::watch(inheritance_.policies));
  return watch(policies_->changed_fd(), Source::kPolicies);
}

void Node::policies_changed() {
  look_at_policies();
  reload_at_ = steady_clock::now() + kReloadDelay;
}

void Node::look_at_policies() {
  if (!policies_) return;
  if (const Status looked = policies_->look(); !looked) {
    log::warning("changed policies are not noticed; SIGHUP has them looked at",
                 {{"error", looked.error().message()}});
  }
}

void Node::reload() {
  reload_at_.reset();
  look_at_policies();
  (void)inheritance_.manager.reloading();
  for (auto& [number, container] : containers_) {
    container.keeper->reload();
    container.due = true;
  }
  reloaded_by_ = steady_clock::now() + kReloadPatience;
}

void Node::look_after_reload(Time now) {
  if (reload_at_ && now >= *reload_at_) reload();
  const auto any = [&](auto&& has) {
    return std::any_of(containers_.begin(), containers_.end(),
                       [&](const auto& each) { return has(*each.second.keeper); });
  };
  if (reloaded_by_) {
    if (now < *reloaded_by_ && any([](const Keeper& keeper) { return keeper.reloads(); })) return;
    reloaded_by_.reset();
    (void)inheritance_.manager.ready("reloaded the policies");
  }
  if (!any([](const Keeper& keeper) { return keeper.wants_renewal(); })) return;
  workers_->begin_generation();
  for (auto& [number, container] : containers_) {
    container.keeper->renew_worker();
    container.due = true;
  }
}

// --- what outlives us --------------------------------------------------------------------------------

Result<std::unique_ptr<Worker>> Node::keep_process(Result<std::unique_ptr<Worker>> process) {
  if (!process || !inheritance_.manager.present()) return process;
  const std::string name = "p" + std::to_string(next_number_++);
  // Nothing has been said to it yet: it has nothing that another one could need.
  if (const Status kept = inheritance_.manager.keep((*process)->ended_fd(), name); !kept) {
    (*process)->kill();
    return tl::unexpected(kept.error());
  }
  return std::make_unique<KeptProcess>(std::move(*process), inheritance_.manager, name);
}

Launch Node::kept(Launch launch) {
  return [this, launch = std::move(launch)](Channel channel, int program) {
    return keep_process(launch(std::move(channel), program));
  };
}

LaunchTracer Node::kept(LaunchTracer launch) {
  return [this, launch = std::move(launch)](const TracerFds& fds) { return keep_process(launch(fds)); };
}

KeeperInheritance Node::inheritance_of(Container& container) const {
  KeeperInheritance inheritance;
  inheritance.leaves_cgroup = false;
  inheritance.program = inheritance_.program;
  inheritance.successor = UniqueFd(successor_.valid() ? ::fcntl(successor_.get(), F_DUPFD_CLOEXEC, 0) : -1);
  inheritance.node_socket = inheritance_.socket_path;
  if (inheritance_.manager.present()) inheritance.deposit = container.kept.get();
  return inheritance;
}

// SAFETY: the slots may be looked at when no thread of an earlier worker is left (slots.h). Those died with
// their keeper (PR_SET_PDEATHSIG), but perhaps not yet.
Status Node::end_left_processes() {
  constexpr int kPatience = 10'000;  // milliseconds, for each
  for (auto& passed : inheritance_.left) {
    const auto name = split_kept_name(passed.name);
    if (!name || name->kind != 'p') continue;
    (void)::syscall(SYS_pidfd_send_signal, passed.fd.get(), SIGKILL, nullptr, 0);
    struct pollfd ended = {passed.fd.get(), POLLIN, 0};
    int count = 0;
    do {
      count = ::poll(&ended, 1, kPatience);
    } while (count < 0 && errno == EINTR);
    if (count != 1) return fail("a process of the agent before this one does not end");
    (void)inheritance_.manager.drop(passed.name);
  }
  return {};
}

Status Node::resume() {
  TRY(end_left_processes());
  std::map<std::uint64_t, std::map<std::string, UniqueFd>> containers;
  for (auto& passed : std::exchange(inheritance_.left, {})) {
    const auto name = split_kept_name(passed.name);
    if (!name) {
      log::warning("a descriptor was passed that nobody knows", {{"name", passed.name}});
      (void)inheritance_.manager.drop(passed.name);
      continue;
    }
    next_number_ = std::max(next_number_, name->number + 1);
    if (name->kind == 'c') containers[name->number][name->rest] = std::move(passed.fd);
  }
  for (auto& [number, left] : containers) resume_container(number, std::move(left));
  return {};
}

// One that cannot be gone on with fails closed, and no other for it.
void Node::resume_container(std::uint64_t number, std::map<std::string, UniqueFd> left) {
  Container container{std::make_unique<KeptFiles>(inheritance_.manager, number), nullptr, {}};
  KeeperInheritance inheritance = inheritance_of(container);
  std::vector<std::string> names;
  names.reserve(left.size());
  for (const auto& [name, fd] : left) names.push_back(name);
  inheritance.left = std::move(left);
  const auto begin = [&]() -> Status {
    container.keeper = TRY(Keeper::make(std::move(inheritance), workers_->launch(), launch_tracer_));
    return watch(container.keeper->events_fd(), Source::kContainer, number);
  };
  if (const Status begun = begin(); !begun) {
    log::error("a container is supervised no more",
               {{"number", std::to_string(number)}, {"error", begun.error().message()}});
    for (const std::string& name : names) container.kept->drop(name);
    return;
  }
  containers_.emplace(number, std::move(container));
}

// --- who asks ----------------------------------------------------------------------------------------

void Node::accept_asking() {
  for (;;) {
    UniqueFd connection(
        ::accept4(inheritance_.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection.valid()) {
      if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
      // Out of descriptors. It would be told of again and again; who asks waits, as long as he cares to.
      log::error("cannot accept a connection", {{"error", Error{errno, ""}.message()}});
      stop_watching(inheritance_.listener.get());
      accept_again_ = steady_clock::now() + kAcceptPause;
      return;
    }
    const auto refuse = [&](const std::string& why) {
      log::warning("somebody who asks is refused", {{"error", why}});
      (void)container::refuse(connection.get(), why);
    };
    if (const Status may = may_ask(connection.get()); !may) {
      refuse(may.error().message());
      continue;
    }
    if (asking_.size() >= kMostAsking) {
      refuse("too many ask at once");
      continue;
    }
    const std::uint64_t number = next_number_++;
    if (const Status watched = watch(connection.get(), Source::kAsking, number); !watched) {
      refuse(watched.error().message());
      continue;
    }
    asking_.emplace(number, std::move(connection));
  }
}

void Node::resume_accepting(Time now) {
  if (!accept_again_ || now < *accept_again_) return;
  accept_again_.reset();
  // What is waiting is told of at once.
  if (watch(inheritance_.listener.get(), Source::kListener)) return;
  accept_again_ = now + kAcceptPause;
}

void Node::hear(std::uint64_t number) {
  if (const auto registered = containers_.find(number); registered != containers_.end()) {
    return hear_registering(registered->second);
  }
  const auto asking = asking_.find(number);
  if (asking == asking_.end()) return;
  auto request = container::receive_request(asking->second.get());
  if (!request && request.error().code == EAGAIN) return;
  const bool gone = !request && request.error().code == ECONNRESET;
  const Status done = request ? obey(number, std::move(*request)) : tl::unexpected(request.error());
  const auto still_asking = asking_.find(number);
  if (still_asking == asking_.end()) return;  // it registered
  if (!gone) {
    (void)container::send_answer(still_asking->second.get(), done ? "ok" : done.error().message());
  }
  stop_watching(still_asking->second.get());
  asking_.erase(still_asking);
}

Status Node::obey(std::uint64_t number, container::NodeRequest request) {
  switch (request.kind) {
    case container::NodeRequest::Kind::kRegister:
      return register_container(number, std::move(request));
    case container::NodeRequest::Kind::kEnd:
      return end_container(request.state_folder);
    case container::NodeRequest::Kind::kPing:
      break;
  }
  return {};
}

// The container gets the number of who registers it.
Status Node::register_container(std::uint64_t number, container::NodeRequest request) {
  if (containers_.size() >= kMostContainers) {
    return fail("there are " + std::to_string(kMostContainers) +
                " containers, as many as one agent supervises");
  }
  if (!request.state_folder.starts_with('/')) {
    return fail("the state folder is \"" + request.state_folder + "\", must be an absolute path");
  }
  if (!request.listener.valid()) return fail("the request is without a listener");
  TRY(check_listener(request.listener.get()));
  Container container{std::make_unique<KeptFiles>(inheritance_.manager, number), nullptr, {}};
  KeeperInheritance inheritance = inheritance_of(container);
  inheritance.state_folder = std::move(request.state_folder);
  inheritance.listener = std::move(request.listener);
  inheritance.creator = std::move(request.creator);
  inheritance.bundle_lock = std::move(request.bundle_lock);
  // The keeper answers: when its worker is ready, or why not.
  inheritance.ready = UniqueFd(::fcntl(asking_.at(number).get(), F_DUPFD_CLOEXEC, 0));
  if (!inheritance.ready.valid()) return fail(errno, "fcntl");
  auto keeper = Keeper::make(std::move(inheritance), workers_->launch(), launch_tracer_);
  if (!keeper) {
    // It has answered.
    container.kept->drop_all();
    stop_watching(asking_.at(number).get());
    asking_.erase(number);
    return tl::unexpected(keeper.error());
  }
  container.keeper = std::move(*keeper);
  if (Status watched = watch(container.keeper->events_fd(), Source::kContainer, number); !watched) {
    container.keeper->drop_deposit();
    return watched;
  }
  container.registering = std::move(asking_.at(number));
  asking_.erase(number);
  containers_.emplace(number, std::move(container));
  return {};
}

void Node::hear_registering(Container& container) const {
  const auto request = container::receive_request(container.registering.get());
  if (!request && request.error().code == EAGAIN) return;
  stop_watching(container.registering.get());
  if (!request || request->kind != container::NodeRequest::Kind::kEnd) {
    // It became the runtime, or has died: the keeper's worker sees which.
    container.registering.reset();
    return;
  }
  // Now it closes when the container has gone, for which the other end waits.
  container.keeper->withdraw();
  container.due = true;
}

Status Node::end_container(const std::string& state_folder) {
  for (auto& [number, container] : containers_) {
    const std::string& its_own = container.keeper->state_folder();
    if (its_own != state_folder && sys::realpath(its_own).value_or("") != state_folder) continue;
    container.keeper->withdraw();
    container.due = true;
    return {};
  }
  return {};  // it has just gone
}

}  // namespace tidewaiter::supervisor

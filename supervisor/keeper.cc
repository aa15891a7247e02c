#include "supervisor/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "oci/base/log.h"
#include "oci/base/system.h"
#include "oci/container/record.h"
#include "oci/seccomp/notify.h"
#include "supervisor/state_lock.h"

namespace tidewaiter::supervisor {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Connections that may be open at once. Each is a runtime's, one for `create` and one for each `exec` under
// way.
constexpr std::size_t kMaxConnections = 64;

// How long to leave the listener alone when there was no descriptor for a connection.
constexpr milliseconds kAcceptPause{500};

// How long a runtime may take to come after podman's precreate hook, which is not told its pid.
constexpr std::chrono::seconds kGrace{120};

// Workers that may die of what a runtime hands over. They may die of something else, so not the second
// already.
constexpr unsigned kMostDeaths = 8;

// A worker that lived shorter than this may have died of what the next one will die of.
constexpr milliseconds kShortLife{10};
// So many of them are replaced at once, and those after them ever later.
constexpr unsigned kShortLives = 5;
constexpr milliseconds kDelay{10};
constexpr milliseconds kLongestDelay{1000};

Result<UniqueFd> make_signalfd() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR2}) ::sigaddset(&signals, signal);
  if (::pthread_sigmask(SIG_BLOCK, &signals, nullptr) != 0) return fail(errno, "pthread_sigmask");
  UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return fail(errno, "signalfd");
  return fd;
}

Result<UniqueFd> make_timer(std::chrono::seconds duration) {
  UniqueFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer.valid()) return fail(errno, "timerfd_create");
  struct itimerspec when {};
  when.it_value.tv_sec = duration.count();
  if (::timerfd_settime(timer.get(), 0, &when, nullptr) != 0) return fail(errno, "timerfd_settime");
  return timer;
}

}  // namespace

Result<std::unique_ptr<Keeper>> Keeper::make(KeeperInheritance inheritance, Launch launch,
                                             LaunchTracer launch_tracer) {
  std::unique_ptr<Keeper> keeper(
      new Keeper(std::move(inheritance), std::move(launch), std::move(launch_tracer)));
  if (Status prepared = keeper->prepare(); !prepared) {
    keeper->report(prepared.error().message());
    return tl::unexpected(prepared.error());
  }
  return keeper;
}

Keeper::Keeper(KeeperInheritance inheritance, Launch launch, LaunchTracer launch_tracer)
    : inheritance_(std::move(inheritance)),
      launch_(std::move(launch)),
      launch_tracer_(std::move(launch_tracer)) {}

Status Keeper::prepare() {
  // An agent before us died, and with it the knowledge of what else still runs in the container.
  const std::string lock_path = inheritance_.state_folder + "/" + container::Record::kLockName;
  if (sys::stat(lock_path)) facts_ |= Begin::kOutlives;
  if (!inheritance_.leaves_cgroup) facts_ |= Begin::kMoved;
  lock_ = TRY(lock_state_folder(inheritance_.state_folder, ::getpid()));
  slots_ = TRY(Slots::make());
  epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return fail(errno, "epoll_create1");
  signals_ = TRY(make_signalfd());
  TRY(watch(signals_.get(), EPOLLIN));
  if (::fcntl(inheritance_.listener.get(), F_SETFL, O_NONBLOCK) != 0) return fail(errno, "listen-fd");
  TRY(watch(inheritance_.listener.get(), EPOLLIN));
  if (!inheritance_.creator.valid()) grace_ = TRY(make_timer(kGrace));
  if (launch_tracer_) TRY(open_requests());
  worker_ = TRY(employ(Program::kOwn));
  return {};
}

Status Keeper::open_requests() {
  const auto open = [](UniqueFd& written, UniqueFd& read) -> Status {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      return fail(errno, "socketpair");
    }
    written = UniqueFd(ends[0]);
    read = UniqueFd(ends[1]);
    return {};
  };
  TRY(open(requests_, requested_));
  TRY(open(notify_, notified_));
  return watch_requests();
}

Status Keeper::watch_requests() const {
  TRY(watch(requested_.get(), EPOLLIN));
  return watch(notified_.get(), EPOLLIN);
}

void Keeper::stop_watching_requests() const {
  stop_watching(requested_.get());
  stop_watching(notified_.get());
}

// Not before there is something to trace: many policies say nothing of programs or Unix sockets.
void Keeper::start_tracer() {
  stop_watching_requests();
  auto tracer = launch_tracer_({requested_.get(), notified_.get(), slots_->memory()});
  if (tracer) {
    if (const Status watched = watch((*tracer)->ended_fd(), EPOLLIN); !watched) {
      log::error("cannot watch the tracer", {{"error", watched.error().message()}});
    }
    tracer_ = std::move(*tracer);
    return;
  }
  // What asks for one gets none: its socket closes with the requests.
  log::error("cannot start a tracer; programs and calls on Unix sockets are refused",
             {{"error", tracer.error().message()}});
  requested_.reset();
  notified_.reset();
}

// Whom it traced the kernel has killed.
void Keeper::tracer_ended() {
  log::error("the tracer has ended; another one takes its place", {{"end", tracer_->reap()}});
  tracer_.reset();
  slots_->stand_ins().clear();
  if (const Status watched = watch_requests(); !watched) {
    log::error("cannot watch for what is to be traced", {{"error", watched.error().message()}});
  }
}

// To the launcher, once.
void Keeper::report(const std::string& line) {
  if (!inheritance_.ready.valid()) return;
  (void)sys::write_all(inheritance_.ready.get(), line + "\n");
  inheritance_.ready.reset();
}

Status Keeper::watch(int fd, std::uint32_t events) const {
  struct epoll_event event {};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail(errno, "epoll_ctl");
  return {};
}

void Keeper::stop_watching(int fd) const { (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

Status Keeper::run() {
  while (!over_) {
    std::array<struct epoll_event, 16> ready;
    const int count = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), timeout());
    if (count < 0 && errno != EINTR) return fail(errno, "epoll_wait");
    for (int i = 0; i < count && !over_; ++i) dispatch(ready[static_cast<std::size_t>(i)].data.fd);
    if (over_) break;
    resume_accepting();
    const Time now = steady_clock::now();
    if (start_again_ && now >= *start_again_) start_worker();
    if (failing_since_ && now - *failing_since_ >= patience_) give_up();
    tell();
  }
  end_worker(successor_);
  end_worker(worker_);
  if (tracer_) tracer_->kill();
  return result_;
}

int Keeper::timeout() const {
  std::optional<Time> next = start_again_;
  const auto sooner = [&next](Time time) { next = next ? std::min(*next, time) : time; };
  if (accept_again_) sooner(*accept_again_);
  if (failing_since_) sooner(*failing_since_ + patience_);
  if (!next) return -1;
  const auto left = std::chrono::ceil<milliseconds>(*next - steady_clock::now()).count();
  return static_cast<int>(std::max<milliseconds::rep>(left, 0));
}

void Keeper::dispatch(int fd) {
  if (fd == signals_.get()) {
    struct signalfd_siginfo signal {};
    if (::read(signals_.get(), &signal, sizeof signal) != sizeof signal) return;
    if (signal.ssi_signo == SIGUSR2) {
      replace_worker();
    } else {
      over_ = true;
    }
  } else if (fd == inheritance_.listener.get()) {
    accept_connections();
  } else if (worker_ && fd == worker_->channel.fd()) {
    hear(*worker_);
  } else if (worker_ && fd == worker_->worker->ended_fd()) {
    worker_ended();
  } else if (successor_ && fd == successor_->channel.fd()) {
    hear(*successor_);
  } else if (successor_ && fd == successor_->worker->ended_fd()) {
    log::error("the new worker does not start; the old one stays", {{"end", successor_->worker->reap()}});
    successor_.reset();
  } else if (!tracer_ && (fd == requested_.get() || fd == notified_.get())) {
    start_tracer();
  } else if (tracer_ && fd == tracer_->ended_fd()) {
    tracer_ended();
  } else {
    const auto connection = std::find_if(connections_.begin(), connections_.end(), [fd](const auto& each) {
      return each.second.runtime.socket() == fd;
    });
    if (connection != connections_.end()) receive(connection->first);
  }
}

// --- workers -----------------------------------------------------------------------------------------

Result<std::unique_ptr<Keeper::Employed>> Keeper::employ(Program program) {
  auto pair = TRY(Channel::make());
  auto worker = TRY(launch_(std::move(pair.worker), program));
  auto employed = std::make_unique<Employed>(Employed{std::move(worker), std::move(pair.keeper)});
  TRY(watch(employed->channel.fd(), EPOLLIN));
  TRY(watch(employed->worker->ended_fd(), EPOLLIN));
  TRY(begin(*employed));
  return employed;
}

Status Keeper::begin(const Employed& employed) const {
  std::vector<int> fds{slots_->memory()};
  std::uint64_t facts = facts_;
  const auto add = [&](const UniqueFd& fd, std::uint64_t fact) {
    if (!fd.valid()) return;
    fds.push_back(fd.get());
    facts |= fact;
  };
  add(inheritance_.creator, Begin::kCreator);
  add(inheritance_.bundle_lock, Begin::kBundle);
  add(grace_, Begin::kGrace);
  add(requests_, Begin::kTracer);
  add(notify_, Begin::kTracer);
  return employed.channel.send(Word::kBegin, facts, static_cast<std::uint64_t>(::getpid()), fds,
                               inheritance_.state_folder);
}

void Keeper::start_worker() {
  start_again_.reset();
  auto employed = employ(Program::kOwn);
  if (employed) {
    worker_ = std::move(*employed);
    return;
  }
  log::error("cannot start a worker", {{"error", employed.error().message()}});
  if (!failing_since_) failing_since_ = steady_clock::now();
  start_again_ = steady_clock::now() + kLongestDelay;
}

void Keeper::replace_worker() {
  if (successor_ || !worker_) return;  // it will come anyway
  auto employed = employ(Program::kCurrent);
  if (!employed) {
    log::error("cannot start a new worker; the old one stays", {{"error", employed.error().message()}});
    return;
  }
  successor_ = std::move(*employed);
}

void Keeper::worker_ended() {
  // What it said before it died still counts.
  hear(*worker_);
  const std::string end = worker_->worker->reap();
  const bool was_ready = worker_->ready;
  worker_.reset();
  if (done_ || over_) {
    over_ = true;
    return;
  }
  const Time now = steady_clock::now();
  if (inheritance_.ready.valid()) {
    // The launcher sees that we end without a word, and tells whoever asked for the container.
    result_ = fail("the first worker ended before it was ready: " + end);
    over_ = true;
    return;
  }
  for (auto& [number, session] : sessions_) session.told = false;
  for (auto connection = connections_.begin(); connection != connections_.end();) {
    Connection& each = connection->second;
    if (each.told_size != 0 && ++each.deaths == kMostDeaths) {
      log::error("reading a hand-over kills workers; what it supervises fails closed");
      connection = connections_.erase(connection);
      continue;
    }
    each.told = false;
    each.told_closed = false;
    each.told_size = 0;
    ++connection;
  }
  if (successor_) {
    worker_ = std::move(successor_);
    if (worker_->ready) began_ = now;
    return;
  }
  log::error("a worker has ended; another one takes its place", {{"end", end}});
  short_lives_ = !was_ready || now - began_ < kShortLife ? short_lives_ + 1 : 0;
  if (!was_ready && !failing_since_) failing_since_ = now;
  milliseconds delay{0};
  if (short_lives_ > kShortLives) {
    delay = std::min(kDelay * (1U << std::min(short_lives_ - kShortLives, 10U)), kLongestDelay);
  }
  start_again_ = now + delay;
  if (delay.count() == 0) start_worker();
}

void Keeper::give_up() {
  failing_since_.reset();
  log::error("no worker can be started; what is supervised fails closed");
  refuse_notifications();
  result_ = fail("no worker can be started");
  over_ = true;
}

void Keeper::end_worker(std::unique_ptr<Employed>& employed) {
  if (!employed) return;
  employed->worker->kill();
  struct pollfd ended = {employed->worker->ended_fd(), POLLIN, 0};
  while (::poll(&ended, 1, -1) < 0 && errno == EINTR) {
  }
  (void)employed->worker->reap();
  employed.reset();
}

// --- what a worker says ------------------------------------------------------------------------------

void Keeper::hear(Employed& employed) {
  for (;;) {
    auto message = employed.channel.receive();
    if (!message) {
      // It hung up. Should it not be dying, it is of no more use.
      stop_watching(employed.channel.fd());
      employed.worker->kill();
      return;
    }
    if (!*message) return;
    obey(employed, std::move(**message));
  }
}

void Keeper::obey(Employed& employed, Message message) {
  switch (message.word) {
    case Word::kReady:
      return worker_ready(employed, message);
    case Word::kFailed:
      log::error("a worker cannot begin", {{"error", message.text}});
      return report(message.text);
    case Word::kSessionBegun:
      return session_begun(message);
    case Word::kConnectionDone:
      if (const auto connection = connections_.find(message.number); connection != connections_.end()) {
        connections_.erase(connection);
      }
      return;
    case Word::kSessionEnded:
      sessions_.erase(static_cast<unsigned>(message.number));
      if (message.size != 0) facts_ |= Begin::kOutlives;
      return;
    case Word::kRestored:
      if (message.size != 0) facts_ |= Begin::kRestored;
      inheritance_.bundle_lock.reset();
      return;
    case Word::kFolder:
      if (message.fds.size() != 2) return;
      if (!accept_again_) stop_watching(inheritance_.listener.get());
      inheritance_.listener = std::move(message.fds[0]);
      lock_ = std::move(message.fds[1]);
      accept_again_.reset();
      (void)::fcntl(inheritance_.listener.get(), F_SETFL, O_NONBLOCK);
      if (!watch(inheritance_.listener.get(), EPOLLIN)) accept_again_ = steady_clock::now() + kAcceptPause;
      return;
    case Word::kMoved:
      facts_ |= Begin::kMoved;
      return;
    case Word::kFinished:
      return last_look();
    case Word::kDone:
      done_ = true;
      return;
    case Word::kBegin:
    case Word::kSession:
    case Word::kConnection:
    case Word::kBytes:
    case Word::kClosed:
    case Word::kGo:
    case Word::kEnd:
      break;
  }
  log::error("a worker says what only a keeper says");
  employed.worker->kill();
}

void Keeper::worker_ready(Employed& employed, const Message& message) {
  employed.ready = true;
  patience_ = std::chrono::seconds(message.size);
  if (&employed == successor_.get()) {
    // Only one may serve. What the old one has not answered is in the slots.
    worker_->worker->kill();
    return;
  }
  began_ = steady_clock::now();
  failing_since_.reset();
  report("ok");
}

void Keeper::session_begun(const Message& message) {
  const auto connection = connections_.find(message.number);
  if (connection == connections_.end() || message.size >= Slots::kSessions) return;
  const auto fds = connection->second.runtime.fds();
  if (message.index >= fds.size()) return;
  sessions_[static_cast<unsigned>(message.size)] = {std::move(fds[message.index]), true};
  connections_.erase(connection);
  facts_ |= Begin::kCame;
}

// A hand-over may wait in the backlog of a runtime that has already ended.
void Keeper::last_look() {
  accept_connections();
  if (!connections_.empty() || !sessions_.empty() || accept_again_ || !worker_) return;
  stop_watching(inheritance_.listener.get());
  facts_ |= Begin::kEnding;
  (void)worker_->channel.send(Word::kEnd);
}

// --- what a worker is told ---------------------------------------------------------------------------

// Tells the worker what it does not know yet, as far as it listens.
void Keeper::tell() {
  if (!worker_ || !worker_->ready) return;
  const Status told = tell_all(*worker_);
  // Any other error means that it is dying, and its end will be told.
  const bool full = !told && told.error().code == EAGAIN;
  if (std::exchange(worker_->full, full) == full) return;
  struct epoll_event event {};
  event.events = EPOLLIN | (full ? EPOLLOUT : 0U);
  event.data.fd = worker_->channel.fd();
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, worker_->channel.fd(), &event);
}

Status Keeper::tell_all(Employed& employed) {
  for (auto& [number, session] : sessions_) {
    if (session.told) continue;
    const int fd = session.notify_fd.get();
    TRY(employed.channel.send(Word::kSession, number, 0, std::span(&fd, 1)));
    session.told = true;
  }
  for (auto& [number, connection] : connections_) TRY(tell_connection(employed, number, connection));
  if (!std::exchange(employed.told_all, true)) {
    if (Status told = employed.channel.send(Word::kGo); !told) {
      employed.told_all = false;
      return told;
    }
    if ((facts_ & Begin::kEnding) != 0) TRY(employed.channel.send(Word::kEnd));
  }
  return {};
}

Status Keeper::tell_connection(Employed& employed, std::uint64_t number, Connection& connection) const {
  RuntimeConnection& runtime = connection.runtime;
  if (!connection.told) {
    const int bytes = runtime.bytes();
    TRY(employed.channel.send(Word::kConnection, number, 0, std::span(&bytes, 1)));
    connection.told = true;
  }
  if (connection.told_size != runtime.size()) {
    std::vector<int> fds;
    if (connection.told_size == 0) {
      for (const UniqueFd& fd : runtime.fds()) fds.push_back(fd.get());
    }
    TRY(employed.channel.send(Word::kBytes, number, runtime.size(), fds));
    connection.told_size = runtime.size();
  }
  if (runtime.closed() && !connection.told_closed) {
    TRY(employed.channel.send(Word::kClosed, number));
    connection.told_closed = true;
  }
  return {};
}

// --- connections -------------------------------------------------------------------------------------

// Out of descriptors or memory: the connection stays in the backlog, and asking again at once would only burn
// the processor.
void Keeper::pause_accepting(int reason) {
  log::error("cannot accept a connection; trying again in a moment",
             {{"error", Error{reason, ""}.message()}});
  if (!accept_again_) stop_watching(inheritance_.listener.get());
  accept_again_ = steady_clock::now() + kAcceptPause;
}

void Keeper::resume_accepting() {
  const Time now = steady_clock::now();
  if (!accept_again_ || now < *accept_again_) return;
  accept_again_ = now + kAcceptPause;
  if (watch(inheritance_.listener.get(), EPOLLIN)) accept_again_.reset();
}

void Keeper::accept_connections() {
  for (;;) {
    UniqueFd socket(::accept4(inheritance_.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) {
      if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) pause_accepting(errno);
      return;
    }
    if (connections_.size() >= kMaxConnections) {
      log::error("too many connections; one is refused");
      continue;
    }
    auto connection = RuntimeConnection::make(std::move(socket));
    if (!connection) {
      log::error("a connection is refused", {{"error", connection.error().message()}});
      continue;
    }
    const std::uint64_t number = next_connection_++;
    const int fd = connection->socket();
    connections_.emplace(number, Connection{std::move(*connection)});
    if (const Status watched = watch(fd, EPOLLIN); !watched) {
      log::error("cannot watch a connection", {{"error", watched.error().message()}});
      connections_.erase(number);
      continue;
    }
    // Mostly the message is there already, and its sender's container waits in its first call.
    receive(number);
  }
}

void Keeper::receive(std::uint64_t number) {
  const auto connection = connections_.find(number);
  const Status received = connection->second.runtime.receive();
  // The end would be told again and again.
  if (connection->second.runtime.closed()) stop_watching(connection->second.runtime.socket());
  if (received) return;
  log::error("a hand-over failed; what it supervises fails closed", {{"error", received.error().message()}});
  if (connection->second.told && worker_) (void)worker_->channel.send(Word::kClosed, number, 1);
  connections_.erase(connection);
}

// --- the end -----------------------------------------------------------------------------------------

// Answers EPERM to what waits; what comes after that finds the descriptor closed.
void Keeper::refuse_notifications() {
  // Receiving waits where a target has just gone. Whatever happens, this ends, and then all is closed.
  constexpr unsigned kLongest = 5;  // seconds
  ::alarm(kLongest);
  for (auto& [number, session] : sessions_) {
    const int fd = session.notify_fd.get();
    for (Slot* const slot : slots_->take_over(number)) {
      const std::uint64_t id = slots_->notification(*slot).get().id;
      if (id != 0) (void)seccomp::answer_errno(fd, id, EPERM);
    }
    auto buffer = seccomp::NotificationBuffer::make();
    struct pollfd waiting = {fd, POLLIN, 0};
    while (buffer && ::poll(&waiting, 1, 0) == 1 && (waiting.revents & POLLIN) != 0) {
      if (!seccomp::receive(fd, *buffer)) break;
      (void)seccomp::answer_errno(fd, buffer->get().id, EPERM);
    }
  }
  sessions_.clear();
  ::alarm(0);
}

}  // namespace tidewaiter::supervisor

#include "supervisor/keeper/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <iterator>
#include <utility>

#include "oci/base/log.h"
#include "oci/base/system.h"
#include "oci/container/agent_launcher.h"
#include "oci/container/record.h"
#include "oci/seccomp/notify.h"
#include "supervisor/keeper/state_lock.h"

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

// How long to leave the worker alone when the kernel took no descriptor for it. Of those that are on their
// way between processes it allows each user so many (unix(7), ETOOMANYREFS), and a container of the same user
// may see to it that there are.
constexpr milliseconds kTellPause{10};

// When to look again whether all is over, where that could not be seen.
constexpr milliseconds kLookPause{100};

// Record::restart_seconds comes from a worker. So many are as good as for ever.
constexpr std::uint64_t kLongestPatience = 1U << 20U;  // seconds; in milliseconds an int holds them

constexpr unsigned kSourceShift = 56;

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

// Takes the process's first thread out of a call that waits, after a time and again and again (setitimer(2)),
// as long as it lives.
class Interruptions {
 public:
  explicit Interruptions(std::chrono::seconds after) {
    struct sigaction action {};
    action.sa_handler = [](int) {};  // without SA_RESTART
    (void)::sigaction(SIGALRM, &action, &before_);
    struct itimerval when {};
    when.it_value.tv_sec = after.count();
    when.it_interval.tv_usec = 10'000;
    (void)::setitimer(ITIMER_REAL, &when, nullptr);
  }
  Interruptions(const Interruptions&) = delete;
  Interruptions& operator=(const Interruptions&) = delete;
  ~Interruptions() {
    const struct itimerval never {};
    (void)::setitimer(ITIMER_REAL, &never, nullptr);
    (void)::sigaction(SIGALRM, &before_, nullptr);
  }

 private:
  struct sigaction before_ {};
};

// What the deposit calls the descriptor that came at `index` with what connection `number` brought, for as
// long as it is kept.
std::string file_of(std::uint64_t number, std::size_t index) {
  return "k" + std::to_string(number) + "." + std::to_string(index);
}
std::string socket_file(std::uint64_t number) { return "k" + std::to_string(number) + ".socket"; }
std::string bytes_file(std::uint64_t number) { return "k" + std::to_string(number) + ".bytes"; }
std::string listener_file(std::uint64_t folders) { return "listener" + std::to_string(folders); }
std::string lock_file(std::uint64_t folders) { return "lock" + std::to_string(folders); }

// Invalid where that is, or where there is no room.
UniqueFd copy_of(const UniqueFd& fd) {
  return UniqueFd(fd.valid() ? ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0) : -1);
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
      launch_tracer_(std::move(launch_tracer)) {
  program_ = std::move(inheritance_.successor);
  // Until a worker tells what the container's record says.
  if (of_node()) set_patience(static_cast<std::uint64_t>(container::kReadyTimeout / std::chrono::seconds(1)));
}

Status Keeper::prepare() {
  if (!inheritance_.leaves_cgroup) facts_ |= Begin::kMoved;
  if (of_node()) facts_ |= Begin::kShared;
  // SIGUSR2 may come as soon as the lock says who we are.
  if (!of_node()) signals_ = TRY(make_signalfd());
  if (inheritance_.left.empty()) {
    TRY(make_shared_memory());
  } else {
    TRY(resume());
  }
  if (!of_node()) TRY(slots_->share_log_bound());
  epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return fail(errno, "epoll_create1");
  if (signals_.valid()) TRY(watch(signals_.get(), Source::kSignals));
  if (::fcntl(inheritance_.listener.get(), F_SETFL, O_NONBLOCK) != 0) return fail(errno, "listen-fd");
  if ((facts_ & Begin::kEnding) == 0) TRY(watch(inheritance_.listener.get(), Source::kListener));
  if (!inheritance_.creator.valid() && !grace_.valid() && (facts_ & Begin::kCame) == 0) {
    grace_ = TRY(make_timer(kGrace));
  }
  for (const auto& [number, connection] : connections_) {
    if (!connection.runtime.closed()) TRY(watch(connection.runtime.socket(), Source::kConnection, number));
  }
  if (launch_tracer_) TRY(open_requests());
  save();
  auto first = employ(next_program());
  // It ended before anything was said to it.
  while (!first && first.error().code == EPIPE && begins_again()) first = employ(next_program());
  worker_ = TRY(std::move(first));
  workers_.started(steady_clock::now());
  return {};
}

Status Keeper::make_shared_memory() {
  // An agent before us died, and with it the knowledge of what else still runs in the container.
  const std::string lock_path = inheritance_.state_folder + "/" + container::Record::kLockName;
  if (sys::stat(lock_path)) facts_ |= Begin::kOutlives;
  lock_ = TRY(lock_state_folder(inheritance_.state_folder, lock_text()));
  slots_ = TRY(Slots::make());
  names_.emplace(TRY(KeptNames::make()));
  if (inheritance_.deposit != nullptr) testament_.emplace(TRY(KeptNames::make()));
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
  watch_requests();
  return {};
}

void Keeper::watch_requests() {
  for (const int fd : {requested_.get(), notified_.get()}) {
    if (const Status watched = watch(fd, Source::kRequests); !watched) {
      log::error("cannot watch for what is to be traced", {{"error", watched.error().message()}});
    }
  }
  requests_watched_ = true;
}

// Not before there is something to trace: many policies say nothing of programs or Unix sockets.
void Keeper::start_tracer() {
  stop_watching(requested_.get());
  stop_watching(notified_.get());
  requests_watched_ = false;
  tracers_.missed();
  auto tracer = launch_tracer_({requested_.get(), notified_.get(), slots_->memory()});
  const Time now = steady_clock::now();
  const std::uint64_t number = next_number_++;
  Status watched;
  if (tracer) watched = watch((*tracer)->ended_fd(), Source::kTracerEnd, number);
  if (tracer && watched) {
    tracer_ = std::move(*tracer);
    tracer_number_ = number;
    tracers_.started(now);
    tracers_.serving(now);
    return;
  }
  log::error("cannot start a tracer", {{"error", (tracer ? watched.error() : tracer.error()).message()}});
  tracers_.ended(now);
  refuse_requests();
}

// Whom it traced the kernel has killed.
void Keeper::tracer_ended() {
  const auto end = tracer_->reap();
  if (!end) return;
  log::error("the tracer has ended; another one takes its place", {{"end", *end}});
  stop_watching(tracer_->ended_fd());
  tracer_.reset();
  slots_->stand_ins().clear();
  tracers_.ended(steady_clock::now());
  refuse_requests();
}

// When no tracer has come to anything for long, who asks for one gets none: the worker sees its sockets
// close, and refuses the calls. Nothing is looked at.
void Keeper::refuse_requests() const {
  const auto give_up = tracers_.give_up_at();
  if (!tracers_.in_vain() || !give_up || steady_clock::now() < *give_up) return;
  // Before: who sees a request come to nothing is to know whether it was refused, or a tracer died with it.
  slots_->tracer_refusals().fetch_add(1, std::memory_order_release);
  for (const int fd : {requested_.get(), notified_.get()}) {
    // Descriptors for which there is no room are closed.
    char byte = 0;
    while (::recv(fd, &byte, 1, MSG_DONTWAIT) > 0) {
    }
  }
}

std::string Keeper::lock_text() const { return container::lock_text(::getpid(), inheritance_.node_socket); }

// To the launcher, once.
void Keeper::report(const std::string& line) {
  if (!inheritance_.ready.valid()) return;
  (void)sys::write_all(inheritance_.ready.get(), line + "\n");
  inheritance_.ready.reset();
}

Status Keeper::watch(int fd, Source source, std::uint64_t number) const {
  struct epoll_event event {};
  event.events = EPOLLIN;
  event.data.u64 = static_cast<std::uint64_t>(source) << kSourceShift | number;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail(errno, "epoll_ctl");
  return {};
}

// Before it is closed: a process that was just forked may still have a copy, and the kernel would tell of
// that.
void Keeper::stop_watching(int fd) const { (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

Status Keeper::run() {
  while (!over_) TRY(turn(timeout()));
  return finish();
}

Status Keeper::turn(int wait) {
  std::array<struct epoll_event, 16> ready;
  const int count = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), wait);
  if (count < 0 && errno != EINTR) return fail(errno, "epoll_wait");
  for (int i = 0; i < count && !over_; ++i) {
    const std::uint64_t key = ready[static_cast<std::size_t>(i)].data.u64;
    constexpr std::uint64_t kNumber = (std::uint64_t{1} << kSourceShift) - 1;
    dispatch(static_cast<Source>(key >> kSourceShift), key & kNumber);
  }
  if (over_) return {};
  resume_accepting();
  if (finished_) last_look();
  // Whoever is told of something finds it kept.
  save();
  keep_up(steady_clock::now());
  tell();
  return {};
}

Status Keeper::finish() {
  end_worker(successor_);
  end_worker(worker_);
  tracer_.reset();
  return result_;
}

// Starts what is to be there, and ends what does not get ready.
void Keeper::keep_up(Time now) {
  if (waits_for_successor() && now >= workers_.overdue_at(successor_->started)) {
    successor_->killed = true;
    successor_->worker->kill();
  }
  if (workers_.state() == Upkeep::State::kStarting && now >= workers_.overdue_at(worker_->started) &&
      !inheritance_.ready.valid()) {
    log::error("a worker does not get ready; another one takes its place");
    worker_->worker->kill();
    workers_.killed(now);
  }
  if (worker_ && worker_->drained_by && now >= *worker_->drained_by) {
    worker_->drained_by.reset();
    kill(*worker_);
  }
  if (!worker_ && now >= workers_.start_at()) start_worker(next_program());
  if (requested_.valid() && !tracer_ && !requests_watched_ && now >= tracers_.start_at()) watch_requests();
  if (const auto give_up_at = workers_.give_up_at(); give_up_at && now >= *give_up_at) give_up();
}

int Keeper::timeout() const {
  std::optional<Time> next = workers_.give_up_at();
  const auto sooner = [&next](Time time) { next = next ? std::min(*next, time) : time; };
  if (accept_again_) sooner(*accept_again_);
  if (finished_ && (facts_ & Begin::kEnding) == 0) sooner(steady_clock::now() + kLookPause);
  if (tell_again_) sooner(*tell_again_);
  if (!worker_) sooner(workers_.start_at());
  if (workers_.state() == Upkeep::State::kStarting && !inheritance_.ready.valid()) {
    sooner(workers_.overdue_at(worker_->started));
  }
  if (waits_for_successor()) sooner(workers_.overdue_at(successor_->started));
  if (worker_ && worker_->drained_by) sooner(*worker_->drained_by);
  if (requested_.valid() && !tracer_ && !requests_watched_) sooner(tracers_.start_at());
  if (!next) return -1;
  const auto left = std::chrono::ceil<milliseconds>(*next - steady_clock::now()).count();
  return static_cast<int>(std::max<milliseconds::rep>(left, 0));
}

void Keeper::dispatch(Source source, std::uint64_t number) {
  const auto is = [number](const std::unique_ptr<Employed>& employed) {
    return employed && employed->number == number;
  };
  switch (source) {
    case Source::kSignals: {
      struct signalfd_siginfo signal {};
      if (::read(signals_.get(), &signal, sizeof signal) != sizeof signal) return;
      if (signal.ssi_signo == SIGUSR2) {
        replace_worker();
      } else {
        over_ = true;
      }
      return;
    }
    case Source::kListener:
      return accept_connections();
    case Source::kChannel:
      if (is(worker_)) hear(*worker_);
      if (is(successor_)) hear(*successor_);
      return;
    case Source::kEnd:
      if (is(worker_)) return worker_ended();
      if (is(successor_)) successor_ended();
      return;
    case Source::kTracerEnd:
      if (tracer_ && tracer_number_ == number) tracer_ended();
      return;
    case Source::kRequests:
      if (!tracer_ && requests_watched_) start_tracer();
      return;
    case Source::kConnection:
      if (connections_.contains(number)) receive(number);
      return;
  }
}

// --- workers -----------------------------------------------------------------------------------------

Result<std::unique_ptr<Keeper::Employed>> Keeper::employ(UniqueFd program) {
  auto pair = TRY(Channel::make());
  const int which = program.valid() ? program.get() : kOwnProgram;
  auto worker = TRY(launch_(std::move(pair.worker), which));
  auto employed = std::make_unique<Employed>(Employed{
      std::move(worker), std::move(pair.keeper), next_number_++, steady_clock::now(), std::move(program)});
  const auto introduce = [&]() -> Status {
    TRY(watch(employed->channel.fd(), Source::kChannel, employed->number));
    TRY(watch(employed->worker->ended_fd(), Source::kEnd, employed->number));
    return begin(*employed);
  };
  if (Status introduced = introduce(); !introduced) {
    dismiss(employed);
    if (introduced.error().code == EPIPE) return fail(EPIPE, "it ended before anything was said to it");
    return tl::unexpected(introduced.error());
  }
  return employed;
}

void Keeper::dismiss(std::unique_ptr<Employed>& employed) const {
  stop_watching(employed->channel.fd());
  stop_watching(employed->worker->ended_fd());
  employed.reset();
}

Status Keeper::begin(const Employed& employed) const {
  std::vector<int> fds{slots_->memory(), names_->memory()};
  std::uint64_t facts = facts_;
  const auto add = [&](const UniqueFd& fd, std::uint64_t fact) {
    if (!fd.valid()) return;
    fds.push_back(fd.get());
    facts |= fact;
  };
  add(inheritance_.creator, Begin::kCreator);
  add(inheritance_.bundle_lock, Begin::kBundle);
  add(grace_, Begin::kGrace);
  add(deadline_, Begin::kDeadline);
  add(init_, Begin::kDeadline);
  add(requests_, Begin::kTracer);
  add(notify_, Begin::kTracer);
  return employed.channel.send(Word::kBegin, facts, static_cast<std::uint64_t>(::getpid()), fds,
                               inheritance_.state_folder, kProtocol);
}

void Keeper::start_worker(UniqueFd program) {
  auto employed = employ(std::move(program));
  const Time now = steady_clock::now();
  if (employed) {
    worker_ = std::move(*employed);
    workers_.started(now);
    return;
  }
  log::error("cannot start a worker", {{"error", employed.error().message()}});
  workers_.ended(now);
}

// What the last one was that had taken another's place, be it no longer at its path. Only after one that came
// to nothing our own is tried: that one has served.
UniqueFd Keeper::next_program() const {
  if (!program_.valid() || workers_.in_vain()) return {};
  return copy_of(program_);
}

bool Keeper::waits_for_successor() const { return successor_ && !successor_->ready && !successor_->killed; }

void Keeper::replace_worker() {
  // One will come anyway, or is the first, of which the launcher has yet to hear.
  if (successor_ || inheritance_.ready.valid()) return;
  auto program = sys::open(inheritance_.program, O_PATH);
  if (!program) {
    log::error("cannot open the new program; the old one stays", {{"error", program.error().message()}});
    return;
  }
  if (!worker_) {
    program_ = copy_of(*program);
    return start_worker(std::move(*program));
  }
  auto employed = employ(std::move(*program));
  if (!employed) {
    log::error("cannot start a new worker; the old one stays", {{"error", employed.error().message()}});
    return;
  }
  successor_ = std::move(*employed);
}

void Keeper::renew_worker() {
  if (successor_ || !worker_) return;
  wants_renewal_ = false;
  auto employed = employ(next_program());
  if (!employed) {
    log::error("cannot start a new worker; the old one stays", {{"error", employed.error().message()}});
    return;
  }
  successor_ = std::move(*employed);
}

void Keeper::successor_ended() {
  const auto end = successor_->worker->reap();
  if (!end) return;
  log::error("the new worker does not start; the old one stays", {{"end", *end}});
  dismiss(successor_);
}

void Keeper::worker_ended() {
  // What it said before it died still counts.
  if (worker_->channel.fd() >= 0) hear(*worker_);
  const auto end = worker_->worker->reap();
  if (!end) return;
  dismiss(worker_);
  if (done_ || over_) {
    over_ = true;
    return;
  }
  if (inheritance_.ready.valid() && !begins_again()) {
    // The launcher sees that we end without a word, and tells whoever asked for the container.
    result_ = fail("the first worker ended before it was ready: " + *end);
    over_ = true;
    return;
  }
  workers_.ended(steady_clock::now());
  forget_what_was_told();
  finished_ = false;
  if (!successor_) {
    // Of one that many share the pool says it, once.
    if (!of_node()) log::error("a worker has ended; another one takes its place", {{"end", *end}});
    return;
  }
  worker_ = std::move(successor_);
  worker_->started = steady_clock::now();
  workers_.started(worker_->started);
  if (!worker_->program.valid()) return;
  program_ = copy_of(worker_->program);
  taken_over_by_ = copy_of(worker_->program);
}

// A container of a node shares its worker's fate with others, and is not to fail for theirs.
bool Keeper::begins_again() { return of_node() && ++first_ends_ < kMostFirstEnds; }

void Keeper::forget_what_was_told() {
  if (reload_ == Reload::kTold) reload_ = Reload::kWanted;
  for (auto& [number, session] : sessions_) session.told = false;
  for (auto connection = connections_.begin(); connection != connections_.end();) {
    Connection& each = connection->second;
    if (each.told_size != 0 && ++each.deaths == kMostDeaths) {
      log::error("reading a hand-over kills workers; what it supervises fails closed");
      each.failed = true;
    }
    each.told = false;
    each.told_closed = false;
    each.told_size = 0;
    connection = each.failed ? forget(connection) : std::next(connection);
  }
}

void Keeper::give_up() {
  log::error("no worker can be started; what is supervised fails closed");
  // None is to take what is refused here.
  end_worker(successor_);
  end_worker(worker_);
  refuse_notifications();
  result_ = fail("no worker can be started");
  over_ = true;
}

void Keeper::end_worker(std::unique_ptr<Employed>& employed) const {
  if (!employed) return;
  employed->worker->kill();
  dismiss(employed);  // waits for a moment, and no longer
}

// --- what a worker says ------------------------------------------------------------------------------

void Keeper::hear(Employed& employed) {
  for (;;) {
    auto message = employed.channel.receive();
    if (!message) {
      // It hung up. Should it not be dying, it is of no more use; who drains has until drained_by to end.
      stop_watching(employed.channel.fd());
      if (!employed.drains) kill(employed);
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
    case Word::kServing:
      if (&employed == worker_.get()) workers_.serving(steady_clock::now());
      return;
    case Word::kFailed:
      log::error("a worker cannot begin", {{"error", message.text}});
      // The launcher ends an agent of the container's own. Of a node's it is this container's worker that is
      // not to be followed by another, which could begin as little.
      if (of_node() && inheritance_.ready.valid()) done_ = true;
      return report(message.text);
    case Word::kSessionBegun:
      return session_begun(message);
    case Word::kConnectionDone:
      if (const auto connection = connections_.find(message.number); connection != connections_.end()) {
        forget(connection);
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
    case Word::kLock:
      if (message.fds.size() != 1) return;
      lock_ = std::move(message.fds[0]);
      ++folders_;
      if (const Status signed_it = sign_lock(lock_, lock_text()); !signed_it) {
        log::error("cannot write into the lock", {{"error", signed_it.error().message()}});
      }
      return;
    case Word::kListener:
      if (message.fds.size() != 1) return;
      if (!accept_again_) stop_watching(inheritance_.listener.get());
      inheritance_.listener = std::move(message.fds[0]);
      ++folders_;
      accept_again_.reset();
      (void)::fcntl(inheritance_.listener.get(), F_SETFL, O_NONBLOCK);
      if (!watch(inheritance_.listener.get(), Source::kListener))
        accept_again_ = steady_clock::now() + kAcceptPause;
      return;
    case Word::kDeadline:
      if (message.fds.size() != 2) return;
      deadline_ = std::move(message.fds[0]);
      init_ = std::move(message.fds[1]);
      return;
    case Word::kStopping:
      facts_ |= Begin::kStopping;
      return;
    case Word::kMoved:
      facts_ |= Begin::kMoved;
      return;
    case Word::kReloaded:
      if (reload_ == Reload::kTold) reload_ = Reload::kNone;
      if (message.size != 0) wants_renewal_ = true;
      return;
    case Word::kFinished:
      finished_ = true;
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
    case Word::kReload:
    case Word::kDrain:
    case Word::kServe:
    case Word::kServedToEnd:
      break;
  }
  log::error("a worker says what only a keeper says");
  kill(employed);
}

void Keeper::kill(Employed& employed) {
  employed.worker->kill();
  if (&employed == worker_.get()) workers_.killed(steady_clock::now());
}

// Its place is to be another's. One that has not begun to serve has nothing to finish.
void Keeper::relieve(Employed& employed) {
  if (!employed.told_all || !employed.channel.send(Word::kDrain)) return kill(employed);
  employed.drains = true;
  employed.drained_by = steady_clock::now() + inheritance_.longest_drain;
}

void Keeper::worker_ready(Employed& employed, const Message& message) {
  if (employed.killed) return;  // it said so before
  employed.ready = true;
  set_patience(message.size);
  // Only one may serve. What the old one has not answered is in the slots.
  if (&employed == successor_.get()) return relieve(*worker_);
  report("ok");
}

// Of calls that wait for a worker.
void Keeper::set_patience(std::uint64_t seconds) {
  patience_ = std::min<std::uint64_t>(seconds, kLongestPatience);
  const std::chrono::seconds patience(static_cast<std::int64_t>(patience_));
  workers_.set_patience(patience);
  tracers_.set_patience(patience);
}

void Keeper::session_begun(const Message& message) {
  const auto connection = connections_.find(message.number);
  if (connection == connections_.end() || message.size >= Slots::kSessions) return;
  const auto fds = connection->second.runtime.fds();
  if (message.index >= fds.size()) return;
  sessions_[static_cast<unsigned>(message.size)] = {std::move(fds[message.index]), true,
                                                    file_of(message.number, message.index)};
  forget(connection);
  facts_ |= Begin::kCame;
}

// A hand-over may wait in the backlog of a runtime that has already ended. Where that cannot be seen yet, it
// is looked for again.
void Keeper::last_look() {
  if ((facts_ & Begin::kEnding) != 0) return;
  accept_connections();
  if (!connections_.empty() || !sessions_.empty() || accept_again_ || !worker_) return;
  stop_watching(inheritance_.listener.get());
  facts_ |= Begin::kEnding;
}

// --- what a worker is told ---------------------------------------------------------------------------

// Tells the worker what it does not know yet, as far as it listens.
void Keeper::tell() {
  tell_again_.reset();
  if (!worker_ || !worker_->ready || worker_->drains) return;
  const Status told = tell_all(*worker_);
  // Any other error means that it is dying, and its end will be told.
  const int why = told ? 0 : told.error().code;
  const bool full = why == EAGAIN;
  if (why == ETOOMANYREFS || why == ENOBUFS || why == ENOMEM) tell_again_ = steady_clock::now() + kTellPause;
  if (std::exchange(worker_->full, full) == full) return;
  struct epoll_event event {};
  event.events = EPOLLIN | (full ? EPOLLOUT : 0U);
  event.data.u64 = static_cast<std::uint64_t>(Source::kChannel) << kSourceShift | worker_->number;
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, worker_->channel.fd(), &event);
}

Status Keeper::tell_all(Employed& employed) {
  for (auto& [number, session] : sessions_) {
    if (session.told) continue;
    const int fd = session.notify_fd.get();
    TRY(employed.channel.send(Word::kSession, number, 0, std::span(&fd, 1)));
    session.told = true;
  }
  for (auto connection = connections_.begin(); connection != connections_.end();) {
    TRY(tell_connection(employed, connection->first, connection->second));
    connection = connection->second.failed ? forget(connection) : std::next(connection);
  }
  if (!std::exchange(employed.told_all, true)) {
    if (Status told = employed.channel.send(Word::kGo); !told) {
      employed.told_all = false;
      return told;
    }
  }
  if (reload_ == Reload::kWanted) {
    TRY(employed.channel.send(Word::kReload));
    reload_ = Reload::kTold;
  }
  if ((facts_ & Begin::kEnding) != 0 && !employed.told_end) {
    TRY(employed.channel.send(Word::kEnd));
    employed.told_end = true;
  }
  return {};
}

Status Keeper::tell_connection(Employed& employed, std::uint64_t number, Connection& connection) {
  RuntimeConnection& runtime = connection.runtime;
  if (connection.failed) return connection.told ? employed.channel.send(Word::kClosed, number, 1) : Status();
  if (!connection.told) {
    const int bytes = runtime.bytes();
    TRY(employed.channel.send(Word::kConnection, number, 0, std::span(&bytes, 1)));
    connection.told = true;
    finished_ = false;  // until the worker is done with it
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
  if (watch(inheritance_.listener.get(), Source::kListener)) accept_again_.reset();
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
    if (const Status watched = watch(fd, Source::kConnection, number); !watched) {
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
  stop_watching(connection->second.runtime.socket());
  connection->second.failed = true;  // until the worker has been told
}

Keeper::Connections::iterator Keeper::forget(Connections::iterator connection) {
  stop_watching(connection->second.runtime.socket());
  return connections_.erase(connection);
}

// --- what another keeper goes on with ----------------------------------------------------------------

UniqueFd Keeper::take_left(const std::string& name) {
  const auto found = inheritance_.left.find(name);
  if (found == inheritance_.left.end()) return {};
  deposited_.insert(name);
  return std::move(found->second);
}

// REQUIRES: no process is left that an earlier keeper has started.
Status Keeper::resume() {
  for (const auto& [name, fd] : inheritance_.left) deposited_.insert(name);
  testament_.emplace(TRY(KeptNames::open(take_left("testament"))));
  saved_ = TRY(testament_->load());
  const Testament testament = TRY(Testament::parse(saved_));
  inheritance_.state_folder = testament.state_folder;
  facts_ = testament.facts;
  folders_ = testament.folders;
  set_patience(testament.patience);
  next_connection_ = testament.next_connection;
  inheritance_.listener = take_left(listener_file(folders_));
  lock_ = take_left(lock_file(folders_));
  if (!inheritance_.listener.valid() || !lock_.valid())
    return fail(EPROTO, "the listener or the lock is missing");
  TRY(sign_lock(lock_, lock_text()));
  inheritance_.creator = take_left("creator");
  inheritance_.bundle_lock = take_left("bundle");
  grace_ = take_left("grace");
  deadline_ = take_left("deadline");
  init_ = take_left("init");
  slots_ = TRY(Slots::open(take_left("slots")));
  slots_->stand_ins().clear();
  names_.emplace(TRY(KeptNames::open(take_left("names"))));
  TRY(restore_sessions(testament));
  TRY(restore_connections(testament));
  adopt_unknown_session();
  inheritance_.left.clear();  // what nobody knows is closed, and dropped by save()
  return {};
}

Status Keeper::restore_sessions(const Testament& testament) {
  for (const auto& [number, file] : testament.sessions) {
    if (number >= Slots::kSessions) return fail(EPROTO, "session");
    UniqueFd notify_fd = take_left(file);
    if (notify_fd.valid()) {
      sessions_[number] = {std::move(notify_fd), false, file};
      continue;
    }
    log::error("a session was not kept; what it supervises fails closed",
               {{"folder", inheritance_.state_folder}});
    facts_ |= Begin::kOutlives;
  }
  return {};
}

Status Keeper::restore_connections(const Testament& testament) {
  for (const auto& each : testament.connections) {
    UniqueFd socket = take_left(socket_file(each.number));
    UniqueFd bytes = take_left(bytes_file(each.number));
    if (!socket.valid() || !bytes.valid()) continue;  // it had just come
    std::vector<UniqueFd> fds;
    for (std::size_t i = 0; i < RuntimeConnection::kMaxFds; ++i) {
      UniqueFd fd = take_left(file_of(each.number, i));
      if (!fd.valid()) break;
      fds.push_back(std::move(fd));
    }
    auto runtime =
        TRY(RuntimeConnection::restore(std::move(socket), std::move(bytes), std::move(fds), each.closed));
    Connection connection{std::move(runtime)};
    connection.deaths = static_cast<unsigned>(each.deaths);
    connections_.emplace(each.number, std::move(connection));
  }
  return {};
}

// The last worker may have begun a session, and died with the keeper before that had noted it. Then the slots
// tell its number, and the connection is still there. It is not begun again: what has been received would be
// forgotten, and so would be that the runtime's own calls are over.
void Keeper::adopt_unknown_session() {
  std::vector<unsigned> unknown;
  for (const unsigned number : slots_->sessions()) {
    if (number < Slots::kSessions && !sessions_.contains(number)) unknown.push_back(number);
  }
  if (unknown.empty()) return;
  facts_ |= Begin::kCame;
  std::vector<std::uint64_t> candidates;
  for (const auto& [number, connection] : connections_) {
    if (!connection.runtime.fds().empty()) candidates.push_back(number);
  }
  if (unknown.size() == 1 && candidates.size() == 1) {
    const auto connection = connections_.find(candidates.front());
    if (const auto fds = connection->second.runtime.fds(); fds.size() == 1) {
      sessions_[unknown.front()] = {std::move(fds.front()), false, file_of(connection->first, 0)};
      connections_.erase(connection);
      return;
    }
  }
  // With their descriptors closed nothing waits for ever.
  log::error("nobody knows which session is whose; what they supervise fails closed",
             {{"folder", inheritance_.state_folder}});
  for (const std::uint64_t number : candidates) connections_.erase(number);
  facts_ |= Begin::kOutlives;
}

std::map<std::string, int> Keeper::files() const {
  std::map<std::string, int> files = {{"testament", testament_->memory()},
                                      {"slots", slots_->memory()},
                                      {"names", names_->memory()},
                                      {listener_file(folders_), inheritance_.listener.get()},
                                      {lock_file(folders_), lock_.get()}};
  if (inheritance_.creator.valid()) files["creator"] = inheritance_.creator.get();
  if (inheritance_.bundle_lock.valid()) files["bundle"] = inheritance_.bundle_lock.get();
  if (grace_.valid()) files["grace"] = grace_.get();
  if (deadline_.valid()) files["deadline"] = deadline_.get();
  if (init_.valid()) files["init"] = init_.get();
  for (const auto& [number, connection] : connections_) {
    if (connection.failed) continue;
    files[socket_file(number)] = connection.runtime.socket();
    files[bytes_file(number)] = connection.runtime.bytes();
    const auto fds = connection.runtime.fds();
    for (std::size_t i = 0; i < fds.size(); ++i) files[file_of(number, i)] = fds[i].get();
  }
  for (const auto& [number, session] : sessions_) files[session.file] = session.notify_fd.get();
  return files;
}

Testament Keeper::testament() const {
  Testament testament;
  testament.state_folder = inheritance_.state_folder;
  testament.facts = facts_;
  testament.folders = folders_;
  testament.patience = patience_;
  testament.next_connection = next_connection_;
  for (const auto& [number, connection] : connections_) {
    if (connection.failed) continue;
    testament.connections.push_back({number, connection.runtime.closed(), connection.deaths});
  }
  for (const auto& [number, session] : sessions_) testament.sessions[number] = session.file;
  return testament;
}

// Files are kept before they are spoken of, and as long as they are: whenever this process dies, the next one
// finds all that it reads of.
void Keeper::save() {
  if (inheritance_.deposit == nullptr) return;
  const auto wanted = files();
  for (const auto& [name, fd] : wanted) {
    if (deposited_.insert(name).second) inheritance_.deposit->keep(name, fd);
  }
  if (std::string text = testament().text(); text != saved_) {
    if (const Status stored = testament_->store(text); !stored) {
      log::error("what is to outlive this process cannot be noted", {{"error", stored.error().message()}});
      return;
    }
    saved_ = std::move(text);
  }
  for (auto each = deposited_.begin(); each != deposited_.end();) {
    if (wanted.contains(*each)) {
      ++each;
      continue;
    }
    inheritance_.deposit->drop(*each);
    each = deposited_.erase(each);
  }
}

void Keeper::drop_deposit() {
  if (inheritance_.deposit == nullptr) return;
  for (const std::string& name : deposited_) inheritance_.deposit->drop(name);
  deposited_.clear();
}

// --- the end -----------------------------------------------------------------------------------------

// With no session a worker has nothing under way that another container could lose by its end: it goes by
// itself when its channel has closed, whatever it may be doing until it looks. done_: none takes its place.
void Keeper::withdraw() {
  report("the container was given up");
  if (!sessions_.empty() || !connections_.empty() || !worker_ || successor_) return end();
  done_ = true;
  stop_watching(inheritance_.listener.get());
  stop_watching(worker_->channel.fd());
  worker_->channel = Channel(UniqueFd());
}

void Keeper::end() { over_ = true; }

// Answers EPERM to what waits; what comes after that finds the descriptor closed.
void Keeper::refuse_notifications() {
  // Who is refused may call again at once, for ever, and a node's agent has others to look after.
  constexpr std::chrono::seconds kLongest{1};
  const Time end = steady_clock::now() + kLongest;
  // Receiving waits where a target has just gone. Whatever happens, it is taken out of that.
  const Interruptions interruptions(kLongest);
  for (auto& [number, session] : sessions_) {
    const int fd = session.notify_fd.get();
    for (Slot* const slot : slots_->take_over(number)) {
      const std::uint64_t id = slots_->notification(*slot).get().id;
      if (id != 0) (void)seccomp::answer_errno(fd, id, EPERM);
    }
    auto buffer = seccomp::NotificationBuffer::make();
    struct pollfd waiting = {fd, POLLIN, 0};
    while (buffer && steady_clock::now() < end && ::poll(&waiting, 1, 0) == 1 &&
           (waiting.revents & POLLIN) != 0) {
      if (!seccomp::receive(fd, *buffer)) break;
      (void)seccomp::answer_errno(fd, buffer->get().id, EPERM);
    }
  }
  sessions_.clear();
}

}  // namespace tidewaiter::supervisor

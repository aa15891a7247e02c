#include "supervisor/worker/agent.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <span>
#include <utility>

#include "oci/base/log.h"
#include "oci/base/system.h"
#include "oci/base/unix_socket.h"
#include "oci/container/agent_launcher.h"
#include "oci/container/bundle.h"
#include "oci/container/directories.h"
#include "supervisor/keeper/state_lock.h"
#include "supervisor/report/event_file.h"
#include "supervisor/worker/cgroup.h"
#include "supervisor/worker/reload.h"
#include "supervisor/worker/spare_memory.h"

namespace tidewaiter::supervisor {
namespace {

// How often abandoned calls are looked for while any call waits.
constexpr std::chrono::milliseconds kAbandonedInterval{20};

// How often it is looked whether anything is served still, while others wait for the end of that.
constexpr std::chrono::milliseconds kDrainInterval{2};

// How often a state folder that is being removed is made again before the next event has to ask for it.
constexpr int kRestoreAttempts = 10;

Result<Message> first_words(const Channel& keeper) {
  auto message = TRY(keeper.receive());
  if (!message || message->word != Word::kBegin || message->fds.size() < 2) return fail(EPROTO, "keeper");
  return std::move(*message);
}

// Whether an earlier worker had begun to remove the state folder, and has come past its record. Who may be
// needed again has removed nothing (clean_up).
bool half_removed(const Message& begin) {
  if ((begin.number & Begin::kEnding) == 0 || (begin.number & Begin::kOutlives) != 0) return false;
  const auto record = sys::stat(begin.text + "/" + container::Record::kFileName);
  return !record && record.error().code == ENOENT;
}

Status finish_cleaning_up(const std::string& state_folder, const Channel& keeper) {
  TRY(sys::remove_tree(state_folder));
  return keeper.send(Word::kDone);
}

}  // namespace

Result<std::unique_ptr<Agent>> Agent::make(Kernel& kernel, Channel keeper, const Confine& confine,
                                           FolderWatches* watches) {
  Message begin = TRY(first_words(keeper));
  // Not later: `begin` is an agent's by then.
  const bool removed = half_removed(begin);
  const std::string state_folder = begin.text;
  const auto made = [&]() -> Result<std::unique_ptr<Agent>> {
    if (begin.index != kProtocol) return fail(EPROTO, "the agent is of another version");
    if (confine) TRY(in_context("confine", confine((begin.number & Begin::kTracer) == 0)));
    auto slots = TRY(Slots::open(std::move(begin.fds.front())));
    if ((begin.number & Begin::kShared) == 0) TRY(slots->share_log_bound());
    auto record = TRY(container::read_record(begin.text));
    auto kept = std::make_unique<KeptNames>(TRY(KeptNames::open(std::move(begin.fds[1]))));
    auto supervision = TRY(Supervision::make(record, dns_resolver(), {}, kept.get()));
    std::unique_ptr<Agent> agent(new Agent(kernel, std::move(keeper), std::move(begin), std::move(slots),
                                           std::move(kept), std::move(record), std::move(supervision)));
    agent->watches_ = watches;
    if (Status prepared = agent->prepare(); !prepared) {
      keeper = std::move(agent->keeper_);
      return tl::unexpected(prepared.error());
    }
    return agent;
  };
  auto agent = made();
  if (agent) {
    TRY((*agent)->keeper_.send(Word::kReady, 0, (*agent)->record_.restart_seconds));
    return agent;
  }
  if (removed) {
    TRY(finish_cleaning_up(state_folder, keeper));
    return agent;
  }
  (void)keeper.send(Word::kFailed, 0, 0, {},
                    std::string_view(agent.error().message()).substr(0, Channel::kMostText));
  return agent;
}

Agent::Agent(Kernel& kernel, Channel keeper, Message begin, std::unique_ptr<Slots> slots,
             std::unique_ptr<KeptNames> kept_names, container::Record record, Supervision supervision)
    : kernel_(kernel),
      keeper_(std::move(keeper)),
      keeper_pid_(static_cast<pid_t>(begin.size)),
      facts_(begin.number),
      state_folder_(std::move(begin.text)),
      slots_(std::move(slots)),
      kept_names_(std::move(kept_names)),
      record_(std::move(record)),
      supervision_(std::move(supervision)) {
  record_.own_seccomp.reset();
  auto next = begin.fds.begin() + 2;
  const auto take = [&](std::uint64_t fact, UniqueFd& fd) {
    if ((facts_ & fact) != 0 && next != begin.fds.end()) fd = std::move(*next++);
  };
  take(Begin::kCreator, creator_);
  take(Begin::kBundle, bundle_lock_);
  take(Begin::kGrace, grace_);
  UniqueFd timer;
  UniqueFd first_process;
  take(Begin::kDeadline, timer);
  take(Begin::kDeadline, first_process);
  if (first_process.valid()) deadline_.emplace(std::move(timer), std::move(first_process));
  UniqueFd requests;
  UniqueFd notified;
  take(Begin::kTracer, requests);
  take(Begin::kTracer, notified);
  if (notified.valid()) {
    tracer_ = std::make_unique<RemoteTracer>(kernel_, std::move(requests), std::move(notified),
                                             slots_->stand_ins(), slots_->tracer_refusals());
  }
  bundle_restored_ = (facts_ & Begin::kRestored) != 0;
  may_outlive_ = (facts_ & Begin::kOutlives) != 0;
  creator_pending_ = creator_.valid() || (facts_ & Begin::kCame) == 0;
}

Agent::~Agent() {
  if (watches_ != nullptr && folder_changed_.valid()) watches_->forget(folder_changed_.get());
}

Status Agent::prepare() {
  epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return fail(errno, "epoll_create1");
  TRY(watch(keeper_.fd(), EPOLLIN));
  wake_ = TRY(sys::eventfd(0, EFD_NONBLOCK));
  TRY(watch(wake_.get(), EPOLLIN));
  // A user has so many inotify instances, and a container of the same user may have taken them all.
  if (const Status watched = watch_state_folder(); !watched) {
    log::warning("the state folder is not watched; should somebody remove it, it stays away",
                 {{"folder", state_folder_}, {"error", watched.error().message()}});
  }
  if (creator_.valid()) TRY(watch(creator_.get(), EPOLLIN));
  if (grace_.valid()) TRY(watch(grace_.get(), EPOLLIN));
  if (deadline_) TRY(watch(deadline_->timer(), EPOLLIN));
  if (!record_.id.empty()) TRY(adopt_id(record_.id));
  Status opened = open_hosts();
  // The container that is being created needs it; a running one is not to end for it.
  if (opened || (facts_ & Begin::kCame) == 0) return opened;
  log::warning("the container's hosts file is not kept up to date", {{"error", opened.error().message()}});
  hosts_.reset();
  return {};
}

Status Agent::open_hosts() {
  Destinations* destinations = supervision_.destinations();
  if (destinations == nullptr || !destinations->next_refresh() || !record_.hosts) return {};
  hosts_ = TRY(container::HostsFile::open(state_folder_ + "/" + container::Record::kHostsName, *record_.hosts,
                                          record_.pinned_hosts));
  // The runtime is about to look at it, or an earlier worker has written the same.
  return hosts_->write(hosts_lines(destinations->present()));
}

// An error: a denied name may get an address that nobody learns of.
Status Agent::follow_names() {
  Destinations* destinations = supervision_.destinations();
  if (destinations == nullptr || !destinations->next_refresh()) return {};
  destinations->take_over(supervision_.policy());
  if (hosts_) {
    if (const Status written = hosts_->write(hosts_lines(destinations->present())); !written) {
      log::warning("cannot write the container's hosts file", {{"error", written.error().message()}});
    }
  }
  names_ = TRY(NameKeeper::start(supervision_.policy(), *destinations, dns_resolver(), std::move(hosts_)));
  return {};
}

Status Agent::watch_state_folder() {
  if (watches_ != nullptr) {
    if (!folder_changed_.valid()) {
      folder_changed_ = TRY(sys::eventfd(0, EFD_NONBLOCK));
      TRY(watch(folder_changed_.get(), EPOLLIN));
    }
    return watches_->add(state_folder_, folder_changed_.get());
  }
  inotify_ = UniqueFd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify_.valid()) return fail(errno, "inotify_init1");
  if (::inotify_add_watch(inotify_.get(), state_folder_.c_str(),
                          IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF) < 0) {
    return fail(errno, "watch " + state_folder_);
  }
  return watch(inotify_.get(), EPOLLIN);
}

Status Agent::watch(int fd, std::uint32_t events) {
  struct epoll_event event {};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail(errno, "epoll_ctl");
  return {};
}

void Agent::stop_watching(int fd) { (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

Status Agent::run() {
  while (!ending_ && !drained()) {
    std::array<struct epoll_event, 16> ready;
    const int count = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), timeout());
    if (count < 0 && errno != EINTR) return fail(errno, "epoll_wait");
    for (int i = 0; i < count; ++i) {
      const int fd = ready[static_cast<std::size_t>(i)].data.fd;
      if (fd == keeper_.fd()) {
        TRY(hear());
      } else {
        dispatch(fd);
      }
    }
    anything_waits_ = look_after_sessions();
    // The keeper has the last look: a hand-over may be on its way.
    if (finished() && !draining_ && !std::exchange(told_finished_, true)) {
      TRY(keeper_.send(Word::kFinished));
    }
  }
  // Whoever waits for the end finds all that happened before it.
  if (events_ != nullptr) events_->flush();
  if (!ending_) return {};
  clean_up();
  return keeper_.send(Word::kDone);
}

int Agent::timeout() const {
  if (!anything_waits_) return -1;
  return static_cast<int>((draining_ ? kDrainInterval : kAbandonedInterval).count());
}

// What a session has not answered is left in the slots.
void Agent::begin_drain() {
  draining_ = true;
  for (const auto& session : sessions_) session->begin_drain();
}

bool Agent::drained() const {
  return draining_ && std::all_of(sessions_.begin(), sessions_.end(),
                                  [](const auto& session) { return session->ended(); });
}

bool Agent::look_after_sessions() {
  bool any = false;
  for (auto session = sessions_.begin(); session != sessions_.end();) {
    // Of one that has ended because it was drained the container knows nothing.
    if (!(*session)->ended() || draining_) {
      any |= (*session++)->look_after();
      continue;
    }
    const bool gave_up = (*session)->gave_up();
    if (gave_up) {
      log::error("a session cannot go on; what it supervises fails closed", {{"container", record_.id}});
      may_outlive_ = true;
    }
    // Not left to closing: the runtime may hold a copy.
    stop_watching((*session)->notify_fd());
    const unsigned number = (*session)->number();
    session = sessions_.erase(session);
    (void)keeper_.send(Word::kSessionEnded, number, gave_up ? 1 : 0);
  }
  return any;
}

bool Agent::finished() const {
  return gone_ && !creator_pending_ && connections_.empty() && sessions_.empty();
}

void Agent::dispatch(int fd) {
  if (fd == wake_.get()) {
    eventfd_t count = 0;
    (void)::eventfd_read(wake_.get(), &count);
  } else if (fd == creator_.get()) {
    restore_bundle();
    creator_pending_ = false;
    stop_watching(creator_.get());  // the keeper has a copy
    creator_.reset();
  } else if (fd == grace_.get()) {
    creator_pending_ = false;
    stop_watching(grace_.get());
    grace_.reset();
  } else if (deadline_ && fd == deadline_->timer()) {
    stop_container();
  } else if (fd == inotify_.get() || fd == folder_changed_.get()) {
    if (const Status restored = restore_state_folder(); !restored) {
      log::error("the state folder was removed and cannot be made again",
                 {{"folder", state_folder_}, {"error", restored.error().message()}});
    }
  } else if (const auto session = std::find_if(sessions_.begin(), sessions_.end(),
                                               [&](const auto& each) { return each->notify_fd() == fd; });
             session != sessions_.end()) {
    // An error is told as well, where a signal keeps the kernel from looking (Session::hung_up()): no end.
    if (!(*session)->hung_up()) return;
    // It would be told again and again until the threads have ended.
    stop_watching(fd);
    (*session)->begin_stop();
  }
}

Status Agent::hear() {
  auto message = TRY(keeper_.receive());
  Status obeyed = message ? obey(std::move(*message)) : Status();
  // To begin a session takes more of it than anything that comes after.
  if ((facts_ & Begin::kShared) != 0) give_back_stack();
  return obeyed;
}

Status Agent::obey(Message message) {
  const auto connection = connections_.find(message.number);
  const bool known = connection != connections_.end();
  switch (message.word) {
    case Word::kSession:
      if (message.fds.size() != 1) return fail(EPROTO, "session");
      inherited_[static_cast<unsigned>(message.number)] = std::move(message.fds.front());
      return {};
    case Word::kConnection:
      if (message.fds.size() != 1) return fail(EPROTO, "connection");
      connections_.emplace(message.number, Connection{HandoverMessage(std::move(message.fds.front()))});
      told_finished_ = false;
      return {};
    case Word::kBytes:
      if (!known) return {};  // it was done
      if (!message.fds.empty()) connection->second.message.add_fds(std::move(message.fds));
      connection->second.size = message.size;
      if (gone_) read_connection(message.number);
      return {};
    case Word::kClosed:
      if (!known) return {};
      if (message.size != 0) {
        connections_.erase(connection);
        return {};
      }
      connection->second.closed = true;
      if (gone_) read_connection(message.number);
      return {};
    case Word::kGo:
      TRY(go());
      return keeper_.send(Word::kServing);
    case Word::kEnd:
      ending_ = true;
      return {};
    case Word::kReload:
      return keeper_.send(Word::kReloaded, 0, reload_policy() ? 1 : 0);
    case Word::kDrain:
      begin_drain();
      return {};
    case Word::kBegin:
    case Word::kReady:
    case Word::kServing:
    case Word::kFailed:
    case Word::kSessionBegun:
    case Word::kConnectionDone:
    case Word::kSessionEnded:
    case Word::kRestored:
    case Word::kLock:
    case Word::kListener:
    case Word::kDeadline:
    case Word::kStopping:
    case Word::kMoved:
    case Word::kReloaded:
    case Word::kFinished:
    case Word::kDone:
    case Word::kServe:
    case Word::kServedToEnd:
      break;
  }
  return fail(EPROTO, "keeper");
}

// All that earlier workers have left is known. An error: the next worker may have what this one could not.
Status Agent::go() {
  gone_ = true;
  std::vector<unsigned> known;
  known.reserve(inherited_.size());
  for (const auto& [number, notify_fd] : inherited_) known.push_back(number);
  slots_->forget_others(known);
  if ((facts_ & Begin::kMoved) == 0) leave_cgroup();
  // Nobody else does any more. What the policy's rules need they have already.
  TRY(in_context("follow host names", follow_names()));
  // Until now somebody else may have written to it.
  if (events_ != nullptr) {
    if (const Status resumed = events_->resume(); !resumed) {
      log::error("cannot go on with the event log as another worker left it",
                 {{"container", record_.id}, {"error", resumed.error().message()}});
    }
  }
  for (auto& [number, notify_fd] : inherited_) {
    TRY(in_context("go on with a session", start_session(number, std::move(notify_fd))));
  }
  inherited_.clear();
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, connection] : connections_) numbers.push_back(number);
  for (const std::uint64_t number : numbers) read_connection(number);
  return {};
}

// Not worth failing a container for.
void Agent::leave_cgroup() {
  const auto mounts = sys::read_file("/proc/self/mountinfo");
  const std::array<pid_t, 2> both{::getpid(), keeper_pid_};
  const Status left = mounts ? leave_callers_cgroup(*mounts, both) : tl::unexpected(mounts.error());
  if (!left) log::info("the agent stays in its caller's cgroup", {{"error", left.error().message()}});
  (void)keeper_.send(Word::kMoved);
}

void Agent::read_connection(std::uint64_t number) {
  Connection& connection = connections_.at(number);
  const auto progress = connection.message.read(connection.size, connection.closed);
  if (progress && *progress == HandoverMessage::Progress::kWaiting) return;
  Status result;
  if (!progress) {
    result = tl::unexpected(progress.error());
  } else if (*progress == HandoverMessage::Progress::kComplete) {
    auto handover = connection.message.take();
    result = handover ? begin_session(number, std::move(*handover)) : tl::unexpected(handover.error());
  }
  if (!result) {
    log::error("a hand-over failed; what it supervises fails closed",
               {{"container", record_.id}, {"error", result.error().message()}});
  }
  connections_.erase(number);
  (void)keeper_.send(Word::kConnectionDone, number);
}

std::optional<unsigned> Agent::free_number() const {
  for (unsigned number = 0; number < Slots::kSessions; ++number) {
    if (std::none_of(sessions_.begin(), sessions_.end(),
                     [&](const auto& each) { return each->number() == number; })) {
      return number;
    }
  }
  return std::nullopt;
}

Status Agent::begin_session(std::uint64_t connection, Handover handover) {
  const std::string& id = handover.state.id;
  if (record_.id.empty()) TRY(adopt_id(id));
  if (id != record_.id)
    return fail("container \"" + id + "\" has come to the agent of \"" + record_.id + "\"");
  const auto number = free_number();
  if (!number) return fail(EMFILE, "too many processes executed into the container");
  // Not when the one before ends: it may have ended without its filter.
  slots_->begin(*number);
  TRY(set_deadline(handover));
  // From here on the keeper passes it on, with whatever is noted under that number.
  TRY(keeper_.send(Word::kSessionBegun, connection, *number, {}, {},
                   static_cast<std::uint32_t>(handover.index)));
  if (Status started = start_session(*number, std::move(handover.notify_fd)); !started) {
    may_outlive_ = true;
    (void)keeper_.send(Word::kSessionEnded, *number, 1);
    return started;
  }
  restore_bundle();
  if (!creator_.valid()) creator_pending_ = false;
  return {};
}

Status Agent::start_session(unsigned number, UniqueFd notify_fd) {
  auto session = TRY(Session::start(kernel_, std::move(notify_fd), record_.id, supervision_, *events_,
                                    wake_.get(), *slots_, number, tracer_.get()));
  TRY(watch(session->notify_fd(), 0));
  sessions_.push_back(std::move(session));
  return {};
}

// The first hand-over is that of the container, later ones are of what is executed in it.
Status Agent::set_deadline(const Handover& handover) {
  if (!record_.timeout || deadline_) return {};
  if ((facts_ & Begin::kOutlives) != 0) {
    log::warning("an agent has died, and with it when the container was to be stopped",
                 {{"container", record_.id}});
    return {};
  }
  const pid_t first = handover.state.init_pid != 0 ? handover.state.init_pid : handover.state.pid;
  deadline_ = TRY(Deadline::set(first, handover.notify_fd.get(), std::chrono::seconds(*record_.timeout),
                                std::chrono::seconds(record_.stop_grace)));
  if (!deadline_) return {};
  TRY(watch(deadline_->timer(), EPOLLIN));
  return keeper_.send(Word::kDeadline, 0, 0, std::array{deadline_->timer(), deadline_->first_process()});
}

// Asked to end when the time is over, killed each time after that.
void Agent::stop_container() {
  if (!deadline_->passed()) return;
  const bool asked = (facts_ & Begin::kStopping) != 0;
  facts_ |= Begin::kStopping;
  // Before: whoever dies in between leaves one to the next that kills.
  (void)keeper_.send(Word::kStopping);
  const Status sent = deadline_->signal(asked ? SIGKILL : static_cast<int>(record_.stop_signal));
  if (sent) {
    events_->append(to_json_line(stop_event(asked)));
  } else if (sent.error().code != ESRCH) {
    log::error("the container's time is over, and it cannot be stopped",
               {{"container", record_.id}, {"error", sent.error().message()}});
  }
}

Event Agent::stop_event(bool killed) const {
  Event event;
  event.container = record_.id;
  event.policy = supervision_.policy().name;
  event.rule = "/limits/timeout";
  event.category = policy::Category::kProcess;
  event.identity.pid = deadline_->first_pid();
  event.verdict = killed ? EventVerdict::kKilled : EventVerdict::kStopped;
  event.reason = killed ? "it did not end when it was asked to" : "its time is over";
  event.received = std::chrono::steady_clock::now();
  return event;
}

Status Agent::adopt_id(const std::string& id) {
  const std::string parent = std::filesystem::path(state_folder_).parent_path();
  const std::string name = TRY(container::state_folder_name(id, parent));
  events_ = std::make_unique<EventLog>(
      TRY(EventLog::open(record_.log_directory, name, record_.log_max_bytes, &slots_->event_counts())));
  const std::string link = parent + "/" + name;
  container::Record named = record_;
  named.id = id;
  if (link != state_folder_) {
    // So that `status` and `exec` find it by the container's id.
    // An earlier worker may have made it.
    if (::symlink(state_folder_.c_str(), link.c_str()) != 0 &&
        (errno != EEXIST || sys::readlink(link).value_or("") != state_folder_)) {
      return fail(errno, "link " + link);
    }
    if (Status written = container::write_record(state_folder_, whole(named)); !written) {
      (void)sys::unlink(link);
      return written;
    }
    id_link_ = link;
  }
  // Last: until all of that stands, the id is not ours.
  record_ = std::move(named);
  return {};
}

Status Agent::restore_state_folder() {
  std::array<char, 4096> ignored;
  const int changed = folder_changed_.valid() ? folder_changed_.get() : inotify_.get();
  while (::read(changed, ignored.data(), ignored.size()) > 0) {
  }
  Status made;
  // Who removes it may not have finished: once all is in its place and watched, look again.
  for (int attempt = 0; attempt < kRestoreAttempts && !state_folder_is_whole(); ++attempt) {
    log::warning("the state folder lost a file; making it again", {{"folder", state_folder_}});
    made = make_state_folder();
  }
  return made;
}

bool Agent::in_state_folder(const char* name) const {
  return sys::stat(state_folder_ + "/" + name).has_value();
}

bool Agent::state_folder_is_whole() const {
  using container::Record;
  return in_state_folder(Record::kFileName) && in_state_folder(Record::kSocketName) &&
         container::agent_alive(state_folder_);
}

bool Agent::another_serves() const {
  const pid_t pid = container::agent_pid(state_folder_);
  return pid != 0 && pid != keeper_pid_;
}

// The keeper holds it, unless it is not the keeper's any more.
Status Agent::hold_lock() {
  // A node's keeper signs it itself: who read its pid alone would take it for this container's agent, and
  // end it for all of them.
  const bool shared = (facts_ & Begin::kShared) != 0;
  const auto lock = lock_state_folder(state_folder_, shared ? "" : container::lock_text(keeper_pid_, ""));
  if (lock) return keeper_.send(Word::kLock, 0, 0, std::array{lock->get()});
  if (lock.error().code == EWOULDBLOCK && !another_serves()) return {};
  return tl::unexpected(lock.error());
}

// Only what is missing: runtimes may be on their way to the socket.
Status Agent::make_state_folder() {
  using container::Record;
  TRY(sys::make_directories(state_folder_, 0700));
  TRY(watch_state_folder());
  TRY(hold_lock());
  if (!in_state_folder(Record::kFileName)) TRY(container::write_record(state_folder_, whole(record_)));
  if (!in_state_folder(Record::kSocketName)) {
    const UniqueFd listener = TRY(listen_unix(state_folder_ + "/" + Record::kSocketName));
    TRY(keeper_.send(Word::kListener, 0, 0, std::array{listener.get()}));
  }
  return {};
}

void Agent::restore_bundle() {
  if (bundle_restored_ || record_.config_path.empty()) return;
  const bool locked = bundle_lock_.valid();
  const Status restored = locked ? container::Bundle::restore(record_.config_path, record_.config_owner)
                                 : container::Bundle::restore_if_idle(record_.config_path);
  bundle_lock_.reset();
  bundle_restored_ = restored.has_value();
  // It has the lock as well.
  (void)keeper_.send(Word::kRestored, 0, restored ? 1 : 0);
  if (!restored) {
    log::error("cannot restore the bundle's config",
               {{"container", record_.id}, {"error", restored.error().message()}});
  }
}

// It is not put into effect here: the sessions' threads use what the old one was made into. Another worker
// takes this one's place, as always, and decides anew on what has not been answered.
bool Agent::reload_policy() {
  auto changed = reread_policy(whole(record_));
  if (changed && !*changed) return false;
  Status written;
  if (changed) {
    written = container::write_record(state_folder_, **changed);
  } else {
    written = tl::unexpected(changed.error());
  }
  if (!written) {
    log::error("a changed policy is not taken: the container keeps the one it has",
               {{"container", record_.id}, {"error", written.error().message()}});
    return false;
  }
  record_.policy_text = std::move((**changed).policy_text);
  log::info("a changed policy is taken", {{"container", record_.id}, {"policy", record_.policy_path}});
  return true;
}

container::Record Agent::whole(container::Record record) const {
  const std::string& own_seccomp = supervision_.own_seccomp();
  if (!own_seccomp.empty()) record.own_seccomp = nlohmann::ordered_json::parse(own_seccomp);
  return record;
}

void Agent::clean_up() {
  // An agent before us died, and with it the knowledge of what else still runs in the container: `exec` will
  // need the folder again, and `delete` removes it.
  if (may_outlive_) return;
  restore_bundle();
  if (another_serves()) return;
  // The folder first: closing an inotify takes the kernel 20 ms, for which `delete` would wait.
  if (!id_link_.empty()) (void)sys::unlink(id_link_);
  if (const Status removed = sys::remove_tree(state_folder_); !removed) {
    log::error("cannot remove the state folder",
               {{"folder", state_folder_}, {"error", removed.error().message()}});
  }
  if (const Status pruned = prune_logs(record_.log_directory, record_.log_total_bytes); !pruned) {
    log::warning("cannot prune old event logs", {{"error", pruned.error().message()}});
  }
}

}  // namespace tidewaiter::supervisor

#include "supervisor/agent.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>

#include "oci/base/log.h"
#include "oci/base/system.h"
#include "oci/base/unix_socket.h"
#include "oci/container/bundle.h"
#include "oci/container/directories.h"

namespace tidewaiter::supervisor {
namespace {

// Connections that may be open at once. Each is a runtime's, one for `create` and one for each `exec` under
// way.
constexpr std::size_t kMaxConnections = 64;

// Filters that may be served at once: the container's own and one for each process executed into it.
constexpr std::size_t kMaxSessions = 1024;

// How often abandoned calls are looked for while any call waits.
constexpr std::chrono::milliseconds kAbandonedInterval{20};

// How often a state folder that is being removed is made again before the next event has to ask for it.
constexpr int kRestoreAttempts = 10;

// How long to leave the listener alone when there was no descriptor for a connection.
constexpr std::chrono::milliseconds kAcceptPause{500};

// How long a runtime may take to come after podman's precreate hook, which is not told its pid.
constexpr std::chrono::seconds kGrace{120};

Result<UniqueFd> make_signalfd() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  // Before any thread is started, so that all inherit it and only the descriptor tells of them.
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

Result<std::unique_ptr<Agent>> Agent::make(Kernel& kernel, AgentInheritance inheritance) {
  auto record = TRY(container::read_record(inheritance.state_folder));
  auto supervision = TRY(Supervision::make(record));
  std::unique_ptr<Agent> agent(
      new Agent(kernel, std::move(inheritance), std::move(record), std::move(supervision)));
  TRY(agent->prepare());
  return agent;
}

Agent::Agent(Kernel& kernel, AgentInheritance inheritance, container::Record record, Supervision supervision)
    : kernel_(kernel),
      inheritance_(std::move(inheritance)),
      record_(std::move(record)),
      supervision_(std::move(supervision)) {}

Status Agent::prepare() {
  const std::string lock_path = inheritance_.state_folder + "/" + container::Record::kLockName;
  may_outlive_ = sys::stat(lock_path).has_value();
  TRY(lock_state_folder());
  epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return fail(errno, "epoll_create1");
  signals_ = TRY(make_signalfd());
  TRY(watch(signals_.get(), EPOLLIN));
  wake_ = TRY(sys::eventfd(0, EFD_NONBLOCK));
  TRY(watch(wake_.get(), EPOLLIN));
  TRY(watch(inheritance_.listener.get(), EPOLLIN));
  TRY(watch_state_folder());
  if (inheritance_.creator.valid()) {
    TRY(watch(inheritance_.creator.get(), EPOLLIN));
  } else {
    grace_ = TRY(make_timer(kGrace));
    TRY(watch(grace_.get(), EPOLLIN));
  }
  if (!record_.id.empty()) TRY(adopt_id(record_.id));
  return follow_names();
}

Status Agent::follow_names() {
  Destinations* destinations = supervision_.destinations();
  if (destinations == nullptr || !destinations->next_refresh()) return {};
  std::optional<container::HostsFile> hosts;
  if (record_.hosts) {
    hosts = TRY(container::HostsFile::open(inheritance_.state_folder + "/" + container::Record::kHostsName,
                                           *record_.hosts));
    TRY(hosts->write(hosts_lines(destinations->present())));
  }
  names_ = TRY(NameKeeper::start(supervision_.policy(), *destinations, dns_resolver(), std::move(hosts)));
  return {};
}

Status Agent::lock_state_folder() {
  const std::string path = inheritance_.state_folder + "/" + container::Record::kLockName;
  lock_ = TRY(sys::open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(errno, "another agent serves " + inheritance_.state_folder);
  }
  if (::ftruncate(lock_.get(), 0) != 0) return fail(errno, path);
  return sys::write_all(lock_.get(), std::to_string(::getpid()) + "\n");
}

Status Agent::watch_state_folder() {
  inotify_ = UniqueFd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify_.valid()) return fail(errno, "inotify_init1");
  if (::inotify_add_watch(inotify_.get(), inheritance_.state_folder.c_str(),
                          IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF) < 0) {
    return fail(errno, "watch " + inheritance_.state_folder);
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
  while (!terminated_) {
    // Only when nothing is left to look at may `finished` count: a hand-over may wait in the backlog of a
    // runtime that has already ended.
    const bool last_look = finished();
    std::array<struct epoll_event, 16> ready;
    const int count =
        ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), last_look ? 0 : timeout());
    if (count < 0 && errno != EINTR) return fail(errno, "epoll_wait");
    if (count == 0 && last_look) break;
    for (int i = 0; i < count; ++i) dispatch(ready[static_cast<std::size_t>(i)].data.fd);
    resume_accepting();
    anything_waits_ = look_after_sessions();
  }
  if (!terminated_) clean_up();
  return {};
}

int Agent::timeout() const {
  if (anything_waits_) return static_cast<int>(kAbandonedInterval.count());
  if (accept_again_) return static_cast<int>(kAcceptPause.count());
  return -1;
}

bool Agent::look_after_sessions() {
  bool any = false;
  for (auto session = sessions_.begin(); session != sessions_.end();) {
    if (!(*session)->ended()) {
      any |= (*session++)->interrupt_abandoned();
      continue;
    }
    if ((*session)->gave_up()) {
      log::error("a session cannot go on; what it supervises fails closed", {{"container", record_.id}});
      may_outlive_ = true;
    }
    // Not left to closing: the runtime may hold a copy.
    stop_watching((*session)->notify_fd());
    session = sessions_.erase(session);
  }
  return any;
}

bool Agent::finished() const { return !creator_pending_ && connections_.empty() && sessions_.empty(); }

void Agent::dispatch(int fd) {
  if (fd == inheritance_.listener.get()) {
    accept_connections();
  } else if (fd == wake_.get()) {
    eventfd_t count = 0;
    (void)::eventfd_read(wake_.get(), &count);
  } else if (fd == signals_.get()) {
    terminated_ = true;
  } else if (fd == inheritance_.creator.get()) {
    restore_bundle();
    creator_pending_ = false;
    inheritance_.creator.reset();  // leaves epoll with its last reference
  } else if (fd == grace_.get()) {
    creator_pending_ = false;
    grace_.reset();
  } else if (fd == inotify_.get()) {
    if (const Status restored = restore_state_folder(); !restored) {
      log::error("the state folder was removed and cannot be made again",
                 {{"folder", inheritance_.state_folder}, {"error", restored.error().message()}});
    }
  } else if (const auto session = std::find_if(sessions_.begin(), sessions_.end(),
                                               [&](const auto& each) { return each->notify_fd() == fd; });
             session != sessions_.end()) {
    // The only event asked for is the hang-up. It would be told again and again until the threads have ended.
    stop_watching(fd);
    (*session)->begin_stop();
  } else if (const auto connection = std::find_if(connections_.begin(), connections_.end(),
                                                  [&](const auto& each) { return each.socket() == fd; });
             connection != connections_.end()) {
    read_connection(connection);
  }
}

// Out of descriptors or memory: the connection stays in the backlog, and asking again at once would only burn
// the processor.
void Agent::pause_accepting(int reason) {
  log::error("cannot accept a connection; trying again in a moment",
             {{"error", Error{reason, ""}.message()}});
  stop_watching(inheritance_.listener.get());
  accept_again_ = std::chrono::steady_clock::now() + kAcceptPause;
}

void Agent::resume_accepting() {
  const auto now = std::chrono::steady_clock::now();
  if (!accept_again_ || now < *accept_again_) return;
  accept_again_ = now + kAcceptPause;
  if (watch(inheritance_.listener.get(), EPOLLIN)) accept_again_.reset();
}

void Agent::accept_connections() {
  for (;;) {
    UniqueFd socket(::accept4(inheritance_.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) {
      if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) pause_accepting(errno);
      return;
    }
    if (connections_.size() >= kMaxConnections) {
      log::error("too many connections; one is refused", {{"container", record_.id}});
      continue;
    }
    auto connection = HandoverConnection::make(std::move(socket));
    if (!connection) {
      log::error("a connection is refused", {{"error", connection.error().message()}});
      continue;
    }
    connections_.push_back(std::move(*connection));
    if (const Status watched = watch(connections_.back().socket(), EPOLLIN); !watched) {
      log::error("cannot watch a connection", {{"error", watched.error().message()}});
      connections_.pop_back();
      continue;
    }
    // Mostly the message is there already, and its sender's container waits in its first call.
    read_connection(std::prev(connections_.end()));
  }
}

void Agent::read_connection(std::list<HandoverConnection>::iterator connection) {
  const auto progress = connection->read();
  if (progress && *progress == HandoverConnection::Progress::kWaiting) return;
  Status result;
  if (!progress) {
    result = tl::unexpected(progress.error());
  } else if (*progress == HandoverConnection::Progress::kComplete) {
    auto handover = connection->take();
    result = handover ? begin_session(std::move(*handover)) : tl::unexpected(handover.error());
  }
  if (!result) {
    log::error("a hand-over failed; what it supervises fails closed",
               {{"container", record_.id}, {"error", result.error().message()}});
  }
  connections_.erase(connection);
}

Status Agent::begin_session(Handover handover) {
  const std::string& id = handover.state.id;
  if (record_.id.empty()) TRY(adopt_id(id));
  if (id != record_.id)
    return fail("container \"" + id + "\" has come to the agent of \"" + record_.id + "\"");
  if (sessions_.size() >= kMaxSessions) return fail(EMFILE, "too many processes executed into the container");
  auto session =
      TRY(Session::start(kernel_, std::move(handover.notify_fd), id, supervision_, *events_, wake_.get()));
  TRY(watch(session->notify_fd(), 0));
  sessions_.push_back(std::move(session));
  restore_bundle();
  if (!inheritance_.creator.valid()) creator_pending_ = false;
  return {};
}

Status Agent::adopt_id(const std::string& id) {
  const std::string parent = std::filesystem::path(inheritance_.state_folder).parent_path();
  const std::string name = TRY(container::state_folder_name(id, parent));
  events_ =
      std::make_unique<EventLog>(TRY(EventLog::open(record_.log_directory, name, record_.log_max_bytes)));
  const std::string link = parent + "/" + name;
  container::Record named = record_;
  named.id = id;
  if (link != inheritance_.state_folder) {
    // So that `status` and `exec` find it by the container's id.
    if (::symlink(inheritance_.state_folder.c_str(), link.c_str()) != 0) return fail(errno, "link " + link);
    if (Status written = container::write_record(inheritance_.state_folder, named); !written) {
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
  while (::read(inotify_.get(), ignored.data(), ignored.size()) > 0) {
  }
  const std::string socket = inheritance_.state_folder + "/" + container::Record::kSocketName;
  Status made;
  // Who removes it may not have finished: once all is in its place and watched, look again.
  for (int attempt = 0; attempt < kRestoreAttempts && !sys::stat(socket); ++attempt) {
    log::warning("the state folder lost its socket; making it again",
                 {{"folder", inheritance_.state_folder}});
    made = make_state_folder(socket);
  }
  return made;
}

Status Agent::make_state_folder(const std::string& socket) {
  TRY(sys::make_directories(inheritance_.state_folder, 0700));
  TRY(watch_state_folder());
  TRY(container::write_record(inheritance_.state_folder, record_));
  TRY(lock_state_folder());
  auto listener = TRY(listen_unix(socket));
  // As the launcher's: accept_connections() takes all there are.
  if (::fcntl(listener.get(), F_SETFL, O_NONBLOCK) != 0) return fail(errno, socket);
  TRY(watch(listener.get(), EPOLLIN));
  inheritance_.listener = std::move(listener);
  accept_again_.reset();
  return {};
}

void Agent::restore_bundle() {
  if (bundle_restored_ || record_.config_path.empty()) return;
  const UniqueFd lock = std::move(inheritance_.bundle_lock);
  const Status restored = lock.valid() ? container::Bundle::restore(record_.config_path, record_.config_owner)
                                       : container::Bundle::restore_if_idle(record_.config_path);
  bundle_restored_ = restored.has_value();
  if (!restored) {
    log::error("cannot restore the bundle's config",
               {{"container", record_.id}, {"error", restored.error().message()}});
  }
}

void Agent::clean_up() {
  // An agent before us died, and with it the knowledge of what else still runs in the container: `exec` will
  // need the folder again, and `delete` removes it.
  if (may_outlive_) return;
  restore_bundle();
  // The folder first: closing an inotify takes the kernel 20 ms, for which `delete` would wait.
  if (!id_link_.empty()) (void)sys::unlink(id_link_);
  if (const Status removed = sys::remove_tree(inheritance_.state_folder); !removed) {
    log::error("cannot remove the state folder",
               {{"folder", inheritance_.state_folder}, {"error", removed.error().message()}});
  }
  if (const Status pruned = prune_logs(record_.log_directory, record_.log_total_bytes); !pruned) {
    log::warning("cannot prune old event logs", {{"error", pruned.error().message()}});
  }
}

}  // namespace tidewaiter::supervisor

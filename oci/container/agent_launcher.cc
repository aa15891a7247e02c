#include "oci/container/agent_launcher.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>
#include <vector>

#include "oci/base/detached_process.h"
#include "oci/base/log.h"
#include "oci/base/system.h"
#include "oci/base/unix_socket.h"
#include "oci/container/bundle.h"
#include "oci/container/node_request.h"

namespace tidewaiter::container {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr const char* kAgentLog = "agent.log";
constexpr std::size_t kLongestReport = 4096;

enum class Lock { kShared, kExclusive };
enum class Wait { kNo, kYes };

// flock(2) on `path`. EWOULDBLOCK: somebody else holds it. Dropped when the descriptor is closed.
Result<UniqueFd> lock(const std::string& path, int open_flags, Lock kind, Wait wait) {
  UniqueFd fd = TRY(sys::open(path, open_flags));
  const int operation = (kind == Lock::kShared ? LOCK_SH : LOCK_EX) | (wait == Wait::kNo ? LOCK_NB : 0);
  while (::flock(fd.get(), operation) != 0) {
    if (errno != EINTR) return fail(errno, "lock " + path);
  }
  return fd;
}

// The state folder itself is locked by whoever starts an agent in it or clears it. The agent's own lock is a
// file: asking for it could otherwise be mistaken by a starting agent for another agent.
Result<UniqueFd> lock_folder(const std::string& state_folder, Lock kind, Wait wait) {
  return lock(state_folder, O_RDONLY | O_DIRECTORY, kind, wait);
}

// REQUIRES: the folder is locked by us.
bool agent_holds_lock(const std::string& state_folder) {
  const auto taken = lock(state_folder + "/" + Record::kLockName, O_RDONLY, Lock::kShared, Wait::kNo);
  return !taken && taken.error().code == EWOULDBLOCK;
}

Result<pid_t> pid_in(std::string_view text) {
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc{} || pid <= 0) return fail(ESRCH, "agent");
  return pid;
}

// Of a lock; empty: the agent is the container's own.
std::string node_socket_in(const std::string& text) {
  const std::string line = text.substr(0, text.find('\n'));
  const std::size_t space = line.find(' ');
  return space == std::string::npos ? std::string() : line.substr(space + 1);
}

// A pid, a socket's path.
constexpr std::size_t kLongestLock = 256;

Result<UniqueFd> duplicate_above_stdio(int fd) {
  UniqueFd duplicate(::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!duplicate.valid()) return fail(errno, "fcntl F_DUPFD_CLOEXEC");
  return duplicate;
}

// A descriptor that dup2 to stdin, stdout and stderr cannot hit, should the caller have come without those.
Result<UniqueFd> above_stdio(Result<UniqueFd> fd) {
  if (!fd || fd->get() > STDERR_FILENO) return fd;
  return duplicate_above_stdio(fd->get());
}

// What is addressed to the caller alone: an agent that took it up would answer in its name.
bool is_callers_own(std::string_view variable) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"NOTIFY_SOCKET=", "LISTEN_FDS=", "LISTEN_PID=", "LISTEN_FDNAMES=", "WATCHDOG_PID=", "WATCHDOG_USEC="});
  return variable.starts_with("_OCI_") ||
         std::any_of(kNames.begin(), kNames.end(), [&](auto name) { return variable.starts_with(name); });
}

// Everything that the agent gets; the descriptors are above stdio.
struct Inheritance {
  UniqueFd listen;
  UniqueFd ready;
  UniqueFd creator;  // may be absent
  UniqueFd bundle;   // may be absent
  UniqueFd null;     // for stdin and stdout
  UniqueFd log;      // for stderr
};

// Each agent writes no more than log::kMaxWritten; what the earlier ones wrote beyond that is kept once.
Result<UniqueFd> open_agent_log(const std::string& log_directory) {
  TRY(sys::make_directories(log_directory, 0700));
  const std::string path = log_directory + "/" + kAgentLog;
  const auto status = sys::stat(path);
  if (status && status->st_size > static_cast<off_t>(log::kMaxWritten)) {
    static_cast<void>(sys::rename(path, path + ".1"));  // or another launcher just did
  }
  return sys::open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0600);
}

// From here to exec only async-signal-safe calls, which change no memory: it is our parent's.

void close_on_exec_from(unsigned first) {
  if (::close_range(first, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
  struct rlimit limit {};  // before Linux 5.11
  ::getrlimit(RLIMIT_NOFILE, &limit);
  for (unsigned fd = first; fd < limit.rlim_cur; ++fd) ::fcntl(static_cast<int>(fd), F_SETFD, FD_CLOEXEC);
}

void write_text(int fd, const char* text) {
  [[maybe_unused]] const ssize_t written = ::write(fd, text, std::strlen(text));
}

[[noreturn]] void become_agent(const Inheritance& given, char* const* argv, char* const* environment) {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::umask(077);
  if (::chdir("/") != 0) ::_exit(127);
  if (::dup2(given.null.get(), STDIN_FILENO) < 0 || ::dup2(given.null.get(), STDOUT_FILENO) < 0 ||
      ::dup2(given.log.get(), STDERR_FILENO) < 0) {
    ::_exit(127);
  }
  close_on_exec_from(STDERR_FILENO + 1);
  for (const UniqueFd* fd : {&given.listen, &given.ready, &given.creator, &given.bundle}) {
    if (fd->valid()) ::fcntl(fd->get(), F_SETFD, 0);
  }
  ::execve(argv[0], argv, environment);
  const char* reason = ::strerrordesc_np(errno);
  write_text(given.ready.get(), "cannot be started: ");
  write_text(given.ready.get(), reason != nullptr ? reason : "unknown error");
  write_text(given.ready.get(), "\n");
  ::_exit(127);
}

// Waits for the agent's report: the line it sent, without its end; empty when it ended without one.
Result<std::string> read_report(int ready, milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  std::string report;
  while (report.find('\n') == std::string::npos && report.size() < kLongestReport) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
    struct pollfd waiting {
      .fd = ready, .events = POLLIN, .revents = 0
    };
    const int count = ::poll(&waiting, 1, static_cast<int>(std::max<milliseconds::rep>(left.count(), 0)));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(errno, "poll");
    if (count == 0) return fail("is not ready after " + std::to_string(timeout.count()) + " ms");
    std::array<char, 512> buffer{};
    const std::size_t size = TRY(sys::read(ready, buffer.data(), buffer.size()));
    if (size == 0) break;
    report.append(buffer.data(), size);
  }
  return report.substr(0, report.find('\n'));
}

Status judge_report(Result<std::string> report, const std::string& log) {
  if (!report) return tl::unexpected(report.error());
  if (*report == "ok") return {};
  if (report->empty()) return fail("ended before it was ready; see " + log);
  return fail(*report);
}

// An agent that has yet to report.
struct Starting {
  DetachedProcess process;
  UniqueFd report;
};

// Ends it, and waits a moment for its end: it shall not put anything more into a folder that is about to go.
void end(const Starting& agent) {
  constexpr int kMilliseconds = 1000;
  agent.process.kill();
  struct pollfd ended {
    .fd = agent.report.get(), .events = 0, .revents = 0
  };
  while (::poll(&ended, 1, kMilliseconds) < 0 && errno == EINTR) {
  }
}

Result<Starting> spawn(const std::string& agent_path, const std::string& state_folder,
                       const std::string& log_directory, Creator creator, int bundle_lock) {
  Inheritance given;
  sys::Pipe ready = TRY(sys::pipe());
  given.listen = TRY(above_stdio(listen_unix(state_folder + "/" + Record::kSocketName)));
  given.ready = TRY(above_stdio(std::move(ready.write_end)));
  given.null = TRY(above_stdio(sys::open("/dev/null", O_RDWR)));
  given.log = TRY(above_stdio(open_agent_log(log_directory)));
  if (creator == Creator::kThisProcess) {
    given.creator = TRY(above_stdio(sys::pidfd_open(::getpid())));
  }
  if (bundle_lock >= 0) given.bundle = TRY(duplicate_above_stdio(bundle_lock));

  std::vector<std::string> words = {agent_path,
                                    "--state-folder",
                                    state_folder,
                                    "--listen-fd",
                                    std::to_string(given.listen.get()),
                                    "--ready-fd",
                                    std::to_string(given.ready.get())};
  if (given.creator.valid()) {
    words.insert(words.end(), {"--creator-fd", std::to_string(given.creator.get())});
  }
  if (given.bundle.valid()) {
    words.insert(words.end(), {"--bundle-fd", std::to_string(given.bundle.get())});
  }
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<char*> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!is_callers_own(*variable)) environment.push_back(*variable);
  }
  environment.push_back(nullptr);

  auto process = TRY(DetachedProcess::start([&] { become_agent(given, argv.data(), environment.data()); },
                                            DetachedProcess::Memory::kOurs));
  // Our copy of `given.ready` goes with `given`, or we would never see the end of the agent's report.
  return Starting{std::move(process), std::move(ready.read_end)};
}

// Starts the agent, does `meanwhile`, and waits for the agent's report. A process that has not reported "ok"
// does not survive.
Status start_agent(const std::string& agent_path, const std::string& state_folder,
                   const std::string& log_directory, Creator creator, int bundle_lock, milliseconds timeout,
                   const std::function<Status()>& meanwhile) {
  const std::string context = "agent " + agent_path;
  const auto agent =
      TRY(in_context(context, spawn(agent_path, state_folder, log_directory, creator, bundle_lock)));
  Status done = meanwhile ? meanwhile() : Status{};
  if (done) {
    done = in_context(
        context, judge_report(read_report(agent.report.get(), timeout), log_directory + "/" + kAgentLog));
  }
  if (!done) end(agent);
  return done;
}

// Has the node's agent forget the container that was registered over this connection, and waits a moment
// until it has, as end() does.
void withdraw(const UniqueFd& connection, const std::string& state_folder) {
  constexpr int kMilliseconds = 1000;
  if (!send_request(connection.get(), {NodeRequest::Kind::kEnd, state_folder})) return;
  struct pollfd closed {
    .fd = connection.get(), .events = 0, .revents = 0
  };
  while (::poll(&closed, 1, kMilliseconds) < 0 && errno == EINTR) {
  }
}

// The same with the node's agent.
Status register_container(const std::string& socket, const std::string& state_folder, Creator creator,
                          int bundle_lock, milliseconds timeout, const std::function<Status()>& meanwhile) {
  const std::string context = "node agent at " + socket;
  const UniqueFd connection = TRY(connect_to_node(socket));
  NodeRequest request{NodeRequest::Kind::kRegister, state_folder};
  request.listener = TRY(listen_unix(state_folder + "/" + Record::kSocketName));
  if (creator == Creator::kThisProcess) request.creator = TRY(sys::pidfd_open(::getpid()));
  if (bundle_lock >= 0) request.bundle_lock = TRY(duplicate_above_stdio(bundle_lock));
  TRY(in_context(context, send_request(connection.get(), request)));
  Status done = meanwhile ? meanwhile() : Status{};
  if (done) done = in_context(context, judge_report(read_report(connection.get(), timeout), "its log"));
  if (!done) withdraw(connection, state_folder);
  return done;
}

Status give_agent(const AgentSource& agent, const std::string& state_folder, const std::string& log_directory,
                  Creator creator, int bundle_lock, milliseconds timeout,
                  const std::function<Status()>& meanwhile) {
  if (!agent.socket().empty()) {
    return register_container(agent.socket(), state_folder, creator, bundle_lock, timeout, meanwhile);
  }
  return start_agent(agent.program(), state_folder, log_directory, creator, bundle_lock, timeout, meanwhile);
}

Status launch_in(const AgentSource& agent, const std::string& state_folder, const Record& record,
                 Creator creator, int bundle_lock, milliseconds timeout,
                 const std::function<Status()>& meanwhile) {
  const UniqueFd held = TRY(lock_folder(state_folder, Lock::kExclusive, Wait::kYes));
  TRY(write_record(state_folder, record));
  return give_agent(agent, state_folder, record.log_directory, creator, bundle_lock, timeout, meanwhile);
}

// A pidfd of the agent that is alive. It comes before the lock is asked about: then the pid was still the
// agent's when it was opened.
Result<UniqueFd> open_agent(const std::string& state_folder) {
  const auto text = sys::read_file(state_folder + "/" + Record::kLockName, kLongestLock);
  if (!text) return tl::unexpected(text.error());
  const pid_t pid = TRY(pid_in(*text));
  UniqueFd agent = TRY(sys::pidfd_open(pid));
  if (!agent_alive(state_folder)) return fail(ESRCH, "agent");
  return agent;
}

Status make_state_folder(const std::string& state_folder) {
  TRY(sys::make_directories(state_folder.substr(0, state_folder.rfind('/')), 0700));
  if (::mkdir(state_folder.c_str(), 0700) != 0) {
    if (errno == EEXIST) return fail("the id is in use: there is a state folder " + state_folder);
    return fail(errno, "make " + state_folder);
  }
  return {};
}

// What is installed beside this program.
Result<std::string> beside_us(std::string_view name) {
  const std::string own = TRY(sys::readlink("/proc/self/exe"));
  return own.substr(0, own.rfind('/') + 1) + std::string(name);
}

Result<UniqueFd> keep_in(const std::string& state_folder, const Record& record,
                         const std::function<Status()>& meanwhile) {
  const UniqueFd held = TRY(lock_folder(state_folder, Lock::kExclusive, Wait::kYes));
  TRY(write_record(state_folder, record));
  TRY(sys::open(state_folder + "/" + Record::kLockName, O_WRONLY | O_CREAT | O_EXCL, 0600));
  UniqueFd kept = TRY(lock(state_folder + "/" + Record::kLockName, O_RDONLY, Lock::kExclusive, Wait::kNo));
  TRY(meanwhile());
  return kept;
}

}  // namespace

AgentSource AgentSource::node(std::string socket) {
  AgentSource source("");
  source.socket_ = std::move(socket);
  return source;
}

Result<AgentSource> AgentSource::configured(const std::string& agent, const std::string& agent_socket) {
  if (!agent_socket.empty()) return node(agent_socket);
  return AgentSource(TRY(agent_path(agent)));
}

std::string init_path() {
  const auto path = beside_us("tidewaiter-init");
  return path && ::access(path->c_str(), X_OK) == 0 ? *path : "";
}

Result<std::string> agent_path(const std::string& configured) {
  std::string path = configured;
  if (path.empty()) path = TRY(beside_us("tidewaiter-agent"));
  if (::access(path.c_str(), X_OK) != 0) return fail(errno, "agent " + path);
  return path;
}

Status ask_node_agent(const std::string& socket) {
  constexpr milliseconds kPatience{2000};
  const UniqueFd connection = TRY(connect_to_node(socket));
  const auto ask = [&]() -> Status {
    TRY(send_request(connection.get(), {NodeRequest::Kind::kPing}));
    return judge_report(read_report(connection.get(), kPatience), "its log");
  };
  return in_context("node agent at " + socket, ask());
}

std::string lock_text(pid_t agent, const std::string& socket) {
  return std::to_string(agent) + (socket.empty() ? "" : " " + socket) + "\n";
}

Status launch_agent(const AgentSource& agent, const std::string& state_folder, const Record& record,
                    Creator creator, int bundle_lock, milliseconds timeout,
                    const std::function<Status()>& meanwhile) {
  TRY(make_state_folder(state_folder));
  Status launched = launch_in(agent, state_folder, record, creator, bundle_lock, timeout, meanwhile);
  if (!launched) static_cast<void>(sys::remove_tree(state_folder));
  return launched;
}

Result<UniqueFd> keep_record(const std::string& state_folder, const Record& record,
                             const std::function<Status()>& meanwhile) {
  TRY(make_state_folder(state_folder));
  auto kept = keep_in(state_folder, record, meanwhile);
  if (!kept) static_cast<void>(sys::remove_tree(state_folder));
  return kept;
}

Status ensure_agent(const AgentSource& agent, const std::string& state_folder, milliseconds timeout) {
  const UniqueFd held = TRY(lock_folder(state_folder, Lock::kExclusive, Wait::kYes));
  if (agent_holds_lock(state_folder)) return {};
  const Record record = TRY(read_record(state_folder));
  return give_agent(agent, state_folder, record.log_directory, Creator::kUnknown, -1, timeout, {});
}

bool agent_alive(const std::string& state_folder) {
  const auto held = lock_folder(state_folder, Lock::kShared, Wait::kNo);
  if (!held) return held.error().code == EWOULDBLOCK;
  return agent_holds_lock(state_folder);
}

pid_t agent_pid(const std::string& state_folder) {
  const auto text = sys::read_file(state_folder + "/" + Record::kLockName, kLongestLock);
  if (!text || !agent_alive(state_folder)) return 0;
  return pid_in(*text).value_or(0);
}

bool wait_for_agent_end(const std::string& state_folder, milliseconds timeout) {
  constexpr milliseconds kLook{2};  // the folder goes before the agent does, and nothing tells us
  const auto deadline = steady_clock::now() + timeout;
  while (agent_alive(state_folder)) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) return false;
    if (const auto agent = open_agent(state_folder)) {
      struct pollfd waiting {
        .fd = agent->get(), .events = POLLIN, .revents = 0
      };
      ::poll(&waiting, 1, static_cast<int>(std::min(left, kLook).count()));
    } else {
      std::this_thread::sleep_for(milliseconds(5));  // it is starting, or ending right now
    }
  }
  return true;
}

Status terminate_agent(const std::string& state_folder) {
  const auto agent = open_agent(state_folder);
  if (!agent) return {};
  const auto text = sys::read_file(state_folder + "/" + Record::kLockName, kLongestLock);
  if (!text) return {};  // it has just ended
  if (const std::string socket = node_socket_in(*text); !socket.empty()) {
    constexpr milliseconds kPatience{1000};
    const std::string context = "node agent at " + socket;
    const UniqueFd connection = TRY(connect_to_node(socket));
    const std::string real = sys::realpath(state_folder).value_or(state_folder);
    TRY(in_context(context, send_request(connection.get(), {NodeRequest::Kind::kEnd, real})));
    return in_context(context, judge_report(read_report(connection.get(), kPatience), "its log"));
  }
  if (::syscall(SYS_pidfd_send_signal, agent->get(), SIGTERM, nullptr, 0) != 0 && errno != ESRCH) {
    return fail(errno, "end the agent of " + state_folder);
  }
  return {};
}

namespace {

// Whether a process takes SIGUSR2 for an order, and does not die of it: it has it blocked
// (proc_pid_status(5), SigBlk), to read it from a descriptor.
bool awaits_order(pid_t pid) {
  const auto status = sys::read_file("/proc/" + std::to_string(pid) + "/status");
  const std::size_t line = status ? status->find("\nSigBlk:\t") : std::string::npos;
  if (line == std::string::npos) return false;
  const std::uint64_t blocked = std::strtoull(status->c_str() + line + 9, nullptr, 16);
  return (blocked >> (SIGUSR2 - 1) & 1U) != 0;
}

}  // namespace

Status replace_agent(const std::string& state_folder) {
  const UniqueFd agent = TRY(in_context(state_folder, open_agent(state_folder)));
  if (!awaits_order(agent_pid(state_folder))) {
    return fail("the agent of " + state_folder +
                " is of a version that cannot be replaced: it stays, until its container ends");
  }
  if (::syscall(SYS_pidfd_send_signal, agent.get(), SIGUSR2, nullptr, 0) != 0) {
    return fail(errno, "replace the agent of " + state_folder);
  }
  return {};
}

Status clear_state_folder(const std::string& name) {
  // The name may be a link: podman's precreate hook makes the folder before anybody knows the container's id.
  const auto real = sys::realpath(name);
  const std::string& state_folder = real ? *real : name;
  auto held = lock_folder(state_folder, Lock::kExclusive, Wait::kNo);
  // Who merely looks, as agent_alive() does, shares the lock, and only for a moment.
  if (!held && held.error().code == EWOULDBLOCK && lock_folder(state_folder, Lock::kShared, Wait::kNo)) {
    held = lock_folder(state_folder, Lock::kExclusive, Wait::kYes);
  }
  if (!held) {
    if (held.error().code == ENOENT) return {};
    if (held.error().code == EWOULDBLOCK) return fail("an agent is being started in " + state_folder);
    return tl::unexpected(held.error());
  }
  if (agent_holds_lock(state_folder)) return fail("its agent is alive, in " + state_folder);
  // A folder whose maker was killed at once has no record yet. Its bundle is restored by the next `create`.
  const auto record = read_record(state_folder);
  if (record && !record->config_path.empty()) {
    TRY(Bundle::restore_if_idle(record->config_path));
  }
  TRY(sys::remove_tree(state_folder));
  if (state_folder != name) return sys::unlink(name);
  return {};
}

}  // namespace tidewaiter::container

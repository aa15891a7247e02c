#include "oci/base/program_output.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "oci/base/system.h"

extern char** environ;

namespace tidewaiter {
namespace {

using std::chrono::steady_clock;

// A started program, ended at the latest when this goes.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    // The group too: a wrapper script may have started the program and wait for it.
    ::kill(-pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

 private:
  pid_t pid_;
};

std::string joined(const std::vector<std::string>& argv) {
  std::string text;
  for (const std::string& word : argv) text += (text.empty() ? "" : " ") + word;
  return text;
}

Result<pid_t> start(std::vector<std::string>& argv, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  if (::posix_spawn_file_actions_init(&actions) != 0) return fail(ENOMEM, "posix_spawn");
  if (::posix_spawnattr_init(&attributes) != 0) {
    ::posix_spawn_file_actions_destroy(&actions);
    return fail(ENOMEM, "posix_spawn");
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);

  std::vector<char*> arguments;
  arguments.reserve(argv.size() + 1);
  for (std::string& word : argv) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t pid = 0;
  int code = ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (code == 0) code = ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  if (code == 0) code = ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  if (code == 0)
    code = ::posix_spawn(&pid, argv[0].c_str(), &actions, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (code != 0) return fail(code, "run " + joined(argv));
  return pid;
}

Result<std::string> read_until(int fd, Until until, std::size_t limit, steady_clock::time_point deadline) {
  std::string text;
  while (text.size() < limit && (until == Until::kEnd || text.find('\n') == std::string::npos)) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) return fail(ETIMEDOUT, "");
    struct pollfd ready {};
    ready.fd = fd;
    ready.events = POLLIN;
    const int count = ::poll(&ready, 1, static_cast<int>(left.count()));
    if (count < 0 && errno != EINTR) return fail(errno, "poll");
    if (count <= 0) continue;
    std::array<char, 4096> piece{};
    const std::size_t size = TRY(sys::read(fd, piece.data(), piece.size()));
    if (size == 0) break;
    text.append(piece.data(), size);
  }
  return until == Until::kEnd ? text : text.substr(0, text.find('\n'));
}

}  // namespace

Result<std::string> output_of(std::vector<std::string> argv, Until until, std::size_t limit,
                              std::chrono::milliseconds patience) {
  sys::Pipe pipe = TRY(sys::pipe());
  const auto deadline = steady_clock::now() + patience;
  const pid_t pid = TRY(start(argv, pipe.write_end.get()));
  const Child child(pid);
  pipe.write_end.reset();
  return in_context("wait for " + joined(argv), read_until(pipe.read_end.get(), until, limit, deadline));
}

}  // namespace tidewaiter

#include "shim/runtime.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "oci/base/system.h"
#include "oci/spec/config.h"
#include "oci/spec/members.h"

namespace tidewaiter::shim {
namespace {

// As execvp(3) has it where PATH is unset, with the folders that runtimes are installed in.
constexpr std::string_view kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

bool is_program(const std::string& path) {
  const auto status = sys::stat(path);
  return status && S_ISREG(status->st_mode) && ::access(path.c_str(), X_OK) == 0;
}

Result<bool> is_ourselves(const std::string& path) {
  const struct stat own = TRY(sys::stat("/proc/self/exe"));
  const struct stat other = TRY(sys::stat(path));
  return own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

// A runtime that somebody named. `whence` says who.
Result<std::string> named_runtime(const std::string& path, const std::string& whence) {
  if (!path.starts_with('/')) return fail(whence + " is \"" + path + "\", which is no absolute path");
  if (!is_program(path)) return fail(whence + " is \"" + path + "\", which is no program");
  if (TRY(is_ourselves(path))) return fail(whence + " is \"" + path + "\", which is tidewaiter itself");
  return path;
}

enum class Output {
  kOurs,
  kNowhere,
  kRead,  // its standard output is read, and the rest goes nowhere
};

constexpr std::size_t kMaxOutput = 16U << 20U;

// Runs `argv` and waits. `text`: what was read.
Result<int> run_child(const std::string& program, char* const* argv, Output output,
                      std::string* text = nullptr) {
  sys::Pipe pipe;
  if (output == Output::kRead) pipe = TRY(sys::pipe());
  // A caller may have us ignore SIGCHLD, and then a child's status is lost; the runtime gets its setting
  // back.
  struct sigaction childs {};
  struct sigaction callers {};
  childs.sa_handler = SIG_DFL;
  ::sigaction(SIGCHLD, &childs, &callers);

  const pid_t pid = ::fork();
  if (pid < 0) {
    const int error = errno;
    ::sigaction(SIGCHLD, &callers, nullptr);
    return fail(error, "fork");
  }
  if (pid == 0) {
    ::sigaction(SIGCHLD, &callers, nullptr);
    if (output != Output::kOurs) {
      const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
      ::dup2(output == Output::kRead ? pipe.write_end.get() : null, STDOUT_FILENO);
      ::dup2(null, STDERR_FILENO);
    }
    ::execv(program.c_str(), argv);
    ::_exit(127);
  }
  pipe.write_end.reset();
  Status was_read;
  if (output == Output::kRead) {
    auto found = sys::read_all(pipe.read_end.get(), kMaxOutput);
    if (found)
      *text = std::move(*found);
    else
      was_read = tl::unexpected(found.error());
    pipe.read_end.reset();  // who writes more than that is not waited for
  }
  int status = 0;
  int waited = 0;
  while ((waited = ::waitpid(pid, &status, 0)) < 0 && errno == EINTR) {
  }
  const int error = errno;
  ::sigaction(SIGCHLD, &callers, nullptr);  // which the real runtime is to inherit
  if (waited < 0) return fail(error, "wait for " + program);
  TRY(was_read);
  return status;
}

// Has the runtime tell the state of a container. `text`: where to; null: nowhere.
Result<int> run_state(const std::string& runtime, const CommandLine& line, const std::string& id,
                      std::string* text) {
  // Not the caller's other options: "no such container" must not end up in its --log.
  std::vector<std::string> words = {runtime};
  if (!line.root.empty()) words.insert(words.end(), {"--root", line.root});
  words.insert(words.end(), {"state", id});
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int status =
      TRY(run_child(runtime, argv.data(), text == nullptr ? Output::kNowhere : Output::kRead, text));
  if (!WIFEXITED(status) || WEXITSTATUS(status) == 127)
    return fail("ask " + runtime + " about container " + id);
  return WEXITSTATUS(status);
}

// The caller's arguments with the runtime's own path as the first: crun takes the name it is called by for a
// choice of handler.
std::vector<char*> arguments_for(std::string& runtime, const CommandLine& line) {
  std::vector<char*> argv = line.argv;
  argv[0] = runtime.data();
  return argv;
}

}  // namespace

std::string find_on_path(std::string_view name) {
  const char* variable = std::getenv("PATH");
  std::string_view rest = variable != nullptr ? variable : kDefaultPath;
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    const std::string_view folder = rest.substr(0, colon);
    rest = colon == std::string_view::npos ? "" : rest.substr(colon + 1);
    // The path outlives the current folder.
    if (!folder.starts_with('/')) continue;
    std::string candidate = std::string(folder) + "/" + std::string(name);
    if (is_program(candidate) && !is_ourselves(candidate).value_or(true)) return candidate;
  }
  return "";
}

Result<std::string> find_runtime(const container::Settings& settings) {
  const char* variable = std::getenv("TIDEWAITER_RUNTIME");
  if (variable != nullptr && *variable != '\0') {
    std::string named = variable;
    if (named.find('/') == std::string::npos) {
      std::string found = find_on_path(named);
      if (found.empty()) return fail("TIDEWAITER_RUNTIME is \"" + named + "\", which is not on PATH");
      return found;
    }
    return named_runtime(named, "TIDEWAITER_RUNTIME");
  }
  if (!settings.runtime.empty()) return named_runtime(settings.runtime, settings.path + ": \"runtime\"");
  for (const std::string_view name : {"crun", "runc"}) {
    std::string found = find_on_path(name);
    if (!found.empty()) return found;
  }
  return fail("neither crun nor runc is on PATH; install one, or name the runtime as \"runtime\" in " +
              (settings.path.empty() ? "the configuration file" : settings.path) +
              " or in TIDEWAITER_RUNTIME");
}

Error become_runtime(const std::string& runtime, const CommandLine& line) {
  std::string path = runtime;
  const std::vector<char*> argv = arguments_for(path, line);
  ::execv(path.c_str(), argv.data());
  return Error{errno, "start " + path};
}

Result<int> run_runtime(const std::string& runtime, const CommandLine& line) {
  std::string path = runtime;
  const std::vector<char*> argv = arguments_for(path, line);
  return run_child(path, argv.data(), Output::kOurs);
}

void end_like(int wait_status) {
  if (!WIFSIGNALED(wait_status)) ::_exit(WEXITSTATUS(wait_status));
  const int signal = WTERMSIG(wait_status);
  ::prctl(PR_SET_DUMPABLE, 0);  // the core, if any, was the child's
  ::signal(signal, SIG_DFL);
  sigset_t only;
  ::sigemptyset(&only);
  ::sigaddset(&only, signal);
  ::sigprocmask(SIG_UNBLOCK, &only, nullptr);
  ::raise(signal);
  ::_exit(128 + signal);
}

Result<bool> runtime_knows(const std::string& runtime, const CommandLine& line, const std::string& id) {
  return TRY(run_state(runtime, line, id, nullptr)) == 0;
}

Result<pid_t> container_pid(const std::string& runtime, const CommandLine& line, const std::string& id) {
  std::string text;
  if (TRY(run_state(runtime, line, id, &text)) != 0) return fail(ESRCH, "container " + id);
  // The runtime's, not checked any further.
  const auto state = spec::parse_json(text, runtime + " state " + id);
  if (!state) return tl::unexpected(state.error());
  const spec::Json* pid = spec::member(*state, "pid");
  if (pid == nullptr || !pid->is_number_integer() || *pid <= 0) return fail(ESRCH, "container " + id);
  return pid->get<pid_t>();
}

}  // namespace tidewaiter::shim

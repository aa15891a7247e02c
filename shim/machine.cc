#include "shim/machine.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "oci/base/system.h"
#include "oci/container/agent_launcher.h"
#include "oci/container/directories.h"
#include "oci/seccomp/notify.h"
#include "shim/runtime.h"

namespace tidewaiter::shim {
namespace {

namespace fs = std::filesystem;

// Of this process, for good: only a child of ours does it.
ListenerTrial make_listener() {
  std::array<struct sock_filter, 1> allow_everything{{BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
  struct sock_fprog program {};
  program.len = allow_everything.size();
  program.filter = allow_everything.data();
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ListenerTrial trial;
  const UniqueFd listener(static_cast<int>(
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program)));
  if (!listener.valid()) {
    trial.listener = errno;
    return trial;
  }
  const Status set = seccomp::set_flags(listener.get(), SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
  if (!set) trial.sync_wake_up = set.error().code;
  const auto self = sys::pidfd_open(::getpid());
  if (!self) {
    trial.take_fd = self.error().code;
  } else if (const UniqueFd taken(
                 static_cast<int>(::syscall(SYS_pidfd_getfd, self->get(), listener.get(), 0)));
             !taken.valid()) {
    trial.take_fd = errno;
  }
  return trial;
}

class ThisMachine : public Machine {
 public:
  [[nodiscard]] std::string kernel_release() const override {
    struct utsname name {};
    return ::uname(&name) == 0 ? name.release : "";
  }

  [[nodiscard]] Result<std::string> read_file(const std::string& path) const override {
    return sys::read_file(path);
  }

  [[nodiscard]] Result<std::vector<std::string>> list(const std::string& folder) const override {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator each(folder, error); !error && each != fs::directory_iterator{};
         each.increment(error)) {
      names.push_back(each->path().filename());
    }
    if (error) return fail(error.value(), folder);
    return names;
  }

  [[nodiscard]] Status writable(const std::string& folder) const override {
    std::string path = folder;
    while (::access(path.c_str(), F_OK) != 0 && errno == ENOENT && path.rfind('/') != std::string::npos &&
           path != "/") {
      path.resize(path.rfind('/'));
      if (path.empty()) path.push_back('/');
    }
    if (::access(path.c_str(), W_OK | X_OK) != 0) return fail(errno, path);
    return {};
  }

  [[nodiscard]] bool initial_root() const override { return container::is_initial_root(); }

  [[nodiscard]] Result<ListenerTrial> try_listener() const override {
    sys::Pipe pipe = TRY(sys::pipe());
    const pid_t child = ::fork();
    if (child < 0) return fail(errno, "fork");
    if (child == 0) {
      const ListenerTrial trial = make_listener();
      const ssize_t written = ::write(pipe.write_end.get(), &trial, sizeof trial);
      ::_exit(written == sizeof trial ? 0 : 1);
    }
    pipe.write_end.reset();
    ListenerTrial trial;
    const auto size = sys::read(pipe.read_end.get(), &trial, sizeof trial);
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    if (!size) return tl::unexpected(size.error());
    // A filter that is in force here may kill for the attempt.
    if (*size != sizeof trial) return fail("the process that tried did not live to tell");
    return trial;
  }

  [[nodiscard]] bool knows_notifications() const override {
    const std::uint32_t action = SECCOMP_RET_USER_NOTIF;
    return seccomp::notify_sizes() && ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
  }

  [[nodiscard]] int landlock_abi() const override { return sys::landlock_version(); }

  [[nodiscard]] seccomp::LibraryVersion library_version() const override {
    return seccomp::library_version();
  }
  [[nodiscard]] unsigned library_api_level() const override { return seccomp::api_level(); }

  [[nodiscard]] Result<std::string> find_runtime(const container::Settings& settings) const override {
    return shim::find_runtime(settings);
  }

  [[nodiscard]] std::vector<std::string> runtimes_on_path() const override {
    std::vector<std::string> found;
    for (const runtime::Kind kind : {runtime::Kind::kCrun, runtime::Kind::kRunc, runtime::Kind::kYouki}) {
      std::string path = find_on_path(runtime::traits(kind).name);
      if (!path.empty()) found.push_back(std::move(path));
    }
    return found;
  }

  [[nodiscard]] Result<runtime::Kind> identify(const std::string& runtime) const override {
    return runtime::identify(runtime);
  }

  [[nodiscard]] Result<std::string> version(const std::string& runtime) const override {
    const std::string line = TRY(runtime::version_line(runtime));
    return line.substr(line.rfind(' ') + 1);  // "crun version 1.8.1"; npos + 1 is 0
  }

  [[nodiscard]] Status ask_node_agent(const std::string& socket) const override {
    return container::ask_node_agent(socket);
  }
  [[nodiscard]] Result<std::string> agent_path(const std::string& configured) const override {
    return container::agent_path(configured);
  }
  [[nodiscard]] std::string init_path() const override { return container::init_path(); }
};

}  // namespace

const Machine& this_machine() {
  static const ThisMachine machine;
  return machine;
}

}  // namespace tidewaiter::shim

#include "shim/machine.h"

#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

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

  [[nodiscard]] Result<seccomp::ListenerTrial> try_listener() const override {
    return seccomp::try_listener();
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

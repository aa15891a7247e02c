#include "oci/container/directories.h"

#include <pwd.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <sstream>
#include <vector>

#include "oci/base/system.h"
#include "oci/container/record.h"

namespace tidewaiter::container {
namespace {

// A variable that holds an absolute path; nullopt when it is unset or empty, which the XDG base directory
// specification takes for the same.
Result<std::optional<std::string>> absolute_path_in(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == '\0') return std::nullopt;
  if (*value != '/') return fail(std::string(variable) + ": expected an absolute path, found " + value);
  return std::string(value);
}

// One line of /proc/self/uid_map (user_namespaces(7)): `count` ids from `inside` on are those from `outside`
// on in the parent namespace.
struct IdRange {
  std::uint64_t inside = 0;
  std::uint64_t outside = 0;
  std::uint64_t count = 0;
};

std::vector<IdRange> uid_map() {
  constexpr std::size_t kMaxMap = 64U << 10U;  // 340 lines at most (kernel/user_namespace.c)
  const auto text = sys::read_file("/proc/self/uid_map", kMaxMap);
  std::vector<IdRange> ranges;
  if (!text) return ranges;
  std::istringstream words(*text);
  for (IdRange range; words >> range.inside >> range.outside >> range.count;) ranges.push_back(range);
  return ranges;
}

// Who runs this, as the parent of the user namespace knows them: podman makes an ordinary user root of one.
uid_t real_user() {
  const uid_t user = ::geteuid();
  for (const IdRange& range : uid_map()) {
    if (user >= range.inside && user - range.inside < range.count) {
      return static_cast<uid_t>(range.outside + (user - range.inside));
    }
  }
  return user;
}

// Of `user` in /etc/passwd. Not by getpwuid(3), which a program without a dynamic loader cannot ask.
std::optional<std::string> home_in_passwd(uid_t user) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/etc/passwd", "re"), &std::fclose);
  if (!file) return std::nullopt;
  while (const struct passwd* entry = ::fgetpwent(file.get())) {
    if (entry->pw_uid == user && entry->pw_dir[0] == '/') return entry->pw_dir;
  }
  return std::nullopt;
}

// HOME, or what /etc/passwd says: podman 4.3 gives a runtime's start, kill and delete nothing of the
// environment but PATH and XDG_RUNTIME_DIR (libpod/oci_conmon_common.go), and these must find the same
// configuration as create, which is given all of it.
Result<std::string> home(const char* variable) {
  if (const auto home = TRY(absolute_path_in("HOME"))) return *home;
  const uid_t user = real_user();
  if (const auto home = home_in_passwd(user)) return *home;
  return fail(std::string("neither ") + variable +
              " nor HOME is set in the environment, and /etc/passwd has no user " + std::to_string(user));
}

// `variable`, or else `below_home` in the home folder.
Result<std::string> user_directory(const char* variable, const std::string& below_home) {
  if (const auto directory = TRY(absolute_path_in(variable))) return *directory;
  return TRY(home(variable)) + below_home;
}

Result<Directories> user_directories() {
  const auto runtime = TRY(absolute_path_in("XDG_RUNTIME_DIR"));
  if (!runtime) {
    return fail(
        "XDG_RUNTIME_DIR is not set in the environment: it names the folder for the state of containers");
  }
  Directories directories;
  directories.config_file = TRY(user_directory("XDG_CONFIG_HOME", "/.config")) + "/tidewaiter/config.json";
  directories.state = *runtime + "/tidewaiter";
  directories.log = TRY(user_directory("XDG_STATE_HOME", "/.local/state")) + "/tidewaiter";
  // Most containers have nothing there.
  if (const auto data = user_directory("XDG_DATA_HOME", "/.local/share"))
    directories.changes = *data + "/tidewaiter/changes";
  return directories;
}

// FNV-1a, 64 bits: enough to tell ids apart that share their beginning; whoever chooses ids chooses among
// their own containers.
std::uint64_t hash_of(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3U;
  }
  return hash;
}

std::string shortened(const std::string& id) {
  constexpr std::size_t kKept = 32;
  const std::uint64_t hash = hash_of(id);
  std::string name = id.substr(0, kKept) + "-";
  for (int shift = 60; shift >= 0; shift -= 4) name += "0123456789abcdef"[(hash >> shift) & 0xFU];
  return name;
}

bool socket_path_fits(const std::string& state_directory, const std::string& name) {
  const std::string path = state_directory + "/" + name + "/" + Record::kSocketName;
  return path.size() < sizeof(sockaddr_un::sun_path);
}

}  // namespace

Result<Directories> Directories::locate() {
  const auto config_file = TRY(absolute_path_in("TIDEWAITER_CONFIG"));
  Directories directories;
  if (is_initial_root()) {
    directories.config_file = "/etc/tidewaiter/config.json";
    directories.state = "/run/tidewaiter";
    directories.log = "/var/log/tidewaiter";
    directories.changes = "/var/lib/tidewaiter/changes";
  } else {
    directories = TRY(user_directories());
  }
  if (config_file) directories.config_file = *config_file;
  directories.config_named = config_file.has_value();
  return directories;
}

bool is_initial_root() {
  if (::geteuid() != 0) return false;
  // Only the initial namespace, and one that maps it whole, begins so (user_namespaces(7)).
  constexpr std::uint64_t kAllIds = 4294967295;
  const std::vector<IdRange> map = uid_map();
  return !map.empty() && map.front().inside == 0 && map.front().outside == 0 && map.front().count == kAllIds;
}

Result<std::string> state_folder_name(const std::string& id, const std::string& state_directory) {
  if (id.empty()) return fail("container id: is empty");
  if (id.front() == '.') return fail("container id " + id + ": begins with a dot");
  if (id.find('/') != std::string::npos) return fail("container id " + id + ": contains a slash");
  if (id.find('\0') != std::string::npos) return fail("container id: contains a NUL byte");
  if (socket_path_fits(state_directory, id)) return id;
  std::string name = shortened(id);
  if (socket_path_fits(state_directory, name)) return name;
  return fail(ENAMETOOLONG, state_directory + ": too long for the path of a socket below it");
}

}  // namespace tidewaiter::container

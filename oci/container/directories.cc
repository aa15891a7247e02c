#include "oci/container/directories.h"

#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <sstream>

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

// `variable`, or else `below_home` in the home folder.
Result<std::string> user_directory(const char* variable, const std::string& below_home) {
  if (const auto directory = TRY(absolute_path_in(variable))) return *directory;
  if (const auto home = TRY(absolute_path_in("HOME"))) return *home + below_home;
  return fail(std::string("neither ") + variable + " nor HOME is set in the environment");
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
    directories = Directories{"/etc/tidewaiter/config.json", "/run/tidewaiter", "/var/log/tidewaiter"};
  } else {
    directories = TRY(user_directories());
  }
  if (config_file) directories.config_file = *config_file;
  return directories;
}

bool is_initial_root() {
  if (::geteuid() != 0) return false;
  const auto map = sys::read_file("/proc/self/uid_map", 4096);
  if (!map) return false;
  // Only the initial namespace, and one that maps it whole, begins so (user_namespaces(7)).
  std::istringstream words(*map);
  std::string inside;
  std::string outside;
  std::string count;
  words >> inside >> outside >> count;
  return inside == "0" && outside == "0" && count == "4294967295";
}

Result<std::string> state_folder_name(const std::string& id, const std::string& state_directory) {
  if (id.empty()) return fail("container id: is empty");
  if (id.front() == '.') return fail("container id " + id + ": begins with a dot");
  if (id.find('/') != std::string::npos) return fail("container id " + id + ": contains a slash");
  if (id.find('\0') != std::string::npos) return fail("container id: contains a NUL byte");
  if (socket_path_fits(state_directory, id)) return id;
  const std::string name = shortened(id);
  if (socket_path_fits(state_directory, name)) return name;
  return fail(ENAMETOOLONG, state_directory + ": too long for the path of a socket below it");
}

}  // namespace tidewaiter::container

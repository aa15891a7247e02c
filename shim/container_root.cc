#include "shim/container_root.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "oci/base/system.h"

namespace tidewaiter::shim {
namespace {

using nlohmann::ordered_json;

// One without a destination is a mistake that the runtime will tell of; until then it may be anywhere.
std::vector<std::string> destinations(const ordered_json& config) {
  std::vector<std::string> found;
  const ordered_json::json_pointer place("/mounts");
  if (!config.contains(place) || !config.at(place).is_array()) return found;
  for (const ordered_json& mount : config.at(place)) {
    std::string destination = text_at(mount, "/destination");
    while (destination.ends_with('/')) destination.pop_back();
    found.push_back(std::move(destination));
  }
  return found;
}

std::string own_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

}  // namespace

std::string text_at(const ordered_json& config, const char* pointer) {
  const ordered_json::json_pointer place(pointer);
  if (!config.contains(place) || !config.at(place).is_string()) return {};
  return config.at(place).get<std::string>();
}

std::vector<std::string> texts_at(const ordered_json& config, const char* pointer) {
  std::vector<std::string> texts;
  const ordered_json::json_pointer place(pointer);
  if (!config.contains(place) || !config.at(place).is_array()) return texts;
  for (const ordered_json& text : config.at(place)) {
    if (text.is_string()) texts.push_back(text.get<std::string>());
  }
  return texts;
}

ContainerRoot::ContainerRoot(std::string path, UniqueFd folder, std::vector<std::string> mounts)
    : path_(std::move(path)), folder_(std::move(folder)), mounts_(std::move(mounts)) {}

Result<ContainerRoot> ContainerRoot::open(const ordered_json& config, const std::string& config_path) {
  std::string folder = text_at(config, "/root/path");
  if (!folder.starts_with('/')) folder = config_path.substr(0, config_path.rfind('/') + 1) + folder;
  std::string path = TRY(sys::realpath(folder));
  UniqueFd opened = TRY(sys::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (path == "/") path.clear();
  return ContainerRoot(std::move(path), std::move(opened), destinations(config));
}

Result<ContainerRoot::Found> ContainerRoot::find(const std::string& path) const {
  UniqueFd file = TRY(sys::openat2(folder_.get(), path, O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS));
  const struct stat status = TRY(sys::fstat(file.get()));
  const std::string on_host = TRY(sys::readlink(own_path(file.get())));
  if (on_host == path_ || on_host == "/") return Found{"/", status.st_mode, std::move(file)};
  // It was moved out of the root, or its name is gone.
  if (!on_host.starts_with(path_ + "/")) return fail(ENOENT, path);
  return Found{on_host.substr(path_.size()), status.st_mode, std::move(file)};
}

bool ContainerRoot::is_below_mount(const std::string& path) const {
  return std::any_of(mounts_.begin(), mounts_.end(), [&](const std::string& destination) {
    return path == destination || path.starts_with(destination + "/");
  });
}

Result<std::string> ContainerRoot::beginning_of(const Found& found, std::size_t limit) {
  if (!S_ISREG(found.mode)) return fail(EINVAL, found.path);
  const UniqueFd file =
      TRY(sys::open(own_path(found.file.get()), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  std::string text(limit, '\0');
  std::size_t size = 0;
  while (size < limit) {
    const std::size_t count = TRY(sys::read(file.get(), text.data() + size, limit - size));
    if (count == 0) break;
    size += count;
  }
  text.resize(size);
  return text;
}

}  // namespace tidewaiter::shim

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

// Links on the way to a path that the kernel follows (MAXSYMLINKS in include/linux/namei.h).
constexpr int kMostLinks = 40;

// Puts the names in `path` on `names`, the first one on top.
void push_names(std::string_view path, std::vector<std::string>& names) {
  const auto below = static_cast<std::ptrdiff_t>(names.size());
  for (std::size_t start = 0; start < path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string_view name = path.substr(start, end - start);
    if (!name.empty() && name != ".") names.emplace_back(name);
    start = end + 1;
  }
  std::reverse(names.begin() + below, names.end());
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

ContainerRoot::ContainerRoot(std::string path, UniqueFd folder)
    : path_(std::move(path)), folder_(std::move(folder)) {}

Result<ContainerRoot> ContainerRoot::open(const ordered_json& config, const std::string& config_path) {
  std::string folder = text_at(config, "/root/path");
  if (!folder.starts_with('/')) folder = config_path.substr(0, config_path.rfind('/') + 1) + folder;
  std::string path = TRY(sys::realpath(folder));
  UniqueFd opened = TRY(sys::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (path == "/") path.clear();
  ContainerRoot root(std::move(path), std::move(opened));
  const ordered_json::json_pointer mounts("/mounts");
  if (config.contains(mounts) && config.at(mounts).is_array()) {
    for (const ordered_json& mount : config.at(mounts)) root.add_mount(text_at(mount, "/destination"));
  }
  return root;
}

// As runtimes mount: one after another, links in the root followed within it, a relative destination from the
// root on. One without a destination is a mistake that the runtime will tell of; until then it may be
// anywhere.
void ContainerRoot::add_mount(const std::string& destination) {
  // Nothing new lies under a mount that is there already.
  if (auto place = way_to(destination)) mounts_.push_back(std::move(*place));
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

std::optional<std::string> ContainerRoot::link_at(const std::string& path) const {
  const auto file =
      sys::openat2(folder_.get(), path, O_PATH | O_NOFOLLOW, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (!file) return std::nullopt;
  const auto status = sys::fstat(file->get());
  if (!status || !S_ISLNK(status->st_mode)) return std::nullopt;
  auto text = sys::readlinkat(file->get(), "");
  return text ? std::optional(std::move(*text)) : std::nullopt;
}

std::optional<std::string> ContainerRoot::way_to(std::string_view path) const {
  const auto lies_below_mount = [&](const std::string& place) {
    return std::any_of(mounts_.begin(), mounts_.end(), [&](const std::string& mount) {
      return place == mount || place.starts_with(mount + "/");
    });
  };
  std::vector<std::string> names;
  push_names(path, names);
  std::string at;  // without a slash at the end
  int links = 0;
  while (!names.empty()) {
    const std::string name = std::move(names.back());
    names.pop_back();
    if (name == "..") {
      at.resize(std::min(at.rfind('/'), at.size()));
      continue;
    }
    const std::string next = std::string(at).append("/").append(name);
    if (lies_below_mount(next)) return std::nullopt;
    const auto link = links < kMostLinks ? link_at(next) : std::nullopt;
    if (!link) {
      at = next;
      continue;
    }
    ++links;
    if (link->starts_with('/')) at.clear();
    push_names(*link, names);
  }
  return at;
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

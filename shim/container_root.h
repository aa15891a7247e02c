#pragma once

#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

namespace tidewaiter::shim {

// What a bundle says at a JSON pointer; empty when it says something else there, or nothing.
std::string text_at(const nlohmann::ordered_json& config, const char* pointer);
std::vector<std::string> texts_at(const nlohmann::ordered_json& config, const char* pointer);

// The root file system of a bundle, before anything is mounted in it. It is not trusted: its links are
// followed within it, as the container will see them, and no file is opened that is not a regular one.
class ContainerRoot {
 public:
  // `config_path`: of the bundle, whose folder a relative /root/path is in.
  static Result<ContainerRoot> open(const nlohmann::ordered_json& config, const std::string& config_path);

  struct Found {
    std::string path;  // canonical, as the container sees it
    mode_t mode = 0;   // st_mode (inode(7))
    UniqueFd file;     // O_PATH
  };
  // What a path leads to, all links followed. The error's code says why there is nothing.
  [[nodiscard]] Result<Found> find(const std::string& path) const;

  // Whether a mount will lie over `path`, or over what leads to it: what is there now tells nothing then.
  [[nodiscard]] bool is_below_mount(const std::string& path) const;

  // The first bytes of a regular file, at most `limit`; others are EINVAL.
  static Result<std::string> beginning_of(const Found& found, std::size_t limit);

 private:
  ContainerRoot(std::string path, UniqueFd folder, std::vector<std::string> mounts);

  std::string path_;  // on the host, without a slash at the end; empty: the host's own
  UniqueFd folder_;
  std::vector<std::string> mounts_;  // destinations, without a slash at the end
};

}  // namespace tidewaiter::shim

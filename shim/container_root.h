#pragma once

#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
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

  // Whether a mount will lie over `path`, or over what leads to it, links included: what is there now, or is
  // missing, tells nothing then.
  [[nodiscard]] bool is_below_mount(const std::string& path) const { return !way_to(path); }

  // The first bytes of a regular file, at most `limit`; others are EINVAL.
  static Result<std::string> beginning_of(const Found& found, std::size_t limit);

 private:
  ContainerRoot(std::string path, UniqueFd folder);

  // Where a path leads, links followed one by one, as far as the root has what is on the way; what it has not
  // stays as written. Nothing when a mount will lie over some of it.
  [[nodiscard]] std::optional<std::string> way_to(std::string_view path) const;
  // What the link at a canonical path says; nothing: there is no link.
  [[nodiscard]] std::optional<std::string> link_at(const std::string& path) const;
  void add_mount(const std::string& destination);

  std::string path_;  // on the host, without a slash at the end; empty: the host's own
  UniqueFd folder_;
  std::vector<std::string> mounts_;  // where they will lie: canonical, without a slash at the end
};

}  // namespace tidewaiter::shim

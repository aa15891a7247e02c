#include "oci/spec/procfs_mount.h"

#include <algorithm>
#include <string_view>

#include "oci/spec/mounts.h"

namespace tidewaiter::spec {
namespace {

constexpr std::string_view kProc = "/proc";

bool is_below(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path.substr(folder.size()).starts_with('/'));
}

// Where the mount shows a procfs of the host's; empty: nowhere.
std::string host_procfs(const Json& mount) {
  if (!is_bind(mount)) return {};
  const std::string source = absolute(text_member(mount, "source"));
  std::string destination = absolute(text_member(mount, "destination"));
  if (is_below(source, kProc)) return destination;
  if (source == "/" && has_option(mount, "rbind")) {
    return (destination == "/" ? "" : destination) + std::string(kProc);
  }
  return {};
}

// The objects of /mounts.
std::vector<const Json*> mounts_of(const Json& config) {
  std::vector<const Json*> found;
  const auto mounts = config.find("mounts");
  if (mounts == config.end() || !mounts->is_array()) return found;
  for (const Json& mount : *mounts) {
    if (mount.is_object()) found.push_back(&mount);
  }
  return found;
}

// Whether the container's root is the host's, with all that is mounted below it.
bool has_host_root(const Json& config) {
  const auto root = config.find("root");
  return root != config.end() && root->is_object() && absolute(text_member(*root, "path")) == "/" &&
         !text_member(*root, "path").empty();
}

// The list of paths `key`; empty where there is none.
Result<Json> paths(const Json& linux_part, const char* key) {
  const auto list = linux_part.find(key);
  if (list == linux_part.end() || list->is_null()) return Json::array();
  if (!list->is_array()) return fail("/linux/" + std::string(key) + " is not an array");
  return *list;
}

}  // namespace

std::vector<std::string> procfs_mounts(const Json& config) {
  std::vector<std::string> found;
  const auto add = [&found](std::string place) {
    if (std::find(found.begin(), found.end(), place) == found.end()) found.push_back(std::move(place));
  };
  if (has_host_root(config)) add(std::string(kProc));
  for (const Json* mount : mounts_of(config)) {
    if (text_member(*mount, "type") == "proc") {
      add(absolute(text_member(*mount, "destination")));
    } else if (std::string place = host_procfs(*mount); !place.empty()) {
      add(std::move(place));
    }
  }
  return found;
}

bool procfs_shows_others(const Json& config) {
  if (has_host_root(config)) return true;
  for (const Json* mount : mounts_of(config)) {
    if (!host_procfs(*mount).empty()) return true;
  }
  const auto linux_part = config.find("linux");
  if (linux_part == config.end() || !linux_part->is_object()) return true;
  const auto namespaces = linux_part->find("namespaces");
  if (namespaces == linux_part->end() || !namespaces->is_array()) return true;
  return std::none_of(namespaces->begin(), namespaces->end(), [](const Json& one) {
    return one.is_object() && text_member(one, "type") == "pid" && text_member(one, "path").empty();
  });
}

bool labels_processes(const Json& config) {
  const auto process = config.find("process");
  if (process == config.end() || !process->is_object()) return false;
  return !text_member(*process, "apparmorProfile").empty() || !text_member(*process, "selinuxLabel").empty();
}

Status make_procfs_read_only(Json& config) {
  Json& linux_part = config["linux"];
  if (linux_part.is_null()) linux_part = Json::object();
  if (!linux_part.is_object()) return fail("/linux is not an object");
  const Json masked = TRY(paths(linux_part, "maskedPaths"));
  const Json own = TRY(paths(linux_part, "readonlyPaths"));
  Json list = Json::array();
  for (const std::string& place : procfs_mounts(config)) {
    list.push_back(place);
    // crun mounts what it masks first, and makes it read-only last: of that, what a recursive bind copies
    // here is not yet, and what hides a folder is a file system that one could fill.
    for (const Json& path : masked) {
      if (!path.is_string()) continue;
      const std::string name = absolute(path.get<std::string>());
      if (name != place && is_below(name, place)) list.push_back(path);
    }
  }
  // Behind, for they may lie below.
  for (const Json& path : own) list.push_back(path);
  linux_part["readonlyPaths"] = std::move(list);
  return {};
}

}  // namespace tidewaiter::spec

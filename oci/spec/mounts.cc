#include "oci/spec/mounts.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "oci/spec/members.h"

namespace tidewaiter::spec {

std::string text_member(const Json& object, const char* key) {
  const Json* found = member(object, key);
  return found != nullptr && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<std::string> options_of(const Json& mount) {
  std::vector<std::string> options;
  const Json* list = member(mount, "options");
  if (list == nullptr || !list->is_array()) return options;
  for (const Json& option : *list) {
    if (option.is_string()) options.push_back(option.get<std::string>());
  }
  return options;
}

bool has_option(const Json& mount, std::string_view wanted) {
  const std::vector<std::string> options = options_of(mount);
  return std::find(options.begin(), options.end(), wanted) != options.end();
}

bool is_bind(const Json& mount) {
  return text_member(mount, "type") == "bind" || has_option(mount, "bind") || has_option(mount, "rbind");
}

bool is_recursive(const Json& mount) {
  constexpr std::string_view kRecursive[] = {"rbind", "rprivate", "rshared", "rslave", "runbindable"};
  return std::any_of(std::begin(kRecursive), std::end(kRecursive),
                     [&mount](std::string_view option) { return has_option(mount, option); });
}

std::string absolute(const std::string& path) {
  std::string clean = std::filesystem::path("/./" + path + "/.").lexically_normal().string();
  while (clean.size() > 1 && clean.ends_with('/')) clean.pop_back();
  return clean;
}

bool is_below(std::string_view path, std::string_view folder) {
  if (folder == "/") return path.starts_with('/');
  return path == folder || (path.starts_with(folder) && path.substr(folder.size()).starts_with('/'));
}

Json* mount_at(Json& config, std::string_view destination) {
  if (!config.is_object()) return nullptr;
  const auto mounts = config.find("mounts");
  if (mounts == config.end() || !mounts->is_array()) return nullptr;
  Json* last = nullptr;
  for (Json& mount : *mounts) {
    if (mount.is_object() && absolute(text_member(mount, "destination")) == destination) last = &mount;
  }
  return last;
}

Json bind_of_file(const std::string& destination, const std::string& source) {
  // nosuid and nodev: in a user namespace no mount may have fewer of them than its source, and a state
  // folder's mostly has both.
  return {{"destination", destination},
          {"type", "bind"},
          {"source", source},
          {"options", {"bind", "rprivate", "ro", "nosuid", "nodev", "noexec"}}};
}

std::string cgroup_of(const Json& config) {
  const Json* linux_part = member(config, "linux");
  return linux_part == nullptr ? "" : text_member(*linux_part, "cgroupsPath");
}

std::vector<std::string> bind_sources(const Json& config) {
  std::vector<std::string> sources;
  if (const Json* root = member(config, "root")) {
    if (std::string path = text_member(*root, "path"); !path.empty()) sources.push_back(std::move(path));
  }
  const Json* mounts = member(config, "mounts");
  if (mounts == nullptr || !mounts->is_array()) return sources;
  for (const Json& mount : *mounts) {
    if (is_bind(mount)) sources.push_back(text_member(mount, "source"));
  }
  return sources;
}

}  // namespace tidewaiter::spec

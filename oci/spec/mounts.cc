#include "oci/spec/mounts.h"

#include <algorithm>
#include <filesystem>

namespace tidewaiter::spec {

std::string text_member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool has_option(const Json& mount, std::string_view wanted) {
  const auto options = mount.find("options");
  return options != mount.end() && options->is_array() &&
         std::any_of(options->begin(), options->end(),
                     [wanted](const Json& option) { return option == wanted; });
}

bool is_bind(const Json& mount) {
  return text_member(mount, "type") == "bind" || has_option(mount, "bind") || has_option(mount, "rbind");
}

std::string absolute(const std::string& path) {
  std::string clean = std::filesystem::path("/./" + path + "/.").lexically_normal().string();
  while (clean.size() > 1 && clean.ends_with('/')) clean.pop_back();
  return clean;
}

}  // namespace tidewaiter::spec

#include "oci/spec/hosts_mount.h"

#include <functional>
#include <string_view>

#include "oci/spec/mounts.h"

namespace tidewaiter::spec {
namespace {

constexpr std::string_view kHosts = "/etc/hosts";

}  // namespace

Result<HostsBase> bind_over_hosts(Json& config, const std::string& source) {
  Json& mounts = config["mounts"];
  if (mounts.is_null()) mounts = Json::array();
  if (!mounts.is_array()) return fail("/mounts is not an array");

  HostsBase base{"/", ""};
  Json* own = mount_at(config, kHosts);
  Json* etc = mount_at(config, "/etc");
  // One over /etc that comes later hides it.
  if (own != nullptr && etc != nullptr && std::less<>()(own, etc)) own = nullptr;
  if (own != nullptr && is_bind(*own)) {
    base.path = text_member(*own, "source");
  } else if (etc != nullptr && is_bind(*etc)) {
    base = {text_member(*etc, "source"), "/hosts"};
  } else if (const auto root = config.find("root"); root != config.end() && root->is_object()) {
    base = {text_member(*root, "path"), "/etc/hosts"};
  } else {
    base.root.clear();
  }

  // In its old place, unless that is hidden.
  if (own == nullptr) own = &mounts.emplace_back(Json::object());
  *own = bind_of_file(std::string(kHosts), source);
  return base;
}

HostsBase in_bundle(const HostsBase& base, const std::string& bundle) {
  HostsBase found = base;
  const bool relative_root = !base.root.starts_with('/');
  const bool relative_path = base.root == "/" && !base.path.starts_with('/');
  if (base.root.empty() || ((relative_root || relative_path) && bundle.empty())) return {};
  if (relative_root) found.root = bundle + "/" + base.root;
  if (relative_path) found.path = bundle + "/" + base.path;
  return found;
}

}  // namespace tidewaiter::spec

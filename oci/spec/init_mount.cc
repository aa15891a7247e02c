#include "oci/spec/init_mount.h"

#include <string_view>

#include "oci/spec/members.h"
#include "oci/spec/mounts.h"

namespace tidewaiter::spec {
namespace {

// With a dot: nobody who lists /dev is to trip over it.
constexpr std::string_view kName = ".tidewaiter-init";

// Whether /dev of the container is a file system of its own that files can be made in, and that goes with it.
// Of several mounts there the last is the one that is seen.
bool has_own_dev(const Json& mounts) {
  bool own = false;
  for (const Json& mount : mounts) {
    if (!mount.is_object()) continue;
    const std::string destination = absolute(text_member(mount, "destination"));
    if (destination != "/dev" && destination != "/") continue;
    own = destination == "/dev" && text_member(mount, "type") == "tmpfs" && !is_bind(mount) &&
          !has_option(mount, "ro");
  }
  return own;
}

}  // namespace

Result<std::string> init_place(const Json& config) {
  const Json* mounts = member(config, "mounts");
  if (mounts != nullptr && !mounts->is_array()) return fail("/mounts is not an array");
  return (mounts != nullptr && has_own_dev(*mounts) ? "/dev/" : "/") + std::string(kName);
}

Result<std::string> bind_init(Json& config, const std::string& source) {
  std::string place = TRY(init_place(config));
  Json& mounts = config["mounts"];
  if (mounts.is_null()) mounts = Json::array();
  // Last, so that nothing lies over it. nosuid and nodev: in a user namespace no mount may have fewer of them
  // than its source.
  mounts.push_back({{"destination", place},
                    {"type", "bind"},
                    {"source", source},
                    {"options", {"bind", "rprivate", "ro", "nosuid", "nodev"}}});
  return place;
}

Status put_before(Json& process, const std::vector<std::string>& arguments) {
  if (!process.is_object()) return fail("expected an object, found " + std::string(process.type_name()));
  const auto args = process.find("args");
  if (args == process.end() || args->is_null()) return {};
  if (!args->is_array())
    return fail("args: expected an array of strings, found " + std::string(args->type_name()));
  if (args->empty()) return {};
  for (const Json& argument : *args) {
    if (!argument.is_string())
      return fail("args: expected an array of strings, found in it " + std::string(argument.type_name()));
  }
  Json all = arguments;
  for (Json& argument : *args) all.push_back(std::move(argument));
  *args = std::move(all);
  return {};
}

}  // namespace tidewaiter::spec

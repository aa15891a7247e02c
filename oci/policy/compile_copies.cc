#include "oci/policy/compile_copies.h"

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "oci/policy/wording.h"
#include "oci/spec/config.h"
#include "oci/spec/members.h"
#include "oci/spec/mounts.h"

namespace tidewaiter::policy {
namespace {

using nlohmann::ordered_json;

// Whatever a kernel was built to do by itself: the upper layer has to hold whole files, and each folder at
// the place it has in the container. (userxattr shuts out the first two anyway.)
constexpr std::string_view kOverlayOptions = "redirect_dir=nofollow,metacopy=off,index=off";

// mount(2): the kernel takes one page of options.
constexpr std::size_t kMostOptions = 4095;

// What a bind mount says of itself, and of what may be done in it. Anything else is said of a bind mount
// only.
bool goes_with_overlay(std::string_view option) {
  constexpr std::string_view kKept[] = {
      "rw",         "nosuid",      "suid",          "nodev",   "dev",        "noexec",   "exec",
      "sync",       "async",       "noatime",       "atime",   "nodiratime", "diratime", "relatime",
      "norelatime", "strictatime", "nostrictatime", "private", "rprivate",   "slave",    "rslave"};
  for (const std::string_view one : kKept) {
    if (one == option) return true;
  }
  return false;
}

ordered_json options_of(const ordered_json& mount, std::string_view layers, bool user_xattr) {
  ordered_json options = ordered_json::array();
  for (const std::string& option : spec::options_of(mount)) {
    if (goes_with_overlay(option)) options.push_back(option);
  }
  options.push_back(layers);
  if (user_xattr) options.push_back("userxattr");
  return options;
}

std::string_view words(Settlement settlement) {
  switch (settlement) {
    case Settlement::kKeep:
      return "kept";
    case Settlement::kCommit:
      return "committed";
    case Settlement::kDiscard:
      break;
  }
  return "discarded";
}

Status add_hooks(ordered_json& config, const Listener& listener) {
  ordered_json& hooks = config["hooks"];
  if (hooks.is_null()) hooks = ordered_json::object();
  if (!hooks.is_object()) return fail("/hooks: expected an object, found " + std::string(hooks.type_name()));
  const auto list = [&hooks](const char* name) -> Result<ordered_json*> {
    ordered_json& one = hooks[name];
    if (one.is_null()) one = ordered_json::array();
    if (!one.is_array())
      return fail(std::string("/hooks/") + name + ": expected an array, found " + one.type_name());
    return &one;
  };
  const auto hook = [&listener](const char* what) -> ordered_json {
    return {{"path", listener.copies_program},
            {"args", {"tidewaiter", "changes", what, listener.copies_folder}}};
  };
  ordered_json* begin = TRY(list("createRuntime"));
  begin->insert(begin->begin(), hook("--attend"));
  TRY(list("poststop"))->push_back(hook("--settle"));
  return {};
}

// Without one, processes of the container may outlive its first, and write on.
Status check_pid_namespace(const ordered_json& config) {
  const ordered_json* linux_part = spec::member(config, "linux");
  const ordered_json* namespaces = linux_part == nullptr ? nullptr : spec::member(*linux_part, "namespaces");
  if (namespaces != nullptr && namespaces->is_array()) {
    for (const ordered_json& one : *namespaces) {
      if (spec::text_member(one, "type") == "pid" && spec::member(one, "path") == nullptr) return {};
    }
  }
  return fail(
      "/linux/namespaces: a policy with /files/copy_on_write needs a pid namespace of the container's "
      "own, as in {\"type\": \"pid\"}, for nothing of it may write on when its first process has ended");
}

}  // namespace

bool copies(const Policy& policy) { return policy.files && !policy.files->copy_on_write.empty(); }

std::string upper_folder(const std::string& copies_folder, std::size_t number) {
  return copies_folder + "/" + std::to_string(number) + "/upper";
}

std::string work_folder(const std::string& copies_folder, std::size_t number) {
  return copies_folder + "/" + std::to_string(number) + "/work";
}

Status check_overlay_path(const std::string& path) {
  for (const char c : path) {
    if (c == ',' || c == ':' || c == '\\' || static_cast<unsigned char>(c) < ' ')
      return fail(quote(path) +
                  " has a comma, a colon, a backslash or a control character, which an overlay's options do "
                  "not take: copy on write needs another name for it");
  }
  return {};
}

Result<const ordered_json*> copied_mount(const CopyRule& rule, const ordered_json& config) {
  const ordered_json* found = nullptr;
  const ordered_json* mounts = spec::member(config, "mounts");
  if (mounts != nullptr && mounts->is_array()) {
    for (const ordered_json& mount : *mounts) {
      if (!mount.is_object()) continue;
      const std::string place = spec::absolute(spec::text_member(mount, "destination"));
      if (place == rule.path) {
        if (found != nullptr)
          return fail(rule.pointer + ": the bundle mounts twice at " + quote(rule.path) +
                      ": take the mount away that is hidden");
        found = &mount;
      } else if (found != nullptr && spec::is_below(rule.path, place)) {
        return fail(rule.pointer + ": the bundle mounts something over " + quote(rule.path) +
                    " afterwards, at " + quote(place));
      }
    }
  }
  if (found == nullptr)
    return fail(
        rule.pointer + ": the bundle mounts nothing at " + quote(rule.path) +
        ": only a folder of the host that is bound there can be copied, as by podman's --volume; what "
        "the container writes into its own root goes with it anyway");
  if (!spec::is_bind(*found)) {
    const std::string type = spec::text_member(*found, "type");
    return fail(rule.pointer + ": the bundle has a file system of its own at " + quote(rule.path) +
                (type.empty() ? "" : " (" + type + ")") + ", and no folder of the host that could be copied");
  }
  if (spec::has_option(*found, "ro") || spec::has_option(*found, "rro"))
    return fail(rule.pointer + ": the bundle binds " + quote(rule.path) +
                " read-only, so there is nothing to keep apart: bind it \"rw\", or leave the rule out");
  for (const char* option : {"shared", "rshared", "unbindable", "runbindable", "idmap", "ridmap"}) {
    if (spec::has_option(*found, option))
      return fail(rule.pointer + ": the bundle binds " + quote(rule.path) + " with the option " +
                  quote(option) + ", which no overlay has: take it away");
  }
  for (const char* mapping : {"uidMappings", "gidMappings"}) {
    if (spec::member(*found, mapping) != nullptr)
      return fail(rule.pointer + ": the bundle binds " + quote(rule.path) + " with " + mapping +
                  ", which no overlay has: take them away");
  }
  return found;
}

Status mount_copies(ordered_json& config, const FilesPolicy& files, const Listener& listener) {
  if (listener.copies_folder.empty())
    return fail(
        "/files/copy_on_write: podman's hook cannot copy folders, for it is not told the container's id: use "
        "tidewaiter as the runtime");
  for (const std::string& path : {listener.copies_folder, listener.copies_program}) {
    if (!spec::is_utf8(path)) return fail("the path is not UTF-8, as config.json has to be: " + path);
  }
  TRY(check_overlay_path(listener.copies_folder));
  TRY(check_pid_namespace(config));
  for (std::size_t i = 0; i < files.copy_on_write.size(); ++i) {
    const CopyRule& rule = files.copy_on_write[i];
    const ordered_json* bound = TRY(copied_mount(rule, config));
    const auto known = listener.copied_folders.find(rule.path);
    const std::string lower =
        known == listener.copied_folders.end() ? spec::text_member(*bound, "source") : known->second;
    TRY(in_context(rule.pointer, check_overlay_path(lower)));
    std::string layers = "lowerdir=" + lower + ",upperdir=" + upper_folder(listener.copies_folder, i) +
                         ",workdir=" + work_folder(listener.copies_folder, i) + ",";
    layers += kOverlayOptions;
    if (layers.size() + std::string_view(",userxattr").size() > kMostOptions)
      return fail(rule.pointer +
                  ": the paths of the folder and of its copy have more bytes together than an "
                  "overlay's options may have");
    ordered_json* mount = spec::mount_at(config, rule.path);
    *mount = {{"destination", spec::text_member(*bound, "destination")},
              {"type", "overlay"},
              {"source", "overlay"},
              {"options", options_of(*bound, layers, listener.copies_user_xattr)}};
  }
  return add_hooks(config, listener);
}

std::vector<PlanRow> copies_rows(const Policy& policy, const Listener& listener) {
  std::vector<PlanRow> rows;
  if (!policy.files) return rows;
  for (const CopyRule& rule : policy.files->copy_on_write) {
    std::string note = "an overlay over the folder that the bundle binds there; ";
    if (listener.dry_run) {
      note += "a dry run: listed at the end, and discarded";
    } else if (rule.on_success == rule.on_failure) {
      note += std::string(words(rule.on_success)) + " at the end";
    } else {
      note += std::string(words(rule.on_success)) + " when the container ends with exit code 0, else " +
              std::string(words(rule.on_failure));
    }
    rows.push_back({.pointer = rule.pointer,
                    .what = "changes to " + rule.path + " and what lies below it: kept apart",
                    .mechanism = Mechanism::kRuntime,
                    .cost = "none",
                    .note = std::move(note)});
  }
  if (!rows.empty())
    rows.push_back({.pointer = "",
                    .what = "a process that waits for the container's end",
                    .mechanism = Mechanism::kRuntime,
                    .cost = "none",
                    .note =
                        "started and waited for by hooks of the bundle (createRuntime, poststop); settles "
                        "the changes",
                    .origin = Origin::kFiles});
  return rows;
}

}  // namespace tidewaiter::policy

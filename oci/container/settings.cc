#include "oci/container/settings.h"

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <string_view>

#include "oci/base/system.h"
#include "oci/container/policy_name.h"
#include "oci/spec/config.h"

namespace tidewaiter::container {
namespace {

using spec::Json;

constexpr std::size_t kLargestFile = 1U << 20U;

// Where a setting stands, as errors name it: "/etc/tidewaiter/config.json: /log/max_bytes".
struct Place {
  const std::string& file;
  std::string pointer;
  [[nodiscard]] std::string text() const { return file + ": " + pointer; }
};

// The value itself, where it is short; else its type.
std::string in_words(const Json& found) {
  constexpr std::size_t kShort = 80;
  if (found.is_structured()) return found.type_name();
  std::string text = found.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() <= kShort ? text : found.type_name();
}

tl::unexpected<Error> wrong_type(const Place& place, const Json& found, std::string_view expected) {
  return fail(place.text() + " is " + in_words(found) + ", must be " + std::string(expected));
}

Result<std::string> read_string(const Place& place, const Json& value) {
  if (!value.is_string()) return wrong_type(place, value, "a string");
  return value.get<std::string>();
}

Result<std::string> read_absolute_path(const Place& place, const Json& value) {
  std::string path = TRY(read_string(place, value));
  if (!path.starts_with('/')) return fail(place.text() + " is \"" + path + "\", must be an absolute path");
  return path;
}

// sockaddr_un has room for so much (unix(7)).
Result<std::string> read_socket_path(const Place& place, const Json& value) {
  constexpr std::size_t kMost = 107;
  std::string path = TRY(read_absolute_path(place, value));
  if (path.size() > kMost) {
    return fail(place.text() + " has " + std::to_string(path.size()) +
                " bytes, a socket's path has at most " + std::to_string(kMost));
  }
  return path;
}

Result<bool> read_bool(const Place& place, const Json& value) {
  if (!value.is_boolean()) return wrong_type(place, value, "true or false");
  return value.get<bool>();
}

Result<std::uint64_t> read_size(const Place& place, const Json& value) {
  if (!value.is_number_unsigned()) return wrong_type(place, value, "a number of bytes, 4096 or more");
  const auto size = value.get<std::uint64_t>();
  if (size < 4096) return fail(place.text() + " is " + std::to_string(size) + ", must be 4096 or more");
  return size;
}

Result<std::uint64_t> read_seconds(const Place& place, const Json& value) {
  constexpr std::uint64_t kMost = 3600;
  if (!value.is_number_unsigned()) return wrong_type(place, value, "a number of seconds, 0 to 3600");
  const auto seconds = value.get<std::uint64_t>();
  if (seconds > kMost) return fail(place.text() + " is " + std::to_string(seconds) + ", must be 0 to 3600");
  return seconds;
}

Result<std::vector<std::string>> read_policy_names(const Place& place, const Json& value) {
  if (!value.is_array()) return wrong_type(place, value, "an array of policy names");
  std::vector<std::string> names;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const Place element{place.file, place.pointer + "/" + std::to_string(i)};
    names.push_back(TRY(read_string(element, value[i])));
    if (!is_policy_name(names.back())) {
      return fail(element.text() + " is \"" + names.back() + "\", must be the name of a policy");
    }
  }
  return names;
}

Status read_log(const std::string& file, const Json& log, Settings& settings) {
  if (!log.is_object()) return wrong_type({file, "/log"}, log, "an object");
  for (const auto& [key, value] : log.items()) {
    const Place place{file, "/log/" + key};
    if (key == "max_bytes") {
      settings.log_max_bytes = TRY(read_size(place, value));
    } else if (key == "total_bytes") {
      settings.log_total_bytes = TRY(read_size(place, value));
    } else {
      return fail(place.text() + " is not a setting; valid in /log are max_bytes and total_bytes");
    }
  }
  return {};
}

Status read_setting(const std::string& file, const std::string& key, const Json& value, Settings& settings) {
  const Place place{file, "/" + key};
  if (key == "runtime") {
    settings.runtime = TRY(read_absolute_path(place, value));
  } else if (key == "agent") {
    settings.agent = TRY(read_absolute_path(place, value));
  } else if (key == "agent_socket") {
    settings.agent_socket = TRY(read_socket_path(place, value));
  } else if (key == "default_policy") {
    settings.default_policy = TRY(read_string(place, value));
  } else if (key == "require_policy") {
    settings.require_policy = TRY(read_bool(place, value));
  } else if (key == "allow_policy_paths") {
    settings.allow_policy_paths = TRY(read_bool(place, value));
  } else if (key == "restart_seconds") {
    settings.restart_seconds = TRY(read_seconds(place, value));
  } else if (key == "allowed_policies") {
    settings.allowed_policies = TRY(read_policy_names(place, value));
  } else if (key == "changes_folder") {
    settings.changes_folder = TRY(read_absolute_path(place, value));
  } else if (key == "log") {
    return read_log(file, value, settings);
  } else {
    return fail(
        place.text() +
        " is not a setting; valid are runtime, agent, agent_socket, default_policy, "
        "require_policy, allow_policy_paths, allowed_policies, restart_seconds, changes_folder and log");
  }
  return {};
}

// `policies/NAME.json` beside the configuration file.
std::string path_of_named(const Settings& settings, const std::string& name) {
  const std::size_t slash = settings.path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : settings.path.substr(0, slash);
  return folder + "/policies/" + name + ".json";
}

// `who` names the policy: the annotation or the setting.
Result<std::string> resolve(const Settings& settings, const std::string& named, const std::string& who,
                            bool allow_path) {
  if (is_policy_name(named)) return path_of_named(settings, named);
  if (!named.starts_with('/')) {
    return fail(who + " is \"" + named +
                "\", which is no policy name: letters, digits, '.', '_' and '-', at most 128, not beginning "
                "with '.'" +
                (allow_path ? ", or an absolute path" : ""));
  }
  if (!allow_path) {
    return fail(who + " is the path \"" + named +
                "\", and paths are only allowed with allow_policy_paths in " + settings.path);
  }
  return named;
}

Status check_allowed(const Settings& settings, const std::string& named) {
  if (!settings.allowed_policies) return {};
  const auto& allowed = *settings.allowed_policies;
  if (std::find(allowed.begin(), allowed.end(), named) != allowed.end()) return {};
  std::string list;
  for (const std::string& name : allowed) list += (list.empty() ? "" : ", ") + name;
  return fail(std::string("annotation ") + kPolicyAnnotation + " is \"" + named + "\", and " + settings.path +
              ": /allowed_policies " + (list.empty() ? "lets no annotation name one" : "has only " + list));
}

}  // namespace

Result<Settings> Settings::load(const std::string& path, bool must_exist) {
  Settings settings;
  settings.path = path;
  const auto text = sys::read_file(path, kLargestFile);
  if (!text) {
    if (text.error().code == ENOENT && !must_exist) return settings;
    if (text.error().code == ENOENT) return fail("there is no configuration file " + path);
    return tl::unexpected(text.error());
  }
  const Json document = TRY(spec::parse_json(*text, path));
  if (!document.is_object()) return fail(path + ": must be an object, is " + document.type_name());
  for (const auto& [key, value] : document.items()) TRY(read_setting(path, key, value, settings));
  return settings;
}

Result<std::string> changes_folder(const Settings& settings, const Directories& directories) {
  if (!settings.changes_folder.empty()) return settings.changes_folder;
  if (!directories.changes.empty()) return directories.changes;
  return fail(
      "neither XDG_DATA_HOME nor HOME is set in the environment: one of them, or \"changes_folder\" of the "
      "configuration, names the folder for what containers write to folders that are copied on write");
}

Result<bool> is_dry_run(const Json& config) {
  const auto annotated = TRY(spec::annotation(config, kDryRunAnnotation));
  if (!annotated || *annotated == "false") return false;
  if (*annotated == "true") return true;
  return fail(std::string("annotation ") + kDryRunAnnotation + " is \"" + *annotated +
              "\", must be \"true\" or \"false\"");
}

Result<std::optional<std::string>> policy_path(const Settings& settings,
                                               const nlohmann::ordered_json& config) {
  const std::optional<std::string> annotated = TRY(spec::annotation(config, kPolicyAnnotation));
  if (annotated) {
    TRY(check_allowed(settings, *annotated));
    return TRY(resolve(settings, *annotated, std::string("annotation ") + kPolicyAnnotation,
                       settings.allow_policy_paths));
  }
  if (settings.default_policy) {
    return TRY(resolve(settings, *settings.default_policy, settings.path + ": /default_policy", true));
  }
  if (settings.require_policy) {
    return fail("the container names no policy, and " + settings.path +
                " requires one: give it the annotation " + kPolicyAnnotation + "=NAME");
  }
  return std::nullopt;
}

}  // namespace tidewaiter::container

#include "oci/container/settings.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "oci/spec/config.h"
#include "tests/fuzz/files.h"
#include "tests/fuzz/fuzz.h"

// The configuration file, and behind a line `---` the config.json whose annotation may choose a policy.

namespace tidewaiter::container {
namespace {

void check_settings(const Settings& settings) {
  for (const std::string& path : {settings.runtime, settings.agent}) {
    MUST(path.empty() || path.starts_with('/'));
  }
  MUST(settings.log_max_bytes >= 4096 && settings.log_total_bytes >= 4096 &&
       settings.restart_seconds <= 3600);
}

// Whoever makes an image can write annotations: none leads to a file that the settings do not mean.
void check_policy_path(const Settings& settings, const nlohmann::ordered_json& config) {
  const auto annotated = spec::annotation(config, kPolicyAnnotation);
  const auto path = policy_path(settings, config);
  if (!path) {
    MUST(!path.error().message().empty());
    return;
  }
  MUST(annotated);
  if (!*path) {
    MUST(!*annotated && !settings.default_policy && !settings.require_policy);
    return;
  }
  if (!*annotated) return;
  const auto& allowed = settings.allowed_policies;
  MUST(!allowed || std::find(allowed->begin(), allowed->end(), **annotated) != allowed->end());
  if (settings.allow_policy_paths && (*annotated)->starts_with('/')) {
    MUST(*path == *annotated);
    return;
  }
  const std::string folder = settings.path.substr(0, settings.path.rfind('/')) + "/policies/";
  MUST((*path)->starts_with(folder) && (*path)->ends_with(".json"));
  const std::string name = (*path)->substr(folder.size());
  MUST(name.find('/') == std::string::npos && !name.starts_with('.') && name.size() <= 128 + 5);
}

void check(fuzz::Input input) {
  static const fuzz::Folder folder;
  const std::string path = folder.write("config.json", input.take_document());
  const auto settings = Settings::load(path, true);
  fuzz::note(settings.has_value());
  if (!settings) {
    MUST(settings.error().message().starts_with(path));
    return;
  }
  check_settings(*settings);
  if (const auto config = spec::parse_json(input.rest(), "config.json"))
    check_policy_path(*settings, *config);
}

}  // namespace
}  // namespace tidewaiter::container

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tidewaiter::container::check(tidewaiter::fuzz::Input(data, size));
  return 0;
}

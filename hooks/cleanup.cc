#include "hooks/cleanup.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "hooks/precreate.h"
#include "oci/base/system.h"
#include "oci/container/agent_launcher.h"
#include "oci/container/directories.h"
#include "oci/spec/config.h"

namespace tidewaiter::hook {
namespace {

// An agent goes by itself when its container has gone, which takes it milliseconds.
constexpr std::chrono::milliseconds kAgentEnd{1500};

// The link by which `status` and `exec` find the state folder; the agent makes it when it learns the id.
Result<std::string> link_of(std::string_view state, const std::string& parent) {
  const spec::Json document = TRY(spec::parse_json(state, "state"));
  const auto id = document.is_object() ? document.find("id") : document.end();
  if (id == document.end() || !id->is_string()) return fail("state: has no id");
  return parent + "/" + TRY(container::state_folder_name(id->get<std::string>(), parent));
}

}  // namespace

Status cleanup(const std::string& state_folder, std::string_view state) {
  const std::size_t slash = state_folder.rfind('/');
  if (!state_folder.starts_with('/') ||
      !is_state_folder_name(std::string_view(state_folder).substr(slash + 1))) {
    return fail(state_folder + " is no state folder of the precreate hook");
  }
  if (!container::wait_for_agent_end(state_folder, kAgentEnd)) return {};
  TRY(container::clear_state_folder(state_folder));
  const std::string link = TRY(link_of(state, state_folder.substr(0, slash)));
  if (sys::readlink(link).value_or("") == state_folder) return sys::unlink(link);
  return {};
}

}  // namespace tidewaiter::hook

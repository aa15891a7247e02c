#include "shim/containers.h"

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "oci/base/system.h"
#include "oci/container/agent_launcher.h"
#include "shim/terminal_text.h"

namespace tidewaiter::shim {
namespace {

namespace fs = std::filesystem;
using container::Directories;
using container::Record;

std::string rfc3339(time_t when) {
  struct tm parts {};
  ::gmtime_r(&when, &parts);
  std::string text(32, '\0');
  text.resize(std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts));
  return text;
}

// Folders that a hook made before anybody knew the id are listed under the id's link instead.
bool is_listed_elsewhere(const std::string& name, const Record& record, const Directories& directories) {
  if (record.id.empty()) return false;
  const auto own_name = container::state_folder_name(record.id, directories.state);
  return own_name && *own_name != name && sys::stat(directories.state + "/" + *own_name).has_value();
}

std::string names_in_words(const std::set<std::string>& names, const std::string& beginning) {
  constexpr std::size_t kMost = 20;
  std::string words;
  std::size_t count = 0;
  for (const std::string& name : names) {
    if (!name.starts_with(beginning)) continue;
    if (++count > kMost) continue;
    words += (words.empty() ? "" : ", ") + terminal_text(name);
  }
  if (count > kMost) words += " and " + std::to_string(count - kMost) + " more";
  return words;
}

}  // namespace

Result<std::vector<SupervisedContainer>> supervised_containers(const Directories& directories) {
  std::set<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(directories.state, error), end; !error && entry != end;
       entry.increment(error)) {
    names.insert(entry->path().filename());
  }
  if (error && error.value() != ENOENT) return fail(error.value(), directories.state);

  std::vector<SupervisedContainer> containers;
  for (const std::string& name : names) {
    SupervisedContainer each;
    each.name = name;
    each.folder = directories.state + "/" + name;
    const auto made = sys::stat(each.folder + "/" + Record::kFileName);
    if (!made) continue;  // going, or not yet a container's
    auto record = container::read_record(each.folder);
    if (!record && record.error().code == ENOENT) continue;
    if (record && is_listed_elsewhere(name, *record, directories)) continue;
    if (record) {
      each.record = std::move(*record);
    } else {
      each.unreadable = record.error();
    }
    each.agent_alive = container::agent_alive(each.folder);
    each.agent_pid = container::agent_pid(each.folder);
    each.since = rfc3339(made->st_mtime);
    containers.push_back(std::move(each));
  }
  return containers;
}

Result<std::string> match_container(const std::set<std::string>& names, const std::string& id,
                                    const Directories& directories) {
  const auto exact = container::state_folder_name(id, directories.state);
  if (exact && names.contains(*exact)) return *exact;

  const auto first = names.lower_bound(id);
  if (!id.empty() && first != names.end() && first->starts_with(id)) {
    const auto second = std::next(first);
    if (second == names.end() || !second->starts_with(id)) return *first;
    return fail("\"" + id + "\" may mean any of " + names_in_words(names, id));
  }
  if (names.empty()) return fail("there is no container \"" + id + "\", nor any other");
  return fail("there is no container \"" + id + "\"; there are " + names_in_words(names, ""));
}

}  // namespace tidewaiter::shim

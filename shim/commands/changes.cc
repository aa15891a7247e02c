#include "shim/commands/changes.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "oci/base/json_text.h"
#include "oci/base/system.h"
#include "oci/container/settings.h"
#include "shim/commands/commands.h"
#include "shim/containers.h"
#include "shim/copies/settle.h"
#include "shim/own_options.h"
#include "shim/terminal_text.h"

// `changes`: what containers wrote to folders that are copied on write, and what is to become of it.

namespace tidewaiter::shim {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;
using Phase = CopyState::Phase;
using Stage = CopyState::Stage;

// A path may be as long as it likes; its end is what tells files apart.
constexpr std::size_t kWholePath = 1U << 20U;

Result<std::set<std::string>> names_below(const std::string& folder) {
  std::set<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    // One that is going, or is being made, has none.
    const std::string name = entry->path().filename();
    if (!name.starts_with('.') && sys::stat(entry->path().string() + "/" + CopyRecord::kFileName))
      names.insert(name);
  }
  if (error && error.value() != ENOENT) return fail(error.value(), folder);
  return names;
}

std::string in_words(const CopyRecord& record, const CopyState& state, std::size_t i) {
  const CopyState::Folder& folder = state.folders[i];
  const std::string because = folder.reason.empty() ? "" : " (" + folder.reason + ")";
  switch (folder.phase) {
    case Phase::kOpen:
      if (state.stage == Stage::kPrepared) return "being created";
      if (still_runs(state)) return record.dry_run ? "running, a dry run" : "running";
      return "not settled";
    case Phase::kKept:
      return "kept" + because;
    case Phase::kCommitting:
      return "committed in part" + because;
    case Phase::kDiscarding:
      return "discarded in part" + because;
    case Phase::kListed:
      return "dry run" + because;
    case Phase::kSettled:
      break;
  }
  return "settled";
}

struct Container {
  std::string name;
  CopyRecord record;
  CopyState state;
};

Result<Container> open_container(const std::string& folder, const std::string& name) {
  Container container{name, TRY(read_copy_record(folder + "/" + name)),
                      TRY(read_copy_state(folder + "/" + name))};
  if (container.record.folders.size() != container.state.folders.size())
    return fail(folder + "/" + name + ": record and state do not match");
  return container;
}

Status list_containers(const std::string& folder, const std::set<std::string>& names, bool json,
                       std::ostream& out) {
  std::size_t width = 12;
  for (const std::string& name : names) width = std::max(width, name.size());
  if (!json) out << column("CONTAINER", width) << "  " << column("SINCE", 20) << "  FOLDER  STATE\n";
  Status all;
  for (const std::string& name : names) {
    const auto container = open_container(folder, name);
    if (!container) {
      // Settled meanwhile.
      if (container.error().code != ENOENT && all) all = tl::unexpected(container.error());
      continue;
    }
    for (std::size_t i = 0; i < container->record.folders.size(); ++i) {
      const CopyRecord::Folder& copied = container->record.folders[i];
      const std::string state = in_words(container->record, container->state, i);
      if (json) {
        std::string line = "{\"container\":";
        append_json_string(line, container->record.id);
        line += ",\"since\":";
        append_json_string(line, container->record.created);
        line += ",\"path\":";
        append_json_string(line, copied.path);
        line += ",\"source\":";
        append_json_string(line, copied.source);
        line += ",\"state\":";
        append_json_string(line, state);
        out << line << "}\n";
      } else {
        out << column(name, width) << "  " << column(container->record.created, 20) << "  "
            << terminal_text(copied.path) << "  " << terminal_text(state) << "\n";
      }
    }
  }
  return all;
}

char letter(Change change) {
  switch (change) {
    case Change::kAdded:
      return 'A';
    case Change::kModified:
      return 'M';
    case Change::kDeleted:
      break;
  }
  return 'D';
}

// A folder is told by a slash at its end.
std::string text_line(char letter, const std::string& path, std::string_view kind) {
  return std::string(1, letter) + " " + terminal_text(path, kWholePath) + (kind == "folder" ? "/" : "") +
         "\n";
}

// Of a dry run, from its list.
Status print_list(const std::string& folder, std::size_t i, bool json, std::ostream& out) {
  const std::string text =
      TRY(sys::read_file(folder + "/" + CopyRecord::kListName + "." + std::to_string(i)));
  if (json) {
    out << text;
    return {};
  }
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const auto line = nlohmann::json::parse(text.substr(at, end - at), nullptr, false);
    at = end + 1;
    if (!line.is_object()) return fail(folder + ": the list of the dry run is broken");
    const std::string change = line.value("change", "");
    out << text_line(change == "added"     ? 'A'
                     : change == "deleted" ? 'D'
                                           : 'M',
                     line.value("path", ""), line.value("kind", ""));
  }
  return {};
}

Status print_changes(const std::string& folder, const Container& container, bool json, std::ostream& out) {
  const std::string own = folder + "/" + container.name;
  for (std::size_t i = 0; i < container.record.folders.size(); ++i) {
    const CopyRecord::Folder& copied = container.record.folders[i];
    const Phase phase = container.state.folders[i].phase;
    if (phase == Phase::kListed) {
      TRY(print_list(own, i, json, out));
    } else if (phase != Phase::kSettled) {
      TRY(in_context(copied.path, list_copy(own, container.record, i, [&](const ListedChange& each) {
                       if (json) {
                         out << change_line(copied, each);
                       } else {
                         out << text_line(letter(each.change), copied.path + each.path, each.kind);
                       }
                     })));
    }
    // Not among what programs read.
    if (!json)
      out << "# " << terminal_text(copied.path) << ": "
          << terminal_text(in_words(container.record, container.state, i), kWholePath) << "\n";
  }
  return {};
}

constexpr const char* kHelp =
    "tidewaiter changes [ID] [--json] [--commit | --discard]\n"
    "\n"
    "What the container with this id, or the only one whose id begins so, wrote to folders that its policy "
    "has\n"
    "copied on write: A added, M modified, D deleted. Without ID, the containers that have such changes.\n"
    "\n"
    "--commit makes kept changes to the folders themselves, and finishes what a crash has left half done;\n"
    "--discard removes them. Neither does anything while the container runs.\n"
    "\n";

Result<ChangesOptions> read_options(const po::variables_map& values) {
  ChangesOptions options;
  options.json = values.contains("json");
  if (values.contains("id")) options.id = values["id"].as<std::string>();
  if (values.contains("commit") && values.contains("discard"))
    return fail("--commit and --discard: one of them");
  if (values.contains("commit")) options.verb = ChangesOptions::Verb::kCommit;
  if (values.contains("discard")) options.verb = ChangesOptions::Verb::kDiscard;
  if (options.verb != ChangesOptions::Verb::kList && !options.id)
    return fail("of which container? tidewaiter changes ID; see --help");
  return options;
}

// The bundle's hooks (oci/policy/compile_copies.h). They are told the folder, for they have no environment.
Status run_hook(const po::variables_map& values) {
  if (values.contains("settle")) return settle(values["settle"].as<std::string>());
  constexpr std::size_t kMostState = 4U << 20U;
  return attend(values["attend"].as<std::string>(), TRY(sys::read_all(STDIN_FILENO, kMostState)));
}

Status run_verb(int argc, char** argv) {
  po::options_description described("Options");
  described.add_options()("json", "print JSON, one object per line")(
      "commit", "make kept changes to the folders")("discard", "remove kept changes")("help,h", "print this");
  po::options_description all;
  all.add(described).add_options()("id", po::value<std::string>())("attend", po::value<std::string>())(
      "settle", po::value<std::string>());
  po::positional_options_description arguments;
  arguments.add("id", 1);
  const po::variables_map values = TRY(read_own_options(argc, argv, all, arguments));
  if (values.contains("help")) {
    std::cout << kHelp << described;
    return {};
  }
  if (values.contains("attend") || values.contains("settle")) return run_hook(values);
  ChangesOptions options = TRY(read_options(values));
  options.directories = TRY(container::Directories::locate());
  const auto settings =
      TRY(container::Settings::load(options.directories.config_file, options.directories.config_named));
  return run_changes(TRY(container::changes_folder(settings, options.directories)), options, std::cout);
}

}  // namespace

Status run_changes(const std::string& folder, const ChangesOptions& options, std::ostream& out) {
  const std::set<std::string> names = TRY(names_below(folder));
  if (!options.id) return list_containers(folder, names, options.json, out);
  const std::string name = TRY(match_container(names, *options.id, options.directories));
  const std::string own = folder + "/" + name;
  switch (options.verb) {
    case ChangesOptions::Verb::kCommit:
      return in_context(name, commit_kept(own));
    case ChangesOptions::Verb::kDiscard:
      return in_context(name, discard_kept(own));
    case ChangesOptions::Verb::kList:
      break;
  }
  return print_changes(folder, TRY(open_container(folder, name)), options.json, out);
}

int changes(int argc, char** argv) { return exit_code("changes", run_verb(argc, argv)); }

}  // namespace tidewaiter::shim

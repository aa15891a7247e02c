#include "shim/commands/status.h"

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "shim/commands/commands.h"
#include "shim/containers.h"
#include "shim/own_options.h"
#include "shim/terminal_text.h"

namespace tidewaiter::shim {
namespace {

namespace po = boost::program_options;
using nlohmann::ordered_json;

ordered_json to_json(const SupervisedContainer& each) {
  ordered_json object;
  object["id"] = each.record.id.empty() ? ordered_json() : ordered_json(each.record.id);
  object["policy"] = each.record.policy_name;
  if (each.record.agent) {
    object["agent"]["alive"] = each.agent_alive;
    if (each.agent_pid != 0) object["agent"]["pid"] = each.agent_pid;
  } else {
    object["agent"] = nullptr;
  }
  object["since"] = each.since;
  object["residual"] = each.record.residual;
  object["runtime"] = each.record.runtime;
  object["config"] = each.record.config_path;
  object["state_folder"] = each.folder;
  if (each.unreadable) object["error"] = each.unreadable->message();
  return object;
}

std::string agent_in_words(const SupervisedContainer& each) {
  if (!each.record.agent) return "none";
  if (!each.agent_alive) return "dead";
  return each.agent_pid == 0 ? "starting" : std::to_string(each.agent_pid);
}

std::string residual_in_words(const std::vector<std::string>& residual) {
  std::string words;
  for (const std::string& syscall : residual) words += (words.empty() ? "" : ",") + syscall;
  return words.empty() ? "-" : words;
}

void print_table(const std::vector<SupervisedContainer>& containers, std::ostream& out) {
  std::size_t id_width = 12;
  std::size_t policy_width = 8;
  for (const SupervisedContainer& each : containers) {
    id_width = std::max(id_width, each.name.size());
    policy_width = std::max(policy_width, each.record.policy_name.size());
  }
  const auto print = [&](std::string_view id, std::string_view policy, std::string_view agent,
                         std::string_view since, std::string_view residual) {
    out << column(id, id_width) << "  " << column(policy, policy_width) << "  " << column(agent, 8) << "  "
        << column(since, 20) << "  " << terminal_text(residual) << "\n";
  };
  print("CONTAINER", "POLICY", "AGENT", "SINCE", "RESIDUAL");
  for (const SupervisedContainer& each : containers) {
    print(each.name, each.unreadable ? "?" : each.record.policy_name, agent_in_words(each), each.since,
          residual_in_words(each.record.residual));
  }
}

// Leaves the one that `id` means.
Status select(std::vector<SupervisedContainer>& containers, const std::string& id,
              const container::Directories& directories) {
  std::set<std::string> names;
  for (const SupervisedContainer& each : containers) names.insert(each.name);
  const std::string name = TRY(match_container(names, id, directories));
  std::erase_if(containers, [&](const SupervisedContainer& each) { return each.name != name; });
  return {};
}

constexpr const char* kHelp =
    "tidewaiter status [ID] [--json]\n"
    "\n"
    "The containers that an agent supervises, or the one whose id is or begins with ID. RESIDUAL are the\n"
    "system calls for which the agent also holds the bundle's own seccomp profile. An agent that is dead\n"
    "is started again by the next exec; until then, what it would decide fails. AGENT is none where\n"
    "nothing has to be decided, and the policy has limits, file rules or an identity.\n"
    "\n";

Status run_status(int argc, char** argv) {
  po::options_description described("Options");
  described.add_options()("json", "print a JSON array, with more fields")("help,h", "print this");
  po::options_description all;
  all.add(described).add_options()("id", po::value<std::string>());
  po::positional_options_description arguments;
  arguments.add("id", 1);
  const po::variables_map values = TRY(read_own_options(argc, argv, all, arguments));
  if (values.contains("help")) {
    std::cout << kHelp << described;
    return {};
  }
  StatusOptions options;
  options.json = values.contains("json");
  if (values.contains("id")) options.id = values["id"].as<std::string>();
  return print_status(TRY(container::Directories::locate()), options, std::cout);
}

}  // namespace

Status print_status(const container::Directories& directories, const StatusOptions& options,
                    std::ostream& out) {
  std::vector<SupervisedContainer> containers = TRY(supervised_containers(directories));
  if (options.id) TRY(select(containers, *options.id, directories));
  if (options.json) {
    ordered_json list = ordered_json::array();
    for (const SupervisedContainer& each : containers) list.push_back(to_json(each));
    out << list.dump(2, ' ', false, ordered_json::error_handler_t::replace) << "\n";
  } else {
    print_table(containers, out);
  }
  for (const SupervisedContainer& each : containers) {
    if (each.unreadable) return tl::unexpected(*each.unreadable);
  }
  return {};
}

int status(int argc, char** argv) { return exit_code("status", run_status(argc, argv)); }

}  // namespace tidewaiter::shim

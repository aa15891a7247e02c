#include "supervisor/keeper/testament.h"

#include <cerrno>
#include <nlohmann/json.hpp>

#include "supervisor/keeper/channel.h"

namespace tidewaiter::supervisor {
namespace {

using nlohmann::json;

// One keeper's words are another's only where the shared memory is, too.
constexpr std::uint32_t kVersion = 0x200 + kProtocol;

}  // namespace

std::string Testament::text() const {
  // A path may hold any bytes, and JSON only UTF-8: as numbers.
  json document = {{"version", kVersion},
                   {"state_folder", std::vector<unsigned char>(state_folder.begin(), state_folder.end())},
                   {"facts", facts},
                   {"folders", folders},
                   {"patience", patience},
                   {"next_connection", next_connection},
                   {"connections", json::array()},
                   {"sessions", json::array()}};
  for (const Connection& each : connections) {
    document["connections"].push_back(
        {{"number", each.number}, {"closed", each.closed}, {"deaths", each.deaths}});
  }
  for (const auto& [number, file] : sessions) {
    document["sessions"].push_back({{"number", number}, {"file", file}});
  }
  return document.dump();
}

Result<Testament> Testament::parse(std::string_view text) {
  // Its memory is the keepers' alone; it may be another version's all the same.
  try {
    const json document = json::parse(text);
    if (document.at("version") != kVersion) return fail(EPROTO, "what an earlier agent has left");
    Testament testament;
    const auto folder = document.at("state_folder").get<std::vector<unsigned char>>();
    testament.state_folder.assign(folder.begin(), folder.end());
    testament.facts = document.at("facts");
    testament.folders = document.at("folders");
    testament.patience = document.at("patience");
    testament.next_connection = document.at("next_connection");
    for (const json& each : document.at("connections")) {
      testament.connections.push_back({each.at("number"), each.at("closed"), each.at("deaths")});
    }
    for (const json& each : document.at("sessions")) {
      testament.sessions[each.at("number").get<unsigned>()] = each.at("file");
    }
    return testament;
  } catch (const json::exception&) {
    return fail(EPROTO, "what an earlier agent has left");
  }
}

}  // namespace tidewaiter::supervisor

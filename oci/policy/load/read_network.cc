#include "oci/policy/load/read_network.h"

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "oci/policy/load/read_errno.h"
#include "oci/policy/network_rule.h"
#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

constexpr std::string_view kNetworkKeys[] = {"allow", "deny", "bind", "errno"};
constexpr ObjectKind kNetworkObject{
    .where = Where::kNetwork, .keys = kNetworkKeys, .example = R"({"allow": ["api.example.com:443"]})"};

// Whether a number stands where a rule in quotes was meant.
bool is_port(const spec::Json& value) {
  return value.is_number_unsigned() && value != 0 && value.get<std::uint64_t>() <= 65535;
}

// Puts "unix:" rules into `unix_rules`, and returns the others.
std::vector<NetworkRule> read_network_rules(Reader& reader, const Place& place,
                                            std::vector<UnixRule>& unix_rules) {
  std::vector<NetworkRule> rules;
  reader.each_element(place, "network rules, as in [\"api.example.com:443\"]", [&](const Place& element) {
    if (is_port(element.value))
      return reader.wrong(
          element, "expected a network rule, as in \"api.example.com:443\", found " + element.value.dump() +
                       "; for this port at every host write \"*:" + element.value.dump() + "\"");
    const std::string* text = reader.read_string(element, "a network rule, as in \"api.example.com:443\"");
    if (text == nullptr) return;
    if (is_unix_rule(*text)) {
      auto unix_rule = parse_unix_rule(*text);
      if (!unix_rule) return reader.wrong(element, unix_rule.error().message());
      unix_rule->pointer = element.pointer;
      unix_rules.push_back(*std::move(unix_rule));
      return;
    }
    auto rule = parse_network_rule(*text);
    if (!rule) return reader.wrong(element, rule.error().message());
    rule->pointer = element.pointer;
    rules.push_back(*std::move(rule));
  });
  return rules;
}

std::vector<BindRule> read_bind_rules(Reader& reader, const Place& place) {
  std::vector<BindRule> rules;
  reader.each_element(place, "ports, as in [\"8080\", \"9000-9005\"]", [&](const Place& element) {
    if (is_port(element.value))
      return reader.wrong(element, "expected ports in a string, as in \"8080\" or \"9000-9005\", found " +
                                       element.value.dump() + "; write \"" + element.value.dump() + "\"");
    const std::string* text =
        reader.read_string(element, "ports in a string, as in \"8080\" or \"9000-9005\"");
    if (text == nullptr) return;
    auto rule = parse_bind_rule(*text);
    if (!rule) return reader.wrong(element, rule.error().message());
    rule->pointer = element.pointer;
    rules.push_back(*std::move(rule));
  });
  return rules;
}

}  // namespace

NetworkPolicy read_network(Reader& reader, const Place& place) {
  NetworkPolicy network;
  reader.each_member(kNetworkObject, place, [&](std::string_view key, const Place& member) {
    if (key == "allow")
      network.allow = read_network_rules(reader, member, network.unix_allow);
    else if (key == "deny")
      network.deny = read_network_rules(reader, member, network.unix_deny);
    else if (key == "bind")
      network.bind = read_bind_rules(reader, member);
    else
      read_errno(reader, member, network.errno_value);
  });
  return network;
}

void check_denied_names(Reader& reader, const Place& place, const Policy& policy) {
  if (!policy.network) return;
  for (const NetworkRule& rule : policy.network->deny) {
    const auto* host = std::get_if<HostName>(&rule.host);
    const PinnedHost* pinned = host == nullptr ? nullptr : pinned_host(policy, host->name);
    if (pinned == nullptr) continue;
    reader.wrong({place.value, rule.pointer},
                 quote(host->name) + " stands for the addresses in " + pinned->pointer +
                     ", so the rule would refuse these alone; deny the addresses "
                     "that are meant, or take it out there");
  }
}

}  // namespace tidewaiter::policy

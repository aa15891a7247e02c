#pragma once

#include <string_view>
#include <vector>

#include "oci/base/result.h"
#include "oci/policy/policy.h"

// The grammar of network rules (docs/policy.md, "Network rules"):
//
//   rule    = [ "tcp://" | "udp://" ] target [ ":" ports ]
//           | "icmp://" target
//   target  = "*" | host name | IPv4 | IPv4 "/" length | IPv6 | IPv6 "/" length
//           | "[" IPv6 "]" | "[" IPv6 "/" length "]"          in brackets when ports follow
//   ports   = "*" | item *( "," item )
//   item    = port | port "-" port
//
// and of "unix:" rules:
//
//   rule    = "unix:" path glob | "unix:@" glob over an abstract name
//
// Errors are faults in the input: what was found, and what would be valid.

namespace tidewaiter::policy {

// A rule of network.allow or network.deny; its `pointer` is left empty. Port 0 is an error: nothing listens
// on it.
Result<NetworkRule> parse_network_rule(std::string_view text);

// A host name alone, as a rule may have it.
Result<HostName> parse_host_name(std::string_view text);

// Whether what lies between the dots of `text` can be parts of a host name, whatever letters there are: none
// is empty, too long, or has a hyphen at either end.
Status check_host_parts(std::string_view text);

// Whether a rule of those lists is one for parse_unix_rule().
bool is_unix_rule(std::string_view text);
Result<UnixRule> parse_unix_rule(std::string_view text);

// A rule of network.bind, likewise. Port 0, "the kernel chooses", is a port like any other.
Result<BindRule> parse_bind_rule(std::string_view text);

}  // namespace tidewaiter::policy

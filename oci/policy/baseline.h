#pragma once

#include <span>
#include <string_view>

#include "oci/policy/policy.h"

// What network rules need beside their own words. They are decided where connect(2) and bind(2) are called,
// so the other ways to connect and to bind have to be shut, or named as open.

namespace tidewaiter::policy {

// A call that network rules refuse, because it would connect or bind unseen.
struct BaselineRow {
  std::span<const std::string_view> syscalls;
  std::span<const ArgumentTest> tests;  // all must hold; empty: every such call
  int errno_value = 0;
  bool for_connect = false;  // needed when connections are restricted
  bool for_bind = false;     // needed when binding is
  std::string_view what;     // "SCTP sockets"; rows of the same words are one to the reader
  std::string_view reason;
};
std::span<const BaselineRow> baseline();

// A way around network rules that stays open in this version.
struct OpenWay {
  bool for_connect = false;
  bool for_bind = false;
  std::string_view what;
  std::string_view reason;
};
std::span<const OpenWay> left_open();

// Whether a row concerns this policy.
template <typename Row>
bool concerns(const Row& row, const Policy& policy) {
  return policy.network.has_value() && ((row.for_connect && policy.network->restricts_connect()) ||
                                        (row.for_bind && policy.network->restricts_bind()));
}

// SyscallRule::pointer of the rules that complete() adds for the network rules' sake.
inline constexpr std::string_view kBaselinePointer = "/network";

// The policy as filter and agent apply it: the baseline's refusals are `syscalls` rules too. A call that
// either refuses is refused: a rule that allows or logs does not open what the baseline shuts. In audit mode
// nothing is refused, hence no baseline.
//
// Compiling and deciding both start from this, so that they cannot part.
Policy complete(const Policy& policy);

}  // namespace tidewaiter::policy

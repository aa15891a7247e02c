#pragma once

#include <algorithm>
#include <array>

#include "oci/policy/syscalls.h"

// Which function performs which operation. Which syscall means which operation stands in THE list,
// oci/policy/syscalls.cc, from which filter, index, explain and docs derive as well.

namespace tidewaiter::supervisor {

struct Call;
struct Outcome;
Outcome connect(Call& call);
Outcome bind(Call& call);
Outcome exec(Call& call);
Outcome send(Call& call);

struct OperationRow {
  policy::Operation operation;
  Outcome (*perform)(Call& call);
};

inline constexpr std::array kOperations = {
    OperationRow{policy::Operation::kConnect, connect},
    OperationRow{policy::Operation::kBind, bind},
    OperationRow{policy::Operation::kExec, exec},
    OperationRow{policy::Operation::kSend, send},
};

constexpr const OperationRow* find_operation(policy::Operation operation) {
  const auto* row = std::find_if(kOperations.begin(), kOperations.end(), [&](const OperationRow& candidate) {
    return candidate.operation == operation;
  });
  return row == kOperations.end() ? nullptr : row;
}

constexpr bool has_row(policy::Operation operation) {
  return std::any_of(kOperations.begin(), kOperations.end(),
                     [&](const OperationRow& row) { return row.operation == operation; });
}

// Every operation has its row. -Wswitch-enum makes the compiler list this function when one is added.
constexpr bool complete(policy::Operation operation) {
  switch (operation) {
    case policy::Operation::kNone:
      return !has_row(operation);
    case policy::Operation::kConnect:
    case policy::Operation::kBind:
    case policy::Operation::kExec:
    case policy::Operation::kSend:
      return has_row(operation);
  }
  return false;
}
static_assert(complete(policy::Operation::kNone) && complete(policy::Operation::kConnect) &&
              complete(policy::Operation::kBind) && complete(policy::Operation::kExec) &&
              complete(policy::Operation::kSend));

}  // namespace tidewaiter::supervisor

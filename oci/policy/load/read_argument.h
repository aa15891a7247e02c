#pragma once

#include <optional>

#include "oci/policy/load/reader.h"
#include "oci/policy/policy.h"

namespace tidewaiter::policy {

// An element of "args" of a rule in "syscalls"; nullopt when it is not known what it tests.
std::optional<ArgumentTest> read_argument_test(Reader& reader, const Place& place);

}  // namespace tidewaiter::policy

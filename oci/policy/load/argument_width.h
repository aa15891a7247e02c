#pragma once

#include <string>
#include <vector>

#include "oci/policy/load/reader.h"
#include "oci/policy/policy.h"

namespace tidewaiter::policy {

// Fits a test to the width that its argument has in each of `names`; what can never hold there is a mistake.
// socket(AF_PACKET | 1 << 32, …) opens a packet socket like any other: where the kernel drops the upper bits
// of a register, so does the comparison.
void narrow_test(Reader& reader, const Place& place, const std::vector<std::string>& names,
                 ArgumentTest& test);

}  // namespace tidewaiter::policy

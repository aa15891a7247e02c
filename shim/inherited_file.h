#pragma once

#include <string>

#include "oci/base/result.h"

namespace tidewaiter::shim {

// Makes a file in memory that the program we become inherits, and returns a name under which it can open it.
Result<std::string> inherited_file(const std::string& text);

}  // namespace tidewaiter::shim

#pragma once

#include <cstddef>
#include <string>

#include "oci/spec/config.h"

namespace tidewaiter::spec {

// The document as text for people, and for comparing line by line: what fits `width` columns is in one line,
// anything else has a line for each member. Keys in their order. Ends in a newline.
std::string readable(const Json& document, std::size_t width = 100);

}  // namespace tidewaiter::spec

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tidewaiter::shim {

// `text` for a terminal: control characters become \xNN, since a container chooses much of what its events
// say. Longer than `limit` characters it ends in an ellipsis.
std::string terminal_text(std::string_view text, std::size_t limit = 256);

// The same, filled up with spaces to `width` characters.
std::string column(std::string_view text, std::size_t width);

}  // namespace tidewaiter::shim

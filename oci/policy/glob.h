#pragma once

#include <string_view>

namespace tidewaiter::policy {

// Whether the whole of `path` matches: `*` stands for any characters but "/", `**` for any characters,
// everything else for itself. Takes at most |glob| * |path| steps.
bool matches_path(std::string_view glob, std::string_view path);

// Whether the whole of `text` matches: `*` stands for any characters.
bool matches_text(std::string_view glob, std::string_view text);

}  // namespace tidewaiter::policy

#pragma once

#include <string_view>

#include "oci/base/result.h"

namespace tidewaiter::policy {

// Whether the whole of `path` matches: `*` stands for any characters but "/", `**` for any characters,
// everything else for itself. Takes at most |glob| * |path| steps.
bool matches_path(std::string_view glob, std::string_view path);

// What is wrong with a glob that begins with "/" or "**": that it is none, or that no canonical path matches
// it. `what` has such paths: "program".
Status check_path_glob(std::string_view glob, std::string_view what);

// Whether the whole of `text` matches: `*` stands for any characters.
bool matches_text(std::string_view glob, std::string_view text);

// Whether `wide` matches every absolute path, or every text, that `narrow` matches. No where it would take too
// long to tell: globs can be written for which it does.
bool covers_path(std::string_view wide, std::string_view narrow);
bool covers_text(std::string_view wide, std::string_view narrow);

}  // namespace tidewaiter::policy

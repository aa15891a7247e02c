#pragma once

#include <cstddef>
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

// How much may be spent on comparing globs with globs: globs can be written for which it takes long, and
// lists of them.
struct Effort {
  std::size_t left = 0;  // steps: some take a few nanoseconds, some a hundred
  // Whether there was enough left to spend it. Once there was not, nothing is left.
  bool spend(std::size_t steps) {
    left = steps <= left ? left - steps : 0;
    return left > 0;
  }
};

// Whether `wide` matches every absolute path, or every text, that `narrow` matches. No where it would take
// too long to tell, by itself or by what is left of `effort`.
bool covers_path(std::string_view wide, std::string_view narrow, Effort& effort);
bool covers_text(std::string_view wide, std::string_view narrow, Effort& effort);

}  // namespace tidewaiter::policy

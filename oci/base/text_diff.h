#pragma once

#include <string>
#include <string_view>

namespace tidewaiter {

// How `before` becomes `after`, line by line, as `diff -u` writes it (three lines around each change). Empty
// when they are the same. Not always the shortest: texts with thousands of changes are given as one.
std::string unified_diff(std::string_view before, std::string_view after, std::string_view before_name,
                         std::string_view after_name);

}  // namespace tidewaiter

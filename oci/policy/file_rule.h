#pragma once

#include <cstddef>
#include <string_view>

#include "oci/base/result.h"

namespace tidewaiter::policy {

// The most paths of one list. All of them are arguments of one execve(2), which has room for far more.
inline constexpr std::size_t kMaxFileRules = 1024;

// The most folders that are copied on write, each of which is a file system of its own.
inline constexpr std::size_t kMaxCopyRules = 16;

// What is wrong with the path of a file rule: that it is not absolute, or no canonical path can be it.
Status check_file_path(std::string_view path);

}  // namespace tidewaiter::policy

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

// The names of numbers that a policy may use. Their values are those of the x86-64 and aarch64 kernels.

namespace tidewaiter::policy {

// "EACCES" -> 13.
std::optional<int> errno_value(std::string_view name);
std::vector<std::string_view> errno_names();

// "AF_PACKET" -> 17: AF_, SOCK_, CLONE_, PR_ and PROT_ names, as the kernel's headers have them.
std::optional<std::uint64_t> named_value(std::string_view name);
std::vector<std::string_view> value_names();

}  // namespace tidewaiter::policy

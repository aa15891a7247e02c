#pragma once

#include <set>
#include <string>
#include <string_view>

#include "oci/base/result.h"

// Sets of processors as the kernel writes them: "0-3,8" (cpuset(7), "List format").

namespace tidewaiter::policy {

// As many as a kernel may be built for (NR_CPUS in arch/x86/Kconfig).
inline constexpr unsigned kMostProcessors = 8192;

// Numbers and ranges between commas. The error says what would be valid. A final newline, as the files below
// /sys have it, is no part of the list.
Result<std::set<unsigned>> parse_cpu_list(std::string_view text);

// The shortest form.
std::string cpu_list_text(const std::set<unsigned>& processors);

// What /proc/cpuinfo, whose whole text is `cpuinfo`, says of these processors, and of none in particular.
std::string cpuinfo_of(std::string_view cpuinfo, const std::set<unsigned>& processors);

}  // namespace tidewaiter::policy

#include "oci/policy/load/read_limits.h"

#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "oci/policy/byte_size.h"
#include "oci/policy/duration.h"

namespace tidewaiter::policy {
namespace {

using spec::Json;

constexpr std::string_view kLimitsKeys[] = {"memory", "processes", "cpus", "open_files", "timeout"};
// Part of the policy language, and not of this version. They must never be passed over in silence.
constexpr std::string_view kLaterLimitsKeys[] = {"disk"};
constexpr ObjectKind kLimitsObject{.where = Where::kLimits,
                                   .keys = kLimitsKeys,
                                   .example = R"({"memory": "256M"})",
                                   .later_keys = kLaterLimitsKeys};

// With less no runtime starts a container.
constexpr std::uint64_t kLeastMemory = 6U << 20U;
// Runtimes are under it themselves while they start a process, and need half of that: crun 28, of its own and
// of mounts; runc with 20 waits for ever.
constexpr std::uint64_t kLeastOpenFiles = 64;

constexpr std::uint64_t kMostProcesses = 4'194'304;      // PID_MAX_LIMIT (include/linux/threads.h)
constexpr std::uint64_t kMostOpenFiles = 2'147'483'584;  // sysctl_nr_open_max (fs/file.c)
// Less than a millisecond in a period the kernel does not take (min_cfs_quota_period in kernel/sched/core.c),
// and more processors nobody has (NR_CPUS).
constexpr double kLeastCpus = 0.01;
constexpr double kMostCpus = 8192;

std::string limit_hint(const Place& place, const NumberRange& range) {
  const Json& value = place.value;
  // 0, -1 and RLIM_INFINITY.
  const bool unlimited = value.is_null() ||
                         (value.is_number_unsigned() ? value.get<std::uint64_t>() == 0 ||
                                                           value.get<std::uint64_t>() == ~std::uint64_t{0}
                                                     : value.is_number_integer()) ||
                         (value.is_string() && means_unlimited(value.get_ref<const std::string&>()));
  return unlimited ? "; for no limit leave the key out" : without_quotes(place, range);
}

// Kubernetes counts thousandths ("500m"), others per cent.
std::string cpus_hint(const Place& place) {
  constexpr NumberRange kCpus{.least = kLeastCpus, .most = kMostCpus, .whole = false};
  if (!place.value.is_string()) return limit_hint(place, kCpus);
  const auto& text = place.value.get_ref<const std::string&>();
  const double parts = text.ends_with('m') ? 1000 : text.ends_with('%') ? 100 : 0;
  if (parts == 0) return limit_hint(place, kCpus);
  unsigned count = 0;
  const char* const end = text.data() + text.size() - 1;
  const auto [rest, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc{} || rest != end || count / parts < kLeastCpus || count / parts > kMostCpus)
    return "";
  return "; write " + Json(count / parts).dump();
}

// What other programs take for "no limit" is none of these: a limit that is absent says it.
std::optional<std::uint64_t> read_count(Reader& reader, const Place& place, std::uint64_t least,
                                        std::uint64_t most) {
  const Json& value = place.value;
  if (value.is_number_unsigned() && value >= least && value <= most) return value.get<std::uint64_t>();
  reader.wrong(place, "expected a whole number from " + std::to_string(least) + " to " +
                          std::to_string(most) + ", found " + described(value) +
                          limit_hint(place, {static_cast<double>(least), static_cast<double>(most)}));
  return std::nullopt;
}

std::optional<std::uint64_t> read_memory(Reader& reader, const Place& place) {
  std::uint64_t bytes = 0;
  if (place.value.is_string()) {
    const auto& text = place.value.get_ref<const std::string&>();
    const auto size = parse_byte_size(text);
    if (!size) {
      reader.wrong(place, size.error().message() + (means_unlimited(text) ? limit_hint(place, {}) : ""));
      return std::nullopt;
    }
    bytes = *size;
  } else if (place.value.is_number_unsigned()) {
    bytes = place.value.get<std::uint64_t>();
  } else {
    reader.wrong(place,
                 "expected a number of bytes, as in 268435456, or text as in \"256M\" or \"1.5G\", found " +
                     described(place.value) + limit_hint(place, {}));
    return std::nullopt;
  }
  if (bytes < kLeastMemory) {
    reader.wrong(place, "expected at least 6M (6291456 bytes), without which no container starts, found " +
                            described(place.value) +
                            (place.value.is_number() && bytes >= (kLeastMemory >> 20U) && bytes < (1U << 20U)
                                 ? "; a number is in bytes: for " + std::to_string(bytes) + " MiB write \"" +
                                       std::to_string(bytes) + "M\""
                             : bytes == 0 ? "; for no limit leave the key out"
                                          : ""));
    return std::nullopt;
  }
  if (bytes > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    reader.wrong(place, described(place.value) + " is more than can be counted (2^63 - 1 bytes)");
    return std::nullopt;
  }
  return bytes;
}

std::optional<std::uint64_t> read_cpus(Reader& reader, const Place& place) {
  const Json& value = place.value;
  const double cpus = value.is_number() ? value.get<double>() : 0;
  if (cpus >= kLeastCpus && cpus <= kMostCpus)
    return static_cast<std::uint64_t>(std::llround(cpus * Limits::kCpuPeriod));
  reader.wrong(place, "expected a number of processors from 0.01 to 8192, as in 1.5, found " +
                          described(value) + cpus_hint(place));
  return std::nullopt;
}

std::optional<std::chrono::seconds> read_duration(Reader& reader, const Place& place) {
  constexpr NumberRange kSeconds{1, static_cast<double>(kLongestDuration.count())};
  const Json& value = place.value;
  if (value.is_number_unsigned() && value >= 1 && value <= kLongestDuration.count())
    return std::chrono::seconds(value.get<std::int64_t>());
  if (!value.is_string()) {
    reader.wrong(place, "expected a whole number of seconds from 1 to " +
                            std::to_string(kLongestDuration.count()) +
                            ", or text as in \"90s\", \"10m\" or \"1h30m\", found " + described(value) +
                            limit_hint(place, kSeconds));
    return std::nullopt;
  }
  const auto& text = value.get_ref<const std::string&>();
  const auto duration = parse_duration(text);
  if (duration) return *duration;
  reader.wrong(place, duration.error().message() + limit_hint(place, kSeconds));
  return std::nullopt;
}

}  // namespace

Limits read_limits(Reader& reader, const Place& place) {
  Limits limits;
  reader.each_member(kLimitsObject, place, [&](std::string_view key, const Place& member) {
    if (key == "memory")
      limits.memory = read_memory(reader, member);
    else if (key == "processes")
      limits.processes = read_count(reader, member, 1, kMostProcesses);
    else if (key == "cpus")
      limits.cpu_time = read_cpus(reader, member);
    else if (key == "timeout")
      limits.timeout = read_duration(reader, member);
    else
      limits.open_files = read_count(reader, member, kLeastOpenFiles, kMostOpenFiles);
  });
  return limits;
}

}  // namespace tidewaiter::policy

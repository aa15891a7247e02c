#include "oci/spec/open_files.h"

#include <algorithm>
#include <vector>

#include "oci/spec/members.h"

namespace tidewaiter::spec {
namespace {

constexpr const char* kType = "RLIMIT_NOFILE";
constexpr const char* kRlimits = "rlimits";

struct Entry {
  std::size_t index;
  std::uint64_t soft;
  std::uint64_t hard;
};

// Several are an error that is the runtime's to tell; until then all of them count.
Result<std::vector<Entry>> entries_of(const Json& process, const std::string& place) {
  std::vector<Entry> entries;
  const Json* rlimits = member(process, kRlimits);
  if (rlimits == nullptr) return entries;
  if (!rlimits->is_array()) return fail(place + "/rlimits: expected an array, found " + rlimits->type_name());
  for (std::size_t i = 0; i < rlimits->size(); ++i) {
    const Json& rlimit = rlimits->at(i);
    const Json* type = member(rlimit, "type");
    if (type == nullptr || *type != kType) continue;
    const std::string here = place + "/rlimits/" + std::to_string(i);
    // Absent is 0 to a runtime.
    entries.push_back({i, TRY(unsigned_in(rlimit, "soft", here)).value_or(0),
                       TRY(unsigned_in(rlimit, "hard", here)).value_or(0)});
  }
  return entries;
}

}  // namespace

Result<bool> sets_open_files(const Json& process, const std::string& place) {
  return !TRY(entries_of(process, place)).empty();
}

Result<std::uint64_t> most_open_files(const Json& process, const std::string& place) {
  std::uint64_t most = 0;
  for (const Entry& entry : TRY(entries_of(process, place))) most = std::max({most, entry.soft, entry.hard});
  return most;
}

Status lower_open_files(Json& process, std::uint64_t most, const std::string& place) {
  for (const Entry& entry : TRY(entries_of(process, place))) {
    Json& rlimit = process[kRlimits][entry.index];
    if (entry.soft > most) rlimit["soft"] = most;
    if (entry.hard > most) rlimit["hard"] = most;
  }
  return {};
}

void add_open_files(Json& process, std::uint64_t soft, std::uint64_t hard) {
  Json& rlimits = process[kRlimits];
  if (rlimits.is_null()) rlimits = Json::array();
  rlimits.push_back({{"type", kType}, {"hard", hard}, {"soft", soft}});
}

}  // namespace tidewaiter::spec

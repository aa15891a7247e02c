#include "oci/policy/load/read_errno.h"

#include "oci/policy/constants.h"
#include "oci/policy/meant.h"
#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

// The kernel takes -4095 to -1 as errors (MAX_ERRNO in include/linux/err.h).
constexpr NumberRange kErrorNumbers{1, 4095};

// What to write instead of a name that no error has.
std::string errno_hint(const std::string& name) {
  std::string advice = number_advice(name, kErrorNumbers);
  if (advice.empty()) advice = errno_advice(name);
  if (!advice.empty()) return after_semicolon(advice);
  const std::string_view near = nearest(name, errno_names());
  return near.empty() ? "" : "; did you mean " + quote(near) + "?";
}

}  // namespace

void read_errno(Reader& reader, const Place& place, int& errno_value) {
  constexpr const char* kExpected = "an error name as in \"EACCES\", or a number from 1 to 4095";
  if (place.value.is_number_integer()) {
    if (place.value >= 1 && place.value <= 4095)
      errno_value = place.value.get<int>();
    else if (place.value >= -4095 && place.value <= -1)
      reader.wrong(place, "expected " + std::string(kExpected) + ", found " + described(place.value) +
                              "; errors are positive here: write " + std::to_string(-place.value.get<int>()));
    else
      reader.expected(place, kExpected);
    return;
  }
  const std::string* name = reader.read_string(place, kExpected);
  if (name == nullptr) return;
  if (const auto number = policy::errno_value(*name))
    errno_value = *number;
  else
    reader.wrong(place, "expected " + std::string(kExpected) + ", found " + quote(*name) + errno_hint(*name));
}

}  // namespace tidewaiter::policy

#include "oci/policy/duration.h"

#include <charconv>
#include <cstdint>

#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

using std::chrono::seconds;

struct Unit {
  char letter;
  std::int64_t seconds;
};
constexpr Unit kUnits[] = {{'d', 86'400}, {'h', 3'600}, {'m', 60}, {'s', 1}};

}  // namespace

Result<seconds> parse_duration(std::string_view text) {
  const auto wrong = [text] {
    return fail("expected a time from 1s to " + duration_words(kLongestDuration) +
                ", as in \"90s\", \"10m\" or \"1h30m\", found " + quote(text));
  };
  std::int64_t sum = 0;
  std::string_view rest = text;
  for (const Unit& unit : kUnits) {
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
    if (error != std::errc{}) continue;
    const auto digits = static_cast<std::size_t>(end - rest.data());
    if (digits == rest.size() || rest[digits] != unit.letter) continue;
    // from_chars takes a sign. What is beyond the bound does not overflow before it is looked at.
    if (count < 0 || count > kLongestDuration.count()) return wrong();
    sum += count * unit.seconds;
    rest.remove_prefix(digits + 1);
  }
  if (!rest.empty() || sum < 1 || sum > kLongestDuration.count()) return wrong();
  return seconds(sum);
}

std::string duration_words(seconds duration) {
  std::string words;
  std::int64_t rest = duration.count();
  for (const Unit& unit : kUnits) {
    if (const std::int64_t count = rest / unit.seconds; count > 0)
      words += std::to_string(count) + unit.letter;
    rest %= unit.seconds;
  }
  return words;
}

}  // namespace tidewaiter::policy

#include "oci/policy/byte_size.h"

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr unsigned kUnitBits = 10;
constexpr std::string_view kUnits = "KMGT";
constexpr std::size_t kMostFractionDigits = 18;  // of which 64 bits hold any

char upper(char c) { return 'a' <= c && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

// Takes the digits from the beginning of `text`.
std::string_view take_digits(std::string_view& text) {
  std::size_t count = 0;
  while (count < text.size() && '0' <= text[count] && text[count] <= '9') ++count;
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

bool take(std::string_view& text, char letter) {
  if (text.empty() || upper(text.front()) != letter) return false;
  text.remove_prefix(1);
  return true;
}

// The powers of two that a unit stands for; 0 without one.
unsigned take_unit(std::string_view& text) {
  for (std::size_t i = 0; i < kUnits.size(); ++i) {
    if (!take(text, kUnits[i])) continue;
    take(text, 'I');
    return kUnitBits * (static_cast<unsigned>(i) + 1);
  }
  return 0;
}

// REQUIRES: digits alone.
std::optional<std::uint64_t> number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc{} ? std::optional(value) : std::nullopt;
}

// 0.DIGITS * 2^bits, where that is a whole number: 5^n has to divide the digits, and the rest is a shift.
std::optional<std::uint64_t> fraction_of(std::string_view digits, unsigned bits) {
  while (digits.ends_with('0')) digits.remove_suffix(1);
  if (digits.empty()) return 0;
  const std::size_t count = digits.size();
  if (count > kMostFractionDigits) return std::nullopt;
  std::uint64_t rest = number(digits).value_or(0);
  for (std::size_t i = 0; i < count; ++i) {
    if (rest % 5 != 0) return std::nullopt;
    rest /= 5;
  }
  if (bits >= count) return rest << (bits - count);
  const std::uint64_t divisor = std::uint64_t{1} << (count - bits);
  return rest % divisor == 0 ? std::optional(rest / divisor) : std::nullopt;
}

tl::unexpected<Error> no_size(std::string_view text) {
  return fail("expected a number of bytes, as in 268435456, or text as in \"256M\" or \"1.5G\", found " +
              quote(text) + "; units are K, M, G and T, powers of 1024");
}

}  // namespace

Result<std::uint64_t> parse_byte_size(std::string_view text) {
  std::string_view rest = text;
  const std::string_view whole = take_digits(rest);
  std::string_view fraction;
  const bool has_fraction = take(rest, '.');
  if (has_fraction) fraction = take_digits(rest);
  const unsigned bits = take_unit(rest);
  take(rest, 'B');
  const bool odd_fraction = has_fraction && (fraction.empty() || bits == 0);
  if (whole.empty() || odd_fraction || !rest.empty()) return no_size(text);

  const std::optional<std::uint64_t> units = number(whole);
  if (!units || *units > (kMost >> bits))
    return fail(quote(text) + " is more than can be counted (2^63 - 1 bytes)");
  const std::optional<std::uint64_t> part = fraction_of(fraction, bits);
  if (!part) return fail(quote(text) + " is no whole number of bytes");
  return (*units << bits) + *part;
}

std::string byte_size_words(std::uint64_t bytes) {
  unsigned unit = 0;
  while (unit < kUnits.size() && bytes != 0 && bytes % (1U << kUnitBits) == 0) {
    bytes >>= kUnitBits;
    ++unit;
  }
  return std::to_string(bytes) + (unit == 0 ? " bytes" : std::string(1, kUnits[unit - 1]));
}

}  // namespace tidewaiter::policy

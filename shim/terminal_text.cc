#include "shim/terminal_text.h"

#include <algorithm>
#include <iterator>

namespace tidewaiter::shim {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

// Of one byte, or of the two of a control character above ASCII (U+0080 to U+009F), which terminals obey too.
std::size_t control_size(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x20 || first == 0x7f) return 1;
  if (first == 0xC2 && text.size() > 1 && static_cast<unsigned char>(text[1]) < 0xA0) return 2;
  return 0;
}

// Characters without a shape that have terminals show the rest of the line in another order, or on another
// one (Unicode, Bidi_Control, and U+2028 and U+2029).
struct Ordering {
  std::string_view bytes;
  std::string_view shown;
};

const Ordering* ordering(std::string_view text) {
  static constexpr Ordering kOrderings[] = {
      {"\u061c", "\\u061c"}, {"\u200e", "\\u200e"}, {"\u200f", "\\u200f"}, {"\u2028", "\\u2028"},
      {"\u2029", "\\u2029"}, {"\u202a", "\\u202a"}, {"\u202b", "\\u202b"}, {"\u202c", "\\u202c"},
      {"\u202d", "\\u202d"}, {"\u202e", "\\u202e"}, {"\u2066", "\\u2066"}, {"\u2067", "\\u2067"},
      {"\u2068", "\\u2068"}, {"\u2069", "\\u2069"}};
  const auto first = static_cast<unsigned char>(text[0]);
  if (first != 0xD8 && first != 0xE2) return nullptr;
  const auto* found = std::find_if(std::begin(kOrderings), std::end(kOrderings),
                                   [&](const Ordering& one) { return text.starts_with(one.bytes); });
  return found == std::end(kOrderings) ? nullptr : found;
}

std::size_t characters(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += is_continuation(c) ? 0 : 1;
  return count;
}

}  // namespace

std::string terminal_text(std::string_view text, std::size_t limit) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string result;
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (count >= limit && !is_continuation(text[i])) return result + "…";
    if (const std::size_t size = control_size(text.substr(i)); size > 0) {
      i += size - 1;
      const auto byte = static_cast<unsigned char>(text[i]);
      result.append("\\x").append(1, kDigits[byte >> 4U]).append(1, kDigits[byte & 0xFU]);
      count += 4;
      continue;
    }
    if (const Ordering* const found = ordering(text.substr(i)); found != nullptr) {
      i += found->bytes.size() - 1;
      result += found->shown;
      count += found->shown.size();
      continue;
    }
    result += text[i];
    count += is_continuation(text[i]) ? 0 : 1;
  }
  return result;
}

std::string column(std::string_view text, std::size_t width) {
  std::string result = terminal_text(text);
  const std::size_t used = characters(result);
  if (used < width) result.append(width - used, ' ');
  return result;
}

}  // namespace tidewaiter::shim

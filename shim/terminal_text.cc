#include "shim/terminal_text.h"

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

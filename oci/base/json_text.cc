#include "oci/base/json_text.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace tidewaiter {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::string_view kEllipsis = "\xE2\x80\xA6";     // U+2026

// How many bytes the well-formed UTF-8 sequence at `at` has; 0 when there is none (Unicode, table 3-7:
// no surrogates, no overlong forms, nothing beyond U+10FFFF).
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };

  const unsigned lead = byte(0);
  const unsigned second = byte(1);
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return continues(1) ? 2 : 0;
  if (lead < 0xF0) {
    const unsigned lowest = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned highest = lead == 0xED ? 0x9F : 0xBF;
    return second >= lowest && second <= highest && continues(2) ? 3 : 0;
  }
  if (lead < 0xF5) {
    const unsigned lowest = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned highest = lead == 0xF4 ? 0x8F : 0xBF;
    return second >= lowest && second <= highest && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

void append_ascii(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  // DEL needs no escape in JSON, but a person may look at the line in a terminal.
  const auto value = static_cast<unsigned char>(c);
  if (value < 0x20 || value == 0x7F) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out += "\\u00";
    out += kHex[value >> 4U];
    out += kHex[value & 0xFU];
    return;
  }
  out += c;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text, std::size_t limit) {
  out += '"';
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = utf8_length(text, at);
    const std::size_t consumed = length == 0 ? 1 : length;
    if (at + consumed > limit) {
      out += kEllipsis;
      break;
    }
    if (length == 0) {
      out += kReplacement;
    } else if (length == 1) {
      append_ascii(out, text[at]);
    } else {
      out += text.substr(at, length);
    }
    at += consumed;
  }
  out += '"';
}

std::string rfc3339_now() { return rfc3339(std::chrono::system_clock::now()); }

std::string rfc3339(std::chrono::system_clock::time_point time) {
  using std::chrono::microseconds;
  const auto since_epoch = std::chrono::floor<microseconds>(time.time_since_epoch());
  const auto whole = std::chrono::floor<std::chrono::seconds>(since_epoch);
  const std::time_t seconds = whole.count();
  struct tm utc {};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 64> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 32> fraction{};  // as wide as the compiler thinks it may become
  std::snprintf(fraction.data(), fraction.size(), ".%06ldZ",
                static_cast<long>((since_epoch - whole).count()));
  return std::string(text.data(), size) + fraction.data();
}

}  // namespace tidewaiter

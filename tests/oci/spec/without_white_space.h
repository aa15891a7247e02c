#pragma once

#include <string>

namespace tidewaiter::spec {

// JSON text without the white space between its tokens: what has to come out again, byte for byte.
inline std::string without_white_space(const std::string& text) {
  std::string out;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (!in_string && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) continue;
    out += c;
    if (in_string && c == '\\') {
      out += text[++i];
    } else if (c == '"') {
      in_string = !in_string;
    }
  }
  return out;
}

}  // namespace tidewaiter::spec

#include "oci/spec/readable.h"

namespace tidewaiter::spec {
namespace {

constexpr std::size_t kIndent = 2;

std::string plain(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

// {"a": [1, 2]}
std::string in_one_line(const Json& value) {
  if (!value.is_structured() || value.empty()) return plain(value);
  std::string text;
  for (const auto& [key, member] : value.items()) {
    text += text.empty() ? "" : ", ";
    if (value.is_object()) text += plain(key) + ": ";
    text += in_one_line(member);
  }
  return value.is_object() ? "{" + text + "}" : "[" + text + "]";
}

// `taken`: columns of the line that are used before the value, and by the comma behind it.
void append(std::string& text, const Json& value, std::size_t indent, std::size_t taken, std::size_t width) {
  const std::string line = in_one_line(value);
  if (!value.is_structured() || value.empty() || taken + line.size() <= width) {
    text += line;
    return;
  }
  const std::string margin(indent + kIndent, ' ');
  text += value.is_object() ? "{\n" : "[\n";
  std::size_t left = value.size();
  for (const auto& [key, member] : value.items()) {
    const std::string start = margin + (value.is_object() ? plain(key) + ": " : "");
    text += start;
    append(text, member, indent + kIndent, start.size() + 1, width);
    text += --left > 0 ? ",\n" : "\n";
  }
  text += std::string(indent, ' ') + (value.is_object() ? "}" : "]");
}

}  // namespace

std::string readable(const Json& document, std::size_t width) {
  std::string text;
  append(text, document, 0, 0, width);
  return text + "\n";
}

}  // namespace tidewaiter::spec

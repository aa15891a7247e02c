#include "oci/base/shebang.h"

namespace tidewaiter {
namespace {

constexpr std::string_view kBlanks = " \t";
// What ends the interpreter's name.
constexpr std::string_view kTerminators{" \t\0", 3};

}  // namespace

std::optional<Shebang> parse_shebang(std::string_view start) {
  if (!start.starts_with("#!")) return std::nullopt;
  // What is behind the end of the file the kernel sees as NULs.
  std::string buffer(start.substr(0, Shebang::kBytes));
  buffer.resize(Shebang::kBytes, '\0');
  std::string_view line = std::string_view(buffer).substr(2);

  const std::size_t end = line.find_first_of(std::string_view{"\n\0", 2});
  if (end != std::string_view::npos && line[end] == '\n') {
    line = line.substr(0, end);
  } else {
    const std::size_t name = line.find_first_not_of(kBlanks);
    if (name == std::string_view::npos) return std::nullopt;
    // The name may have been cut off.
    if (line.find_first_of(kTerminators, name) == std::string_view::npos) return std::nullopt;
    line.remove_suffix(1);  // the last byte only marks the end
  }
  const std::size_t last = line.find_last_not_of(kBlanks);
  if (last == std::string_view::npos) return std::nullopt;
  line = line.substr(0, last + 1);

  line.remove_prefix(line.find_first_not_of(kBlanks));
  const std::size_t separator = line.find_first_of(kTerminators);
  Shebang shebang{std::string(line.substr(0, separator)), std::nullopt};
  if (separator == std::string_view::npos || line[separator] == '\0') return shebang;
  line.remove_prefix(separator);
  const std::size_t argument = line.find_first_not_of(kBlanks);
  if (argument == std::string_view::npos) return shebang;
  line.remove_prefix(argument);
  shebang.argument = std::string(line.substr(0, line.find('\0')));
  return shebang;
}

}  // namespace tidewaiter

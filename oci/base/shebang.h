#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tidewaiter {

// What the first line of a script asks for: "#!interpreter [argument]".
struct Shebang {
  std::string interpreter;
  std::optional<std::string> argument;  // all that is left of the line, as one

  // How much of a file the kernel looks at (BINPRM_BUF_SIZE, include/uapi/linux/binfmts.h).
  static constexpr std::size_t kBytes = 256;
  // How many interpreters there may be, each a script in turn (exec_binprm, fs/exec.c).
  static constexpr int kMaxDepth = 5;
};

// Reads it as load_script() in fs/binfmt_script.c does. `start`: the first kBytes of the file, or all of a
// shorter one. nullopt: the kernel does not take the file for a script.
std::optional<Shebang> parse_shebang(std::string_view start);

}  // namespace tidewaiter

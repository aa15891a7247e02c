#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

// The programs' own diagnostics: one JSON object per line, a constant message, everything variable
// in the keys. An error is logged once, where it stops. Events about containers are not these: they
// go through supervisor/report.

namespace tidewaiter::log {

enum class Level { kDebug, kInfo, kWarning, kError };

// Lines below this level are dropped. The default is kInfo. Thread-safe.
void set_threshold(Level level);

// Where lines go; borrowed, 2 by default. Call before threads are started.
void set_output(int fd);

using Field = std::pair<std::string_view, std::string_view>;

// A container can make its agent log; so a process writes no more than this, in bytes, and says when it
// stops.
inline constexpr std::size_t kMaxWritten = 1U << 20U;

// Has what is written count there, for all processes together that share it. It is not to go away again. Call
// before threads are started.
void count_in(std::atomic<std::uint64_t>& counter);

// Writes one line with one write(2). Values are escaped and cut to 4096 bytes. Thread-safe.
void write(Level level, std::string_view message, std::initializer_list<Field> fields = {});

inline void info(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kInfo, message, fields);
}
inline void warning(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kWarning, message, fields);
}
inline void error(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kError, message, fields);
}

}  // namespace tidewaiter::log

#pragma once

#include <cstddef>

// Strings without a library.

namespace tidewaiter::init {

inline std::size_t length(const char* text) {
  std::size_t size = 0;
  while (text[size] != '\0') ++size;
  return size;
}

inline bool same(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) {
    ++a;
    ++b;
  }
  return *a == *b;
}

// What follows `beginning` in `text`; null where it does not begin so.
inline const char* behind(const char* text, const char* beginning) {
  while (*beginning != '\0') {
    if (*text++ != *beginning++) return nullptr;
  }
  return text;
}

inline bool has(const char* text, char wanted) {
  for (; *text != '\0'; ++text) {
    if (*text == wanted) return true;
  }
  return false;
}

}  // namespace tidewaiter::init

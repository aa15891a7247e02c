#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "oci/base/system.h"

namespace tidewaiter::supervisor {

// The lines of an event log, parsed; a line that is not one JSON object fails the test.
inline std::vector<nlohmann::json> event_lines(const std::string& path) {
  std::vector<nlohmann::json> lines;
  const auto text = sys::read_file(path);
  if (!text) {
    ADD_FAILURE() << text.error().message();
    return lines;
  }
  std::size_t begin = 0;
  while (begin < text->size()) {
    const std::size_t end = text->find('\n', begin);
    if (end == std::string::npos) {
      ADD_FAILURE() << "the last line does not end: " << text->substr(begin);
      return lines;
    }
    auto line = nlohmann::json::parse(text->begin() + static_cast<std::ptrdiff_t>(begin),
                                      text->begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    EXPECT_TRUE(line.is_object()) << text->substr(begin, end - begin);
    lines.push_back(std::move(line));
    begin = end + 1;
  }
  return lines;
}

}  // namespace tidewaiter::supervisor

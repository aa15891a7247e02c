#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

#include "oci/base/system.h"

namespace tidewaiter::testing {

// A folder of a test's own, removed with everything in it. Resolved, so that paths compare.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& parent = ::testing::TempDir()) {
    std::string pattern = parent + "/tidewaiter-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) ADD_FAILURE() << "mkdtemp " << pattern;
    path_ = sys::realpath(pattern).value_or(pattern);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    const Status removed = sys::remove_tree(path_);
    if (!removed) ADD_FAILURE() << removed.error().message();
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace tidewaiter::testing

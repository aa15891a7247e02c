#pragma once

#include <fcntl.h>
#include <stdlib.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "oci/base/system.h"
#include "tests/fuzz/fuzz.h"

namespace tidewaiter::fuzz {

// A folder for decoders that read a file by its path; gone when the process ends as it should. In memory, for
// a disk takes its time.
class Folder {
 public:
  Folder() : path_("/dev/shm/tidewaiter-fuzz-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { static_cast<void>(sys::remove_tree(path_)); }

  [[nodiscard]] const std::string& path() const { return path_; }

  // Makes the file, or changes what is in it. Returns its path.
  std::string write(const std::string& name, std::string_view text) const {
    std::string path = path_ + "/" + name;
    const auto file = sys::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (!file || !sys::write_all(file->get(), text)) std::abort();
    return path;
  }

 private:
  std::string path_;
};

}  // namespace tidewaiter::fuzz

#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>

#include "oci/base/system.h"

namespace tidewaiter::shim {

// A process in the place of a container's first: with a mount namespace of its own, whose root is an empty
// file system. `furnish` is called there, in the folder that becomes the root.
class OwnRoot {
 public:
  // `folder` is empty, and stays so.
  // `afterwards` comes last, in the new root.
  OwnRoot(const std::string& folder, const std::function<bool()>& furnish,
          const std::function<void()>& afterwards = {}) {
    sys::Pipe ready = std::move(*sys::pipe());
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      // Before the host's own cannot be reached any more.
      const bool done = make_root(folder) && furnish() && ::syscall(SYS_pivot_root, ".", ".") == 0 &&
                        ::umount2(".", MNT_DETACH) == 0;
      if (done && afterwards) afterwards();
      if (!done || ::write(ready.write_end.get(), "", 1) != 1) ::_exit(1);
      ready.write_end.reset();
      for (;;) ::pause();
    }
    ready.write_end.reset();
    char byte = 1;
    const auto size = sys::read(ready.read_end.get(), &byte, 1);
    if (!size || *size != 1) ADD_FAILURE() << "a mount namespace takes root";
  }
  OwnRoot(const OwnRoot&) = delete;
  OwnRoot& operator=(const OwnRoot&) = delete;
  ~OwnRoot() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  [[nodiscard]] pid_t pid() const { return pid_; }

  // Where the files that are there are told to be, in `furnish`.
  static bool bind(const char* source, const char* place) {
    const int file = ::open(place, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    ::close(file);
    return file >= 0 && ::mount(source, place, nullptr, MS_BIND, nullptr) == 0;
  }

 private:
  static bool make_root(const std::string& folder) {
    return ::unshare(CLONE_NEWNS) == 0 && ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           ::mount("tmpfs", folder.c_str(), "tmpfs", 0, nullptr) == 0 && ::chdir(folder.c_str()) == 0;
  }

  pid_t pid_ = -1;
};

}  // namespace tidewaiter::shim

#include "oci/base/mountinfo.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tidewaiter {
namespace {

std::vector<std::string> words_of(const Mount& mount) {
  return {mount.device, mount.root, mount.point, mount.type, mount.options};
}

TEST(ParseMountinfo, ReadsALineAsTheKernelWritesIt) {
  struct Case {
    const char* line;
    std::vector<std::string> words;
  };
  const Case cases[] = {
      {"21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw", {"8:1", "/", "/", "ext4", "rw"}},
      {"30 24 0:26 /a/b /c rw shared:9 master:2 - cgroup cgroup rw,cpu,memory",
       {"0:26", "/a/b", "/c", "cgroup", "rw,cpu,memory"}},
      {R"(30 24 8:1 /in\040ner /a\011b\012c\134040 rw - ext4 /dev/sda1 rw)",
       {"8:1", "/in ner", "/a\tb\nc\\040", "ext4", "rw"}},
      {R"(30 24 0:5 / /\303\244 rw - fuse.a\043b x ro)", {"0:5", "/", "/\303\244", "fuse.a#b", "ro"}},
      // A mount whose source is the empty word.
      {"30 24 0:26 / /sys/fs/cgroup/cpu rw - cgroup  rw,cpu",
       {"0:26", "/", "/sys/fs/cgroup/cpu", "cgroup", "rw,cpu"}},
      {"30 24 0:26 / /- rw - tmpfs - rw", {"0:26", "/", "/-", "tmpfs", "rw"}},
      // What no kernel writes.
      {"30 24 0:26 / /sys/fs/cgroup/cpu rw -  cgroup rw", {}},
      {R"(30 24 8:1 / /a\04 rw - ext4 x rw)", {"8:1", "/", "/a\\04", "ext4", "rw"}},
      {R"(30 24 8:1 / /a\400\08x rw - ext4 x rw)", {"8:1", "/", "/a\\400\\08x", "ext4", "rw"}},
      {"30 24 8:1 / /a rw", {}},
      {"30 24 8:1 / /a rw -", {}},
      {" - ", {}},
      {"broken", {}},
      {"", {}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.line);
    const auto mounts = parse_mountinfo(one.line);
    ASSERT_EQ(mounts.empty(), one.words.empty());
    if (!mounts.empty()) {
      EXPECT_EQ(words_of(mounts.front()), one.words);
    }
  }
}

TEST(ParseMountinfo, KeepsTheOrderAndPassesOverWhatIsNoLine) {
  const auto mounts = parse_mountinfo(
      "1 0 8:1 / /a rw - ext4 x rw\n\nnonsense\n2 1 8:2 / /a rw - xfs y rw\n3 1 8:3 / /b rw - tmpfs z rw");
  ASSERT_EQ(mounts.size(), 3U);
  EXPECT_EQ(mounts[0].type, "ext4");
  EXPECT_EQ(mounts[1].type, "xfs");
  EXPECT_EQ(mounts[2].type, "tmpfs");
}

}  // namespace
}  // namespace tidewaiter

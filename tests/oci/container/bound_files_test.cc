#include "oci/container/bound_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>

#include "oci/base/system.h"
#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::container {
namespace {

using testing::TemporaryFolder;

TEST(BoundFiles, AreForEveryoneToReadAndNobodyToWriteWhateverTheUmask) {
  const TemporaryFolder folder;
  const mode_t before = ::umask(077);
  const Status written = write_bound_files(folder.path(), {{"a", "one\n"}, {"b", ""}});
  ::umask(before);
  ASSERT_TRUE(written) << written.error().message();
  EXPECT_EQ(sys::read_file(folder / "a").value(), "one\n");
  EXPECT_EQ(sys::read_file(folder / "b").value(), "");
  for (const char* name : {"a", "b"}) EXPECT_EQ(sys::stat(folder / name)->st_mode & 07777U, 0444U);
}

TEST(BoundFiles, TakeUpNothingThatIsThere) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_bound_files(folder.path(), {{"a", "one"}}));
  const Status again = write_bound_files(folder.path(), {{"a", "two"}});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, EEXIST);
  EXPECT_EQ(sys::read_file(folder / "a").value(), "one");
}

TEST(BoundFiles, HoldTheHostsWhereNoAgentKeepsThem) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_bound_files(folder.path(), {{"base", "10.88.0.2\tbox db\n"}}));
  Record record;
  record.hosts = spec::HostsBase{folder.path(), "base"};
  record.pinned_hosts = "10.0.0.5\tdb\n";
  ASSERT_TRUE(write_hosts_file(folder.path(), record));
  EXPECT_EQ(sys::read_file(folder / Record::kHostsName).value(),
            "# Host names that the policy pins\n10.0.0.5\tdb\n10.88.0.2\tbox\n# Host names that the policy "
            "allows\n");
}

}  // namespace
}  // namespace tidewaiter::container

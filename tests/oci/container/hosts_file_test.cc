#include "oci/container/hosts_file.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <initializer_list>
#include <string>
#include <thread>

#include "oci/base/system.h"
#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::container {
namespace {

using testing::TemporaryFolder;

std::string names(std::initializer_list<const char*> addresses) {
  std::string lines;
  for (const char* address : addresses) lines += std::string(address) + "\tapi.example.com\n";
  return lines;
}

const std::string kHead = "# Host names that the policy allows\n";

// Writes in place, as whoever has bound the file somewhere has to.
void put(const std::string& path, const std::string& text) {
  const auto file = sys::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ASSERT_TRUE(file);
  ASSERT_TRUE(sys::write_all(file->get(), text));
}

bool readable(int fd) {
  struct pollfd waiting {
    .fd = fd, .events = POLLIN, .revents = 0
  };
  return ::poll(&waiting, 1, 0) == 1;
}

TEST(HostsFile, HasTheContainersOwnAndThenTheNames) {
  const TemporaryFolder folder;
  put(folder / "base", "10.88.0.2\tbox");
  auto hosts = HostsFile::open(folder / "hosts", {folder.path(), "base"});
  ASSERT_TRUE(hosts);
  ASSERT_TRUE(hosts->write(names({"192.0.2.1", "2001:db8::1"})));
  EXPECT_EQ(sys::read_file(folder / "hosts").value(),
            "10.88.0.2\tbox\n" + kHead + "192.0.2.1\tapi.example.com\n2001:db8::1\tapi.example.com\n");
}

TEST(HostsFile, IsReadableForTheContainersUserWhateverTheUmask) {
  const TemporaryFolder folder;
  const mode_t before = ::umask(077);
  const auto hosts = HostsFile::open(folder / "hosts", {});
  ::umask(before);
  ASSERT_TRUE(hosts);
  EXPECT_EQ(sys::stat(folder / "hosts")->st_mode & 07777U, 0644U);
}

TEST(HostsFile, IsWrittenInPlaceAndNeverShorter) {
  const TemporaryFolder folder;
  auto hosts = HostsFile::open(folder / "hosts", {});
  ASSERT_TRUE(hosts);
  ASSERT_TRUE(hosts->write(names({"192.0.2.1", "192.0.2.2"})));
  const auto before = sys::stat(folder / "hosts");
  ASSERT_TRUE(hosts->write(names({"192.0.2.3"})));
  const auto after = sys::stat(folder / "hosts");
  EXPECT_EQ(after->st_ino, before->st_ino);
  EXPECT_EQ(after->st_size, before->st_size);
  const std::string text = sys::read_file(folder / "hosts").value();
  const std::string lines = kHead + "192.0.2.3\tapi.example.com\n";
  EXPECT_TRUE(text.starts_with(lines)) << text;
  EXPECT_EQ(text.find_first_not_of('\n', lines.size()), std::string::npos) << text;
  // An agent that comes after another takes up the file that the container holds.
  auto again = HostsFile::open(folder / "hosts", {});
  ASSERT_TRUE(again);
  ASSERT_TRUE(again->write({}));
  EXPECT_EQ(sys::stat(folder / "hosts")->st_ino, before->st_ino);
  const std::string without = sys::read_file(folder / "hosts").value();
  EXPECT_TRUE(without.starts_with(kHead)) << without;
  EXPECT_EQ(without.find_first_not_of('\n', kHead.size()), std::string::npos) << without;
}

TEST(HostsFile, FollowsWhatOthersWriteIntoTheBase) {
  const TemporaryFolder folder;
  put(folder / "base", "10.88.0.2 box\n");
  auto hosts = HostsFile::open(folder / "hosts", {"/", folder / "base"});
  ASSERT_TRUE(hosts);
  ASSERT_TRUE(hosts->write({}));
  ASSERT_GE(hosts->base_changes(), 0);
  EXPECT_FALSE(readable(hosts->base_changes()));
  put(folder / "base", "10.88.0.3 box\n");
  EXPECT_TRUE(readable(hosts->base_changes()));
  hosts->take_base_changes();
  EXPECT_FALSE(readable(hosts->base_changes()));
  ASSERT_TRUE(hosts->write({}));
  EXPECT_EQ(sys::read_file(folder / "hosts").value(), "10.88.0.3 box\n" + kHead);
}

const std::string kPinned = "# Host names that the policy pins\n";

// All lines of a name count together (getaddrinfo(3)), and the base is the image's.
TEST(HostsFile, SaysOfPinnedNamesNothingButWhatThePolicyDoes) {
  const TemporaryFolder folder;
  put(folder / "base",
      "127.0.0.1\tlocalhost\n"
      "6.6.6.6\tdb.test\n"
      "  6.6.6.6   one DB.Test. two# db.test\n"
      "6.6.6.6\tother.db.test db.test.other\n"
      "# 6.6.6.6 db.test\n"
      "6.6.6.6 three db.test" +
          std::string(1, '\0') +
          "x\n"
          "db.test\n"
          "\n"
          "6.6.6.6\rdb.test");
  const std::string pinned = "10.0.0.5\tdb.test\n2001:db8::5\tdb.test\n";
  auto hosts = HostsFile::open(folder / "hosts", {"/", folder / "base"}, pinned);
  ASSERT_TRUE(hosts);
  ASSERT_TRUE(hosts->write("192.0.2.1\tdb.test\n" + names({"192.0.2.1"})));
  const std::string expected = kPinned + pinned +
                               "127.0.0.1\tlocalhost\n"
                               "6.6.6.6\tone\ttwo\n"
                               "6.6.6.6\tother.db.test db.test.other\n"
                               "# 6.6.6.6 db.test\n"
                               "6.6.6.6\tthree\n"
                               "db.test\n"
                               "\n" +
                               kHead + "192.0.2.1\tapi.example.com\n";
  EXPECT_EQ(sys::read_file(folder / "hosts").value(), expected);

  // And so when another takes it up: the shim, before the container starts.
  auto again = HostsFile::open(folder / "hosts", {"/", folder / "base"}, pinned);
  ASSERT_TRUE(again);
  put(folder / "base", "10.88.0.2 box db.test\n");
  ASSERT_TRUE(again->follow_base());
  const std::string followed = kPinned + pinned + "10.88.0.2\tbox\n" + kHead + "192.0.2.1\tapi.example.com\n";
  EXPECT_TRUE(sys::read_file(folder / "hosts").value().starts_with(followed));
}

// As the shim does before the container starts, beside the agent.
TEST(HostsFile, TakesUpTheBaseAndLeavesTheNames) {
  const TemporaryFolder folder;
  const spec::HostsBase base{"/", folder / "base"};
  put(base.path, "");
  auto agents = HostsFile::open(folder / "hosts", base);
  ASSERT_TRUE(agents);
  ASSERT_TRUE(agents->write(names({"192.0.2.1", "192.0.2.2"})));
  ASSERT_TRUE(agents->write(names({"192.0.2.1"})));  // shorter, and filled up
  // The base may look like what is behind it.
  for (const std::string& text : {std::string("10.88.0.2 box\n"), kHead + "10.88.0.2 box", std::string()}) {
    put(base.path, text);
    auto shims = HostsFile::open(folder / "hosts", base);
    ASSERT_TRUE(shims);
    ASSERT_TRUE(shims->follow_base());
    const std::string lines =
        (text.empty() || text.ends_with('\n') ? text : text + '\n') + kHead + "192.0.2.1\tapi.example.com\n";
    const std::string found = sys::read_file(folder / "hosts").value();
    EXPECT_EQ(found.substr(0, lines.size()), lines);
    EXPECT_EQ(found.find_first_not_of('\n', lines.size()), std::string::npos) << found;
  }
  ASSERT_TRUE(agents->write({}));
  put(base.path, kHead + "10.88.0.2 box\n");
  ASSERT_TRUE(agents->follow_base());
  const std::string found = sys::read_file(folder / "hosts").value();
  EXPECT_TRUE(found.starts_with(kHead + "10.88.0.2 box\n" + kHead)) << found;
}

TEST(HostsFile, KeepsWhatItHasWhereTheBaseCannotBeReadAnyMore) {
  const TemporaryFolder folder;
  const spec::HostsBase base{"/", folder / "base"};
  put(base.path, "10.88.0.2 box\n");
  auto hosts = HostsFile::open(folder / "hosts", base);
  ASSERT_TRUE(hosts);
  ASSERT_TRUE(hosts->write(names({"192.0.2.1"})));
  const std::string before = sys::read_file(folder / "hosts").value();
  ASSERT_TRUE(sys::unlink(base.path));
  ASSERT_TRUE(sys::mkdir(base.path, 0700));
  EXPECT_FALSE(hosts->follow_base());
  EXPECT_EQ(sys::read_file(folder / "hosts").value(), before);
}

TEST(HostsFile, IsWrittenByOneAtATime) {
  const TemporaryFolder folder;
  put(folder / "base", "10.88.0.2 box\n");
  const spec::HostsBase base{"/", folder / "base"};
  auto one = HostsFile::open(folder / "hosts", base);
  auto other = HostsFile::open(folder / "hosts", base);
  ASSERT_TRUE(one);
  ASSERT_TRUE(other);
  ASSERT_TRUE(one->write(names({"192.0.2.1"})));
  std::thread shim([&] {
    for (int i = 0; i < 500; ++i) EXPECT_TRUE(other->follow_base());
  });
  // Who reads the names while they are replaced would put back some of the former ones.
  for (int i = 1; i <= 500; ++i) {
    const std::string last = "10.0.0." + std::to_string(i % 200 + 1);
    ASSERT_TRUE(one->write(names({last.c_str()})));
    EXPECT_NE(sys::read_file(folder / "hosts")->find("\n" + last + "\tapi"), std::string::npos) << i;
  }
  shim.join();
}

TEST(HostsFile, WaitsForNobodyWhoHasTheFileItself) {
  const TemporaryFolder folder;
  auto hosts = HostsFile::open(folder / "hosts", {});
  ASSERT_TRUE(hosts);
  const auto containers = sys::open(folder / "hosts", O_RDONLY);
  ASSERT_TRUE(containers);
  ASSERT_EQ(::flock(containers->get(), LOCK_EX | LOCK_NB), 0);
  ::alarm(10);  // it would wait for ever
  EXPECT_TRUE(hosts->write(names({"192.0.2.1"})));
  ::alarm(0);
}

TEST(HostsFile, DoesWithoutABaseThatIsNotThere) {
  const TemporaryFolder folder;
  for (const spec::HostsBase& base : {spec::HostsBase{}, spec::HostsBase{folder.path(), "etc/hosts"}}) {
    auto hosts = HostsFile::open(folder / "hosts", base);
    ASSERT_TRUE(hosts);
    ASSERT_TRUE(hosts->write(names({"192.0.2.1"})));
    EXPECT_EQ(sys::read_file(folder / "hosts").value(), kHead + "192.0.2.1\tapi.example.com\n");
    EXPECT_EQ(hosts->base_changes(), -1);
  }
}

// The root file system is the image's, and we read it with rights that the container has not.
TEST(HostsFile, NeverReadsOutsideTheContainersRoot) {
  const TemporaryFolder folder;
  put(folder / "secret", "secret\n");
  ASSERT_TRUE(sys::make_directories(folder / "root/etc", 0700));
  const std::string place = folder / "root/etc/hosts";
  const auto text = [&] {
    (void)sys::unlink(folder / "hosts");
    auto hosts = HostsFile::open(folder / "hosts", {folder / "root", "etc/hosts"});
    EXPECT_TRUE(hosts);
    EXPECT_TRUE(hosts->write(names({"192.0.2.1"})));
    return sys::read_file(folder / "hosts").value();
  };
  const std::string alone = kHead + "192.0.2.1\tapi.example.com\n";
  for (const std::string& target : {folder / "secret", std::string("../../secret")}) {
    ASSERT_EQ(::symlink(target.c_str(), place.c_str()), 0);
    EXPECT_EQ(sys::read_file(place).value(), "secret\n");  // who asks the kernel plainly gets there
    EXPECT_EQ(text(), alone);
    ASSERT_TRUE(sys::unlink(place));
  }
  put(folder / "root/other", "10.0.0.1 other\n");
  ASSERT_EQ(::symlink("/other", place.c_str()), 0);
  EXPECT_EQ(text(), "10.0.0.1 other\n" + alone);
  ASSERT_TRUE(sys::unlink(place));
  // Nor does anything there keep us waiting.
  ASSERT_EQ(::mkfifo(place.c_str(), 0600), 0);
  EXPECT_EQ(text(), alone);
  ASSERT_TRUE(sys::unlink(place));
  ASSERT_TRUE(sys::mkdir(place, 0700));
  EXPECT_EQ(text(), alone);
}

}  // namespace
}  // namespace tidewaiter::container

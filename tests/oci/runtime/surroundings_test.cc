#include "oci/runtime/surroundings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <map>
#include <set>

namespace tidewaiter::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;

class FakeFiles : public Files {
 public:
  explicit FakeFiles(std::map<std::string, std::string> files) : files_(std::move(files)) {}
  [[nodiscard]] Result<std::string> read(const std::string& path) const override {
    const auto found = files_.find(path);
    if (found == files_.end()) return fail(ENOENT, path);
    return found->second;
  }
  [[nodiscard]] bool exists(const std::string& path) const override { return files_.contains(path); }

 private:
  std::map<std::string, std::string> files_;
};

constexpr const char* kUnified =
    "24 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
    "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";
constexpr const char* kLegacy =
    "29 24 0:25 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n"
    "30 29 0:26 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
    "31 29 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 29 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "33 29 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
constexpr const char* kBeside = "34 29 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

Surroundings found_in(std::map<std::string, std::string> files) {
  Surroundings found;
  find_cgroups(FakeFiles(std::move(files)), found);
  return found;
}

TEST(FindCgroups, TellsVersionsApart) {
  EXPECT_EQ(found_in({{"/proc/self/mountinfo", kUnified}}).cgroups, Cgroups::kV2);
  EXPECT_EQ(found_in({{"/proc/self/mountinfo", kLegacy}}).cgroups, Cgroups::kV1);
  EXPECT_EQ(found_in({{"/proc/self/mountinfo", std::string(kLegacy) + kBeside}}).cgroups, Cgroups::kV1);
  EXPECT_EQ(found_in({{"/proc/self/mountinfo", kBeside + std::string(kLegacy)}}).cgroups, Cgroups::kV1);
  EXPECT_EQ(found_in({{"/proc/self/mountinfo", kBeside}}).cgroups, Cgroups::kNone);
  EXPECT_EQ(found_in({{"/proc/self/mountinfo", "nonsense\n - \n"}}).cgroups, Cgroups::kNone);
  EXPECT_EQ(found_in({}).cgroups, Cgroups::kNone);
}

TEST(FindCgroups, NamesTheControllers) {
  const auto unified = found_in(
      {{"/proc/self/mountinfo", kUnified}, {"/sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n"}});
  EXPECT_THAT(unified.controllers, ElementsAre("cpu", "io", "memory", "pids"));
  EXPECT_THAT(found_in({{"/proc/self/mountinfo", kLegacy}}).controllers,
              IsSupersetOf({"cpu", "memory", "pids"}));
  EXPECT_THAT(found_in({{"/proc/self/mountinfo", kUnified}}).controllers, IsEmpty());
  EXPECT_THAT(found_in({}).controllers, IsEmpty());
}

TEST(FindCgroups, SaysWhetherSwapIsCounted) {
  const std::string limit = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
  const std::string both = "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes";
  const std::pair<const std::string, std::string> legacy{"/proc/self/mountinfo", kLegacy};
  const std::pair<const std::string, std::string> swaps{"/proc/swaps", "Filename\n"};
  EXPECT_TRUE(found_in({legacy, swaps, {limit, ""}, {both, ""}}).counts_swap);
  EXPECT_FALSE(found_in({legacy, swaps, {limit, ""}}).counts_swap);
  EXPECT_TRUE(found_in({legacy, {limit, ""}}).counts_swap);  // a kernel that cannot swap

  const std::string own = "/sys/fs/cgroup/user.slice/";
  const std::pair<const std::string, std::string> unified{"/proc/self/mountinfo", kUnified};
  const std::pair<const std::string, std::string> cgroup{"/proc/self/cgroup", "1:x:/y\n0::/user.slice\n"};
  EXPECT_TRUE(found_in({unified, cgroup, swaps, {own + "memory.max", ""}, {own + "memory.swap.max", ""}})
                  .counts_swap);
  EXPECT_FALSE(found_in({unified, cgroup, swaps, {own + "memory.max", ""}}).counts_swap);
  EXPECT_TRUE(found_in({unified, {"/proc/self/cgroup", "0::/\n"}, swaps}).counts_swap);
}

TEST(LookAround, FindsWhatIsInherited) {
  struct rlimit limit {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const Surroundings found = look_around(false);
  EXPECT_FALSE(found.initial_root);
  EXPECT_FALSE(found.makes_no_cgroup);
  EXPECT_EQ(found.soft_open_files, limit.rlim_cur);
  EXPECT_EQ(found.hard_open_files, limit.rlim_max);
}

}  // namespace
}  // namespace tidewaiter::runtime

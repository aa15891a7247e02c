#include "oci/runtime/surroundings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <set>

#include "tests/oci/base/temporary_folder.h"

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
  [[nodiscard]] Result<Place> look(const std::string& path) const override {
    const auto found = places_.find(path);
    if (found == places_.end()) return fail(ENOENT, path);
    return found->second;
  }
  void lead(const std::string& path, Result<Place> place) {
    places_.insert_or_assign(path, std::move(place));
  }

 private:
  std::map<std::string, std::string> files_;
  std::map<std::string, Result<Place>> places_;
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

Surroundings found_in(std::map<std::string, std::string> files, bool initial_root = true) {
  Surroundings found;
  found.initial_root = initial_root;
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

// An ordinary user has those that systemd delegates, not those of the machine.
TEST(FindCgroups, TellsWhatIsDelegatedFromWhatThereIs) {
  const std::string all = "cpu io memory pids\n";
  const std::string slice = "/sys/fs/cgroup/user.slice/user-1000.slice/";
  const struct {
    const char* own;
    std::string delegated;  // the file that tells
  } cases[] = {
      {"/user.slice/user-1000.slice/user@1000.service/user.slice/podman.scope",
       slice + "user@1000.service/cgroup.controllers"},
      {"/user.slice/user-1000.slice/session-2.scope", slice + "user@1000.service/cgroup.controllers"},
      {"/made/by/hand", "/sys/fs/cgroup/made/by/hand/cgroup.controllers"},
  };
  for (const auto& one : cases) {
    const std::map<std::string, std::string> files{{"/proc/self/mountinfo", kUnified},
                                                   {"/proc/self/cgroup", std::string("0::") + one.own + "\n"},
                                                   {"/sys/fs/cgroup/cgroup.controllers", all},
                                                   {one.delegated, "memory pids\n"}};
    const Surroundings user = found_in(files, false);
    EXPECT_THAT(user.controllers, ElementsAre("memory", "pids")) << one.own;
    EXPECT_THAT(user.withheld, ElementsAre("cpu", "io")) << one.own;
    EXPECT_THAT(found_in(files).controllers, ElementsAre("cpu", "io", "memory", "pids"));
    EXPECT_THAT(found_in(files).withheld, IsEmpty());
  }
}

TEST(FindCgroups, NamesEveryPlaceWhereOneIsMounted) {
  const std::string elsewhere =
      "40 24 0:26 / /mnt/my\\040own\\134 rw - cgroup2 cgroup2 rw\n41 24 0:27 / /data rw - ext4 /dev/sdb rw\n";
  EXPECT_THAT(found_in({{"/proc/self/mountinfo", kUnified + elsewhere}}).cgroup_mounts,
              ElementsAre("/sys/fs/cgroup", "/mnt/my own\\"));
  EXPECT_THAT(found_in({{"/proc/self/mountinfo", kLegacy}}).cgroup_mounts,
              ElementsAre("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory",
                          "/sys/fs/cgroup/pids"));
}

std::string in_words(const Source& source) {
  return std::string(source.missing ? "missing " : "") + (source.cgroup ? "cgroup " : "") +
         (source.holds_cgroups ? "holds " : "") + source.unseen;
}

TEST(LookAtSources, AsksWhatEachLeadsTo) {
  FakeFiles files({});
  files.lead("/srv/box/rootfs", Place{"/srv/box/rootfs", false});
  files.lead("/srv/box/../../sys", Place{"/sys", false});
  files.lead("/sys", Place{"/sys", false});
  files.lead("/link", Place{"/sys/fs/cgroup/memory/x", true});
  files.lead("/", Place{"/", false});
  files.lead("/sys/fs/cgroup", Place{"/sys/fs/cgroup", true});
  files.lead("/sys/fs/cgroups", Place{"/sys/fs/cgroups", false});
  files.lead("/a/../b", Place{"/elsewhere", false});
  files.lead("/b", Place{"/sys/fs/cgroup/pids", true});
  files.lead("/proc/1/root", fail(ELOOP, "/proc/1/root"));
  files.lead("/locked", fail(EACCES, "/locked"));
  files.lead("/outside", Place{"(unreachable)/x", false});
  const struct {
    const char* source;
    const char* found;
  } cases[] = {
      {"rootfs", ""},
      {"../../sys", "holds "},
      {"/link", "cgroup "},
      {"/", "holds "},
      {"/sys/fs/cgroup", "cgroup holds "},
      {"/sys/fs/cgroups", ""},
      {"/a/../b", "cgroup "},  // as runc has it
      {"/nowhere", "missing "},
      {"rootfs/sys/fs/cgroup", "missing "},
      {"/nowhere/../b", "cgroup "},
      {"/proc/1/root", "it leads through a link that means another file to each process, or in a circle"},
      {"/locked", "Permission denied"},
      {"/outside", "it lies outside the root folder"},
  };
  for (const auto& one : cases) {
    Surroundings found;
    found.cgroup_mounts = {"/sys/fs/cgroup", "/sys/fs/cgroup/memory"};
    look_at_sources(files, "/srv/box", {one.source}, found);
    ASSERT_TRUE(found.sources.contains(one.source));
    EXPECT_EQ(in_words(found.sources.at(one.source)), one.found) << one.source;
  }
  Surroundings found;
  look_at_sources(files, "", {"rootfs"}, found);
  EXPECT_EQ(in_words(found.sources.at("rootfs")),
            "it is relative to the bundle's folder, which is not known here");
}

TEST(LookAtSources, NamesThePlaceOfWhatIsNotThereYet) {
  FakeFiles files({});
  files.lead("/link", Place{"/srv/box/rootfs", false});
  files.lead("/srv/box/../other", Place{"/away/other", false});
  const std::pair<const char*, std::vector<std::string>> cases[] = {
      {"/link", {"/srv/box/rootfs"}},
      {"/link/sys/fs/cgroup", {"/srv/box/rootfs/sys/fs/cgroup"}},
      {"/nowhere/at/all", {"/nowhere/at/all"}},
      {"../other/x", {"/away/other/x", "/srv/other/x"}},
  };
  for (const auto& [source, paths] : cases) {
    Surroundings found;
    look_at_sources(files, "/srv/box", {source}, found);
    EXPECT_EQ(found.sources.at(source).paths, paths) << source;
  }
}

// The kernel's own answers.
TEST(OwnFiles, FollowLinksAndKnowCgroups) {
  const testing::TemporaryFolder folder;
  std::filesystem::create_directory(folder / "plain");
  std::filesystem::create_symlink("plain", folder / "link");
  std::filesystem::create_symlink("link", folder / "circle");
  std::filesystem::remove(folder / "link");
  std::filesystem::create_symlink("circle", folder / "link");
  std::filesystem::create_symlink("plain", folder / "to_plain");
  std::filesystem::create_symlink("/proc/self/root", folder / "magic");
  const auto plain = own_files().look(folder / "to_plain");
  ASSERT_TRUE(plain);
  EXPECT_TRUE(plain->path.ends_with("/plain")) << plain->path;
  EXPECT_FALSE(plain->cgroup);
  for (const char* looping : {"link", "magic"}) {
    const auto found = own_files().look(folder / looping);
    ASSERT_FALSE(found) << looping;
    EXPECT_EQ(found.error().code, ELOOP) << looping;
  }
  EXPECT_EQ(own_files().look(folder / "none").error().code, ENOENT);

  Surroundings here;
  find_cgroups(own_files(), here);
  if (here.cgroup_mounts.empty()) GTEST_SKIP() << "no cgroup is mounted here";
  std::filesystem::create_symlink(here.cgroup_mounts[0], folder / "cgroup");
  const auto cgroup = own_files().look(folder / "cgroup/cgroup.procs");
  ASSERT_TRUE(cgroup);
  EXPECT_EQ(cgroup->path, here.cgroup_mounts[0] + "/cgroup.procs");
  EXPECT_TRUE(cgroup->cgroup);
  look_at_sources(own_files(), folder.path(), {"cgroup", "plain", "/"}, here);
  EXPECT_EQ(here.sources.at("cgroup").cgroup, true);
  EXPECT_EQ(in_words(here.sources.at("plain")), "");
  EXPECT_EQ(in_words(here.sources.at("/")), "holds ");
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

  // This process is in its user namespace, with its group, and runs somewhere.
  const auto has = [](const std::vector<IdRange>& ranges, std::uint64_t id) {
    return std::any_of(ranges.begin(), ranges.end(), [id](const IdRange& range) {
      return range.first <= id && id < range.first + range.count;
    });
  };
  EXPECT_TRUE(has(found.uids, ::getuid()));
  EXPECT_TRUE(has(found.gids, ::getgid()));
  EXPECT_FALSE(has(found.uids, 4294967295));
  cpu_set_t own;
  ASSERT_EQ(::sched_getaffinity(0, sizeof own, &own), 0);
  EXPECT_EQ(found.processors.size(), static_cast<std::size_t>(CPU_COUNT(&own)));
  EXPECT_TRUE(CPU_ISSET(*found.processors.begin(), &own));
}

TEST(LookAround, FindsWhatTheCallerMayRunOn) {
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  const unsigned last = *look_around(false).processors.rbegin();
  CPU_SET(last, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(look_around(false).processors, std::set<unsigned>{last});
  ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
}

TEST(LookAtProcessors, ReadsWhatTheKernelSays) {
  Surroundings found;
  found.cgroups = Cgroups::kV1;
  look_at_processors(FakeFiles({{"/proc/cpuinfo", "processor\t: 0\n"},
                                {"/sys/devices/system/cpu/online", "0\n"},
                                {"/sys/fs/cgroup/cpuset.cpus.effective", "1\n"}}),
                     "/box", found);
  EXPECT_EQ(found.cpuinfo, "processor\t: 0\n");
  EXPECT_EQ(found.online, "0\n");
  EXPECT_EQ(found.online_file, "/sys/devices/system/cpu/online");
  look_at_processors(FakeFiles({}), "/box", found);
  EXPECT_EQ(found.cpuinfo + found.online, "");
}

// Wherever the runtime will make the container's own.
TEST(LookAtProcessors, ReadsWhatTheCgroupAboveLeaves) {
  const std::string user = "/user.slice/user-1000.slice/user@1000.service";
  const FakeFiles files({{"/proc/self/cgroup", "0::/user.slice/user-1000.slice/session-1.scope\n"},
                         {"/sys/devices/system/cpu/online", "0-7\n"},
                         {"/sys/fs/cgroup/cpuset.cpus.effective", "0-6\n"},
                         {"/sys/fs/cgroup/a/cpuset.cpus.effective", "1\n"},
                         {"/sys/fs/cgroup/a/b/cpuset.cpus.effective", "\n"},
                         {"/sys/fs/cgroup/a:b/cpuset.cpus.effective", "0,2\n"},
                         {"/sys/fs/cgroup/machine.slice/cpuset.cpus.effective", "2\n"},
                         {"/sys/fs/cgroup/m.slice/m-n.slice/cpuset.cpus.effective", "3\n"},
                         {"/sys/fs/cgroup/system.slice/cpuset.cpus.effective", "4\n"},
                         {"/sys/fs/cgroup" + user + "/cpuset.cpus.effective", "5\n"},
                         {"/sys/fs/cgroup" + user + "/user.slice/cpuset.cpus.effective", "6\n"}});
  const struct {
    const char* cgroup;
    bool initial_root;
    const char* online;
  } cases[] = {
      {"/box", true, "0-6\n"},
      {"/a/box", true, "1\n"},
      {"/a/./c/../box", true, "1\n"},
      {"/a/b/c/box", true, "1\n"},
      {"/a:b/box", true, "0,2\n"},
      {"box", true, "0-6\n"},
      {"", true, "0-6\n"},
      {"machine.slice:libpod:box", true, "2\n"},
      {"m-n.slice:p:box", true, "3\n"},
      {"m-n-o.slice:p:box", true, "3\n"},
      {"m-other.slice:p:box", true, "0-6\n"},
      {"-.slice:p:box", true, "0-6\n"},
      {":p:box", true, "4\n"},
      {"user.slice:libpod:box", false, "6\n"},
      {"app.slice:libpod:box", false, "5\n"},
      {":p:box", false, "6\n"},
  };
  for (const auto& one : cases) {
    Surroundings found;
    found.cgroups = Cgroups::kV2;
    found.initial_root = one.initial_root;
    look_at_processors(files, one.cgroup, found);
    EXPECT_EQ(found.online, one.online) << one.cgroup << " " << one.initial_root << " " << found.online_file;
  }
}

}  // namespace
}  // namespace tidewaiter::runtime

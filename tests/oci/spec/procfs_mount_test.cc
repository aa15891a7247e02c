#include "oci/spec/procfs_mount.h"

#include <gtest/gtest.h>

namespace tidewaiter::spec {
namespace {

using Paths = std::vector<std::string>;

Json config_with(const char* mounts) {
  return {{"mounts", Json::parse(mounts)}, {"linux", {{"namespaces", {{{"type", "pid"}}}}}}};
}

TEST(ProcfsMounts, AreThoseOfItsTypeAndThoseOfTheHosts) {
  const struct {
    const char* mounts;
    Paths places;
    bool others;
  } cases[] = {
      {R"([])", {}, false},
      {R"([{"destination": "/proc", "type": "proc", "source": "proc"}])", {"/proc"}, false},
      {R"([{"destination": "proc/", "type": "proc"}, {"destination": "/a//b/../p", "type": "proc"}])",
       {"/proc", "/a/p"},
       false},
      {R"([{"destination": "/proc", "type": "proc"}, {"destination": "/proc", "type": "proc"}])",
       {"/proc"},
       false},
      {R"([{"destination": "/proc", "type": "bind", "source": "/proc", "options": ["rbind"]}])",
       {"/proc"},
       true},
      {R"([{"destination": "/p", "source": "//proc/1/", "options": ["bind"]}])", {"/p"}, true},
      {R"([{"destination": "/host", "type": "bind", "source": "/", "options": ["rbind", "ro"]}])",
       {"/host/proc"},
       true},
      {R"([{"destination": "/host", "type": "bind", "source": "/", "options": ["bind"]}])", {}, false},
      {R"([{"destination": "/", "type": "bind", "source": "/", "options": ["rbind"]}])", {"/proc"}, true},
      // To crun this is recursive.
      {R"([{"destination": "/h", "type": "bind", "source": "/", "options": ["bind", "rslave"]}])",
       {"/h/proc"},
       true},
      {R"([{"destination": "/p", "type": "bind", "source": "/process"}])", {}, false},
      {R"([{"destination": "/p", "type": "tmpfs", "source": "/proc"}, 5, {}, {"type": 5}])", {}, false},
  };
  for (const auto& one : cases) {
    const Json config = config_with(one.mounts);
    EXPECT_EQ(procfs_mounts(config), one.places) << one.mounts;
    EXPECT_EQ(procfs_shows_others(config), one.others) << one.mounts;
    EXPECT_EQ(procfs_shows_host(config), one.others) << one.mounts;
  }
}

TEST(ProcfsMounts, AreWhereTheHostsRootIsTheContainers) {
  Json config = config_with("[]");
  config["root"] = {{"path", "//."}};
  EXPECT_EQ(procfs_mounts(config), Paths{"/proc"});
  EXPECT_TRUE(procfs_shows_others(config));
  config["root"] = {{"path", "rootfs"}};
  EXPECT_EQ(procfs_mounts(config), Paths{});
  EXPECT_FALSE(procfs_shows_others(config));
}

TEST(ProcfsShowsOthers, WithoutAPidNamespaceOfTheContainersOwn) {
  const struct {
    const char* linux_part;
    bool others;
    bool host;
  } cases[] = {
      {R"({"namespaces": [{"type": "mount"}, {"type": "pid"}]})", false, false},
      {R"({"namespaces": [{"type": "pid", "path": ""}]})", false, false},
      {R"({"namespaces": [{"type": "pid", "path": "/proc/7/ns/pid"}]})", true, false},
      {R"({"namespaces": [{"type": "mount"}, 5]})", true, true},
      {R"({"namespaces": null})", true, true},
      {R"({})", true, true},
  };
  for (const auto& one : cases) {
    const Json config = {{"linux", Json::parse(one.linux_part)}};
    EXPECT_EQ(procfs_shows_others(config), one.others) << one.linux_part;
    EXPECT_EQ(procfs_shows_host(config), one.host) << one.linux_part;
  }
  EXPECT_TRUE(procfs_shows_others(Json::object()));
}

TEST(LabelsProcesses, WithAnAppArmorProfileOrAnSelinuxLabel) {
  EXPECT_FALSE(labels_processes(Json::object()));
  EXPECT_FALSE(labels_processes(Json::parse(R"({"process": {"args": []}})")));
  EXPECT_FALSE(labels_processes(Json::parse(R"({"process": {"apparmorProfile": "", "selinuxLabel": ""}})")));
  EXPECT_TRUE(labels_processes(Json::parse(R"({"process": {"apparmorProfile": "containers-default"}})")));
  EXPECT_TRUE(labels_processes(Json::parse(R"({"process": {"selinuxLabel": "system_u:system_r:c:s0"}})")));
}

TEST(MakeProcfsReadOnly, ComesBeforeWhatLiesBelow) {
  Json config =
      config_with(R"([{"destination": "/proc", "type": "proc"}, {"destination": "/p", "type": "proc"}])");
  config["linux"]["maskedPaths"] = {"/proc/keys", "/sys/firmware", "proc/acpi", "/proc", "/proccess"};
  config["linux"]["readonlyPaths"] = {"/proc/sys", "/etc"};
  ASSERT_TRUE(make_procfs_read_only(config));
  EXPECT_EQ(config["linux"]["readonlyPaths"],
            Json({"/proc", "/proc/keys", "proc/acpi", "/p", "/proc/sys", "/etc"}));
  EXPECT_EQ(config["linux"]["maskedPaths"],
            Json({"/proc/keys", "/sys/firmware", "proc/acpi", "/proc", "/proccess"}));
}

TEST(MakeProcfsReadOnly, MakesTheListWhereThereIsNone) {
  for (const char* linux_part : {R"({})", R"({"readonlyPaths": null, "maskedPaths": null})"}) {
    Json config = config_with(R"([{"destination": "/proc", "type": "proc"}])");
    config["linux"] = Json::parse(linux_part);
    ASSERT_TRUE(make_procfs_read_only(config));
    EXPECT_EQ(config["linux"]["readonlyPaths"], Json::array({"/proc"}));
  }
}

TEST(MakeProcfsReadOnly, RefusesWhatIsNoList) {
  Json config = config_with("[]");
  config["linux"]["readonlyPaths"] = "/proc";
  const Status refused = make_procfs_read_only(config);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "/linux/readonlyPaths is not an array");
}

}  // namespace
}  // namespace tidewaiter::spec

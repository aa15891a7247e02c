#include "oci/spec/hosts_mount.h"

#include <gtest/gtest.h>

namespace tidewaiter::spec {
namespace {

const Json kOurs = Json::parse(R"({"destination": "/etc/hosts", "type": "bind", "source": "/s/hosts",
                                   "options": ["bind", "rprivate", "ro", "nosuid", "nodev", "noexec"]})");

Json config_with(const char* mounts) {
  Json config = Json::parse(R"({"root": {"path": "rootfs"}})");
  if (mounts != nullptr) config["mounts"] = Json::parse(mounts);
  return config;
}

TEST(BindOverHosts, TakesThePlaceOfWhatTheContainerWouldHaveHad) {
  const struct {
    const char* name;
    const char* mounts;
    HostsBase base;
    std::size_t place;
    std::size_t count;
  } cases[] = {
      {"no mounts", nullptr, {"rootfs", "/etc/hosts"}, 0, 1},
      {"null", "null", {"rootfs", "/etc/hosts"}, 0, 1},
      {"others",
       R"([{"destination": "/proc", "type": "proc"}, {"destination": "/etc/hosts.d"}, {}, 5])",
       {"rootfs", "/etc/hosts"},
       4,
       5},
      {"its own",
       R"([{"destination": "/etc/hosts", "type": "bind", "source": "/c/hosts", "options": ["rw"],
                       "uidMappings": []}, {"destination": "/x"}])",
       {"/", "/c/hosts"},
       0,
       2},
      {"its own, by an option",
       R"([{"destination": "etc//hosts/", "source": "h", "options": ["ro", "rbind"]}])",
       {"/", "h"},
       0,
       1},
      {"the last of several",
       R"([{"destination": "/etc/hosts", "type": "bind", "source": "/a"},
                                  {"destination": "//etc/../etc/hosts", "type": "bind", "source": "/b"}])",
       {"/", "/b"},
       1,
       2},
      {"/etc",
       R"([{"destination": "/etc/", "type": "bind", "source": "/c/etc"}])",
       {"/c/etc", "/hosts"},
       1,
       2},
      {"/etc, which hides its own",
       R"([{"destination": "/etc/hosts", "type": "bind", "source": "/c/hosts"},
           {"destination": "/etc", "type": "bind", "source": "/c/etc"}])",
       {"/c/etc", "/hosts"},
       2,
       3},
      {"its own over /etc",
       R"([{"destination": "/etc", "type": "bind", "source": "/c/etc"},
           {"destination": "/etc/hosts", "type": "bind", "source": "/c/hosts"}])",
       {"/", "/c/hosts"},
       1,
       2},
      {"an empty file system at /etc",
       R"([{"destination": "/etc", "type": "tmpfs", "source": "tmpfs"}])",
       {"rootfs", "/etc/hosts"},
       1,
       2},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.name);
    Json config = config_with(test.mounts);
    const auto base = bind_over_hosts(config, "/s/hosts");
    ASSERT_TRUE(base) << base.error().message();
    EXPECT_EQ(base->root, test.base.root);
    EXPECT_EQ(base->path, test.base.path);
    ASSERT_EQ(config["mounts"].size(), test.count);
    EXPECT_EQ(config["mounts"][test.place], kOurs);
  }
}

TEST(BindOverHosts, DoesWithoutARoot) {
  Json config = Json::object();
  const auto base = bind_over_hosts(config, "/s/hosts");
  ASSERT_TRUE(base);
  EXPECT_EQ(*base, HostsBase());
  EXPECT_EQ(config["mounts"], Json::array({kOurs}));
}

TEST(BindOverHosts, RefusesMountsThatAreNone) {
  Json config = config_with(R"({"destination": "/etc/hosts"})");
  const auto base = bind_over_hosts(config, "/s/hosts");
  ASSERT_FALSE(base);
  EXPECT_EQ(base.error().message(), "/mounts is not an array");
}

TEST(InBundle, MakesPathsAbsolute) {
  EXPECT_EQ(in_bundle({"rootfs", "/etc/hosts"}, "/b"), (HostsBase{"/b/rootfs", "/etc/hosts"}));
  EXPECT_EQ(in_bundle({"/r", "/etc/hosts"}, "/b"), (HostsBase{"/r", "/etc/hosts"}));
  EXPECT_EQ(in_bundle({"/r", "/etc/hosts"}, ""), (HostsBase{"/r", "/etc/hosts"}));
  EXPECT_EQ(in_bundle({"/", "/c/hosts"}, ""), (HostsBase{"/", "/c/hosts"}));
  EXPECT_EQ(in_bundle({"/", "/etc/hosts"}, "/b"), (HostsBase{"/", "/etc/hosts"}));
  EXPECT_EQ(in_bundle({"/", "h"}, "/b"), (HostsBase{"/", "/b/h"}));
  EXPECT_EQ(in_bundle({"/", "h"}, ""), HostsBase());
  EXPECT_EQ(in_bundle({"rootfs", "/etc/hosts"}, ""), HostsBase());
  EXPECT_EQ(in_bundle({}, "/b"), HostsBase());
}

}  // namespace
}  // namespace tidewaiter::spec

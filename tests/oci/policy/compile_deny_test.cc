#include "oci/policy/compile_deny.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "oci/policy/baseline.h"
#include "oci/policy/explain.h"
#include "oci/policy/load.h"
#include "oci/runtime/runtime_traits.h"

namespace tidewaiter::policy {
namespace {

using nlohmann::ordered_json;
using ::testing::HasSubstr;

constexpr const char* kDeny = R"({"version": 1, "files": {"deny": ["/etc/shadow", "/srv/private"]}})";

Listener listener() {
  Listener made{"/run/tidewaiter/box/agent.sock", "box", "/run/tidewaiter/box/hosts",
                "/usr/bin/tidewaiter-init",       7,     "/run/tidewaiter/box/denied"};
  made.denied_files = {"/etc/shadow"};
  return made;
}

ordered_json bundle() {
  return ordered_json::parse(R"({
    "process": {"args": ["sh"], "noNewPrivileges": true},
    "mounts": [{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}],
    "linux": {"namespaces": [{"type": "mount"}]}})");
}

Result<Plan> compiled(const std::string& policy, const ordered_json& config = bundle(),
                      const Listener& on = listener()) {
  const auto parsed = parse(policy, "p.json", "p");
  if (!parsed) return fail(parsed.error().front().message);
  return compile(*parsed, config, runtime::traits(runtime::Kind::kCrun), on,
                 runtime::Surroundings::of_a_full_machine());
}

std::string failure(const Result<Plan>& plan) { return plan ? "compiled" : plan.error().message(); }

TEST(CompileDeny, CoversFilesAndFolders) {
  const auto plan = compiled(kDeny);
  ASSERT_TRUE(plan) << failure(plan);
  const ordered_json& mounts = plan->config["mounts"];
  ASSERT_EQ(mounts.size(), 3U);
  EXPECT_EQ(mounts[1], ordered_json::parse(R"({"destination": "/etc/shadow", "type": "bind",
      "source": "/run/tidewaiter/box/denied", "options": ["bind", "rprivate", "ro", "nosuid", "nodev", "noexec"]})"));
  EXPECT_EQ(mounts[2], ordered_json::parse(R"({"destination": "/srv/private", "type": "tmpfs",
      "source": "tmpfs", "options": ["ro", "nosuid", "nodev", "noexec", "mode=000", "size=4k"]})"));
  EXPECT_TRUE(plan->covers_files);
  // By mounts alone.
  EXPECT_TRUE(plan->init.empty());
  EXPECT_EQ(plan->config["process"], bundle()["process"]);
  EXPECT_FALSE(plan->supervised());
  const std::string text = explain_text(*plan, {"p", Mode::kEnforce, "", "crun"});
  EXPECT_THAT(text, HasSubstr("open /etc/shadow and what lies"));
  EXPECT_THAT(text, HasSubstr("Left open:"));
}

TEST(CompileDeny, NeedsNoSocketForFoldersAlone) {
  Listener on = listener();
  on.denied_files.clear();
  const auto plan = compiled(kDeny, bundle(), on);
  ASSERT_TRUE(plan) << failure(plan);
  EXPECT_FALSE(plan->covers_files);
  EXPECT_EQ(plan->config["mounts"][1]["type"], "tmpfs");
}

// The calls that would take a cover away, or look under it.
TEST(CompileDeny, RefusesWhatLooksUnderAMount) {
  const auto plan = compiled(kDeny);
  ASSERT_TRUE(plan) << failure(plan);
  const std::string filter = plan->config["linux"]["seccomp"].dump();
  for (const char* call : {"mount", "umount2", "move_mount", "open_tree", "fsopen", "pivot_root", "unshare",
                           "setns", "clone3", "open_by_handle_at", "init_module", "kexec_load", "bpf"}) {
    EXPECT_THAT(filter, HasSubstr("\"" + std::string(call) + "\""));
  }
  EXPECT_THAT(filter,
              HasSubstr(R"({"index":1,"value":4294967295,"valueTwo":1342215169,"op":"SCMP_CMP_MASKED_EQ"})"))
      << "BTRFS_IOC_SNAP_CREATE";
  EXPECT_THAT(filter, ::testing::Not(HasSubstr("\"io_uring_setup\"")));
  const auto given_back = compiled(
      R"({"version": 1, "files": {"deny": ["/srv/private"]}, "unsafe_allow": ["open_by_handle_at"]})");
  ASSERT_TRUE(given_back) << failure(given_back);
  EXPECT_THAT(given_back->config["linux"]["seccomp"].dump(), ::testing::Not(HasSubstr("open_by_handle_at")));
  const auto snapshots =
      compiled(R"({"version": 1, "files": {"deny": ["/srv/private"]}, "unsafe_allow": ["snapshots"]})");
  ASSERT_TRUE(snapshots) << failure(snapshots);
  EXPECT_THAT(snapshots->config["linux"]["seccomp"].dump(), ::testing::Not(HasSubstr("\"ioctl\"")));
}

TEST(CompileDeny, CoversNothingInAuditMode) {
  const auto plan = compiled(R"({"version": 1, "files": {"deny": ["/etc/shadow"]}, "mode": "audit"})");
  ASSERT_TRUE(plan) << failure(plan);
  EXPECT_EQ(plan->config, bundle());
  EXPECT_FALSE(plan->covers_files);
  ASSERT_FALSE(plan->rows.empty());
  EXPECT_EQ(plan->rows.front().mechanism, Mechanism::kNobody);
}

TEST(CompileDeny, BindsInitBehindTheCovers) {
  const auto plan = compiled(R"({"version": 1, "files": {"read": ["/usr"], "deny": ["/usr/lib/x"]}})");
  ASSERT_TRUE(plan) << failure(plan);
  ASSERT_EQ(plan->config["mounts"].size(), 3U);
  EXPECT_EQ(plan->config["mounts"][1]["destination"], "/usr/lib/x");
  EXPECT_EQ(plan->config["mounts"][2]["destination"], "/dev/.tidewaiter-init");
}

// What an identity binds is denied as well, and cannot lie over init.
TEST(CompileDeny, CoversWhatAnIdentityBinds) {
  ordered_json config = bundle();
  config["linux"]["cgroupsPath"] = "/box";
  config["mounts"].push_back({{"destination", "/sys"}, {"type", "sysfs"}, {"source", "sysfs"}});
  const auto plan = compiled(
      R"({"version": 1, "files": {"read": ["/usr"], "deny": ["/srv/private"]}, "identity": {"cpus": 1}})",
      config);
  ASSERT_TRUE(plan) << failure(plan);
  std::vector<std::string> places;
  for (const ordered_json& mount : plan->config["mounts"]) places.push_back(mount["destination"]);
  EXPECT_THAT(places,
              ::testing::ElementsAre("/dev", "/sys", "/sys/devices/system/cpu/online",
                                     "/sys/devices/system/cpu/possible", "/sys/devices/system/cpu/present",
                                     "/srv/private", "/dev/.tidewaiter-init"));
  EXPECT_TRUE(plan->remembered);
}

TEST(CompileDeny, RefusesWhatItCannotHold) {
  EXPECT_THAT(failure(compiled(R"({"version": 1, "files": {"read": ["/usr"], "deny": ["/dev"]}})")),
              HasSubstr("/files/deny/0: \"/dev\" cannot be denied beside the other lists"));
  EXPECT_EQ(failure(compiled(R"({"version": 1, "files": {"deny": ["/dev"]}})")), "compiled");
  Listener hook = listener();
  hook.denied_file.clear();
  EXPECT_THAT(failure(compiled(kDeny, bundle(), hook)), HasSubstr("podman's hook cannot cover files"));
  ordered_json config = bundle();
  config["linux"]["namespaces"] = ordered_json::array();
  EXPECT_THAT(failure(compiled(kDeny, config)), HasSubstr("a policy with /files needs a mount namespace"));
}

}  // namespace
}  // namespace tidewaiter::policy

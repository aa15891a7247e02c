#include "hooks/precreate.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "hooks/cleanup.h"
#include "oci/container/record.h"
#include "oci/seccomp/profile.h"
#include "oci/spec/config.h"
#include "tests/hooks/hook_fixture.h"
#include "tests/oci/seccomp/target.h"

namespace tidewaiter::hook {
namespace {

using spec::Json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Precreate : public HookTest {
 protected:
  Json rewritten(const std::string& config) {
    const auto text = precreate(config, host_);
    if (!text) ADD_FAILURE() << text.error().message();
    return text ? Json::parse(*text) : Json();
  }
  std::string failure(const std::string& config) {
    const auto text = precreate(config, host_);
    return text ? "rewritten" : text.error().message();
  }
};

TEST_F(Precreate, ReturnsTheVeryTextWhenNoPolicyApplies) {
  const std::string config = "{ \"ociVersion\":\"1.0.2\",  \"x\": 1e3 }\n";
  EXPECT_EQ(precreate(config, host_).value_or(""), config);
  EXPECT_TRUE(state_is_empty());
}

// Nobody would put tidewaiter-init before what is executed in the container later.
TEST_F(Precreate, RefusesFileRules) {
  write("etc/policies/files.json", R"({"version": 1, "files": {"read": ["/usr"]}})");
  const std::string config =
      R"({"ociVersion":"1.0.2","process":{"args":["sh"]},"annotations":{"io.tidewaiter.policy":"files"},)"
      R"("linux":{"namespaces":[{"type":"mount"}]}})";
  EXPECT_THAT(failure(config), HasSubstr("podman's hook cannot use it"));
  EXPECT_TRUE(state_is_empty());
}

TEST_F(Precreate, PutsAFilterInAndStartsNobodyWhenTheFilterIsEnough) {
  const Json config = rewritten(config_under("filter"));
  EXPECT_EQ(config["linux"]["seccomp"]["defaultAction"], "SCMP_ACT_ALLOW");
  EXPECT_FALSE(config["linux"]["seccomp"].contains("listenerPath"));
  EXPECT_FALSE(config.contains("hooks"));
  EXPECT_TRUE(state_is_empty());
}

TEST_F(Precreate, RefusesBelowAListenerWhatTakesAnother) {
  seccomp::Child child([&]() -> std::vector<long> {
    const int listener = seccomp::install_filter(SYS_acct);
    const auto refused = precreate(config_under("network"), host_);
    const auto held = precreate(config_under("filter"), host_);
    if (listener < 0 || refused) return {};
    return {refused.error().message().find("EBUSY") != std::string::npos ? 1 : 0, held ? 1 : 0};
  });
  EXPECT_THAT(child.report(), ElementsAre(1, 1));
  EXPECT_TRUE(state_is_empty());
}

TEST_F(Precreate, StartsAnAgentAndNamesItsSocketAndTheCleanup) {
  container_exists();
  const Json config = rewritten(config_under("network"));
  const std::string socket = config["linux"]["seccomp"]["listenerPath"];
  const std::string folder = socket.substr(0, socket.rfind('/'));
  EXPECT_EQ(folder.substr(0, folder.rfind('/')), host_.directories.state);
  EXPECT_TRUE(is_state_folder_name(folder.substr(folder.rfind('/') + 1)));
  EXPECT_TRUE(container::agent_alive(folder));

  const Json& hook = config["hooks"]["poststop"].at(0);
  EXPECT_EQ(hook["path"], host_.hook_path);
  EXPECT_EQ(hook["args"], Json({"tidewaiter-hook", "cleanup", folder}));

  const auto record = container::read_record(folder);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->id, "");
  EXPECT_EQ(record->config_path, "");
  EXPECT_EQ(record->policy_name, "network");
  EXPECT_THAT(record->policy_text, HasSubstr("127.0.0.1:80"));
  EXPECT_FALSE(record->exempts_start);
  EXPECT_FALSE(record->own_seccomp.has_value());
  EXPECT_EQ(record->log_directory, host_.directories.log);
  EXPECT_EQ(record->log_max_bytes, host_.settings.log_max_bytes);
}

// podman names a cgroup, unless it has the runtime make none.
TEST_F(Precreate, RefusesLimitsWithoutACgroup) {
  Json config = Json::parse(config_under("limits"));
  EXPECT_THAT(failure(config.dump()), HasSubstr("/limits/memory: no cgroup would hold it"));
  config["linux"]["cgroupsPath"] = "/libpod_parent/libpod-1";
  EXPECT_EQ(rewritten(config.dump())["linux"]["resources"]["memory"]["limit"], 67108864);
  // An ordinary user's podman names none outside a systemd session.
  host_.surroundings.initial_root = false;
  config["linux"].erase("cgroupsPath");
  EXPECT_THAT(failure(config.dump()), HasSubstr("does without where the bundle names none"));
  host_.surroundings.initial_root = true;
  config["linux"]["cgroupsPath"] = "/libpod_parent/libpod-1";
  host_.surroundings.cgroups = runtime::Cgroups::kNone;
  EXPECT_THAT(failure(config.dump()), HasSubstr("there are none on /sys/fs/cgroup"));
  EXPECT_TRUE(state_is_empty());
}

// The hook is not told the bundle's folder.
TEST_F(Precreate, LooksAtWhatIsMounted) {
  Json config = Json::parse(config_under("limits"));
  config["linux"]["cgroupsPath"] = "/libpod_parent/libpod-1";
  config["root"] = {{"path", folder_ / "run"}};
  config["mounts"] = {
      {{"destination", "/a"}, {"type", "bind"}, {"source", folder_ / "log"}, {"options", {"rbind"}}}};
  EXPECT_EQ(rewritten(config.dump())["linux"]["resources"]["memory"]["limit"], 67108864);
  host_.surroundings.cgroup_mounts = {folder_ / "run/cgroup"};
  EXPECT_THAT(failure(config.dump()), HasSubstr("/root/path: through it the container could write"));
  host_.surroundings.cgroup_mounts = {folder_ / "log/cgroup"};
  EXPECT_THAT(failure(config.dump()), HasSubstr("/mounts/0: through it the container could write"));
  config["mounts"][0]["source"] = "run";
  EXPECT_THAT(failure(config.dump()), HasSubstr("relative to the bundle's folder, which is not known here"));
}

// Which it cleans up at the end, though nobody supervises the container.
TEST_F(Precreate, KeepsTheFilesOfAnIdentity) {
  write("etc/policies/named.json", R"({"version": 1,
      "identity": {"hostname": "build", "hosts": {"db.test": "10.0.0.5"}, "user": {"uid": 7, "gid": 7}}})");
  Json bundle = Json::parse(config_under("named"));
  bundle["mounts"] = {{{"destination", "/etc/hostname"}, {"type", "bind"}, {"source", "/run/hostname"}}};
  const Json config = rewritten(bundle.dump());
  EXPECT_EQ(config["process"]["user"]["uid"], 7);
  const std::string file = config["mounts"][0]["source"];
  EXPECT_EQ(sys::read_file(file).value_or(""), "build\n");
  const std::string folder = file.substr(0, file.rfind('/'));
  EXPECT_TRUE(is_state_folder_name(folder.substr(folder.rfind('/') + 1)));
  EXPECT_EQ(config["mounts"][1]["source"], folder + "/hosts");
  EXPECT_THAT(sys::read_file(folder + "/hosts").value_or(""), HasSubstr("10.0.0.5\tdb.test\n"));
  EXPECT_EQ(config["hooks"]["poststop"].at(0)["args"], Json({"tidewaiter-hook", "cleanup", folder}));
  EXPECT_FALSE(container::agent_alive(folder));
  ASSERT_TRUE(cleanup(folder, R"({"id": "box"})"));
  EXPECT_TRUE(state_is_empty());
}

TEST_F(Precreate, GivesEachContainerAStateFolderOfItsOwn) {
  container_exists();
  const Json first = rewritten(config_under("network"));
  const Json second = rewritten(config_under("network"));
  EXPECT_NE(first["linux"]["seccomp"]["listenerPath"], second["linux"]["seccomp"]["listenerPath"]);
}

TEST_F(Precreate, KeepsTheContainersOwnHooks) {
  container_exists();
  Json config = Json::parse(config_under("network"));
  config["hooks"] = {{"prestart", {{{"path", "/a"}}}}, {"poststop", {{{"path", "/b"}}}}};
  config["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ALLOW"}};
  const Json written = rewritten(config.dump());
  EXPECT_EQ(written["hooks"]["prestart"], config["hooks"]["prestart"]);
  EXPECT_EQ(written["hooks"]["poststop"].size(), 2U);
  EXPECT_EQ(written["hooks"]["poststop"][0]["path"], "/b");
  const std::string socket = written["linux"]["seccomp"]["listenerPath"];
  const auto record = container::read_record(socket.substr(0, socket.rfind('/')));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->own_seccomp.value_or(Json()).dump(), R"({"defaultAction":"SCMP_ACT_ALLOW"})");
}

TEST_F(Precreate, RefusesInWordsAndLeavesNothingBehind) {
  Json listener = Json::parse(config_under("network"));
  listener["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ALLOW"}, {"listenerPath", "/run/other.sock"}};
  Json bypass = Json::parse(config_under("network"));
  bypass["annotations"]["run.oci.seccomp.receiver"] = "/run/other.sock";
  Json odd_hooks = Json::parse(config_under("network"));
  odd_hooks["hooks"] = Json::array();
  EXPECT_THAT(failure("{\"linux\": }"), HasSubstr("config.json"));
  EXPECT_THAT(failure(config_under("absent")), HasSubstr("etc/policies/absent.json"));
  EXPECT_THAT(failure(config_under("wrong")), AllOf(HasSubstr("wrong.json"), HasSubstr("/netwrok")));
  EXPECT_THAT(failure(config_under("../etc")), HasSubstr("io.tidewaiter.policy"));
  EXPECT_THAT(failure(listener.dump()), HasSubstr("/run/other.sock"));
  EXPECT_THAT(failure(bypass.dump()), HasSubstr("run.oci.seccomp.receiver"));
  EXPECT_THAT(failure(odd_hooks.dump()), HasSubstr("/hooks"));
  ::setenv("FAKE_AGENT", "refuse", 1);
  EXPECT_THAT(failure(config_under("network")), HasSubstr("cannot resolve"));
  host_.settings.agent = "/no/such/agent";
  EXPECT_THAT(failure(config_under("network")), HasSubstr("/no/such/agent"));
  EXPECT_TRUE(state_is_empty());
}

TEST(IsStateFolderName, KnowsItsOwn) {
  EXPECT_TRUE(is_state_folder_name("hook-0123456789abcdef"));
  for (const char* other : {"hook-0123456789abcde", "hook-0123456789abcdef0", "hook-0123456789abcdeF",
                            "hook-", "", "other-0123456789abcdef", "hook-0123456789abcd/."}) {
    EXPECT_FALSE(is_state_folder_name(other)) << other;
  }
}

}  // namespace
}  // namespace tidewaiter::hook

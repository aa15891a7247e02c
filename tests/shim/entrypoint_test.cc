#include "shim/entrypoint.h"

#include <sys/stat.h>

#include "oci/policy/load.h"
#include "tests/shim/shim_fixture.h"

namespace tidewaiter::shim {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class EntrypointTest : public ShimTest {
 protected:
  void SetUp() override {
    ShimTest::SetUp();
    for (const char* each : {"usr/bin", "usr/local/bin", "mnt"}) {
      std::filesystem::create_directories(folder_ / ("bundle/rootfs/" + std::string(each)));
    }
    put_program("usr/bin/good");
    put_program("usr/bin/evil");
    put_program("mnt/evil");
    std::filesystem::create_symlink("usr/bin", folder_ / "bundle/rootfs/bin");
    std::filesystem::create_symlink("/usr/bin/evil", folder_ / "bundle/rootfs/usr/bin/link");
    std::filesystem::create_symlink("/../../mnt/evil", folder_ / "bundle/rootfs/usr/bin/mounted");
    write("bundle/rootfs/usr/local/bin/good", "not executable");
  }

  void put_program(const std::string& name) {
    write("bundle/rootfs/" + name, "x");
    ASSERT_EQ(::chmod((folder_ / ("bundle/rootfs/" + name)).c_str(), 0755), 0);
  }

  // The error, or "".
  std::string check(const json& args, const std::string& mode = "enforce",
                    const json& more = json::object()) {
    json config = {{"process", {{"args", args}, {"cwd", "/usr"}}}, {"root", {{"path", "rootfs"}}}};
    config.merge_patch(more);
    write("bundle/config.json", config.dump());
    const auto policy = policy::parse(
        R"({"version": 1, "exec": {"allow": [{"path": "/usr/bin/good", "argv": ["*", "**"]}]}, "mode": ")" +
            mode + R"("})",
        "p.json", "p");
    if (!policy) return "policy";
    const auto bundle = container::Bundle::open(folder_ / "bundle");
    if (!bundle) return "bundle";
    const Status checked = check_entrypoint(*policy, *bundle, bundle->original());
    return checked ? "" : checked.error().message();
  }
};

TEST_F(EntrypointTest, AllowsWhatThePolicyAllows) {
  for (const char* program : {"good", "/usr/bin/good", "/bin/good", "bin/good", "./bin/../bin/good"}) {
    EXPECT_EQ(check({program, "x"}), "") << program;
  }
}

TEST_F(EntrypointTest, RefusesWhatThePolicyRefuses) {
  for (const char* program : {"evil", "/usr/bin/evil", "/bin/evil", "bin/evil", "link", "/bin/link"}) {
    EXPECT_EQ(
        check({program}),
        "/process/args: the policy p does not let the container run \"/usr/bin/evil\" (/exec/allow); allow "
        "it, with these arguments, or run another program")
        << program;
  }
}

TEST_F(EntrypointTest, SearchesThePathOfTheContainer) {
  const json elsewhere = {{"process", {{"env", {"PATH=/nowhere:/mnt"}}}}};
  EXPECT_THAT(check({"evil"}, "enforce", elsewhere), HasSubstr("\"/mnt/evil\""));
  EXPECT_EQ(check({"good"}, "enforce", elsewhere), "") << "the runtime says that there is none";
}

TEST_F(EntrypointTest, LeavesToTheAgentWhatCannotBeTold) {
  EXPECT_EQ(check({"/nowhere/evil"}), "");
  EXPECT_EQ(check(json::array()), "");
  EXPECT_EQ(check({"/usr/bin/evil"}, "audit"), "");
  const json mount = {{"mounts", {{{"destination", "/mnt/"}}}}};
  EXPECT_EQ(check({"/mnt/evil"}, "enforce", mount), "");
  EXPECT_EQ(check({"/usr/bin/mounted"}, "enforce", mount), "");
  EXPECT_NE(check({"/usr/bin/mounted"}), "");
  const json nowhere = {{"root", {{"path", "/nowhere"}}}};
  EXPECT_EQ(check({"/usr/bin/evil"}, "enforce", nowhere), "");
  const json broken = {{"mounts", {1, {{"destination", 1}}}}};
  EXPECT_EQ(check({"/usr/bin/evil"}, "enforce", broken), "");
}

}  // namespace
}  // namespace tidewaiter::shim

#include "shim/commands/policy.h"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::shim {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class PolicyVerb : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  bool check(std::vector<std::string> files, bool json = false) {
    out_.str("");
    err_.str("");
    return check_policies({std::move(files), json}, out_, err_);
  }
  std::string explain(PolicyExplainOptions options) {
    out_.str("");
    const Status status = explain_policy(options, out_);
    return status ? out_.str() : "failed: " + status.error().message();
  }

  tidewaiter::testing::TemporaryFolder folder_;
  std::ostringstream out_;
  std::ostringstream err_;
  const std::string good_ = file("good.json", R"({"version": 1, "network": {"allow": ["127.0.0.1:80"]},
      "syscalls": [{"names": ["ptrace"], "action": "errno"}]})");
  const std::string wrong_ = file("wrong.json", R"({"version": 1, "netwrok": {}, "mode": "soft"})");
};

TEST_F(PolicyVerb, CheckNamesEveryMistakeOfEveryFile) {
  EXPECT_TRUE(check({good_}));
  EXPECT_EQ(out_.str(), good_ + ": ok\n");
  EXPECT_EQ(err_.str(), "");

  EXPECT_FALSE(check({wrong_, good_, folder_ / "absent.json"}));
  EXPECT_EQ(out_.str(), good_ + ": ok\n");
  EXPECT_THAT(err_.str(), HasSubstr(wrong_ + ": /netwrok: "));
  EXPECT_THAT(err_.str(), HasSubstr(wrong_ + ": /mode: "));
  EXPECT_THAT(err_.str(), HasSubstr("absent.json: No such file or directory\n"));
}

TEST_F(PolicyVerb, CheckFindsWhatNoRuntimeCanDo) {
  EXPECT_FALSE(
      check({file("log.json", R"({"version": 1, "syscalls": [{"names": ["close"], "action": "log"}]})")}));
  EXPECT_THAT(err_.str(), HasSubstr("/syscalls/0"));
  EXPECT_THAT(err_.str(), HasSubstr("close"));
}

TEST_F(PolicyVerb, CheckHasItAllAsJson) {
  EXPECT_FALSE(check({wrong_, good_}, true));
  const auto list = nlohmann::json::parse(out_.str());
  EXPECT_EQ(list[0]["ok"], false);
  EXPECT_EQ(list[0]["mistakes"].size(), 2U);
  EXPECT_THAT(list[0]["mistakes"][0]["where"].get<std::string>(), HasSubstr("/netwrok"));
  EXPECT_EQ(list[1]["ok"], true);
  EXPECT_EQ(list[1]["file"], good_);
  EXPECT_EQ(err_.str(), "");
}

TEST_F(PolicyVerb, NeedsNoBundleForExecRules) {
  const std::string exec =
      file("exec.json", R"({"version": 1, "exec": {"allow": ["/usr/bin/git"]}, "unsafe_allow": ["ptrace"]})");
  EXPECT_TRUE(check({exec})) << err_.str();
  const std::string text = explain({exec, {}, runtime::Kind::kCrun});
  EXPECT_THAT(text, HasSubstr("run /usr/bin/git: allowed"));
  EXPECT_THAT(text, HasSubstr("ptrace: given back by /unsafe_allow/0"));
  EXPECT_THAT(text, HasSubstr("[chroot]"));
}

TEST_F(PolicyVerb, ExplainDependsOnRuntimeAndBundle) {
  const std::string writes =
      file("write.json", R"({"version": 1, "syscalls": [{"names": ["write"], "action": "errno"}]})");
  EXPECT_THAT(explain({writes, {}, runtime::Kind::kCrun}), HasSubstr("one notification per"));
  EXPECT_THAT(explain({writes, {}, runtime::Kind::kRunc}), HasSubstr("cannot be logged: runc"));

  file("config.json", R"({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}}})");
  const std::string bundled = explain({good_, folder_.path(), runtime::Kind::kCrun});
  EXPECT_THAT(bundled, HasSubstr("for the bundle " + folder_.path()));
  EXPECT_THAT(bundled, HasSubstr("refuses these calls already"));
  EXPECT_THAT(explain({good_, {}, runtime::Kind::kCrun}), HasSubstr("a container without a seccomp profile"));
}

TEST_F(PolicyVerb, ExplainHasJsonAndPseudoCode) {
  const auto json = nlohmann::json::parse(explain({good_, {}, runtime::Kind::kCrun, true, false}));
  EXPECT_EQ(json["policy"], "good");
  EXPECT_EQ(json["supervised"], true);
  const std::string code = explain({good_, {}, runtime::Kind::kCrun, false, true});
  EXPECT_THAT(code, HasSubstr("pseudo filter code start"));
  EXPECT_THAT(code, HasSubstr("\"connect\""));
  EXPECT_THAT(explain({file("none.json", R"({"version": 1})"), {}, runtime::Kind::kCrun, false, true}),
              HasSubstr("failed: there is no filter"));
}

TEST_F(PolicyVerb, ExplainSaysWhyBundleAndPolicyDoNotGoTogether) {
  file("config.json",
       R"({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/x"}}})");
  EXPECT_THAT(explain({good_, folder_.path(), runtime::Kind::kCrun}),
              HasSubstr("/linux/seccomp/listenerPath"));
  EXPECT_THAT(explain({good_, folder_ / "absent", runtime::Kind::kCrun}), HasSubstr("No such file"));
  EXPECT_THAT(explain({wrong_, {}, runtime::Kind::kCrun}), HasSubstr("/netwrok"));
}

TEST(RuntimeNamed, TakesKindsAndPaths) {
  EXPECT_EQ(runtime_named("crun").value(), runtime::Kind::kCrun);
  EXPECT_EQ(runtime_named("runc").value(), runtime::Kind::kRunc);
  EXPECT_EQ(runtime_named("youki").value(), runtime::Kind::kYouki);
  EXPECT_FALSE(runtime_named("unknown"));
  EXPECT_FALSE(runtime_named("/no/such/runtime"));
  EXPECT_THAT(runtime_named("krun").error().message(), HasSubstr("crun, runc, youki"));
}

}  // namespace
}  // namespace tidewaiter::shim

#include "supervisor/worker/reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <utility>

#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::supervisor {
namespace {

using ::testing::HasSubstr;

constexpr const char* kOld =
    R"({"version": 1, "network": {"allow": ["10.0.0.1:80", "db.test"], "deny": ["bad.test"]}})";

class ReloadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(folder_ / "config.json") << R"({"ociVersion": "1.0.2", "process": {"args": ["true"]},
      "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}],
      "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"]}}})";
    record_.config_path = folder_ / "config.json";
    record_.runtime = "/usr/bin/crun";
    record_.policy_name = "web";
    record_.policy_path = folder_ / "web.json";
    record_.policy_text = kOld;
    record_.own_seccomp = nlohmann::ordered_json::parse(
        R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"]})");
    file_is(kOld);
  }
  void file_is(const std::string& text) const { std::ofstream(record_.policy_path) << text; }
  // Why the file is not taken.
  [[nodiscard]] std::string refusal() const {
    const auto reread = reread_policy(record_);
    return reread ? "" : reread.error().message();
  }

  testing::TemporaryFolder folder_;
  container::Record record_;
};

TEST_F(ReloadTest, FindsNothingChanged) {
  const auto reread = reread_policy(record_);
  ASSERT_TRUE(reread) << reread.error().message();
  EXPECT_FALSE(*reread);
}

TEST_F(ReloadTest, TakesWhatOnlyTheAgentDecides) {
  for (
      const std::string text : {
          R"({"version": 1, "network": {"allow": ["10.0.0.2:81", "db.test"], "deny": ["bad.test"]}})",
          R"({"version": 1, "network": {"allow": ["db.test"], "deny": ["bad.test", "10.0.0.0/8"]}})",
          R"({"version": 1, "network": {"allow": ["10.0.0.1:80", "db.test"], "deny": ["bad.test"], "errno": "EPERM"}})",
      }) {
    file_is(text);
    const auto reread = reread_policy(record_);
    ASSERT_TRUE(reread) << text << ": " << reread.error().message();
    ASSERT_TRUE(*reread);
    EXPECT_EQ((*reread)->policy_text, text);
    EXPECT_EQ((*reread)->own_seccomp, record_.own_seccomp);
  }
}

TEST_F(ReloadTest, RefusesWhatTheFilterOrTheBundleWouldHaveToHold) {
  const struct {
    const char* text;
    const char* reason;
  } cases[] = {
      {R"({"version": 1})", "needs another seccomp filter"},
      {R"({"version": 1, "network": {"allow": ["10.0.0.1:80", "db.test"], "deny": ["bad.test"], "bind": []}})",
       "needs another seccomp filter"},
      {R"({"version": 1, "network": {"allow": ["10.0.0.1:80", "db.test"], "deny": ["bad.test"]},
           "exec": {"allow": []}})",
       "needs another seccomp filter"},
      {R"({"version": 1, "network": {"allow": ["10.0.0.1:80", "db.test"], "deny": ["bad.test"]},
           "syscalls": [{"names": ["getpgid"], "action": "errno", "errno": "EPERM"}]})",
       "needs another seccomp filter"},
      {R"({"version": 1, "network": {"allow": ["10.0.0.1:80", "db.test", "new.test"], "deny": ["bad.test"]}})",
       "without the host name \"new.test\""},
      {R"({"version": 1, "network": {"allow": ["10.0.0.1:80", "db.test"], "deny": ["bad.test"]},
           "identity": {"hosts": {"db.test": "10.0.0.5"}}})",
       "gives another identity"},
      {R"({"version": 1, "network": {"allow": ["10.0.0.1:80", "db.test"], "deny": ["bad.test"]},
           "identity": {"env": {"clean": true}}})",
       "gives another identity"},
      {R"({"version": 1, "network": {"allow": ["10.0.0.1:80", "db.test"], "deny": ["bad.test"]},
           "identity": {"cpus": 1}})",
       "needs other limits"},
      {R"({"version": 1, "network": {"allow": ["10.0.0.1:80"], "deny": ["bad.test", "db.test"]}})",
       "without the host name \"db.test\""},
      {R"({"version": 1, "network": {"allow": ["10.0.0.1:80"], "deny": ["bad.test"]}})", "needs "},
  };
  for (const auto& each : cases) {
    file_is(each.text);
    EXPECT_THAT(refusal(), HasSubstr(each.reason)) << each.text;
    EXPECT_THAT(refusal(), HasSubstr("containers that are created from now on")) << each.text;
  }
}

TEST_F(ReloadTest, RefusesLimitsThatWereNotHeld) {
  const auto in_mode = [](const std::string& mode) {
    return R"({"version": 1, "limits": {"open_files": 64}, "mode": ")" + mode +
           R"(", "syscalls": [{"names": ["getpgid"], "action": "log"}]})";
  };
  record_.policy_text = in_mode("audit");
  file_is(in_mode("enforce"));
  EXPECT_THAT(refusal(), HasSubstr("needs other limits than the container was created with"));
}

// The rest of the policy is taken, although nobody compiles the identity again.
TEST_F(ReloadTest, TakesAPolicyWhoseIdentityIsTheSame) {
  const std::string identity = R"(, "identity": {"hostname": "a", "cpus": 1, "hosts": {"db.test": "10.0.0.5"},
      "env": {"clean": true, "pass": ["A"]}, "user": {"uid": 1000, "gid": 1000}}})";
  record_.policy_text = R"({"version": 1, "network": {"allow": ["10.0.0.1"]})" + identity;
  const std::string changed = R"({"version": 1, "network": {"allow": ["10.0.0.2"]})" + identity;
  file_is(changed);
  const auto reread = reread_policy(record_);
  ASSERT_TRUE(reread) << reread.error().message();
  ASSERT_TRUE(*reread);
  EXPECT_EQ((*reread)->policy_text, changed);
  std::string other = changed;
  other.replace(other.find("\"uid\": 1000"), 11, "\"uid\": 1001");
  file_is(other);
  EXPECT_THAT(refusal(), HasSubstr("gives another identity than the container was created with; it holds for "
                                   "containers that are created from now on"));
}

// Those that are executed would get what the container has not; or no longer what it has.
TEST_F(ReloadTest, RefusesAnIdentityThatWasNotGiven) {
  const auto in_mode = [](const std::string& mode, const std::string& identity) {
    return R"({"version": 1, "syscalls": [{"names": ["getpgid"], "action": "log"}], "mode": ")" + mode +
           R"(", "identity": )" + identity + "}";
  };
  for (const char* identity :
       {R"({"user": {"uid": 1000, "gid": 1000}})", R"({"env": {"clean": true}})", R"({"hostname": "a"})"}) {
    for (const auto& [before, after] : {std::pair{"audit", "enforce"}, std::pair{"enforce", "audit"}}) {
      record_.policy_text = in_mode(before, identity);
      file_is(in_mode(after, identity));
      EXPECT_THAT(refusal(), HasSubstr("gives another identity than the container was created with"))
          << identity << " " << before;
    }
  }
  // The names are pinned in both.
  const char* const kHosts = R"({"hosts": {"db.test": "10.0.0.5"}})";
  record_.policy_text = in_mode("audit", kHosts);
  file_is(in_mode("enforce", kHosts));
  const auto reread = reread_policy(record_);
  EXPECT_TRUE(reread) << reread.error().message();
}

// Each process was told of them when it began.
TEST_F(ReloadTest, RefusesOtherFileRules) {
  const auto with = [](const std::string& files, const std::string& mode = "enforce") {
    return R"({"version": 1, "network": {"allow": ["10.0.0.1:80"]}, "mode": ")" + mode + R"(")" + files + "}";
  };
  const std::string read = R"(, "files": {"read": ["/usr"]})";
  record_.policy_text = with(read);
  for (const std::string& changed :
       {with(""), with(R"(, "files": {})"), with(R"(, "files": {"read": ["/usr", "/etc"]})"),
        with(R"(, "files": {"read": []})"), with(R"(, "files": {"read": ["/usr"], "write": []})"),
        with(R"(, "files": {"read": ["/usr"], "best_effort": true})"), with(read, "audit")}) {
    file_is(changed);
    EXPECT_THAT(refusal(), HasSubstr("needs other file rules than the container was created with"))
        << changed;
  }
  record_.policy_text = with("");
  file_is(with(read));
  EXPECT_THAT(refusal(), HasSubstr("needs other file rules"));
  // What is denied was covered when the container was created.
  record_.policy_text = with(R"(, "files": {"deny": ["/srv/a"]})");
  file_is(with(R"(, "files": {"deny": ["/srv/a", "/srv/b"]})"));
  EXPECT_THAT(refusal(), HasSubstr("needs other file rules"));
  // What is copied was mounted, in audit mode too, and what becomes of it was noted.
  for (const char* mode : {"enforce", "audit"}) {
    record_.policy_text = with(R"(, "files": {"copy_on_write": ["/work"]})", mode);
    for (const char* files :
         {R"(, "files": {"copy_on_write": []})", R"(, "files": {"copy_on_write": ["/other"]})",
          R"(, "files": {"copy_on_write": [{"path": "/work", "on_success": "commit"}]})"}) {
      file_is(with(files, mode));
      EXPECT_THAT(refusal(), HasSubstr("needs other file rules")) << mode << files;
    }
  }
  // Beside the same ones, what only the agent decides may change.
  record_.policy_text = with(read);
  const std::string changed =
      R"({"version": 1, "network": {"allow": ["10.0.0.2:80"]}, "mode": "enforce", "files": {"read": ["/usr"]}})";
  file_is(changed);
  const auto reread = reread_policy(record_);
  ASSERT_TRUE(reread) << reread.error().message();
  EXPECT_EQ((*reread)->policy_text, changed);
}

TEST_F(ReloadTest, SaysWhatIsWrongWithTheFile) {
  file_is(R"({"version": 1, "netwrk": {}})");
  EXPECT_THAT(refusal(), HasSubstr("web.json: /netwrk"));
  file_is("{");
  EXPECT_THAT(refusal(), HasSubstr("web.json"));
  std::remove(record_.policy_path.c_str());
  EXPECT_THAT(refusal(), HasSubstr("No such file"));
}

TEST_F(ReloadTest, RefusesWhatNobodyKnowsTheOriginOf) {
  file_is(R"({"version": 1, "network": {"allow": ["10.0.0.2:81", "db.test"], "deny": ["bad.test"]}})");
  container::Record unknown = record_;
  unknown.policy_path.clear();
  EXPECT_FALSE(reread_policy(unknown));
  unknown = record_;
  unknown.config_path.clear();
  EXPECT_FALSE(reread_policy(unknown));
  unknown = record_;
  unknown.config_path = folder_ / "gone/config.json";
  EXPECT_FALSE(reread_policy(unknown));
}

}  // namespace
}  // namespace tidewaiter::supervisor

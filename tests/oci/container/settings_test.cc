#include "oci/container/settings.h"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "oci/spec/config.h"
#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::container {
namespace {

using ::testing::HasSubstr;

class SettingsTest : public ::testing::Test {
 protected:
  Result<Settings> load(const std::string& text) {
    std::ofstream(path_) << text;
    return Settings::load(path_);
  }
  std::string mistake_in(const std::string& text) {
    const auto settings = load(text);
    return settings ? "none" : settings.error().message();
  }

  testing::TemporaryFolder folder_;
  const std::string path_ = folder_ / "config.json";
};

TEST_F(SettingsTest, AreNoDefaultsWhereAFileWasNamed) {
  const auto settings = Settings::load(path_, true);
  ASSERT_FALSE(settings);
  EXPECT_EQ(settings.error().message(), "there is no configuration file " + path_);
}

TEST_F(SettingsTest, AreTheDefaultsWithoutAFile) {
  const auto settings = Settings::load(path_);
  ASSERT_TRUE(settings) << settings.error().message();
  EXPECT_EQ(settings->path, path_);
  EXPECT_EQ(settings->runtime, "");
  EXPECT_EQ(settings->agent, "");
  EXPECT_FALSE(settings->default_policy);
  EXPECT_FALSE(settings->require_policy);
  EXPECT_FALSE(settings->allow_policy_paths);
  EXPECT_EQ(settings->log_max_bytes, 16U * 1024 * 1024);
  EXPECT_EQ(settings->log_total_bytes, 1024U * 1024 * 1024);
  EXPECT_EQ(settings->restart_seconds, 60U);
}

TEST_F(SettingsTest, AreReadFromTheFile) {
  const auto settings = load(R"({
    "runtime": "/usr/bin/crun", "agent": "/opt/agent", "default_policy": "web", "require_policy": true,
    "allow_policy_paths": true, "allowed_policies": ["web", "db"], "restart_seconds": 7,
    "changes_folder": "/data/changes",
    "log": {"max_bytes": 4096, "total_bytes": 18446744073709551615}})");
  ASSERT_TRUE(settings) << settings.error().message();
  EXPECT_EQ(settings->runtime, "/usr/bin/crun");
  EXPECT_EQ(settings->agent, "/opt/agent");
  EXPECT_EQ(settings->default_policy, "web");
  EXPECT_TRUE(settings->require_policy);
  EXPECT_TRUE(settings->allow_policy_paths);
  EXPECT_EQ(settings->allowed_policies, (std::vector<std::string>{"web", "db"}));
  EXPECT_EQ(settings->log_max_bytes, 4096U);
  EXPECT_EQ(settings->log_total_bytes, UINT64_MAX);
  EXPECT_EQ(settings->restart_seconds, 7U);
  Directories directories;
  EXPECT_EQ(changes_folder(*settings, directories), "/data/changes");
  EXPECT_FALSE(changes_folder(Settings{}, directories));
  directories.changes = "/var/lib/tidewaiter/changes";
  EXPECT_EQ(changes_folder(Settings{}, directories), directories.changes);
}

TEST(DryRun, IsAskedForByAnAnnotation) {
  const auto asked = [](const char* annotations) {
    const auto dry = is_dry_run(nlohmann::ordered_json::parse(annotations));
    return dry ? std::string(*dry ? "yes" : "no") : dry.error().message();
  };
  EXPECT_EQ(asked("{}"), "no");
  EXPECT_EQ(asked(R"({"annotations": {"io.tidewaiter.dry-run": "false"}})"), "no");
  EXPECT_EQ(asked(R"({"annotations": {"io.tidewaiter.dry-run": "true"}})"), "yes");
  // Whoever means it must not get the other.
  EXPECT_EQ(asked(R"({"annotations": {"io.tidewaiter.dry-run": "1"}})"),
            "annotation io.tidewaiter.dry-run is \"1\", must be \"true\" or \"false\"");
}

TEST_F(SettingsTest, NameWhatIsWrong) {
  const std::string too_long = R"({"agent_socket": "/)" + std::string(107, 'a') + R"("})";
  const std::string long_text = R"({"require_policy": ")" + std::string(100, 'a') + R"("})";
  const struct {
    const char* text;
    const char* mistake;
  } cases[] = {
      {"", "config.json"},
      {"{", "config.json"},
      {"[]", "must be an object, is array"},
      {R"({"agent_socket": "agent.sock"})", "/agent_socket is \"agent.sock\", must be an absolute path"},
      {too_long.c_str(), "/agent_socket has 108 bytes, a socket's path has at most 107"},
      {R"({"runtim": 1})", "/runtim is not a setting; valid are runtime,"},
      {R"({"runtime": 1})", "/runtime is 1, must be a string"},
      {R"({"runtime": "crun"})", "/runtime is \"crun\", must be an absolute path"},
      {R"({"runtime": ""})", "/runtime is \"\", must be an absolute path"},
      {R"({"agent": "agent"})", "/agent is \"agent\", must be an absolute path"},
      {R"({"default_policy": null})", "/default_policy is null, must be a string"},
      {R"({"require_policy": "yes"})", "/require_policy is \"yes\", must be true or false"},
      {R"({"require_policy": 1})", "/require_policy is 1, must be true or false"},
      {R"({"allowed_policies": "web"})", "/allowed_policies is \"web\", must be an array of policy names"},
      {R"({"allowed_policies": ["web", "a/b"]})",
       "/allowed_policies/1 is \"a/b\", must be the name of a policy"},
      {R"({"allowed_policies": [1]})", "/allowed_policies/0 is 1, must be a string"},
      {R"({"allow_policy_paths": {}})", "/allow_policy_paths is object, must be true or false"},
      {R"({"restart_seconds": "7"})", "/restart_seconds is \"7\", must be a number of seconds"},
      {R"({"restart_seconds": -1})", "/restart_seconds is -1, must be a number of seconds, 0 to 3600"},
      {R"({"restart_seconds": 3601})", "/restart_seconds is 3601, must be 0 to 3600"},
      {long_text.c_str(), "/require_policy is string, must be true or false"},
      {R"({"log": 5})", "/log is 5, must be an object"},
      {R"({"log": {"max": 5}})", "/log/max is not a setting; valid in /log are max_bytes and total_bytes"},
      {R"({"log": {"max_bytes": "5"}})", "/log/max_bytes is \"5\", must be a number of bytes"},
      {R"({"log": {"max_bytes": -5}})", "/log/max_bytes is -5, must be a number of bytes"},
      {R"({"log": {"max_bytes": 4095}})", "/log/max_bytes is 4095, must be 4096 or more"},
      {R"({"log": {"total_bytes": 1.5}})", "/log/total_bytes is 1.5, must be a number of bytes"},
  };
  for (const auto& each : cases) EXPECT_THAT(mistake_in(each.text), HasSubstr(each.mistake)) << each.text;
}

TEST_F(SettingsTest, FailWhenTheFileCannotBeRead) {
  std::filesystem::create_directories(path_);
  EXPECT_FALSE(Settings::load(path_));
}

class PolicyPathTest : public ::testing::Test {
 protected:
  PolicyPathTest() { settings_.path = "/etc/tidewaiter/config.json"; }

  // The path, "none", or the error.
  std::string path_for(const std::string& annotation_value) {
    return path_in(R"({"annotations": {"io.tidewaiter.policy": )" + annotation_value + "}}");
  }
  std::string path_in(const std::string& config) {
    const auto path = policy_path(settings_, nlohmann::ordered_json::parse(config));
    if (!path) return "error: " + path.error().message();
    return path->value_or("none");
  }

  Settings settings_;
};

TEST_F(PolicyPathTest, IsBesideTheConfiguration) {
  EXPECT_EQ(path_for(R"("web")"), "/etc/tidewaiter/policies/web.json");
  EXPECT_EQ(path_for(R"("Web-1.2_x")"), "/etc/tidewaiter/policies/Web-1.2_x.json");
  settings_.path = "/home/u/.config/tidewaiter/config.json";
  EXPECT_EQ(path_for(R"("web")"), "/home/u/.config/tidewaiter/policies/web.json");
}

TEST_F(PolicyPathTest, IsNeverOutsideThatFolderForAName) {
  for (const char* name : {R"("../web")", R"("a/b")", R"("..")", R"(".hidden")", R"("")", R"("a b")",
                           R"("a\u0000b")", R"("a\nb")", R"("ä")"}) {
    EXPECT_THAT(path_for(name), HasSubstr("error: annotation io.tidewaiter.policy is \"")) << name;
    EXPECT_THAT(path_for(name), HasSubstr("no policy name")) << name;
  }
  EXPECT_THAT(path_for("\"" + std::string(129, 'a') + "\""), HasSubstr("no policy name"));
  EXPECT_EQ(path_for("\"" + std::string(128, 'a') + "\""),
            "/etc/tidewaiter/policies/" + std::string(128, 'a') + ".json");
}

TEST_F(PolicyPathTest, IsAPathOnlyWhereThatIsAllowed) {
  EXPECT_THAT(path_for(R"("/home/u/p.json")"), HasSubstr("only allowed with allow_policy_paths"));
  settings_.allow_policy_paths = true;
  EXPECT_EQ(path_for(R"("/home/u/p.json")"), "/home/u/p.json");
  EXPECT_THAT(path_for(R"("u/p.json")"), HasSubstr("or an absolute path"));
}

TEST_F(PolicyPathTest, IsTheDefaultsWhenTheContainerNamesNone) {
  EXPECT_EQ(path_in("{}"), "none");
  EXPECT_EQ(path_in(R"({"annotations": {"other": "x"}})"), "none");
  settings_.default_policy = "base";
  EXPECT_EQ(path_in("{}"), "/etc/tidewaiter/policies/base.json");
  EXPECT_EQ(path_for(R"("web")"), "/etc/tidewaiter/policies/web.json");
  settings_.default_policy = "/opt/base.json";  // the administrator's own path
  EXPECT_EQ(path_in("{}"), "/opt/base.json");
  settings_.default_policy = "../base";
  EXPECT_THAT(path_in("{}"), HasSubstr("/default_policy is \"../base\""));
}

TEST_F(PolicyPathTest, IsAnErrorWhereOneIsRequiredAndNoneNamed) {
  settings_.require_policy = true;
  EXPECT_THAT(path_in("{}"), HasSubstr("/etc/tidewaiter/config.json requires one"));
  EXPECT_EQ(path_for(R"("web")"), "/etc/tidewaiter/policies/web.json");
  settings_.default_policy = "base";
  EXPECT_EQ(path_in("{}"), "/etc/tidewaiter/policies/base.json");
}

TEST_F(PolicyPathTest, IsOneOfThoseThatAnAnnotationMayName) {
  settings_.default_policy = "base";
  settings_.allow_policy_paths = true;
  settings_.allowed_policies = std::vector<std::string>{"web", "db"};
  EXPECT_EQ(path_for(R"("db")"), "/etc/tidewaiter/policies/db.json");
  for (const char* other : {R"("base")", R"("lax")", R"("/etc/tidewaiter/policies/web.json")"}) {
    EXPECT_THAT(path_for(other),
                HasSubstr("/etc/tidewaiter/config.json: /allowed_policies has only web, db"));
  }
  EXPECT_EQ(path_in("{}"), "/etc/tidewaiter/policies/base.json");
  settings_.allowed_policies->clear();
  EXPECT_THAT(path_for(R"("web")"), HasSubstr("/allowed_policies lets no annotation name one"));
}

TEST_F(PolicyPathTest, IsAnErrorForAnAnnotationThatIsNoString) {
  EXPECT_THAT(path_for("7"), HasSubstr("error: "));
}

}  // namespace
}  // namespace tidewaiter::container

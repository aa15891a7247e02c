#include "shim/commands/policy.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "oci/base/system.h"
#include "oci/policy/load.h"
#include "shim/commands/commands.h"
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
  bool check(std::vector<std::string> files, bool json = false, std::optional<std::string> bundle = {}) {
    out_.str("");
    err_.str("");
    const auto good = check_policies({std::move(files), json, std::move(bundle)}, out_, err_);
    if (!good) ADD_FAILURE() << good.error().message();
    return good.value_or(false);
  }
  // A command line of ours, under the configuration `text`; what it says on stderr is in `err_`.
  std::string command(std::vector<std::string> words, const std::string& text) {
    ::setenv("TIDEWAITER_CONFIG", file("config.json", text).c_str(), 1);
    ::unsetenv("TIDEWAITER_RUNTIME");
    words.insert(words.begin(), "policy");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    status_ = policy(static_cast<int>(argv.size()), argv.data());
    err_.str(::testing::internal::GetCapturedStderr());
    ::unsetenv("TIDEWAITER_CONFIG");
    return ::testing::internal::GetCapturedStdout();
  }
  // A program that goes by the name of a runtime.
  std::string program(const std::string& name) {
    std::string path = file(name, "#!/bin/sh\n");
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }
  std::string explain(PolicyExplainOptions options) {
    out_.str("");
    const Status status = explain_policy(options, out_);
    return status ? out_.str() : "failed: " + status.error().message();
  }

  tidewaiter::testing::TemporaryFolder folder_;
  std::ostringstream out_;
  std::ostringstream err_;
  int status_ = 0;
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

TEST_F(PolicyVerb, CheckRefusesAFileThatNobodyWouldLoad) {
  const std::string large =
      file("large.json", R"({"version": 1})" + std::string(policy::kMaxPolicyBytes, ' '));
  EXPECT_FALSE(check({large}));
  EXPECT_EQ(err_.str(), large + ": expected a policy of at most 16 MiB\n");
  EXPECT_TRUE(
      check({file("less.json", R"({"version": 1})" + std::string(policy::kMaxPolicyBytes - 14, ' '))}))
      << err_.str();
}

// As a container would be judged here: under runc nobody is told of write(2).
TEST_F(PolicyVerb, JudgesForTheRuntimeInUse) {
  const std::string write =
      file("write.json", R"({"version": 1, "syscalls": [{"names": ["write"], "action": "log"}]})");
  const std::string runc = R"({"runtime": ")" + program("runc") + R"("})";
  const std::string crun = R"({"runtime": ")" + program("crun") + R"("})";
  EXPECT_EQ(command({"check", write}, crun), write + ": ok\n");
  EXPECT_EQ(err_.str(), "");
  EXPECT_EQ(command({"check", write}, runc), "");
  EXPECT_EQ(status_, EXIT_FAILURE);
  EXPECT_THAT(err_.str(), HasSubstr("/syscalls/0: `write` cannot be logged: runc refuses it"));
  EXPECT_EQ(command({"check", "--runtime", "crun", write}, runc), write + ": ok\n");
  EXPECT_THAT(command({"explain", good_}, runc), HasSubstr(", under runc.\n"));
  EXPECT_EQ(err_.str(), "");
}

// A container would not be created at all.
TEST_F(PolicyVerb, SaysWhyTheRuntimeInUseCannotBeTold) {
  const std::string wrong = R"({"runtim": "/usr/bin/crun"})";
  EXPECT_THAT(command({"explain", good_}, wrong), HasSubstr(", under an unknown runtime.\n"));
  EXPECT_EQ(status_, EXIT_SUCCESS);
  EXPECT_THAT(err_.str(), ::testing::MatchesRegex(
                              "tidewaiter: policy explain: the runtime in use cannot be told, so this is for "
                              "an unknown one: .*/config.json: /runtim is not a setting.*\n"));
  EXPECT_EQ(command({"check", good_}, wrong), good_ + ": ok\n");
  EXPECT_THAT(err_.str(), ::testing::MatchesRegex(
                              "tidewaiter: policy check: .*, so this is for crun: .*/runtim is not a .*\n"));
  command({"explain", "--runtime", "crun", good_}, wrong);
  EXPECT_EQ(err_.str(), "");
}

TEST_F(PolicyVerb, SaysThatThereIsNoInit) {
  if (sys::landlock_version() == 0) GTEST_SKIP() << "no Landlock: best effort needs no tidewaiter-init";
  const std::string files =
      file("files.json", R"({"version": 1, "files": {"exec": ["/"], "best_effort": true}})");
  std::filesystem::create_directories(folder_ / "rootfs");
  file("config.json", R"({"root": {"path": "rootfs"}, "process": {"args": ["sh"]},
      "linux": {"cgroupsPath": "/box", "namespaces": [{"type": "mount"}]}})");
  PolicyExplainOptions explained{files, {}, runtime::Kind::kCrun, true};
  PolicyCheckOptions checked{{files}, false, folder_.path()};

  explained.init = checked.init = "/opt/tidewaiter-init";
  EXPECT_EQ(nlohmann::json::parse(explain(explained))["not_here"], nullptr);
  EXPECT_TRUE(check_policies(checked, out_, err_).value_or(false));
  EXPECT_THAT(err_.str(), Not(HasSubstr("tidewaiter-init")));
  explained.diff = true;
  EXPECT_THAT(explain(explained), HasSubstr("/opt/tidewaiter-init"));
  explained.diff = false;

  explained.init = checked.init = "";
  const std::string none = "/files: there is no tidewaiter-init to enforce it";
  EXPECT_THAT(nlohmann::json::parse(explain(explained))["not_here"].get<std::string>(), HasSubstr(none));
  EXPECT_TRUE(check_policies(checked, out_, err_).value_or(false));
  EXPECT_THAT(err_.str(), HasSubstr("warning: on this machine the container would be refused: " + none));
}

TEST_F(PolicyVerb, WantsTheFolderOfABundle) {
  const std::string config = file("config.json", "{}");
  const auto checked = check_policies({{good_}, false, config}, out_, err_);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().message(),
            "bundle: open bundle: " + config +
                ": a bundle is the folder that config.json is in, and this is no folder: Not a directory");
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

TEST_F(PolicyVerb, CheckWarnsOfWhatCanNeverTakeEffect) {
  const std::string odd =
      file("odd.json", R"({"version": 1, "network": {"allow": ["10.0.0.1:443"], "deny": ["10.0.0.0/8"]}})");
  EXPECT_TRUE(check({odd}));
  EXPECT_EQ(out_.str(), odd + ": ok\n");
  EXPECT_THAT(err_.str(),
              ::testing::StartsWith(odd + ": /network/allow/0: warning: can never allow anything: "));
  EXPECT_TRUE(check({odd, good_}, true));
  const auto list = nlohmann::json::parse(out_.str());
  EXPECT_EQ(list[0]["ok"], true);
  EXPECT_EQ(list[0]["warnings"].size(), 1U);
  EXPECT_EQ(list[0]["warnings"][0]["where"], odd + ": /network/allow/0");
  EXPECT_EQ(list[0]["mistakes"].size(), 0U);
  EXPECT_EQ(list[1]["warnings"].size(), 0U);

  const std::string none = file("none.json", R"({"version": 1, "exec": {"allow": []}})");
  EXPECT_FALSE(check({none}));
  EXPECT_EQ(out_.str(), "");
  EXPECT_THAT(err_.str(), ::testing::StartsWith(none + ": /exec/allow: no program may be run"));
}

TEST_F(PolicyVerb, CheckLooksIntoTheBundle) {
  const std::string absent = file("absent.json", R"({"version": 1, "exec": {"allow": ["/usr/bin/git"]}})");
  EXPECT_TRUE(check({absent}));
  EXPECT_EQ(err_.str(), "");
  std::filesystem::create_directories(folder_ / "rootfs");
  const std::string namespaces = R"("linux": {"namespaces": [{"type": "mount"}]})";
  file("config.json", R"({"root": {"path": "rootfs"}, )" + namespaces + "}");
  EXPECT_TRUE(check({absent}, false, folder_.path()));
  EXPECT_THAT(err_.str(), HasSubstr(R"(/exec/allow/0: warning: the bundle's root has no "/usr/bin/git")"));
  // Its own first program; the policy by its name.
  std::filesystem::create_directories(folder_ / "rootfs/bin");
  std::ofstream(folder_ / "rootfs/bin/sh") << "x";
  std::filesystem::permissions(folder_ / "rootfs/bin/sh", std::filesystem::perms::owner_all);
  file("config.json",
       R"({"root": {"path": "rootfs"}, "process": {"args": ["/bin/sh"]}, )" + namespaces + "}");
  EXPECT_FALSE(check({absent}, false, folder_.path()));
  EXPECT_THAT(err_.str(),
              HasSubstr("/process/args: the policy absent does not let the container run \"/bin/sh\""));
  // What policy and bundle cannot have together is a mistake.
  file("config.json", R"({"root": {"path": "rootfs"}})");
  EXPECT_FALSE(check({absent}, false, folder_.path()));
  EXPECT_THAT(err_.str(), HasSubstr("/linux/namespaces: a policy with /exec needs a mount namespace"));
  const auto missing = check_policies({{absent}, false, folder_ / "nowhere"}, out_, err_);
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message(), HasSubstr("No such file"));
}

TEST_F(PolicyVerb, CheckAsksOfFileRulesWhatCreateAsks) {
  std::filesystem::create_directories(folder_ / "rootfs/etc");
  file("rootfs/etc/key", "x");
  const std::string namespaces = R"("linux": {"cgroupsPath": "/box", "namespaces": [{"type": "mount"}]})";
  file("config.json", R"({"root": {"path": "rootfs"}, "process": {"args": ["sh"]}, )" + namespaces + "}");
  const std::string deny = file("deny.json", R"({"version": 1, "files": {"deny": ["/etc/key"]}})");
  EXPECT_TRUE(check({deny}, false, folder_.path())) << err_.str();
  EXPECT_EQ(err_.str(), "");
  std::filesystem::create_hard_link(folder_ / "rootfs/etc/key", folder_ / "rootfs/etc/other");
  EXPECT_FALSE(check({deny}, false, folder_.path()));
  EXPECT_THAT(err_.str(), HasSubstr(deny + ": /files/deny/0: \"/etc/key\" is one of 2 names of its file"));
  EXPECT_TRUE(check({deny})) << "without a bundle nobody can tell";
  // A place for tidewaiter-init. Whether this kernel has what files.read needs is a warning at most.
  const std::string read = file("read.json", R"({"version": 1, "files": {"read": ["/etc"]}})");
  EXPECT_TRUE(check({read}, false, folder_.path())) << err_.str();
  file("config.json", R"({"root": {"path": "rootfs"}, "process": {"args": ["sh"]},
      "mounts": [{"destination": "/", "type": "tmpfs", "source": "tmpfs"}], )" +
                          namespaces + "}");
  EXPECT_FALSE(check({read}, false, folder_.path()));
  EXPECT_THAT(err_.str(), HasSubstr(read + ": /mounts/0: is mounted over the container's root"));
}

TEST_F(PolicyVerb, CheckKnowsTheProcessorsOfTheMachine) {
  std::filesystem::create_directories(folder_ / "rootfs");
  file("config.json", R"({"root": {"path": "rootfs"}, "process": {"args": ["sh"]},
      "linux": {"cgroupsPath": "/box", "namespaces": [{"type": "mount"}]}})");
  const std::string first = file("first.json", R"({"version": 1, "identity": {"cpus": "0"}})");
  EXPECT_TRUE(check({first}, false, folder_.path())) << err_.str();
  EXPECT_THAT(err_.str(), Not(HasSubstr("/sys/devices/system/cpu/online")));
}

TEST_F(PolicyVerb, ExplainShowsFileRules) {
  const std::string files = file("files.json", R"({"version": 1,
      "files": {"read": ["/usr"], "deny": ["/srv/a"], "best_effort": true}})");
  const auto json = nlohmann::json::parse(explain({files, {}, runtime::Kind::kCrun, true, false}));
  std::map<std::string, std::string> by;
  for (const auto& row : json["rules"]) by[row["pointer"]] = row["mechanism"];
  // Without Landlock, as best effort has it, nobody enforces the one; mounts do the other.
  const std::string who = sys::landlock_version() > 0 ? "landlock" : "nobody";
  EXPECT_EQ(by["/files/read/0"], who);
  EXPECT_EQ(by["/files/read"], who);
  EXPECT_EQ(by["/files/deny/0"], "OCI");
  PolicyExplainOptions options{files, {}, runtime::Kind::kCrun};
  options.diff = true;
  EXPECT_THAT(explain(options), HasSubstr("/srv/a"));
}

TEST_F(PolicyVerb, CheckAsksTheAgentWhichNamesResolve) {
  const std::string agent = file("agent", R"(#!/bin/sh
[ "$1" = --resolve ] || exit 1
shift
for name; do
  case $name in
    gone.example) echo '{"name": "gone.example", "error": "no such name"}' ;;
    silent.example) ;;
    *) echo "{\"name\": \"$name\", \"addresses\": [\"192.0.2.1\"]}" ;;
  esac
done
)");
  std::filesystem::permissions(agent, std::filesystem::perms::owner_all);
  PolicyCheckOptions options;
  options.files = {file("names.json", R"({"version": 1, "network": {
      "allow": ["here.example:443", "gone.example:443", "192.0.2.7"], "deny": ["gone.example:25", "there.example"]}})")};
  const auto checked = [&] {
    out_.str("");
    err_.str("");
    return check_policies(options, out_, err_);
  };
  EXPECT_EQ(checked().value_or(false), true);
  EXPECT_EQ(err_.str(), "") << "nobody is asked unless it is said";

  options.resolver = agent;
  EXPECT_EQ(checked().value_or(false), true);
  EXPECT_EQ(
      err_.str(),
      options.files[0] +
          ": /network/allow/1: warning: \"gone.example\" does not resolve here (no such name): until it "
          "does, the rule allows nothing; correct the name, or write addresses\n" +
          options.files[0] +
          ": /network/deny/0: warning: \"gone.example\" does not resolve here (no such name): until it "
          "does, no container is created, for the rule would refuse nothing; correct the name, or write "
          "addresses\n");

  options.files = {file("silent.json", R"({"version": 1, "network": {"allow": ["silent.example"]}})")};
  const auto silent = checked();
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().message(), agent + " --resolve: no answer for silent.example");
}

// They mean in the container, and to its agent, what the policy says.
TEST_F(PolicyVerb, CheckAsksNobodyForPinnedNames) {
  const std::string agent = file("agent", R"(#!/bin/sh
shift
for name; do echo "{\"name\": \"$name\", \"error\": \"no such name\"}"; done
)");
  std::filesystem::permissions(agent, std::filesystem::perms::owner_all);
  PolicyCheckOptions options;
  options.files = {file("names.json", R"({"version": 1, "identity": {"hosts": {"PINNED.test": "10.0.0.5"}},
      "network": {"allow": ["pinned.test:443", "gone.test:443"]}})")};
  options.resolver = agent;
  const auto good = check_policies(options, out_, err_);
  ASSERT_TRUE(good) << good.error().message();
  EXPECT_THAT(err_.str(), HasSubstr("\"gone.test\" does not resolve here"));
  EXPECT_THAT(err_.str(), Not(HasSubstr("pinned.test")));
}

// The runtime finds the first program by it, and so has `check`.
TEST_F(PolicyVerb, CheckLooksForTheFirstProgramInThePathOfThePolicy) {
  for (const char* folder : {"good", "bad"}) {
    std::filesystem::create_directories(folder_ / "rootfs/" + folder);
    const std::string program = file("rootfs/" + std::string(folder) + "/sh", "x");
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  }
  file("config.json", R"({"root": {"path": "rootfs"}, "process": {"args": ["sh"], "env": ["PATH=/good"]},
      "linux": {"namespaces": [{"type": "mount"}]}})");
  const std::string own = file("own.json", R"({"version": 1, "exec": {"allow": ["/good/sh"]}})");
  EXPECT_TRUE(check({own}, false, folder_.path())) << err_.str();
  const std::string other = file("other.json", R"({"version": 1, "exec": {"allow": ["/good/sh"]},
      "identity": {"env": {"set": {"PATH": "/bad"}}}})");
  EXPECT_FALSE(check({other}, false, folder_.path()));
  EXPECT_THAT(err_.str(), HasSubstr("the policy other does not let the container run \"/bad/sh\""));
}

// Those of the machine are looked at, as when a container is created.
TEST_F(PolicyVerb, CheckKnowsProcessorsThatTheMachineHasNot) {
  std::filesystem::create_directories(folder_ / "rootfs");
  file("config.json", R"({"root": {"path": "rootfs"}, "linux": {"cgroupsPath": "/box"}})");
  const std::string cpus = file("cpus.json", R"({"version": 1, "identity": {"cpus": "8191"}})");
  EXPECT_TRUE(check({cpus}, false, folder_.path())) << err_.str();
  EXPECT_THAT(err_.str(),
              ::testing::AnyOf(HasSubstr("/identity/cpus: expected some of the machine's processors"),
                               HasSubstr("/identity/cpus: no cgroup would hold it")));
}

TEST_F(PolicyVerb, NeedsNoBundleForExecRules) {
  const std::string exec =
      file("exec.json", R"({"version": 1, "exec": {"allow": ["/usr/bin/git"]}, "unsafe_allow": ["ptrace"]})");
  EXPECT_TRUE(check({exec})) << err_.str();
  const std::string text = explain({exec, {}, runtime::Kind::kCrun});
  EXPECT_THAT(text, HasSubstr("run /usr/bin/git: allowed"));
  EXPECT_THAT(text, HasSubstr("ptrace: given back by /unsafe_allow/0"));
  EXPECT_THAT(text, HasSubstr("[chroot]"));
  // What the bundle of every container has.
  EXPECT_THAT(explain({file("programs.json", R"({"version": 1, "exec": {"allow": ["/usr/bin/git"]}})"),
                       {},
                       runtime::Kind::kCrun}),
              HasSubstr("[proc_writes]"));
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

TEST_F(PolicyVerb, ExplainShowsWhatBecomesOfTheBundle) {
  file(
      "config.json",
      R"({"ociVersion": "1.0.2", "linux": {"mountLabel": "x\u007f", "resources": {"memory": {"limit": 1000000000}},
      "cgroupsPath": "/box"}, "process": {"args": ["sh"]}})");
  const std::string limited = file("limited.json", R"({"version": 1, "limits": {"memory": "64M"}})");
  PolicyExplainOptions options{limited, folder_.path(), runtime::Kind::kCrun};
  options.diff = true;
  const std::string text = explain(options);
  EXPECT_THAT(text, ::testing::StartsWith("--- config.json\n+++ config.json under the policy limited\n@@ -"));
  EXPECT_THAT(text, HasSubstr("\n-    \"resources\": {\"memory\": {\"limit\": 1000000000}},\n"));
  EXPECT_THAT(text,
              HasSubstr("\n+    \"resources\": {\"memory\": {\"limit\": 67108864, \"swap\": 67108864}},\n"));
  EXPECT_THAT(text, HasSubstr("\n     \"mountLabel\": \"x\\x7f\",\n")) << "nothing that a terminal obeys";

  options.json = true;
  const auto json = nlohmann::json::parse(explain(options));
  EXPECT_EQ(json["before"]["linux"]["resources"]["memory"]["limit"], 1000000000);
  EXPECT_EQ(json["after"]["linux"]["resources"]["memory"]["limit"], 67108864);
  EXPECT_THAT(json["diff"].get<std::string>(), HasSubstr("67108864"));
  EXPECT_EQ(json["policy"], "limited");

  // A policy that changes nothing.
  options = {file("none.json", R"({"version": 1})"), folder_.path(), runtime::Kind::kCrun};
  options.diff = true;
  EXPECT_EQ(explain(options), "");
}

TEST_F(PolicyVerb, ExplainShowsAnIdentity) {
  file("config.json", R"({"ociVersion": "1.0.2", "hostname": "0123456789ab", "process": {"args": ["/bin/sh"]},
      "linux": {"cgroupsPath": "/box"}})");
  const std::string user =
      R"({"uid": )" + std::to_string(::getuid()) + R"(, "gid": )" + std::to_string(::getgid()) + "}";
  PolicyExplainOptions options{file("identified.json", R"({"version": 1, "identity": {"hostname": "build",
      "hosts": {"db.test": "10.0.0.5"}, "cpus": 1, "env": {"clean": true}, "user": )" +
                                                           user + "}}"),
                               folder_.path(), runtime::Kind::kCrun};
  options.json = true;
  options.diff = true;
  const auto json = nlohmann::json::parse(explain(options));
  std::map<std::string, std::string> rules;
  for (const auto& rule : json["rules"]) {
    rules[rule["pointer"].get<std::string>()] =
        rule["mechanism"].get<std::string>() + " " + rule["cost"].get<std::string>();
  }
  EXPECT_EQ(rules, (std::map<std::string, std::string>{{"/identity/cpus", "cgroup none"},
                                                       {"/identity/env", "OCI none"},
                                                       {"/identity/hostname", "OCI none"},
                                                       {"/identity/hosts/db.test", "OCI none"},
                                                       {"/identity/user", "OCI none"}}));
  EXPECT_EQ(json["after"]["hostname"], "build");
  const std::string diff = json["diff"];
  EXPECT_THAT(diff, HasSubstr("\n-  \"hostname\": \"0123456789ab\",\n"));
  EXPECT_THAT(diff, HasSubstr("\n+  \"hostname\": \"build\",\n"));
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

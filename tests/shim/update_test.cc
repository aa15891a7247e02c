#include <fcntl.h>

#include "tests/shim/shim_fixture.h"

namespace tidewaiter::shim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Updates a container under limits.memory, of 64 MiB, and limits.open_files.
class UpdateTest : public ShimTest {
 protected:
  void SetUp() override {
    ShimTest::SetUp();
    write("bundle/config.json", kConfigUnderLimits);
    ASSERT_EQ(run_create().exit_code(), 0);
    wait_for_agents();
    std::filesystem::remove(folder_ / "runtime");
  }

  std::string refused(const std::vector<std::string>& words, runtime::Kind kind = runtime::Kind::kCrun) {
    Invocation made = invocation(words);
    made.runtime_kind = kind;
    const Outcome outcome = run([&] { return update(made); });
    EXPECT_EQ(outcome.exit_code(), EXIT_FAILURE);
    EXPECT_FALSE(exists("runtime"));
    return outcome.error;
  }

  const std::string file_ = folder_ / "r.json";
};

constexpr const char* kGreedy = R"({"memory":{"limit":1073741824,"swap":-1},"pids":{"limit":-1}})";
constexpr const char* kHeld = R"({"memory":{"limit":67108864,"swap":67108864},"pids":{"limit":-1}})";

TEST_F(UpdateTest, IsTheRuntimesAloneForAContainerWithoutState) {
  EXPECT_EQ(run(update, {"update", "--memory", "1", "other"}).exit_code(), 0);
  EXPECT_THAT(given("runtime", "argument"), ElementsAre(FAKE_RUNTIME, "update", "--memory", "1", "other"));
}

TEST_F(UpdateTest, LowersWhatAFileAsksFor) {
  write("r.json", kGreedy);
  const Outcome outcome = run(update, {"update", "--resources", file_, "box"});
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_EQ(read("resources.json"), kHeld);
  EXPECT_EQ(read("r.json"), kGreedy);
}

TEST_F(UpdateTest, ReadsStdinAsContainerdHasIt) {
  write("r.json", kGreedy);
  const Invocation made = invocation({"update", "--resources", "-", "box"});
  const Outcome outcome = run([&] {
    ::dup2(::open(file_.c_str(), O_RDONLY), STDIN_FILENO);
    return update(made);
  });
  EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
  EXPECT_EQ(read("resources.json"), kHeld);
}

TEST_F(UpdateTest, LeavesOtherOptionsAsTheyCame) {
  EXPECT_EQ(run(update, {"update", "--pids-limit", "40", "--cpu-quota=5", "box"}).exit_code(), 0);
  EXPECT_THAT(given("runtime", "argument"),
              ElementsAre(FAKE_RUNTIME, "update", "--pids-limit", "40", "--cpu-quota=5", "box"));
}

TEST_F(UpdateTest, RefusesOptionsThatSetWhatIsLimited) {
  EXPECT_THAT(refused({"update", "--memory", "1", "box"}),
              HasSubstr("--memory: sets what the policy's /limits/memory limits"));
  EXPECT_THAT(refused({"update", "--memory-swap=-1", "box"}), HasSubstr("--memory-swap: sets"));
  // Cut short, and as Go takes it.
  EXPECT_THAT(refused({"update", "--memory-s=-1", "box"}), HasSubstr("--memory-s: expected an option"));
  EXPECT_THAT(refused({"update", "-memory=1", "box"}, runtime::Kind::kRunc), HasSubstr("-memory: sets"));
  EXPECT_THAT(refused({"update", "--from-the-future", "1", "box"}), HasSubstr("--from-the-future: expected"));
}

TEST_F(UpdateTest, RefusesWhatItCannotHold) {
  const std::pair<const char*, const char*> files[] = {
      {"{", "line 1"},
      {"[]", "expected an object, found array"},
      {R"({"Memory": {}})", "/Memory: expected \"memory\""},
      {R"({"memory": {"limit": "1G"}})", "/memory/limit: expected a whole number of 64 bits, found \"1G\""},
      {R"({"memory": 5})", "/memory: expected an object, found 5"},
      {R"({"unified": {"memory.max": "max"}})", "/unified/memory.max would replace"},
  };
  for (const auto& [text, reason] : files) {
    write("r.json", text);
    EXPECT_THAT(refused({"update", "--resources", file_, "box"}), HasSubstr(reason));
  }
  EXPECT_THAT(refused({"update", "--resources=/no/such", "box"}), HasSubstr("/no/such"));
  write("run/box/record.json", "{");
  EXPECT_THAT(refused({"update", "--resources", file_, "box"}), HasSubstr("record.json"));
}

// Of processors a container under an identity keeps the one that it has.
TEST_F(UpdateTest, LeavesProcessorsToTheIdentity) {
  EXPECT_EQ(run(update, {"update", "--cpuset-cpus", "0-7", "box"}).exit_code(), 0);
  std::filesystem::remove_all(state_folder_);
  std::filesystem::remove(folder_ / "container");
  std::filesystem::remove(folder_ / "runtime");
  write("etc/policies/identity.json", R"({"version": 1, "identity": {"cpus": "2-3"}})");
  // As on a machine that may have more processors than this one.
  container::Record record;
  record.id = "box";
  record.config_owner = "1";
  record.policy_name = "identity";
  record.policy_text = read("etc/policies/identity.json");
  record.agent = false;
  record.processors = "2-3";
  ASSERT_TRUE(container::keep_record(state_folder_, record, [] { return Status(); }));
  EXPECT_THAT(refused({"update", "--cpuset-cpus", "0-7", "box"}),
              HasSubstr("--cpuset-cpus: sets what the policy's /identity/cpus limits"));
  const std::pair<const char*, const char*> held[] = {
      {R"({"cpu":{"cpus":"0-7"}})", R"({"cpu":{"cpus":"2-3"}})"},
      {R"({"cpu":{"cpus":"3,5","shares":7}})", R"({"cpu":{"cpus":"3","shares":7}})"},
      {R"({"cpu":{"cpus":""}})", R"({"cpu":{"cpus":"2-3"}})"},
      {R"({"cpu":{"shares":7}})", R"({"cpu":{"shares":7}})"},
      {R"({"memory":{"limit":1}})", R"({"memory":{"limit":1}})"},
  };
  for (const auto& [asked, given] : held) {
    write("r.json", asked);
    const Outcome outcome = run(update, {"update", "--resources", file_, "box"});
    EXPECT_EQ(outcome.exit_code(), 0) << outcome.error;
    EXPECT_EQ(read("resources.json"), given) << asked;
  }
  std::filesystem::remove(folder_ / "runtime");
  for (const char* other :
       {R"({"cpu":{"cpus":"4-7"}})", R"({"cpu":{"CPUS":"0"}})", R"({"unified":{"cpuset.cpus":"0"}})"}) {
    write("r.json", other);
    EXPECT_THAT(refused({"update", "--resources", file_, "box"}), HasSubstr("cpus")) << other;
  }
}

}  // namespace
}  // namespace tidewaiter::shim

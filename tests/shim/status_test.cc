#include "shim/commands/status.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "oci/container/record.h"
#include "tests/shim/shim_fixture.h"

namespace tidewaiter::shim {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

class StatusTest : public ShimTest {
 protected:
  std::string print(const StatusOptions& options) {
    std::ostringstream out;
    const Status printed =
        print_status({folder_ / "etc/config.json", folder_ / "run", folder_ / "log"}, options, out);
    return printed ? out.str() : out.str() + "error: " + printed.error().message();
  }
  json print_json() { return json::parse(print({std::nullopt, true}), nullptr, false); }

  // A state folder without an agent.
  void leave_state(const std::string& name, const std::string& id, std::vector<std::string> residual = {}) {
    std::filesystem::create_directories(folder_ / "run/" + name);
    container::Record record;
    record.id = id;
    record.policy_name = "left";
    record.residual = std::move(residual);
    ASSERT_TRUE(container::write_record(folder_ / "run/" + name, record));
  }
};

TEST_F(StatusTest, SaysWhoIsAliveAndWhoIsNot) {
  ASSERT_EQ(run_create().exit_code(), 0);
  leave_state("old", "old", {"clone3", "socket"});
  const pid_t agent = container::agent_pid(state_folder_);
  const std::string table = print({});
  EXPECT_THAT(table, HasSubstr("box           network   " + std::to_string(agent)));
  EXPECT_THAT(table, MatchesRegex("CONTAINER +POLICY +AGENT +SINCE +RESIDUAL\n(.|\n)*old +left +dead "
                                  "+[-0-9]+T[0-9:]+Z +clone3,socket\n"));

  const json list = print_json();
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0]["id"], "box");
  EXPECT_EQ(list[0]["policy"], "network");
  EXPECT_EQ(list[0]["agent"], (json{{"alive", true}, {"pid", agent}}));
  EXPECT_EQ(list[0]["runtime"], FAKE_RUNTIME);
  EXPECT_EQ(list[0]["config"], folder_ / "bundle/config.json");
  EXPECT_EQ(list[0]["state_folder"], state_folder_);
  EXPECT_EQ(list[1]["agent"], (json{{"alive", false}}));
  EXPECT_EQ(list[1]["residual"], (json{"clone3", "socket"}));
}

TEST_F(StatusTest, DoesNotCallAnAgentDeadThatNeverWas) {
  leave_state("box", "box");
  container::Record record = container::read_record(state_folder_).value();
  record.supervised = false;
  ASSERT_TRUE(container::write_record(state_folder_, record));
  EXPECT_THAT(print({}), MatchesRegex("CONTAINER.*\nbox +left +none +(.|\n)*"));
  EXPECT_EQ(print_json()[0]["agent"], nullptr);
}

TEST_F(StatusTest, IsEmptyWhereThereIsNone) {
  EXPECT_EQ(print_json(), json::array());
  std::filesystem::remove_all(folder_ / "run");
  EXPECT_EQ(print_json(), json::array());
  EXPECT_THAT(print({}), MatchesRegex("CONTAINER.*\n"));
}

TEST_F(StatusTest, PrintsTheOneThatIsAskedFor) {
  leave_state("one", "one");
  leave_state("other", "other");
  EXPECT_THAT(print({"one", false}), Not(HasSubstr("other ")));
  EXPECT_THAT(print({"on", false}), HasSubstr("one "));
  EXPECT_EQ(print({"o", false}), "error: \"o\" may mean any of one, other");
  EXPECT_EQ(print({"two", false}), "error: there is no container \"two\"; there are one, other");
}

TEST_F(StatusTest, ListsAContainerOfTheHookOnceByItsId) {
  leave_state("hook-1234", "box");
  EXPECT_EQ(print_json().size(), 1U);
  std::filesystem::create_symlink(folder_ / "run/hook-1234", folder_ / "run/box");
  const json list = print_json();
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0]["state_folder"], folder_ / "run/box");
  leave_state("hook-5678", "");
  EXPECT_EQ(print_json().size(), 2U);
  EXPECT_EQ(print_json()[1]["id"], nullptr);
}

TEST_F(StatusTest, PassesOverAFolderThatIsBeingMade) {
  std::filesystem::create_directories(folder_ / "run/new");
  EXPECT_EQ(print_json(), json::array());
}

TEST_F(StatusTest, ReportsARecordThatIsBrokenBesideTheOthers) {
  leave_state("bad", "bad");
  leave_state("good", "good");
  write("run/bad/record.json", "{");
  for (const std::string& text : {print({}), print({"bad", false})}) {
    EXPECT_THAT(text, MatchesRegex("(.|\n)*bad +\\? +dead (.|\n)*error: (.|\n)*run/bad/record.json(.|\n)*"));
  }
  EXPECT_THAT(print({}), HasSubstr("good "));
  EXPECT_THAT(print({"good", false}), Not(HasSubstr("error: ")));
  EXPECT_THAT(print({"bad", true}), HasSubstr("\"error\": "));
}

}  // namespace
}  // namespace tidewaiter::shim

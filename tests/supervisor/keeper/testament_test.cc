#include "supervisor/keeper/testament.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace tidewaiter::supervisor {
namespace {

TEST(Testament, IsReadAsItWasWritten) {
  Testament testament;
  testament.state_folder = "/run/tidewaiter/b\xff x\"\n";
  testament.facts = ~std::uint64_t{0};
  testament.folders = 3;
  testament.patience = 60;
  testament.next_connection = 9;
  testament.connections = {{7, true, 2}, {8, false, 0}};
  testament.sessions = {{0, "k1.0"}, {1023, "k6.0"}};
  const auto read = Testament::parse(testament.text());
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->state_folder, testament.state_folder);
  EXPECT_EQ(read->facts, testament.facts);
  EXPECT_EQ(read->folders, 3U);
  EXPECT_EQ(read->patience, 60U);
  EXPECT_EQ(read->next_connection, 9U);
  ASSERT_EQ(read->connections.size(), 2U);
  EXPECT_EQ(read->connections[0].number, 7U);
  EXPECT_TRUE(read->connections[0].closed);
  EXPECT_EQ(read->connections[0].deaths, 2U);
  EXPECT_FALSE(read->connections[1].closed);
  EXPECT_EQ(read->sessions, testament.sessions);
  EXPECT_EQ(read->text(), testament.text());
}

TEST(Testament, RefusesWhatIsNone) {
  const std::string text = Testament{}.text();
  std::string another = text;
  another.replace(another.find("\"version\":") + 10, 1, "9");
  for (const std::string& each :
       {std::string(), std::string("{}"), std::string("[1]"), text.substr(1), another}) {
    const auto read = Testament::parse(each);
    ASSERT_FALSE(read) << each;
    EXPECT_EQ(read.error().code, EPROTO);
  }
}

}  // namespace
}  // namespace tidewaiter::supervisor

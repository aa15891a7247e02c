#include "shim/commands/log.h"

#include <poll.h>

#include <sstream>
#include <thread>

#include "oci/container/record.h"
#include "shim/event_line.h"
#include "tests/shim/shim_fixture.h"

namespace tidewaiter::shim {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(EventLine, ShowsWhomAConnectionWasFor) {
  EXPECT_EQ(event_line(R"({"time":"2026-01-02T03:04:05.678901Z","container":"c","policy":"p",)"
                       R"("rule":"/network/deny/0","syscall":"connect","category":"network","pid":7,)"
                       R"("host":"192.0.2.1","port":443,"transport":"tcp","verdict":"denied",)"
                       R"("denied":true,"errno":"EACCES","duration":0.000012})"),
            "2026-01-02 03:04:05.678  denied   network   connect       tcp://192.0.2.1:443           EACCES"
            "        /network/deny/0\n");
}

TEST(EventLine, ShowsWhatItHas) {
  const struct {
    const char* json;
    const char* part;
  } cases[] = {
      {R"({"host":"2001:db8::1","port":53,"transport":"udp"})", "udp://[2001:db8::1]:53"},
      {R"({"host":"2001:db8::1"})", "[2001:db8::1]"},
      {R"({"path":"/usr/bin/git","argv":["git","clone","x"],"executable":"/bin/sh"})",
       "/usr/bin/git clone x"},
      {R"({"executable":"/usr/bin/git"})", "/usr/bin/git"},
      {R"({"time":"2026-01-02T03:04:05Z"})", "2026-01-02 03:04:05"},
      {R"({"time":"2026-01-02T03:04:05.6Z","lost":12})", "12 events could not be written"},
      {"no json at all", "no json at all"},
      {"[1]", "[1]"},
      {R"({"rule":7,"verdict":null})", "7"},
  };
  for (const auto& each : cases) EXPECT_THAT(event_line(each.json), HasSubstr(each.part)) << each.json;
}

TEST(EventLine, KeepsATerminalFromWhatAContainerWrites) {
  for (const char* json : {R"({"path":"/x","argv":["x","\u001b]0;title\u0007"]})", R"({"executable":"a\nb"})",
                           "broken \x1b[2J line", R"({"rule":"\u009b2J"})"}) {
    const std::string line = event_line(json);
    EXPECT_THAT(line, Not(HasSubstr("\x1b")));
    EXPECT_THAT(line, Not(HasSubstr("\xc2\x9b")));
    EXPECT_EQ(line.find('\n'), line.size() - 1);
  }
}

class LogTest : public ShimTest {
 protected:
  static std::string event(int number) { return "{\"rule\":\"/r/" + std::to_string(number) + "\"}\n"; }
  static std::string events(int first, int last) {
    std::string text;
    for (int i = first; i <= last; ++i) text += event(i);
    return text;
  }
  void append(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::app) << text;
  }

  // What is printed, or the error.
  std::string print(const LogOptions& options) {
    std::ostringstream out;
    const Status printed = print_log(directories(), options, out);
    return printed ? out.str() : "error: " + printed.error().message();
  }
  [[nodiscard]] container::Directories directories() const {
    return {folder_ / "etc/config.json", folder_ / "run", folder_ / "log"};
  }
};

TEST_F(LogTest, PrintsTheRotatedLogFirst) {
  write("log/box.jsonl.1", events(1, 2));
  write("log/box.jsonl", events(3, 4));
  EXPECT_EQ(print({"box", false, true}), events(1, 4));
  std::filesystem::remove(folder_ / "log/box.jsonl");
  EXPECT_EQ(print({"box", false, true}), events(1, 2));
}

TEST_F(LogTest, PrintsATableUnlessAskedForJson) {
  write("log/box.jsonl", event(1));
  EXPECT_EQ(print({"box", false, false}), event_heading() + event_line(event(1)));
}

TEST_F(LogTest, PrintsALastLineWithoutItsEnd) {
  write("log/box.jsonl", "{\"rule\":\"x\"}");
  EXPECT_EQ(print({"box", false, true}), "{\"rule\":\"x\"}\n");
}

TEST_F(LogTest, KnowsAContainerByTheBeginningOfItsId) {
  write("log/box.jsonl", event(1));
  write("log/boxes.jsonl", event(2));
  write("log/crate.jsonl.1", event(3));
  EXPECT_EQ(print({"c", false, true}), event(3));
  EXPECT_EQ(print({"boxe", false, true}), event(2));
  EXPECT_EQ(print({"box", false, true}), event(1));  // the id itself, though another begins with it
  EXPECT_EQ(print({"bo", false, true}), "error: \"bo\" may mean any of box, boxes");
}

TEST_F(LogTest, KnowsALongIdByItsShortenedName) {
  const std::string id(200, 'x');
  const auto name = container::state_folder_name(id, folder_ / "run");
  ASSERT_TRUE(name);
  ASSERT_NE(*name, id);
  write("log/" + *name + ".jsonl", event(1));
  EXPECT_EQ(print({id, false, true}), event(1));
  EXPECT_EQ(print({"xxx", false, true}), event(1));
}

TEST_F(LogTest, SaysWhichContainersThereAre) {
  EXPECT_EQ(print({"box", false, true}), "error: there is no container \"box\", nor any other");
  write("log/crate.jsonl", "");
  write("log/agent.log", "");
  EXPECT_EQ(print({"box", false, true}), "error: there is no container \"box\"; there are crate");
  EXPECT_EQ(print({"", false, true}), "error: there is no container \"\"; there are crate");
  EXPECT_EQ(print({"../crate", false, true}), "error: there is no container \"../crate\"; there are crate");
}

TEST_F(LogTest, FollowsNothingOfAContainerThatIsGone) {
  write("log/box.jsonl", events(1, 3));
  EXPECT_EQ(print({"box", true, true}), events(1, 3));
}

TEST_F(LogTest, LooksWhereALiveContainerLogs) {
  std::filesystem::create_directories(folder_ / "elsewhere");
  Invocation made = invocation({"create", "--bundle", folder_ / "bundle", "box"});
  made.directories.log = folder_ / "elsewhere";
  ASSERT_EQ(run([&] { return create(made); }).exit_code(), 0);
  append("elsewhere/box.jsonl", event(1));
  EXPECT_EQ(print({"box", false, true}), event(1));
}

// A buffer whose text another thread may wait for.
class WatchedBuffer : public std::stringbuf {
 public:
  void wait_for(const std::string& text) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return seen_.ends_with(text); }))
        << seen_;
  }

 private:
  int sync() override {
    const std::lock_guard lock(mutex_);
    seen_ = str();
    changed_.notify_all();
    return 0;
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string seen_;
};

class FollowTest : public LogTest {
 protected:
  // Follows the log of a live container in a thread while `meanwhile` runs; its agent ends after it.
  std::string follow(const std::function<void(WatchedBuffer&)>& meanwhile) {
    EXPECT_EQ(run_create().exit_code(), 0);
    WatchedBuffer buffer;
    std::ostream out(&buffer);
    Status printed;
    std::thread reader([&] { printed = print_log(directories(), {"box", true, true}, out); });
    meanwhile(buffer);
    std::filesystem::remove(folder_ / "container");  // its agent ends
    reader.join();
    EXPECT_TRUE(printed) << printed.error().message();
    return buffer.str();
  }
};

TEST_F(FollowTest, PrintsWhatComesUntilTheContainerIsGone) {
  write("log/box.jsonl", event(1));
  EXPECT_EQ(follow([&](WatchedBuffer& buffer) {
              buffer.wait_for(event(1));
              append("log/box.jsonl", event(2));
              buffer.wait_for(event(2));
              append("log/box.jsonl", "{\"rule\":");
              append("log/box.jsonl", "\"/r/3\"}\n");
              buffer.wait_for(event(3));
              append("log/box.jsonl", event(4));
            }),
            events(1, 4));
}

TEST_F(FollowTest, WaitsForALogThatIsNotThereYet) {
  EXPECT_EQ(follow([&](WatchedBuffer& buffer) {
              append("log/box.jsonl", event(1));
              buffer.wait_for(event(1));
            }),
            event(1));
}

TEST_F(FollowTest, GoesOnThroughRotations) {
  write("log/box.jsonl", events(1, 2));
  int next = 3;
  const std::string printed = follow([&](WatchedBuffer& buffer) {
    buffer.wait_for(event(2));
    for (int rotation = 0; rotation < 200; ++rotation) {
      append("log/box.jsonl", event(next++));
      std::filesystem::rename(folder_ / "log/box.jsonl", folder_ / "log/box.jsonl.1");
      append("log/box.jsonl", event(next++));
      buffer.wait_for(event(next - 1));
    }
  });
  EXPECT_EQ(printed, events(1, next - 1));
}

TEST_F(FollowTest, PrintsAFileThatWasRotatedAwayBetweenTwoLooks) {
  write("log/box.jsonl", event(1));
  // All of it at once: the reader may see any state in between, and must print every line once.
  const std::string printed = follow([&](WatchedBuffer& buffer) {
    buffer.wait_for(event(1));
    write("log/next", event(2));
    write("log/last", event(3));
    std::filesystem::rename(folder_ / "log/next", folder_ / "log/box.jsonl.1");
    std::filesystem::rename(folder_ / "log/last", folder_ / "log/box.jsonl");
    buffer.wait_for(event(3));
  });
  EXPECT_EQ(printed, events(1, 3));
}

}  // namespace
}  // namespace tidewaiter::shim

#include "shim/failure.h"

#include <nlohmann/json.hpp>
#include <regex>

#include "tests/shim/shim_fixture.h"

namespace tidewaiter::shim {
namespace {

using nlohmann::json;
using ::testing::MatchesRegex;

class FailureTest : public ShimTest {
 protected:
  // stderr of report_failure for a `create box` with this --log and --log-format.
  std::string report(const std::string& log, const std::string& format, const Error& error) {
    CommandLine line;
    line.command = "create";
    line.log = log;
    line.log_format = format;
    return run([&] {
             report_failure(line, "box", error);
             return 0;
           })
        .error;
  }
};

TEST_F(FailureTest, IsOneLineOnStderr) {
  EXPECT_EQ(report("", "", Error{ENOENT, "read it"}),
            "tidewaiter: create box: read it: No such file or directory\n");
  EXPECT_EQ(report("", "", Error{0, "two\nlines\x1b[1m"}), "tidewaiter: create box: two lines [1m\n");
}

TEST_F(FailureTest, IsWrittenInTextAsRuncDoes) {
  for (const char* format : {"", "text"}) {
    std::filesystem::remove(folder_ / "log.txt");
    report(folder_ / "log.txt", format, Error{0, "say \"no\""});
    EXPECT_THAT(read("log.txt"),
                MatchesRegex("time=\"[-0-9]+T[0-9:.]+Z\" level=error msg=\"tidewaiter: create box: say "
                             "\\\\\"no\\\\\"\"\n"));
  }
}

TEST_F(FailureTest, IsWrittenInJsonAsRuncAndCrunDo) {
  report(folder_ / "log.json", "json", Error{0, "say \"no\""});
  const json line = json::parse(read("log.json"), nullptr, false);
  ASSERT_TRUE(line.is_object()) << read("log.json");
  EXPECT_EQ(line.size(), 3U);
  EXPECT_EQ(line["level"], "error");
  EXPECT_EQ(line["msg"], "tidewaiter: create box: say \"no\"");
  EXPECT_TRUE(std::regex_match(line["time"].get<std::string>(), std::regex("[-0-9]+T[0-9:.]+Z")));
}

TEST_F(FailureTest, IsAddedToWhatTheLogHas) {
  write("log.json", "before\n");
  report(folder_ / "log.json", "json", Error{0, "one"});
  report(folder_ / "log.json", "json", Error{0, "two"});
  const std::string text = read("log.json");
  EXPECT_THAT(text, ::testing::StartsWith("before\n{"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
}

TEST_F(FailureTest, UnderstandsCrunsDestinations) {
  report("file:" + (folder_ / "named"), "json", Error{0, "why"});
  EXPECT_THAT(read("named"), ::testing::HasSubstr("why"));
  // No files of these names: the current folder is not ours.
  const auto here = std::filesystem::current_path();
  for (const char* destination : {"journald:box", "syslog:box"}) {
    EXPECT_EQ(report(destination, "", Error{0, "why"}), "tidewaiter: create box: why\n");
    EXPECT_FALSE(std::filesystem::exists(here / destination));
  }
  EXPECT_EQ(report("/dev/stderr", "", Error{0, "once"}), "tidewaiter: create box: once\n");
}

TEST_F(FailureTest, SurvivesALogThatCannotBeWritten) {
  EXPECT_EQ(report("/nowhere/log", "json", Error{0, "why"}), "tidewaiter: create box: why\n");
}

}  // namespace
}  // namespace tidewaiter::shim

#include "oci/policy/duration.h"

#include <gtest/gtest.h>

#include <string>

namespace tidewaiter::policy {
namespace {

using std::chrono::seconds;

TEST(ParseDuration, TakesUnitsFromTheLongestOn) {
  const struct {
    const char* text;
    int seconds;
    const char* words;
  } cases[] = {
      {"1s", 1, "1s"},
      {"90s", 90, "1m30s"},
      {"10m", 600, "10m"},
      {"1h30m", 5400, "1h30m"},
      {"36h", 129600, "1d12h"},
      {"1d2h3m4s", 93784, "1d2h3m4s"},
      {"0h1s", 1, "1s"},
      {"007s", 7, "7s"},
      {"365d", 31536000, "365d"},
      {"8760h", 31536000, "365d"},
      {"364d24h", 31536000, "365d"},
      {"1d60s", 86460, "1d1m"},
  };
  for (const auto& row : cases) {
    const auto duration = parse_duration(row.text);
    ASSERT_TRUE(duration) << row.text << ": " << duration.error().message();
    EXPECT_EQ(*duration, seconds(row.seconds)) << row.text;
    EXPECT_EQ(duration_words(*duration), row.words) << row.text;
  }
}

TEST(ParseDuration, SaysWhatIsWrong) {
  for (const std::string text : {"",
                                 "s",
                                 "10",
                                 "10 s",
                                 " 10s",
                                 "10s ",
                                 "10S",
                                 "10sec",
                                 "10ms",
                                 "1.5h",
                                 "-1s",
                                 "+1s",
                                 "1h-1m",
                                 "0s",
                                 "0d0h",
                                 "30s1m",
                                 "1m1m",
                                 "1m30",
                                 "365d1s",
                                 "366d",
                                 "8761h",
                                 "31536001s",
                                 "9223372036854775807d",
                                 "99999999999999999999s",
                                 "1w",
                                 "PT1H"}) {
    const auto duration = parse_duration(text);
    ASSERT_FALSE(duration) << text;
    EXPECT_EQ(duration.error().message(),
              "expected a time from 1s to 365d, as in \"90s\", \"10m\" or \"1h30m\", found \"" + text + "\"");
  }
}

}  // namespace
}  // namespace tidewaiter::policy

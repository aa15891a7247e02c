#include "oci/spec/stop_signal.h"

#include <gtest/gtest.h>

#include <csignal>
#include <string>

namespace tidewaiter::spec {
namespace {

TEST(ParseSignal, TakesNumbersAndNames) {
  const struct {
    const char* text;
    int signal;
  } cases[] = {
      {"1", SIGHUP},
      {"15", SIGTERM},
      {"64", SIGRTMAX},
      {"TERM", SIGTERM},
      {"SIGTERM", SIGTERM},
      {"sigquit", SIGQUIT},
      {"winch", SIGWINCH},
      {"SIGRTMIN", SIGRTMIN},
      {"RTMIN+3", SIGRTMIN + 3},
      {"SIGRTMAX-1", SIGRTMAX - 1},
      {"SIGRTMAX", SIGRTMAX},
      {"SIGRTMIN+0", SIGRTMIN},
  };
  for (const auto& row : cases) {
    const auto signal = parse_signal(row.text);
    ASSERT_TRUE(signal) << row.text;
    EXPECT_EQ(*signal, row.signal) << row.text;
  }
}

TEST(ParseSignal, SaysWhatIsNone) {
  for (const std::string text :
       {"0", "-1", "65", "15 ", " 15", "TERMINATE", "SIG", "SIGSIGTERM", "RTMIN+", "RTMIN3", "RTMIN--3",
        "RTMIN+-3", "RTMIN+99", "RTMAX-99", "RTMAX+1", "99999999999"}) {
    const auto signal = parse_signal(text);
    ASSERT_FALSE(signal) << text;
    EXPECT_EQ(signal.error().message(),
              "expected a signal by its number or name, as in \"15\" or \"SIGTERM\", found \"" + text + "\"");
  }
}

TEST(StopSignal, IsThatOfTheImage) {
  const auto of = [](const std::string& annotations) {
    return stop_signal(Json::parse(R"({"annotations": )" + annotations + "}"));
  };
  EXPECT_EQ(*stop_signal(Json::object()), SIGTERM);
  EXPECT_EQ(*of("null"), SIGTERM);
  EXPECT_EQ(*of("{}"), SIGTERM);
  EXPECT_EQ(*of(R"({"org.opencontainers.image.stopSignal": ""})"), SIGTERM);
  EXPECT_EQ(*of(R"({"org.opencontainers.image.stopSignal": "SIGQUIT"})"), SIGQUIT);
  EXPECT_EQ(*of(R"({"org.opencontainers.image.stopSignal": "28"})"), SIGWINCH);
  EXPECT_EQ(of(R"({"org.opencontainers.image.stopSignal": 15})").error().message(),
            "/annotations/org.opencontainers.image.stopSignal: expected text, found number");
  EXPECT_EQ(
      of(R"({"org.opencontainers.image.stopSignal": "soon"})").error().message(),
      "/annotations/org.opencontainers.image.stopSignal: expected a signal by its number or name, as in "
      "\"15\" or \"SIGTERM\", found \"soon\"");
}

}  // namespace
}  // namespace tidewaiter::spec

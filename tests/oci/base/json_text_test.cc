#include "oci/base/json_text.h"

#include <gtest/gtest.h>

#include <ctime>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

namespace tidewaiter {
namespace {

std::string json_string_of(std::string_view text, std::size_t limit = 4096) {
  std::string out;
  append_json_string(out, text, limit);
  return out;
}

TEST(AppendJsonString, EscapesWhatJsonAndTerminalsNeedEscaped) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", R"("")"},
      {"plain", R"("plain")"},
      {"a\"b\\c", R"("a\"b\\c")"},
      {"\n\r\t", R"("\n\r\t")"},
      {std::string("\0\x01\x1f\x7f", 4), R"("\u0000\u0001\u001f\u007f")"},
      {"/", R"("/")"},
      {"ü東🚢", R"("ü東🚢")"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(json_string_of(text), expected);
}

TEST(AppendJsonString, ReplacesEveryByteThatIsNotUtf8) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\x80", "\"\uFFFD\""},
      {"a\xFFz", "\"a\uFFFDz\""},
      {"\xC3", "\"\uFFFD\""},                                // cut short
      {"\xC3z", "\"\uFFFDz\""},                              // interrupted
      {"\xC0\xAF", "\"\uFFFD\uFFFD\""},                      // overlong '/'
      {"\xE0\x80\xAF", "\"\uFFFD\uFFFD\uFFFD\""},            // overlong '/'
      {"\xED\xA0\x80", "\"\uFFFD\uFFFD\uFFFD\""},            // a surrogate
      {"\xF4\x90\x80\x80", "\"\uFFFD\uFFFD\uFFFD\uFFFD\""},  // beyond U+10FFFF
      {"\xF5\x80\x80\x80", "\"\uFFFD\uFFFD\uFFFD\uFFFD\""},
      {"\xF0\x9F\x9A", "\"\uFFFD\uFFFD\uFFFD\""},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(json_string_of(text), expected);
}

TEST(AppendJsonString, CutsAtTheLimitBetweenCharacters) {
  EXPECT_EQ(json_string_of("abcd", 4), R"("abcd")");
  EXPECT_EQ(json_string_of("abcde", 4), "\"abcd…\"");
  EXPECT_EQ(json_string_of("abcü", 4), "\"abc…\"") << "ü has two bytes, one of them beyond the limit";
  EXPECT_EQ(json_string_of("abc", 0), "\"…\"");
}

// Whatever a target calls its files, a line stays JSON.
TEST(AppendJsonString, IsAlwaysReadableAsJson) {
  std::mt19937 random(1);
  for (int round = 0; round < 5000; ++round) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(random());
    const std::size_t limit = random() % 50;
    SCOPED_TRACE(::testing::PrintToString(text));
    const auto parsed =
        nlohmann::json::parse(json_string_of(text, limit), nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(parsed.is_string());
  }
}

// Not std::time(), which is that of the last tick and may lag behind the clock by a second's turn.
std::time_t now_in_seconds() {
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec;
}

TEST(Rfc3339Now, IsTheClockInUtcWithMicroseconds) {
  const std::time_t before = now_in_seconds();
  const std::string text = rfc3339_now();
  const std::time_t after = now_in_seconds();
  ASSERT_EQ(text.size(), std::string("2026-01-02T03:04:05.678901Z").size()) << text;
  EXPECT_EQ(text[19], '.');
  EXPECT_EQ(text.back(), 'Z');
  struct tm parsed {};
  ASSERT_EQ(*::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parsed), '.');
  const std::time_t told = ::timegm(&parsed);
  EXPECT_GE(told, before);
  EXPECT_LE(told, after);
}

}  // namespace
}  // namespace tidewaiter

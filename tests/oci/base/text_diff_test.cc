#include "oci/base/text_diff.h"

#include <gtest/gtest.h>

#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace tidewaiter {
namespace {

std::string diff(const std::string& before, const std::string& after) {
  return unified_diff(before, after, "old", "new");
}

TEST(UnifiedDiff, IsEmptyForTheSameText) {
  EXPECT_EQ(diff("", ""), "");
  EXPECT_EQ(diff("a\nb\n", "a\nb\n"), "");
}

TEST(UnifiedDiff, ShowsEachChangeWithThreeLinesAroundIt) {
  EXPECT_EQ(diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n"),
            "--- old\n+++ new\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
  EXPECT_EQ(diff("a\n", "a\nb\n"), "--- old\n+++ new\n@@ -1 +1,2 @@\n a\n+b\n");
  EXPECT_EQ(diff("", "a\n"), "--- old\n+++ new\n@@ -0,0 +1 @@\n+a\n");
  EXPECT_EQ(diff("a\n", ""), "--- old\n+++ new\n@@ -1 +0,0 @@\n-a\n");
}

TEST(UnifiedDiff, JoinsChangesThatAreNear) {
  const std::string far = diff("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n");
  EXPECT_EQ(far,
            "--- old\n+++ new\n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n");
  const std::string near = diff("a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n");
  EXPECT_EQ(near, "--- old\n+++ new\n@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n");
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// What patch(1) makes of `before`: hunks are taken at their word, and every line has to fit.
std::string patched(const std::string& before, const std::string& patch) {
  const std::vector<std::string> old_lines = lines_of(before);
  std::string result;
  std::size_t at = 0;
  for (const std::string& line : lines_of(patch)) {
    if (line.starts_with("--- ") || line.starts_with("+++ ")) continue;
    if (line.starts_with("@@ -")) {
      const std::size_t first = std::stoul(line.substr(4));
      const bool none = line.substr(0, line.find(" +")).ends_with(",0");
      for (const std::size_t start = none ? first : first - 1; at < start; ++at)
        result += old_lines.at(at) + "\n";
      continue;
    }
    if (line[0] != '+') {
      EXPECT_EQ(old_lines.at(at), line.substr(1));
    }
    if (line[0] != '-') result += line.substr(1) + "\n";
    if (line[0] != '+') ++at;
  }
  for (; at < old_lines.size(); ++at) result += old_lines[at] + "\n";
  return result;
}

TEST(UnifiedDiff, MakesOneTextOfTheOther) {
  std::mt19937 random(1);
  const auto some = [&random] {
    std::string text;
    for (auto i = random() % 30; i > 0; --i)
      text += std::string(1, static_cast<char>('a' + random() % 5)) + "\n";
    return text;
  };
  for (int i = 0; i < 3000; ++i) {
    const std::string before = some();
    const std::string after = some();
    ASSERT_EQ(patched(before, diff(before, after)), after) << before << "---\n" << after;
  }
}

TEST(UnifiedDiff, GivesTextsThatHaveNothingInCommonAsOneChange) {
  std::string before;
  std::string after;
  for (int i = 0; i < 3000; ++i) {
    before += "b" + std::to_string(i) + "\n";
    after += "a" + std::to_string(i) + "\n";
  }
  const std::string patch = diff(before, after);
  EXPECT_TRUE(patch.starts_with("--- old\n+++ new\n@@ -1,3000 +1,3000 @@\n-b0\n"));
  EXPECT_EQ(patched(before, patch), after);
}

}  // namespace
}  // namespace tidewaiter

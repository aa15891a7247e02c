#include "oci/policy/glob.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace tidewaiter::policy {
namespace {

bool path_covered(std::string_view wide, std::string_view narrow) {
  Effort effort{1'000'000};
  return covers_path(wide, narrow, effort);
}

TEST(Glob, MatchesWholePaths) {
  const struct {
    const char* glob;
    const char* path;
    bool matches;
  } cases[] = {
      {"/usr/bin/git", "/usr/bin/git", true},
      {"/usr/bin/git", "/usr/bin/git2", false},
      {"/usr/bin/git", "/usr/bin/gi", false},
      {"/usr/bin/*", "/usr/bin/git", true},
      {"/usr/bin/*", "/usr/bin/", true},
      {"/usr/bin/*", "/usr/bin/x/y", false},
      {"/usr/*/git", "/usr/bin/git", true},
      {"/usr/*/git", "/usr/local/bin/git", false},
      {"/usr/**/git", "/usr/local/bin/git", true},
      {"/usr/**", "/usr/local/bin/git", true},
      {"/usr/**", "/usr", false},
      {"**", "", true},
      {"**", "/x/y", true},
      {"**/git", "/usr/bin/git", true},
      {"**/git", "git", false},
      {"/a*b*c", "/axxbxxc", true},
      {"/a*b*c", "/axxb/xxc", false},
      {"/a**b*c", "/ax/xbxxc", true},
      {"/a**b*c", "/ax/xb/xc", false},
      {"/a**b*c", "/a/b/bc", true},
      {"/a**b*c/d", "/ab/bxc/bc/d", true},
      {"/usr/lib/python3.*/**", "/usr/lib/python3.11/x/y", true},
      {"/[a-z]?", "/[a-z]?", true},
      {"/[a-z]?", "/bc", false},
      {"", "", true},
      {"", "x", false},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(matches_path(test.glob, test.path), test.matches) << test.glob << " " << test.path;
  }
}

TEST(Glob, MatchesWholeTexts) {
  EXPECT_TRUE(matches_text("https://*", "https://x/y"));
  EXPECT_TRUE(matches_text("*", ""));
  EXPECT_TRUE(matches_text("a*c", "a/b/c"));
  EXPECT_FALSE(matches_text("a*c", "a/b/cd"));
  EXPECT_TRUE(matches_text("", ""));
  EXPECT_FALSE(matches_text("", "a"));
}

// What the words say, and nothing clever about it.
bool slow_match(std::string_view glob, std::string_view text, bool slash_stops) {
  if (glob.empty()) return text.empty();
  if (glob.starts_with('*')) {
    const bool all = glob.starts_with("**") || !slash_stops;
    const auto rest = glob.substr(glob.starts_with("**") ? 2 : 1);
    for (std::size_t taken = 0;; ++taken) {
      if (slow_match(rest, text.substr(taken), slash_stops)) return true;
      if (taken == text.size() || (!all && text[taken] == '/')) return false;
    }
  }
  return !text.empty() && text[0] == glob[0] && slow_match(glob.substr(1), text.substr(1), slash_stops);
}

TEST(Glob, AgreesWithItsDefinition) {
  std::mt19937 random(1);
  const auto some = [&](std::string_view letters, std::size_t most) {
    std::string text(random() % (most + 1), ' ');
    for (char& c : text) c = letters[random() % letters.size()];
    return text;
  };
  int matched = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::string glob = some("ab/***", 9);
    const std::string text = some("ab/", 9);
    const bool expected = slow_match(glob, text, true);
    matched += static_cast<int>(expected);
    ASSERT_EQ(matches_path(glob, text), expected) << glob << " " << text;
    ASSERT_EQ(matches_text(glob, text), slow_match(glob, text, false)) << glob << " " << text;
  }
  EXPECT_GT(matched, 1000);
}

TEST(Glob, KnowsWhichPathsAreWithinOthers) {
  const struct {
    const char* wide;
    const char* narrow;
    bool covers;
  } cases[] = {
      {"/usr/bin/git", "/usr/bin/git", true},
      {"/usr/bin/*", "/usr/bin/git", true},
      {"/usr/bin/git", "/usr/bin/*", false},
      {"/usr/bin/*", "/usr/bin/g*t", true},
      {"/usr/bin/*", "/usr/*/git", false},
      {"/usr/*/git", "/usr/bin/git", true},
      {"/usr/**", "/usr/*/git", true},
      {"/usr/**", "/usr/**/bin/*", true},
      {"/usr/*", "/usr/**", false},
      {"/usr/*/*", "/usr/bin/*", true},
      {"/a*b*c", "/axb*c", true},
      {"/a**c", "/a*b*c", true},
      {"/a*c", "/a**c", false},
      // Paths begin at the root.
      {"/**", "**", true},
      {"**", "/**", true},
      {"/**/git", "**/git", false},  // "/git" is without a second slash
      {"**/git", "/**/git", true},
      {"", "/x", false},
  };
  for (const auto& test : cases)
    EXPECT_EQ(path_covered(test.wide, test.narrow), test.covers) << test.wide << " " << test.narrow;
  Effort effort{1000};
  EXPECT_TRUE(covers_text("*", "https://*", effort));
  EXPECT_TRUE(covers_text("http*", "https://*/x", effort));
  EXPECT_FALSE(covers_text("https://*", "http*", effort));
  EXPECT_TRUE(covers_text("", "", effort));
  EXPECT_GT(effort.left, 0U);
}

// Who is out of effort does not know, and says no.
TEST(Glob, CoversNothingWithoutEffort) {
  Effort little{20};
  EXPECT_FALSE(covers_path("/usr/*", "/usr/bin/*", little));
  EXPECT_EQ(little.left, 0U);
  EXPECT_FALSE(covers_path("/usr/*", "/usr/bin", little)) << "and never again";
  EXPECT_FALSE(covers_text("*", "x", little));
  EXPECT_TRUE(path_covered("/usr/**", "/usr/bin/*"));
}

TEST(Glob, CoversWhatItMatchesAndNothingElse) {
  std::mt19937 random(2);
  const auto some = [&](std::string_view letters, std::size_t most) {
    std::string text(random() % (most + 1), ' ');
    for (char& c : text) c = letters[random() % letters.size()];
    return text;
  };
  // Every path of up to six letters, a third of which no glob names.
  std::vector<std::string> paths{"/"};
  for (std::size_t i = 0; i < paths.size() && paths[i].size() < 6; ++i)
    for (const char letter : {'a', '/', 'x'}) paths.push_back(paths[i] + letter);
  int covered = 0;
  for (int i = 0; i < 5'000; ++i) {
    const std::string wide = "/" + some("a/***", 4);
    const std::string narrow = "/" + some("a/***", 4);
    if (wide.find("***") != std::string::npos || narrow.find("***") != std::string::npos) continue;
    const bool expected = std::all_of(paths.begin(), paths.end(), [&](const std::string& path) {
      return !matches_path(narrow, path) || matches_path(wide, path);
    });
    covered += static_cast<int>(expected);
    ASSERT_EQ(path_covered(wide, narrow), expected) << wide << " " << narrow;
  }
  EXPECT_GT(covered, 500);
}

}  // namespace
}  // namespace tidewaiter::policy

#include "oci/spec/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "oci/base/system.h"
#include "tests/oci/spec/without_white_space.h"

namespace tidewaiter::spec {
namespace {

using Progress = JsonObjectScanner::Progress;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What runc 1.1 sends.
constexpr const char* kFromRunc =
    R"({"ociVersion":"1.0.2-dev","fds":["seccompFd"],"pid":4711,"metadata":"{\"m\":1}","state":{)"
    R"("ociVersion":"1.0.2-dev","id":"box","status":"creating","pid":4711,"bundle":"/b","annotations":{"a":"}"}}})";

// What crun 1.8 sends for `exec`: beautified, with no pid and no bundle worth the name.
constexpr const char* kFromCrunExec = R"({
    "ociVersion": "0.2.0",
    "fds": [
        "seccompFd"
    ],
    "pid": 0,
    "metadata": "",
    "state": {
        "ociVersion": "0.2.0",
        "id": "box",
        "status": "running",
        "pid": 0,
        "bundle": "."
    }
}
)";

TEST(ParseState, ReadsWhatRuncSends) {
  const auto state = parse_state(kFromRunc);
  ASSERT_TRUE(state) << state.error().message();
  EXPECT_THAT(state->fds, ElementsAre("seccompFd"));
  EXPECT_EQ(state->pid, 4711);
  EXPECT_EQ(state->metadata, "{\"m\":1}");
  EXPECT_EQ(state->id, "box");
  EXPECT_EQ(state->status, "creating");
  EXPECT_EQ(state->init_pid, 4711);
  EXPECT_EQ(state->bundle, "/b");
}

TEST(ParseState, ReadsWhatCrunSendsForExec) {
  const auto state = parse_state(kFromCrunExec);
  ASSERT_TRUE(state) << state.error().message();
  EXPECT_EQ(state->id, "box");
  EXPECT_EQ(state->pid, 0);
  EXPECT_EQ(state->init_pid, 0);
  EXPECT_EQ(state->bundle, ".");
  EXPECT_EQ(state->status, "running");
}

TEST(ParseState, KeepsTheOrderOfSeveralDescriptors) {
  const auto state = parse_state(R"({"fds": ["a", "seccompFd", "b"], "state": {"id": "box"}})");
  ASSERT_TRUE(state) << state.error().message();
  EXPECT_THAT(state->fds, ElementsAre("a", "seccompFd", "b"));
}

TEST(ParseState, ToleratesWhatNothingDependsOn) {
  const std::vector<const char*> texts = {
      R"({"fds": ["seccompFd"], "state": {"id": "box"}})",
      R"({"fds": ["seccompFd"], "pid": "7", "metadata": 7, "state": {"id": "box", "pid": -1, "status": [], "bundle": null}})",
      R"({"fds": ["seccompFd"], "pid": 4294967296, "state": {"id": "box", "pid": 18446744073709551615}})",
      R"({"ociVersion": {}, "fds": ["seccompFd"], "pid": 1.5, "state": {"id": "box"}})",
  };
  for (const char* text : texts) {
    SCOPED_TRACE(text);
    const auto state = parse_state(text);
    ASSERT_TRUE(state) << state.error().message();
    EXPECT_EQ(state->id, "box");
    EXPECT_EQ(state->pid, 0);
    EXPECT_EQ(state->init_pid, 0);
    EXPECT_EQ(state->metadata, "");
    EXPECT_EQ(state->status, "");
    EXPECT_EQ(state->bundle, "");
  }
}

TEST(ParseState, RefusesWhatCannotBeServed) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"", "line 1, column 1"},
      {"[]", "expected an object"},
      {"{}", "/fds: expected an array of strings"},
      {R"({"fds": "seccompFd", "state": {"id": "box"}})", "/fds: expected an array of strings"},
      {R"({"fds": ["seccompFd", 1], "state": {"id": "box"}})", "/fds: expected an array of strings"},
      {R"({"fds": ["other"], "state": {"id": "box"}})", "names seccompFd 0 times, not once"},
      {R"({"fds": ["seccompFd", "seccompFd"], "state": {"id": "box"}})", "names seccompFd 2 times"},
      {R"({"fds": ["seccompFd"]})", "/state: expected an object"},
      {R"({"fds": ["seccompFd"], "state": "box"})", "/state: expected an object"},
      {R"({"fds": ["seccompFd"], "state": {}})", "/state/id: expected a string"},
      {R"({"fds": ["seccompFd"], "state": {"id": ""}})", "/state/id: expected a string"},
      {R"({"fds": ["seccompFd"], "state": {"id": 7}})", "/state/id: expected a string"},
  };
  for (const auto& [text, error] : cases) {
    SCOPED_TRACE(text);
    const auto state = parse_state(text);
    ASSERT_FALSE(state);
    EXPECT_THAT(state.error().message(), HasSubstr(error));
    EXPECT_THAT(state.error().message(), ::testing::StartsWith("container process state: "));
  }
}

// What crun 1.8 and runc 1.1 sent, at `create` and at `exec`.
class SentStates : public ::testing::TestWithParam<const char*> {
 protected:
  static std::string text() {
    return sys::read_file(std::string(TIDEWAITER_FIXTURES) + "/state/" + GetParam()).value();
  }
};

TEST_P(SentStates, ComeOutAsTheyWentIn) {
  const auto state = parse_state(text());
  ASSERT_TRUE(state) << state.error().message();
  EXPECT_EQ(dump_state(*state), without_white_space(text()));
  EXPECT_EQ(state->id, "box");
  EXPECT_EQ(state->metadata, R"({"policy": "web", "n": 18446744073709551615})");
}

INSTANTIATE_TEST_SUITE_P(DumpState, SentStates,
                         ::testing::Values("crun-create.json", "crun-exec.json", "runc-create.json",
                                           "runc-exec.json"));

TEST(DumpState, LosesNothingThatARuntimeMaySay) {
  const std::string large(200'000, 'x');  // comes in several pieces
  const std::vector<std::string> texts = {
      R"({"fds":["a","seccompFd","b"],"state":{"id":"box"}})",
      R"({"state":{"pid":0,"id":"box","annotations":{"z":"1","a":"2"}},"pid":0,"fds":["seccompFd"],"ociVersion":"9"})",
      R"({"fds":["seccompFd"],"x-new":[18446744073709551615,-9223372036854775808,0.1,null,{"b":1,"a":[]}],"state":{"id":"box","x":{}}})",
      R"({"fds":["seccompFd"],"pid":"7","metadata":7,"state":{"id":"box","pid":-1,"status":[],"bundle":null}})",
      R"({"fds":["seccompFd"],"metadata":"\"}{\n\u0001ü🚢","state":{"id":"box","bundle":"."}})",
      R"({"fds":["seccompFd"],"state":{"id":"box","annotations":{"large":")" + large + R"("}}})",
  };
  for (const std::string& text : texts) {
    SCOPED_TRACE(text.substr(0, 200));
    const auto state = parse_state(text);
    ASSERT_TRUE(state) << state.error().message();
    EXPECT_EQ(dump_state(*state), text);
  }
  // Go's JSON writer escapes what need not be (encoding/json, HTMLEscape): the same text, not the same bytes.
  const auto escaped =
      parse_state(R"({"fds":["seccompFd"],"state":{"id":"box","bundle":"\u003c\u0026\u003e"}})");
  ASSERT_TRUE(escaped);
  EXPECT_EQ(dump_state(*escaped), R"({"fds":["seccompFd"],"state":{"id":"box","bundle":"<&>"}})");
}

// Objects whose end is hard to see, each followed by bytes that do not belong to it.
const std::vector<std::string>& hard_objects() {
  static const std::vector<std::string> kObjects = {
      "{}",
      " \t\r\n{}",
      R"({"a":"}"})",
      R"({"a":"\""})",
      R"({"a":"\\"})",
      R"({"a":"\\\"}"})",
      R"({"a":"\u007d\"{[]}","b":[{},[{}],{"c":"]"}]})",
      R"({"{":"[","}":"]"})",
      "{\"ü東🚢\":\"\xFF}\"}",  // not UTF-8, but only structure is looked at
      kFromRunc,
      std::string("\n ") + kFromRunc,
  };
  return kObjects;
}

TEST(JsonObjectScanner, FindsTheEndAtEverySplit) {
  for (const std::string& object : hard_objects()) {
    SCOPED_TRACE(object);
    const std::string stream = object + "\n{\"next\":1}";
    for (std::size_t first = 0; first <= stream.size(); ++first) {
      SCOPED_TRACE(first);
      JsonObjectScanner scanner;
      const Progress expected = first < object.size() ? Progress::kIncomplete : Progress::kComplete;
      ASSERT_EQ(scanner.feed(std::string_view(stream).substr(0, first)), expected);
      ASSERT_EQ(scanner.feed(std::string_view(stream).substr(first)), Progress::kComplete);
      ASSERT_EQ(scanner.size(), object.size());
    }
  }
}

TEST(JsonObjectScanner, FindsTheEndInThreePieces) {
  const std::string object = R"( {"a":"\\\"}{","b":[{"c":"\u005d"}]})";
  const std::string stream = object + "}";
  for (std::size_t first = 0; first <= stream.size(); ++first) {
    for (std::size_t second = first; second <= stream.size(); ++second) {
      JsonObjectScanner scanner;
      scanner.feed(std::string_view(stream).substr(0, first));
      scanner.feed(std::string_view(stream).substr(first, second - first));
      ASSERT_EQ(scanner.feed(std::string_view(stream).substr(second)), Progress::kComplete);
      ASSERT_EQ(scanner.size(), object.size()) << first << " " << second;
    }
  }
}

TEST(JsonObjectScanner, WaitsForTheLastBraceByteByByte) {
  for (const std::string& object : hard_objects()) {
    JsonObjectScanner scanner;
    for (std::size_t i = 0; i + 1 < object.size(); ++i) {
      ASSERT_EQ(scanner.feed(std::string_view(object).substr(i, 1)), Progress::kIncomplete) << object << i;
    }
    ASSERT_EQ(scanner.feed("}"), Progress::kComplete);
    ASSERT_EQ(scanner.feed("}{\"garbage"), Progress::kComplete) << "later bytes are ignored";
    ASSERT_EQ(scanner.size(), object.size());
  }
}

TEST(JsonObjectScanner, RefusesWhatIsNotAnObject) {
  for (const char* text : {"[]", "\"{}\"", "null", "}", "x{}", " \n[{}]", "\xEF\xBB\xBF{}"}) {
    SCOPED_TRACE(text);
    JsonObjectScanner scanner;
    EXPECT_EQ(scanner.feed(text), Progress::kNotAnObject);
    EXPECT_EQ(scanner.feed("{}"), Progress::kNotAnObject) << "and does not change its mind";
  }
}

TEST(JsonObjectScanner, TakesNothingForIncomplete) {
  JsonObjectScanner scanner;
  EXPECT_EQ(scanner.feed(""), Progress::kIncomplete);
  EXPECT_EQ(scanner.feed(" \n\t\r"), Progress::kIncomplete);
  EXPECT_EQ(scanner.feed("{}"), Progress::kComplete);
  EXPECT_EQ(scanner.size(), 6U);
}

// 200 KB of annotations arrive in pieces of any size, the object's end among them.
TEST(JsonObjectScanner, FollowsALargeStateInRandomPieces) {
  std::string object = R"({"fds":["seccompFd"],"state":{"id":"box","annotations":{"large":")";
  for (int i = 0; i < 25'000; ++i) object += R"(\"}]\\{[)";
  object += R"("}}})";
  ASSERT_TRUE(parse_state(object));
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    JsonObjectScanner scanner;
    std::string_view rest = object;
    while (!rest.empty()) {
      const std::size_t size = 1 + random() % 40'000;
      const Progress progress = scanner.feed(rest.substr(0, size));
      rest.remove_prefix(std::min(size, rest.size()));
      ASSERT_EQ(progress, rest.empty() ? Progress::kComplete : Progress::kIncomplete);
    }
    ASSERT_EQ(scanner.size(), object.size());
  }
}

}  // namespace
}  // namespace tidewaiter::spec

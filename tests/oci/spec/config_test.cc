#include "oci/spec/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "oci/base/system.h"
#include "tests/oci/spec/without_white_space.h"

namespace tidewaiter::spec {
namespace {

using ::testing::HasSubstr;

std::string fixture(const std::string& name) {
  return sys::read_file(std::string(TIDEWAITER_FIXTURES) + "/config/" + name).value();
}

std::string error_of(const std::string& text) {
  const auto parsed = parse_json(text, "config.json");
  return parsed ? "no error" : parsed.error().message();
}

class Fixtures : public ::testing::TestWithParam<const char*> {};

TEST_P(Fixtures, ComeOutAsTheyWentIn) {
  const std::string text = fixture(GetParam());
  const auto parsed = parse_json(text, GetParam());
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(dump_json(*parsed, -1), without_white_space(text));
  const auto again = parse_json(dump_json(*parsed), "dumped");
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(*again, *parsed);
}

INSTANTIATE_TEST_SUITE_P(Config, Fixtures,
                         ::testing::Values("crun-spec.json", "runc-spec.json", "podman.json",
                                           "containerd.json"));

TEST(ParseJson, KeepsOrderNumbersAndTextWhole) {
  const std::vector<std::string> texts = {
      R"({"z":1,"a":2,"m":{"y":1,"b":2}})",
      "[18446744073709551615,9223372036854775808,9223372036854775807,-9223372036854775808,0,-1]",
      "[1.0,0.1,-2.5,1e+300,1e-07,0.30000000000000004,123456789.125]",
      R"(["","ü東🚢","\"\\\b\f\n\r\t","\u0001\u001f"," "])",
      R"({"":{"":[[],{},[[]],null,true,false]}})",
      "null",
      "\"text\"",
  };
  for (const std::string& text : texts) {
    const auto parsed = parse_json(text, "text");
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(dump_json(*parsed, -1), text);
  }
}

TEST(ParseJson, ReadsEscapesAsWhatTheyMean) {
  const auto parsed = parse_json(R"(["\u00fc\u6771\ud83d\udea2\/"])", "text");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->at(0), "ü東🚢/");
}

TEST(ParseJson, KeepsIntegersIntegers) {
  const Json parsed = parse_json("[18446744073709551615, -9223372036854775808]", "text").value();
  EXPECT_EQ(parsed.at(0).get<std::uint64_t>(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(parsed.at(1).get<std::int64_t>(), std::numeric_limits<std::int64_t>::min());
}

TEST(ParseJson, RefusesIntegersBeyond64Bits) {
  EXPECT_EQ(error_of("{\n  \"limit\": 18446744073709551616\n}"),
            "config.json: line 2, column 32: the integer 18446744073709551616 does not fit 64 bits");
  EXPECT_THAT(error_of("[-9223372036854775809]"), HasSubstr("-9223372036854775809 does not fit"));
  EXPECT_THAT(error_of("[" + std::string(5000, '9') + "]"), HasSubstr("9999"));
  EXPECT_LT(error_of("[" + std::string(300, '9') + "]").size(), 400U) << "what is quoted is bounded";
}

TEST(ParseJson, RefusesAKeyThatAppearsTwice) {
  EXPECT_EQ(error_of("{\n \"ü\": 1,\n \"a\": {\"b\": 1, \"c\": 2, \"b\": 3}\n}"),
            "config.json: line 3, column 26: the key \"b\" appears a second time in one object");
  EXPECT_THAT(error_of(R"({"a": 1, "\u0061": 2})"), HasSubstr("\"a\" appears a second time"))
      << "the same key in another spelling";
  EXPECT_EQ(error_of(R"({"a": {"a": 1}, "b": {"a": 1}})"), "no error") << "in different objects";
  EXPECT_EQ(error_of(R"([{"a": 1}, {"a": 1}])"), "no error");
  EXPECT_EQ(error_of(R"({"a": 1, "A": 1, "a ": 1})"), "no error");
}

TEST(ParseJson, BoundsNesting) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(error_of(nested(512)), "no error");
  EXPECT_EQ(error_of(nested(513)), "config.json: line 1, column 513: nested deeper than 512 levels");
  EXPECT_THAT(error_of(std::string(1'000'000, '[')), HasSubstr("nested deeper"));
  std::string objects;
  for (int i = 0; i < 513; ++i) objects += "{\"a\":";
  EXPECT_THAT(error_of(objects), HasSubstr("nested deeper"));
  const Json deepest = parse_json(nested(512), "text").value();
  EXPECT_EQ(dump_json(deepest, -1), nested(512));
}

struct BrokenText {
  const char* text;
  const char* error;
};

TEST(ParseJson, NamesLineColumnAndWhatWasFound) {
  const std::vector<BrokenText> cases = {
      {"", "line 1, column 1: is empty"},
      {"{\n  \"a\": 1,\n}", "line 3, column 1: syntax error while parsing object key - unexpected '}'"},
      {"{\"ü\": tru}", "line 1, column 10: syntax error while parsing value - invalid literal"},
      {"[1 2]", "line 1, column 4: syntax error while parsing array - unexpected number literal"},
      {"{} x", "line 1, column 4: syntax error while parsing value - invalid literal"},
      {"[\"a\nb\"]", "line 1, column 4: syntax error while parsing value - invalid string: control"},
      {"[\"\xFF\"]", "line 1, column 3: syntax error while parsing value - invalid string: ill-formed UTF-8"},
      {"[\"\\ud800\"]", "syntax error while parsing value - invalid string: surrogate"},
      {"[01]", "line 1, column 3: syntax error"},
      {"[1e999]", "number overflow"},
      {"[NaN]", "line 1, column 2: syntax error"},
      {"{\"a\": 1, // comment\n}", "syntax error"},
  };
  for (const BrokenText& broken : cases) {
    SCOPED_TRACE(broken.text);
    EXPECT_THAT(error_of(broken.text), ::testing::StartsWith("config.json: line "));
    EXPECT_THAT(error_of(broken.text), HasSubstr(broken.error));
  }
}

TEST(ParseJson, LooksAtEveryByte) {
  EXPECT_EQ(error_of(std::string("{}\n\0 rest", 9)),
            "config.json: line 2, column 1: a NUL byte, which JSON does not have");
}

TEST(ParseJson, QuotesNoMoreThanALineOfWhatIsWrong) {
  EXPECT_LT(error_of("[\"" + std::string(1'000'000, 'x')).size(), 400U);
}

TEST(ParseJson, TakesLargeAnnotations) {
  std::string text = R"({"annotations":{"large":")" + std::string(200'000, 'x') + "\"";
  for (int i = 0; i < 20'000; ++i) text += ",\"key" + std::to_string(i) + "\":\"v\"";
  text += "}}";
  const auto before = std::chrono::steady_clock::now();
  const auto parsed = parse_json(text, "text");
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(dump_json(*parsed, -1), text);
  // Searching the whole object at each key would take minutes here.
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(20));
}

// A random document, of every kind of value.
Json random_json(std::mt19937_64& random, int depth) {
  const auto text = [&] {
    static const std::vector<std::string> kPieces = {"a", "ü",  "東",   "🚢", "\"", "\\",
                                                     "/", "\n", "\x01", " ", "~"};
    std::string out;
    for (auto i = random() % 6; i > 0; --i) out += kPieces[random() % kPieces.size()];
    return out;
  };
  switch (random() % (depth == 0 ? 6 : 8)) {
    case 0:
      return nullptr;
    case 1:
      return random() % 2 == 0;
    case 2:
      return std::uint64_t{random()};
    case 3:
      return static_cast<std::int64_t>(random());
    case 4:
      return static_cast<double>(static_cast<std::int64_t>(random())) * 1e-12;
    case 5:
      return text();
    case 6: {
      Json array = Json::array();
      for (auto i = random() % 5; i > 0; --i) array.push_back(random_json(random, depth - 1));
      return array;
    }
    default: {
      Json object = Json::object();
      for (auto i = random() % 5; i > 0; --i) object[text()] = random_json(random, depth - 1);
      return object;
    }
  }
}

TEST(ParseJson, IsTheInverseOfDumpJson) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const Json document = random_json(random, 5);
    for (const int indent : {-1, 0, 2}) {
      const std::string text = dump_json(document, indent);
      const auto parsed = parse_json(text, "dumped");
      ASSERT_TRUE(parsed) << parsed.error().message();
      ASSERT_EQ(*parsed, document);
      ASSERT_EQ(dump_json(*parsed, indent), text);
    }
  }
}

TEST(Annotation, IsAStringOrAbsentOrAnError) {
  const auto of = [](const char* text) { return annotation(parse_json(text, "text").value(), "k"); };
  EXPECT_EQ(of("{}").value(), std::nullopt);
  EXPECT_EQ(of(R"({"annotations": null})").value(), std::nullopt);
  EXPECT_EQ(of(R"({"annotations": {"other": "v"}})").value(), std::nullopt);
  EXPECT_EQ(of(R"({"annotations": {"k": "v"}})").value(), "v");
  EXPECT_EQ(of(R"({"annotations": {"k": ""}})").value(), "");
  EXPECT_EQ(of(R"({"annotations": {"k": 1}})").error().message(),
            "/annotations/k: expected a string, found number");
  EXPECT_EQ(of(R"({"annotations": {"k": null}})").error().message(),
            "/annotations/k: expected a string, found null");
  EXPECT_EQ(of(R"({"annotations": ["k"]})").error().message(), "/annotations: expected an object of strings");
}

TEST(IsUtf8, TellsWhatAJsonStringCanHold) {
  for (const char* good : {"", "/run/tidewaiter", "/tmp/ü東🚢"}) EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad : {"\xff", "/tmp/\xc3", "\xed\xa0\x80"}) EXPECT_FALSE(is_utf8(bad));
}

TEST(KeyCase, OfWhatIsReadOnTheWayToTheFilterIsExact) {
  const auto check = [](const char* text) {
    const Status checked = check_key_case(parse_json(text, "text").value());
    return checked ? std::string() : checked.error().message();
  };
  for (
      const char* good :
      {"{}", R"({"Hooks": 1, "x-Linux": {"SECCOMP": 1}})",
       R"({"linux": {"Devices": {"seccomp ": 1}, "resources": {"Devices": 1, "unified": {"MEMORY.max": "1"}}}})",
       R"({"process": {"NNP": true}, "linux": {"seccomp": {"defaultAction": "x", "syscalls": [{"names": ["A"]}]}}})",
       R"({"annotations": {"LINUX": "1"}, "linux": null})"}) {
    EXPECT_EQ(check(good), "") << good;
  }
  const std::vector<std::pair<const char*, const char*>> bad = {
      {R"({"linux": {}, "Linux": {}})", "/Linux: expected \"linux\""},
      {R"({"Annotations": {}})", "/Annotations: expected \"annotations\""},
      {R"({"process": {"nonewprivileges": true}})", "/process/nonewprivileges: expected \"noNewPrivileges\""},
      {R"({"linux": {"seccomp": {}, "\u017feccomp": {}}})", "expected \"seccomp\""},
      {R"({"Mounts": []})", "/Mounts: expected \"mounts\""},
      {R"({"HostName": "a"})", "/HostName: expected \"hostname\""},
      {R"({"process": {"Env": []}})", "/process/Env: expected \"env\""},
      {R"({"process": {"User": {}}})", "/process/User: expected \"user\""},
      {R"({"process": {"user": {"UID": 0}}})", "/process/user/UID: expected \"uid\""},
      {R"({"process": {"user": {"AdditionalGids": []}}})", "expected \"additionalGids\""},
      {R"({"process": {"capabilities": {"Ambient": []}}})",
       "/process/capabilities/Ambient: expected \"ambient\""},
      {R"({"linux": {"uidmappings": []}})", "/linux/uidmappings: expected \"uidMappings\""},
      {R"({"linux": {"gidmappings": []}})", "/linux/gidmappings: expected \"gidMappings\""},
      {R"({"linux": {"Sysctl": {}}})", "/linux/Sysctl: expected \"sysctl\""},
      {R"({"linux": {"resources": {"cpu": {"CPUs": "0"}}}})", "/linux/resources/cpu/CPUs: expected \"cpus\""},
      {R"({"linux": {"readOnlyPaths": []}})", "/linux/readOnlyPaths: expected \"readonlyPaths\""},
      {R"({"linux": {"maskedpaths": []}})", "/linux/maskedpaths: expected \"maskedPaths\""},
      {R"({"linux": {"Namespaces": []}})", "/linux/Namespaces: expected \"namespaces\""},
      {R"({"linux": {"seccomp": {"SYSCALLS": []}}})", "/linux/seccomp/SYSCALLS: expected \"syscalls\""},
      {R"({"linux": {"seccomp": {"listenerpath": ""}}})", "expected \"listenerPath\""},
      {R"({"linux": {"seccomp": {"syscalls": [{"names": []}, {"Action": "x"}]}}})",
       "/linux/seccomp/syscalls/1/Action: expected \"action\""},
      {R"({"linux": {"seccomp": {"syscalls": [{"args": [{"OP": "x"}]}]}}})",
       "/linux/seccomp/syscalls/0/args/0/OP: expected \"op\""},
      {R"({"linux": {"Resources": {}}})", "/linux/Resources: expected \"resources\""},
      {R"({"linux": {"resources": {"memory": {"Limit": 1}}}})",
       "/linux/resources/memory/Limit: expected \"limit\""},
      {R"({"linux": {"resources": {"PIDS": {}}}})", "/linux/resources/PIDS: expected \"pids\""},
      {R"({"linux": {"resources": {"cpu": {"QUOTA": 1}}}})",
       "/linux/resources/cpu/QUOTA: expected \"quota\""},
      {R"({"mounts": [{}, {"Type": "bind"}]})", "/mounts/1/Type: expected \"type\""},
      {R"({"mounts": [{"OPTIONS": []}]})", "/mounts/0/OPTIONS: expected \"options\""},
      {R"({"linux": {"namespaces": [{"PATH": "/x"}]}})", "/linux/namespaces/0/PATH: expected \"path\""},
      {R"({"process": {"scheduler": {"Policy": "SCHED_RR"}}})",
       "/process/scheduler/Policy: expected \"policy\""},
      {R"({"process": {"SelinuxLabel": "x"}})", "/process/SelinuxLabel: expected \"selinuxLabel\""},
      {R"({"root": {"Path": "/"}})", "/root/Path: expected \"path\""},
      {R"({"process": {"rlimits": [{}, {"Type": "RLIMIT_NOFILE"}]}})",
       "/process/rlimits/1/Type: expected \"type\""},
  };
  for (const auto& [text, error] : bad) EXPECT_NE(check(text).find(error), std::string::npos) << text;
}

TEST(NoNewPrivileges, IsFalseUnlessItIsTrue) {
  const auto of = [](const char* text) { return no_new_privileges(parse_json(text, "text").value()); };
  EXPECT_TRUE(of(R"({"process": {"noNewPrivileges": true}})"));
  EXPECT_FALSE(of(R"({"process": {"noNewPrivileges": false}})"));
  EXPECT_FALSE(of(R"({"process": {"noNewPrivileges": "true"}})"));
  EXPECT_FALSE(of(R"({"process": {}})"));
  EXPECT_FALSE(of(R"({"process": []})"));
  EXPECT_FALSE(of("{}"));
  EXPECT_FALSE(of("[]"));
}

}  // namespace
}  // namespace tidewaiter::spec

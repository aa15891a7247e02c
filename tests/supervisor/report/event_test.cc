#include "supervisor/report/event.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <random>

namespace tidewaiter::supervisor {
namespace {

Event make_event() {
  Event event;
  event.container = "box";
  event.policy = "web";
  event.syscall = "connect";
  event.category = policy::Category::kNetwork;
  event.tid = 7;
  event.verdict = EventVerdict::kDenied;
  event.errno_value = EACCES;
  event.duration = std::chrono::microseconds(1'234'567);
  return event;
}

// One line, one JSON object.
nlohmann::json parse_line(const std::string& line) {
  EXPECT_TRUE(line.ends_with("}\n"));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  auto json = nlohmann::json::parse(line, nullptr, false);
  EXPECT_TRUE(json.is_object()) << line;
  return json;
}

TEST(Event, LeavesOutWhatIsNotKnown) {
  nlohmann::json json = parse_line(to_json_line(make_event()));
  EXPECT_TRUE(json["time"].is_string());
  json.erase("time");
  EXPECT_EQ(json, nlohmann::json::parse(R"({"container": "box", "policy": "web", "syscall": "connect",
      "category": "network", "tid": 7, "verdict": "denied", "denied": true, "errno": "EACCES",
      "duration": 1.234567})"));
}

TEST(Event, IsOfNoCallWhereNoneWasMade) {
  Event event = make_event();
  event.syscall = "";
  const nlohmann::json json = parse_line(to_json_line(event));
  EXPECT_FALSE(json.contains("syscall"));
  EXPECT_FALSE(json.contains("tid"));
}

TEST(Event, SaysWhoWhereAndByWhichRule) {
  Event event = make_event();
  event.rule = "/network/deny/0";
  event.identity = {5, 4, "/usr/bin/curl"};
  event.endpoint = policy::Endpoint{policy::Transport::kUdp, {}, 53};
  event.endpoint->address.bytes = {192, 0, 2, 1};
  const nlohmann::json json = parse_line(to_json_line(event));
  EXPECT_EQ(json["rule"], "/network/deny/0");
  EXPECT_EQ(json["pid"], 5);
  EXPECT_EQ(json["parent_pid"], 4);
  EXPECT_EQ(json["executable"], "/usr/bin/curl");
  EXPECT_EQ(json["host"], "192.0.2.1");
  EXPECT_EQ(json["port"], 53);
  EXPECT_EQ(json["transport"], "udp");
}

TEST(Event, HasNoPortWithIcmp) {
  Event event = make_event();
  event.endpoint = policy::Endpoint{policy::Transport::kIcmp, {}, 7};
  const nlohmann::json json = parse_line(to_json_line(event));
  EXPECT_EQ(json["transport"], "icmp");
  EXPECT_EQ(json["host"], "0.0.0.0");
  EXPECT_FALSE(json.contains("port"));
}

TEST(Event, NamesEveryVerdict) {
  const struct {
    EventVerdict verdict;
    const char* name;
    bool denied;
  } cases[] = {
      {EventVerdict::kAllowed, "allowed", false}, {EventVerdict::kDenied, "denied", true},
      {EventVerdict::kAudited, "audited", true},  {EventVerdict::kKilled, "killed", true},
      {EventVerdict::kFailed, "failed", false},   {EventVerdict::kStopped, "stopped", true},
  };
  for (const auto& test : cases) {
    Event event = make_event();
    event.verdict = test.verdict;
    event.errno_value = 0;
    const nlohmann::json json = parse_line(to_json_line(event));
    EXPECT_EQ(json["verdict"], test.name);
    EXPECT_EQ(json["denied"], test.denied);
    EXPECT_FALSE(json.contains("errno"));
  }
}

TEST(Event, NamesAnyErrnoOrNone) {
  for (int value = 1; value <= 4095; ++value) {
    Event event = make_event();
    event.errno_value = value;
    const nlohmann::json json = parse_line(to_json_line(event));
    if (const char* name = ::strerrorname_np(value)) {
      EXPECT_EQ(json["errno"], name);
    } else {
      EXPECT_FALSE(json.contains("errno"));
    }
  }
}

TEST(Event, StaysOneLineWhateverTheTargetIsCalled) {
  const struct {
    std::string executable;
    std::string shown;
  } cases[] = {
      {"/tmp/\"quoted\"", "/tmp/\"quoted\""},
      {"/tmp/x\",\"verdict\":\"allowed", "/tmp/x\",\"verdict\":\"allowed"},
      {"/tmp/back\\slash\\", "/tmp/back\\slash\\"},
      {"/tmp/line\n{\"container\":\"other\"}\n", "/tmp/line\n{\"container\":\"other\"}\n"},
      {"/tmp/\r\t\b\f\x01\x1f\x7f", "/tmp/\r\t\b\f\x01\x1f\x7f"},
      {std::string("/tmp/nul\0x", 10), std::string("/tmp/nul\0x", 10)},
      {"/tmp/\xc3\xa4", "/tmp/\xc3\xa4"},
      {"/tmp/\xff", "/tmp/\xef\xbf\xbd"},
      {"/tmp/\xe2\x80\xa8", "/tmp/\xe2\x80\xa8"},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.executable);
    Event event = make_event();
    event.identity.executable = test.executable;
    const nlohmann::json json = parse_line(to_json_line(event));
    EXPECT_EQ(json["executable"], test.shown);
    EXPECT_EQ(json["verdict"], "denied");
  }
}

TEST(Event, CutsWhatIsTooLong) {
  for (const char* piece : {"x", "\"", "\n", "\xff", "\xc3\xa4", "\xf0\x9f\x90\x99"}) {
    Event event = make_event();
    std::string name;
    while (name.size() < 1'000'000) name += piece;
    event.identity.executable = name;
    const std::string line = to_json_line(event);
    EXPECT_LT(line.size(), 32'000U);
    EXPECT_LT(parse_line(line)["executable"].get<std::string>().size(), 16'000U);
  }
}

TEST(Event, StaysOneLineWhateverBytesThereAre) {
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    Event event = make_event();
    std::string container(random() % 64, '\0');
    for (char& byte : container) byte = static_cast<char>(random());
    event.identity.executable.resize(random() % 512);
    for (char& byte : event.identity.executable) byte = static_cast<char>(random());
    event.container = container;
    parse_line(to_json_line(event));
  }
}

}  // namespace
}  // namespace tidewaiter::supervisor

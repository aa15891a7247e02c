#include "oci/spec/init_mount.h"

#include <gtest/gtest.h>

namespace tidewaiter::spec {
namespace {

TEST(BindInit, ChoosesAPlaceThatLeavesNothingInTheImage) {
  const struct {
    const char* mounts;
    const char* place;
  } cases[] = {
      {"null", "/.tidewaiter-init"},
      {R"([])", "/.tidewaiter-init"},
      {R"([{"destination": "/dev", "type": "tmpfs", "options": ["nosuid", "mode=755"]}])",
       "/dev/.tidewaiter-init"},
      {R"([{"destination": "dev//", "type": "tmpfs"}, 5])", "/dev/.tidewaiter-init"},
      // Anywhere.
      {R"([{"destination": "/dev", "type": "tmpfs"}, {}])", "/.tidewaiter-init"},
      {R"([{"destination": "/dev", "type": "tmpfs", "options": ["ro"]}])", "/.tidewaiter-init"},
      // The host's.
      {R"([{"destination": "/dev", "type": "bind", "source": "/dev"}])", "/.tidewaiter-init"},
      {R"([{"destination": "/dev", "type": "tmpfs", "options": ["rbind"]}])", "/.tidewaiter-init"},
      {R"([{"destination": "/dev", "type": "tmpfs"}, {"destination": "/dev", "type": "bind"}])",
       "/.tidewaiter-init"},
      {R"([{"destination": "/dev", "type": "tmpfs"}, {"destination": "/", "type": "bind"}])",
       "/.tidewaiter-init"},
      {R"([{"destination": "/dev", "type": "tmpfs"}, {"destination": "/dev/pts", "type": "devpts"}])",
       "/dev/.tidewaiter-init"},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.mounts);
    Json config;
    config["mounts"] = Json::parse(test.mounts);
    const std::size_t before = config["mounts"].size();
    const auto place = bind_init(config, "/usr/bin/tidewaiter-init");
    ASSERT_TRUE(place) << place.error().message();
    EXPECT_EQ(*place, test.place);
    ASSERT_EQ(config["mounts"].size(), before + 1);
    const Json expected =
        Json::parse(R"({"destination": "", "type": "bind", "source": "/usr/bin/tidewaiter-init",
                                          "options": ["bind", "rprivate", "ro", "nosuid", "nodev"]})");
    Json made = config["mounts"].back();
    EXPECT_EQ(made["destination"], test.place);
    made["destination"] = "";
    EXPECT_EQ(made, expected);
  }
  Json broken = Json::parse(R"({"mounts": {}})");
  EXPECT_FALSE(bind_init(broken, "/usr/bin/tidewaiter-init"));
}

TEST(PutBefore, PutsTheArgumentsInFront) {
  Json process = Json::parse(R"({"user": {"uid": 1}, "args": ["sh", "-c", "--"], "cwd": "/"})");
  ASSERT_TRUE(put_before(process, {"/init", "r", "r/usr", "--"}));
  EXPECT_EQ(process.dump(),
            R"({"user":{"uid":1},"args":["/init","r","r/usr","--","sh","-c","--"],"cwd":"/"})");
}

TEST(PutBefore, LeavesAProcessWithoutAProgramToTheRuntime) {
  for (const char* text : {"{}", R"({"args":null})", R"({"args":[]})"}) {
    Json process = Json::parse(text);
    EXPECT_TRUE(put_before(process, {"/init"}));
    EXPECT_EQ(process.dump(), text);
  }
}

TEST(PutBefore, RefusesWhatIsNoListOfStrings) {
  for (const char* text : {"[]", "5", R"({"args":"sh"})", R"({"args":["sh",5]})", R"({"args":{}})"}) {
    Json process = Json::parse(text);
    EXPECT_FALSE(put_before(process, {"/init"})) << text;
    EXPECT_EQ(process, Json::parse(text));
  }
  Json process = Json::parse(R"({"args":["sh",5]})");
  EXPECT_EQ(put_before(process, {"/init"}).error().message(),
            "args: expected an array of strings, found in it number");
}

}  // namespace
}  // namespace tidewaiter::spec

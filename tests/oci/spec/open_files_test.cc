#include "oci/spec/open_files.h"

#include <gtest/gtest.h>

namespace tidewaiter::spec {
namespace {

TEST(OpenFiles, AreLoweredEachByItself) {
  const struct {
    const char* process;
    std::uint64_t most;  // before
    const char* lowered;
  } cases[] = {
      {R"({})", 0, R"({})"},
      {R"({"rlimits":null})", 0, R"({"rlimits":null})"},
      {R"({"rlimits":[]})", 0, R"({"rlimits":[]})"},
      {R"({"rlimits":[{"type":"RLIMIT_NPROC","hard":9999,"soft":9999}]})", 0,
       R"({"rlimits":[{"type":"RLIMIT_NPROC","hard":9999,"soft":9999}]})"},
      {R"({"rlimits":[{"type":"RLIMIT_NOFILE","hard":18446744073709551615,"soft":32}]})",
       18446744073709551615U, R"({"rlimits":[{"type":"RLIMIT_NOFILE","hard":64,"soft":32}]})"},
      {R"({"rlimits":[{"type":"RLIMIT_NOFILE","hard":32,"soft":100}]})", 100,
       R"({"rlimits":[{"type":"RLIMIT_NOFILE","hard":32,"soft":64}]})"},
      {R"({"rlimits":[{"type":"RLIMIT_NOFILE"}]})", 0, R"({"rlimits":[{"type":"RLIMIT_NOFILE"}]})"},
      {R"({"rlimits":[5,{"type":"RLIMIT_NOFILE","hard":65,"soft":65},{"type":"RLIMIT_NOFILE","hard":1,"soft":1}]})",
       65,
       R"({"rlimits":[5,{"type":"RLIMIT_NOFILE","hard":64,"soft":64},{"type":"RLIMIT_NOFILE","hard":1,"soft":1}]})"},
  };
  for (const auto& one : cases) {
    Json process = Json::parse(one.process);
    EXPECT_EQ(most_open_files(process, "").value_or(1), one.most) << one.process;
    EXPECT_TRUE(lower_open_files(process, 64, "")) << one.process;
    EXPECT_EQ(process.dump(), one.lowered);
  }
}

TEST(OpenFiles, AreAddedWhereThereAreNone) {
  Json process = Json::object();
  EXPECT_FALSE(sets_open_files(process, "").value_or(true));
  add_open_files(process, 32, 64);
  EXPECT_TRUE(sets_open_files(process, "").value_or(false));
  EXPECT_EQ(process.dump(), R"({"rlimits":[{"type":"RLIMIT_NOFILE","hard":64,"soft":32}]})");
}

TEST(OpenFiles, RefuseWhatNoRuntimeReads) {
  Json process = Json::parse(R"({"rlimits": [{"type": "RLIMIT_NOFILE", "hard": "64"}]})");
  EXPECT_EQ(lower_open_files(process, 64, "/process").error().message(),
            R"(/process/rlimits/0/hard: expected a whole number that is not negative, found "64")");
  process = Json::parse(R"({"rlimits": {}})");
  EXPECT_EQ(sets_open_files(process, "/process").error().message(),
            "/process/rlimits: expected an array, found object");
}

}  // namespace
}  // namespace tidewaiter::spec

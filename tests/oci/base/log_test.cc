#include "oci/base/log.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "oci/base/system.h"
#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter {
namespace {

// Sends the log into a file for as long as it lives.
class CapturedLog {
 public:
  CapturedLog() : fd_(sys::open(folder_ / "log", O_WRONLY | O_CREAT | O_APPEND, 0600).value()) {
    log::set_output(fd_.get());
    log::set_threshold(log::Level::kInfo);
  }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;
  ~CapturedLog() {
    log::set_output(STDERR_FILENO);
    log::set_threshold(log::Level::kInfo);
  }

  std::vector<nlohmann::json> lines() {
    std::vector<nlohmann::json> parsed;
    std::istringstream text(sys::read_file(folder_ / "log").value());
    for (std::string line; std::getline(text, line);) {
      parsed.push_back(nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false));
    }
    return parsed;
  }

 private:
  testing::TemporaryFolder folder_;
  UniqueFd fd_;
};

TEST(Log, WritesOneObjectPerLine) {
  CapturedLog captured;
  log::warning("agent has \"ended\"", {{"container", "a\nb"}, {"path", "\xFF"}});
  log::error("second");
  const auto lines = captured.lines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["level"], "warning");
  EXPECT_EQ(lines[0]["message"], "agent has \"ended\"");
  EXPECT_EQ(lines[0]["container"], "a\nb");
  EXPECT_EQ(lines[0]["path"], "\uFFFD");
  EXPECT_TRUE(lines[0]["time"].is_string());
  EXPECT_EQ(lines[1]["level"], "error");
}

TEST(Log, DropsLinesBelowTheThreshold) {
  CapturedLog captured;
  log::write(log::Level::kDebug, "dropped");
  log::set_threshold(log::Level::kDebug);
  log::write(log::Level::kDebug, "kept");
  log::set_threshold(log::Level::kError);
  log::warning("dropped too");
  const auto lines = captured.lines();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["message"], "kept");
}

TEST(Log, CutsLongValues) {
  CapturedLog captured;
  log::info("long", {{"value", std::string(100'000, 'x')}});
  EXPECT_EQ(captured.lines().at(0)["value"], std::string(4096, 'x') + "…");
}

TEST(Log, StopsAtItsBoundAndSaysSo) {
  CapturedLog captured;
  const pid_t child = ::fork();  // the bound is a process's
  if (child == 0) {
    const std::string value(4000, 'x');
    for (std::size_t i = 0; i < 2 * log::kMaxWritten / value.size(); ++i)
      log::info("again", {{"value", value}});
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const auto lines = captured.lines();
  ASSERT_GT(lines.size(), 200U);
  EXPECT_LT(lines.size(), 270U) << "of four thousand bytes each";
  EXPECT_EQ(lines.back()["message"], "no more is logged for now");
  log::info("another process");
  EXPECT_EQ(captured.lines().back()["message"], "another process");
}

TEST(Log, KeepsErrno) {
  const CapturedLog captured;
  log::set_output(-1);
  errno = EXDEV;
  log::info("nowhere to go");
  EXPECT_EQ(errno, EXDEV);
}

TEST(Log, LinesOfSeveralThreadsDoNotMix) {
  CapturedLog captured;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int line = 0; line < 200; ++line) log::info("line", {{"filling", std::string(300, 'x')}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto lines = captured.lines();
  EXPECT_EQ(lines.size(), 800U);
  for (const auto& line : lines) ASSERT_TRUE(line.is_object());
}

}  // namespace
}  // namespace tidewaiter

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "oci/base/system.h"

// tidewaiter-agent as a person calls it.

namespace tidewaiter::supervisor {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Outcome {
  int exit_code = -1;
  std::string text;  // standard output and error
};

Outcome agent(std::vector<std::string> arguments) {
  Outcome outcome;
  auto pipe = sys::pipe();
  if (!pipe) return outcome;
  arguments.insert(arguments.begin(), TIDEWAITER_AGENT);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(pipe->write_end.get(), STDOUT_FILENO);
    ::dup2(pipe->write_end.get(), STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  pipe->write_end.reset();
  outcome.text = sys::read_all(pipe->read_end.get()).value_or("");
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  return outcome;
}

TEST(AgentProgram, SaysWhatItCanBeAsked) {
  const Outcome help = agent({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* option : {"--node", "--replace STATE_FOLDER", "--resolve NAME...", "--version"})
    EXPECT_THAT(help.text, HasSubstr(option));
  const Outcome version = agent({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_EQ(version.text, "tidewaiter-agent " TIDEWAITER_VERSION "\n");
}

TEST(AgentProgram, SaysWhatIsMissingOrTooMuch) {
  const Outcome nothing = agent({});
  EXPECT_EQ(nothing.exit_code, 2);
  EXPECT_THAT(nothing.text, AllOf(StartsWith("tidewaiter-agent: --state-folder is missing"),
                                  HasSubstr("--node"), HasSubstr("--replace"), HasSubstr("--help")));
  const std::vector<std::vector<std::string>> wrongs = {{"foo"}, {"--nod3"}, {"--node", "more"}};
  for (const auto& wrong : wrongs) {
    const Outcome outcome = agent(wrong);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.text;
    EXPECT_THAT(outcome.text, AllOf(HasSubstr("; see --help\n"), Not(HasSubstr("state-folder"))));
  }
}

// Which takes as many as there are.
TEST(AgentProgram, TakesSeveralNamesToResolve) {
  const Outcome outcome = agent({"--resolve", "localhost", "localhost."});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("\"localhost\""), HasSubstr("\"localhost.\"")));
}

}  // namespace
}  // namespace tidewaiter::supervisor

#include "shim/options.h"

#include <gmock/gmock.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::shim {
namespace {

using ::testing::ElementsAre;

// Words as main() gets them.
class Words {
 public:
  explicit Words(const std::string& line) {
    std::istringstream stream(line);
    for (std::string word; stream >> word;) words_.push_back(word == "''" ? "" : word);
    for (std::string& word : words_) pointers_.push_back(word.data());
    pointers_.push_back(nullptr);
  }
  [[nodiscard]] int argc() const { return static_cast<int>(words_.size()); }
  char** argv() { return pointers_.data(); }

 private:
  std::deque<std::string> words_;
  std::vector<char*> pointers_;
};

std::vector<std::string> arguments_of(const CommandLine& line) {
  return {line.argv.begin(), line.argv.end() - 1};
}

std::string set(const char* name, const std::string& value) {
  return value.empty() ? "" : std::string(" ") + name + "=" + value;
}

// What was found in a line, in a fixed order and without what was not.
std::string found_in(const std::string& text, Spelling spelling) {
  Words words(text);
  const auto line = read_command_line(words.argc(), words.argv());
  if (!line) return "error: " + line.error().message();
  std::string found = line->command.empty() ? "none" : line->command;
  found += set("root", line->root) + set("log", line->log) + set("format", line->log_format) +
           set("cgroups", line->cgroup_manager) + set("ours", line->config_file);
  if (line->command.empty()) return found;
  EXPECT_STREQ(line->argv[line->command_index], line->command.c_str());
  const ContainerOptions options = read_container_options(*line, spelling);
  found += set("bundle", options.bundle.value_or("")) + set("config", options.config.value_or("")) +
           set("id", options.id);
  if (options.resources)
    found += set("resources", line->argv[options.resources->argument] + options.resources->offset);
  for (const std::string& cgroup : options.cgroups) found += set("cgroup", cgroup);
  if (options.process)
    found += set("process", line->argv[options.process->argument] + options.process->offset);
  return found;
}

struct Case {
  const char* line;
  const char* found;
};

constexpr Spelling kBoth[] = {Spelling::kGetopt, Spelling::kGo};

// What crun and runc read alike.
constexpr Case kSharedCases[] = {
    // No command.
    {"tw", "none"},
    {"tw --version", "none"},
    {"tw -v", "none"},
    {"tw -V", "none"},
    {"tw --help", "none"},
    {"tw -h", "none"},
    {"tw -?", "none"},
    {"tw --usage", "none"},
    {"tw --", "none"},
    {"tw --root R", "none root=R"},
    {"tw --root", "none"},
    // Global options and their values.
    {"tw create ID", "create id=ID"},
    {"tw --root R create ID", "create root=R id=ID"},
    {"tw --root=R create ID", "create root=R id=ID"},
    {"tw -root R create ID", "create root=R id=ID"},
    {"tw -root=R create ID", "create root=R id=ID"},
    {"tw --root= create ID", "create id=ID"},
    {"tw --root '' create ID", "create id=ID"},
    {"tw --root create create ID", "create root=create id=ID"},
    {"tw --root --log create ID", "create root=--log id=ID"},
    {"tw --root R=S create ID", "create root=R=S id=ID"},
    {"tw --root=R=S create ID", "create root=R=S id=ID"},
    {"tw --root A --root B create ID", "create root=B id=ID"},
    {"tw --debug create ID", "create id=ID"},
    {"tw -debug create ID", "create id=ID"},
    {"tw --systemd-cgroup create ID", "create id=ID"},
    {"tw --systemd-cgroup --root R create ID", "create root=R id=ID"},
    {"tw --cgroup-manager=systemd create ID", "create cgroups=systemd id=ID"},
    {"tw --criu criu create ID", "create id=ID"},
    {"tw --rootless true create ID", "create id=ID"},
    {"tw --rootless=auto create ID", "create id=ID"},
    {"tw --log-level debug create ID", "create id=ID"},
    {"tw --log L create ID", "create log=L id=ID"},
    {"tw --log=L --log-format=json create ID", "create log=L format=json id=ID"},
    {"tw --log L --log-format json create ID", "create log=L format=json id=ID"},
    {"tw -log L -log-format json create ID", "create log=L format=json id=ID"},
    {"tw --log-format text --log L create ID", "create log=L format=text id=ID"},
    {"tw --unknown create ID", "create id=ID"},
    {"tw --unknown=value create ID", "create id=ID"},
    {"tw -- create ID", "create id=ID"},
    {"tw --root R -- create ID", "create root=R id=ID"},
    {"tw - ID", "- id=ID"},
    // Our own option, and callers as they are.
    {"tw --tidewaiter-config F create ID", "create ours=F id=ID"},
    {"tw --tidewaiter-config=F create ID", "create ours=F id=ID"},
    {"tw -tidewaiter-config F create ID", "create ours=F id=ID"},
    {"tw --root R --tidewaiter-config F --log L create ID", "create root=R log=L ours=F id=ID"},
    {"tw --tidewaiter-config", "error: --tidewaiter-config needs the path of a configuration file"},
    {"tw --tidewaiter-config= create ID",
     "error: --tidewaiter-config needs the path of a configuration file"},
    {"tw --root R --log L --log-format json create --bundle B --pid-file P ID",
     "create root=R log=L format=json bundle=B id=ID"},
    {"tw --root R exec --process FILE --detach --pid-file P ID", "exec root=R id=ID process=FILE"},
    {"tw --systemd-cgroup --log-format=json --log=L create --bundle B --pid-file P --console-socket S ID",
     "create log=L format=json bundle=B id=ID"},
    {"tw --root R --log L --log-format json delete --force ID", "delete root=R log=L format=json id=ID"},
    // create and run.
    {"tw create", "create"},
    {"tw create --help", "create"},
    {"tw create --bundle B", "create bundle=B"},
    {"tw create --bundle", "create"},
    {"tw create --bundle B ID", "create bundle=B id=ID"},
    {"tw create --bundle=B ID", "create bundle=B id=ID"},
    {"tw create -b B ID", "create bundle=B id=ID"},
    {"tw create --bundle A -b B ID", "create bundle=B id=ID"},
    {"tw create --bundle -- ID", "create bundle=-- id=ID"},
    {"tw create -b B -- ID", "create bundle=B id=ID"},
    {"tw create -b B -- -ID", "create bundle=B id=-ID"},
    {"tw create --bundle B ID --no-pivot", "create bundle=B id=ID"},
    {"tw create --config C ID", "create config=C id=ID"},
    {"tw create --config=C ID", "create config=C id=ID"},
    {"tw create -f C -b B ID", "create bundle=B config=C id=ID"},
    {"tw create --no-pivot --no-new-keyring --preserve-fds 3 ID", "create id=ID"},
    {"tw create --preserve-fds=3 --console-socket=S ID", "create id=ID"},
    {"tw create --pidfd-socket S --pid-file P -b B ID", "create bundle=B id=ID"},
    {"tw create --from-the-future VALUE -b B ID", "create bundle=B id=ID"},
    {"tw run --detach --keep -b B ID", "run bundle=B id=ID"},
    {"tw run -d -b B ID", "run bundle=B id=ID"},
    {"tw run -d --console-socket S ID", "run id=ID"},
    {"tw run --no-subreaper ID", "run id=ID"},
    // exec: what follows the id is the program's.
    {"tw exec", "exec"},
    {"tw exec ID ls -l --bundle X", "exec id=ID"},
    {"tw exec -- ID ls", "exec id=ID"},
    {"tw exec -t ID sh", "exec id=ID"},
    {"tw exec --tty ID sh", "exec id=ID"},
    {"tw exec --tty=true ID sh", "exec id=ID"},
    {"tw exec -d -t -e A=B -u 1:2 ID sh", "exec id=ID"},
    {"tw exec --env A=B --env=C=D --user 1 --cwd /tmp ID sh", "exec id=ID"},
    {"tw exec -g 1 --additional-gids 2 ID sh", "exec id=ID"},
    {"tw exec --cap CAP_KILL -c CAP_CHOWN ID sh", "exec id=ID"},
    {"tw exec -p FILE ID", "exec id=ID process=FILE"},
    {"tw exec --process=FILE ID", "exec id=ID process=FILE"},
    {"tw exec --process FILE -t ID", "exec id=ID process=FILE"},
    {"tw exec --cgroup A ID sh --cgroup B", "exec id=ID cgroup=A"},
    {"tw exec --cgroup A --cgroup=pids:B ID", "exec id=ID cgroup=A cgroup=pids:B"},
    {"tw exec --process A -p B ID", "exec id=ID process=B"},
    {"tw exec --process-label L ID ls --process FILE", "exec id=ID"},
    {"tw exec --process", "exec"},
    {"tw --cgroup-manager=disabled create ID", "create cgroups=disabled id=ID"},
    {"tw --cgroup-manager systemd create ID", "create cgroups=systemd id=ID"},
    {"tw exec --cgroup C --ignore-paused --no-new-privs ID sh", "exec id=ID cgroup=C"},
    {"tw exec --apparmor A --process-label L --preserve-fds 2 --pidfd-socket S ID sh", "exec id=ID"},
    // delete.
    {"tw delete ID", "delete id=ID"},
    {"tw delete --force ID", "delete id=ID"},
    {"tw delete -f ID", "delete id=ID"},
    {"tw delete ID --force", "delete id=ID"},
    {"tw delete --regex ^a ", "delete id=^a"},
    // update.
    {"tw update --memory 5 ID", "update id=ID"},
    {"tw update --resources FILE ID", "update id=ID resources=FILE"},
    {"tw update --resources=- --pids-limit 5 ID", "update id=ID resources=-"},
    {"tw update -r FILE ID", "update id=ID resources=FILE"},
    {"tw update ID --memory-swap -1", "update id=ID"},
    // restore.
    {"tw restore --image-path I --work-path W --bundle B ID", "restore bundle=B id=ID"},
    {"tw restore --tcp-established --lsm-profile P --empty-ns network -d ID", "restore id=ID"},
};

// crun and youki, as getopt_long(3).
constexpr Case kGetoptCases[] = {
    {"tw exec --cg=A ID", "exec id=ID cgroup=A"},
    {"tw --ro R create ID", "create root=R id=ID"},  // and not "rootless", which begins so too
    {"tw --ro=R create ID", "create root=R id=ID"},
    {"tw --log-f json create ID", "create format=json id=ID"},  // the only one that begins so
    {"tw --log-l debug create ID", "create id=ID"},
    {"tw create -bB ID", "create bundle=B id=ID"},
    {"tw create -b=B ID", "create bundle==B id=ID"},
    {"tw create -fC -bB ID", "create bundle=B config=C id=ID"},
    {"tw create --bund B ID", "create bundle=B id=ID"},
    {"tw create --bund=B ID", "create bundle=B id=ID"},
    {"tw create --conf C ID", "create config=C id=ID"},
    {"tw create --con C ID", "create config=C id=ID"},  // or console-socket: crun refuses
    {"tw create --no C ID", "create id=ID"},
    {"tw run -db B ID", "run bundle=B id=ID"},
    {"tw run -dbB ID", "run bundle=B id=ID"},
    {"tw run -bdB ID", "run bundle=dB id=ID"},
    {"tw create -bundle ID", "create bundle=undle id=ID"},
    {"tw exec -tu 1 ID sh", "exec id=1"},  // -t takes what is attached
    {"tw exec -dtu ID sh", "exec id=ID"},
    {"tw exec -eA=B -u1 -pFILE ID", "exec id=ID process=FILE"},
    {"tw exec -tdpFILE ID", "exec id=ID"},  // -t takes what is attached
    {"tw exec -dpFILE ID", "exec id=ID process=FILE"},
    {"tw --cgroup-m disabled create ID", "create cgroups=disabled id=ID"},
    {"tw exec -de A=B ID", "exec id=ID"},
};

// runc, as Go's flag package.
constexpr Case kGoCases[] = {
    {"tw create -bundle B ID", "create bundle=B id=ID"},
    {"tw create -bundle=B ID", "create bundle=B id=ID"},
    {"tw create --b B ID", "create bundle=B id=ID"},
    {"tw create --b=B ID", "create bundle=B id=ID"},
    {"tw create -b=B ID", "create bundle=B id=ID"},
    {"tw create -bB ID", "create id=ID"},       // an unknown flag: runc refuses
    {"tw create --bund B ID", "create id=ID"},  // as above
    {"tw create ID --bundle B", "create bundle=B id=ID"},
    {"tw create --no-pivot=true ID", "create id=ID"},
    {"tw run -detach -bundle B ID", "run bundle=B id=ID"},
    {"tw exec -tty -user 1 ID sh", "exec id=ID"},
    {"tw exec -env A=B -cwd / ID sh", "exec id=ID"},
    {"tw exec --u 1 ID sh", "exec id=ID"},
    {"tw exec -process=FILE ID", "exec id=ID process=FILE"},
    {"tw exec --p FILE ID", "exec id=ID process=FILE"},
    {"tw delete -force ID", "delete id=ID"},
    {"tw delete ID -f", "delete id=ID"},
};

TEST(CommandLine, IsReadAlikeInBothSpellings) {
  for (const Case& each : kSharedCases) {
    for (const Spelling spelling : kBoth) EXPECT_EQ(found_in(each.line, spelling), each.found) << each.line;
  }
}

TEST(CommandLine, IsReadAsGetoptReadsIt) {
  for (const Case& each : kGetoptCases) {
    EXPECT_EQ(found_in(each.line, Spelling::kGetopt), each.found) << each.line;
  }
}

TEST(CommandLine, IsReadAsGoReadsIt) {
  for (const Case& each : kGoCases) EXPECT_EQ(found_in(each.line, Spelling::kGo), each.found) << each.line;
}

// Where something could be put before the program of an exec.
TEST(CommandLine, SaysWhereTheProgramOfAnExecBegins) {
  const struct {
    std::vector<const char*> words;
    std::size_t id_index;
    bool has_unknown;
  } cases[] = {
      {{"tw", "exec", "ID", "ls"}, 2, false},
      {{"tw", "exec", "-t", "--", "ID", "ls", "--", "x"}, 4, false},
      {{"tw", "--root", "R", "exec", "--process", "F", "-d", "ID"}, 7, false},
      {{"tw", "exec", "-dpF", "--process=G", "--det", "ID"}, 5, false},
      {{"tw", "exec", "--new-option", "x", "ID"}, 3, true},
      {{"tw", "exec", "-dZ", "x", "ID"}, 3, true},
      {{"tw", "exec", "ID", "--new-option"}, 2, false},
      {{"tw", "exec", "-t"}, 0, false},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(::testing::PrintToString(test.words));
    std::vector<std::string> words(test.words.begin(), test.words.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    const auto line = read_command_line(static_cast<int>(argv.size()), argv.data());
    ASSERT_TRUE(line);
    const ContainerOptions options = read_container_options(*line, Spelling::kGetopt);
    EXPECT_EQ(options.id_index, test.id_index);
    EXPECT_EQ(options.has_unknown, test.has_unknown);
  }
}

TEST(CommandLine, HandsOverEveryArgumentAsItCame) {
  std::vector<Case> all(std::begin(kSharedCases), std::end(kSharedCases));
  all.insert(all.end(), std::begin(kGetoptCases), std::end(kGetoptCases));
  all.insert(all.end(), std::begin(kGoCases), std::end(kGoCases));
  for (const Case& each : all) {
    if (std::string(each.line).find("tidewaiter-config") != std::string::npos) continue;
    Words words(each.line);
    const auto line = read_command_line(words.argc(), words.argv());
    ASSERT_TRUE(line) << each.line;
    ASSERT_EQ(line->argc(), words.argc()) << each.line;
    for (std::size_t i = 0; i <= static_cast<std::size_t>(words.argc()); ++i) {
      EXPECT_EQ(line->argv[i], words.argv()[i]) << each.line;  // the very same strings
    }
  }
}

TEST(CommandLine, TakesOutOurOwnOptionAlone) {
  for (const char* ours : {"--tidewaiter-config F", "--tidewaiter-config=F", "-tidewaiter-config=F"}) {
    Words words(std::string("tw --root R ") + ours + " --debug create --bundle B ID");
    const auto line = read_command_line(words.argc(), words.argv());
    ASSERT_TRUE(line);
    EXPECT_THAT(arguments_of(*line),
                ElementsAre("tw", "--root", "R", "--debug", "create", "--bundle", "B", "ID"));
  }
}

TEST(CommandLine, LeavesOurOptionBehindTheCommandToTheProgram) {
  Words words("tw exec ID echo --tidewaiter-config=F");
  const auto line = read_command_line(words.argc(), words.argv());
  ASSERT_TRUE(line);
  EXPECT_EQ(line->config_file, "");
  EXPECT_THAT(arguments_of(*line), ElementsAre("tw", "exec", "ID", "echo", "--tidewaiter-config=F"));
}

class BundlePlaces : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(bundle_);
    std::filesystem::create_directories(here_);
    std::ofstream(here_ + "/other.json") << "{}";
    std::ofstream(bundle_ + "/other.json") << "{}";
    std::filesystem::current_path(here_);
  }
  void TearDown() override { std::filesystem::current_path("/"); }

  testing::TemporaryFolder folder_;
  const std::string bundle_ = folder_ / "bundle";
  const std::string here_ = folder_ / "here";
};

TEST_F(BundlePlaces, AreWhereCrunLooks) {
  // With crun 1.8.1: every --config but "config.json" itself is relative to the caller's folder.
  const struct {
    std::optional<std::string> bundle;
    std::optional<std::string> config;
    std::string config_file;
  } cases[] = {
      {std::nullopt, std::nullopt, here_ + "/config.json"},
      {"../bundle", std::nullopt, bundle_ + "/config.json"},
      {bundle_, std::nullopt, bundle_ + "/config.json"},
      {"../bundle", "config.json", bundle_ + "/config.json"},
      {"../bundle", "other.json", here_ + "/other.json"},
      {"../bundle", "../bundle/other.json", bundle_ + "/other.json"},
      {"../bundle", bundle_ + "/other.json", bundle_ + "/other.json"},
  };
  for (const auto& each : cases) {
    ContainerOptions options;
    options.bundle = each.bundle;
    options.config = each.config;
    const auto place = locate_bundle(options);
    ASSERT_TRUE(place) << place.error().message();
    EXPECT_EQ(place->config_file, each.config_file);
    EXPECT_EQ(place->directory, each.bundle ? bundle_ : here_);
  }
}

TEST_F(BundlePlaces, AreAnErrorWhenMissing) {
  ContainerOptions no_bundle;
  no_bundle.bundle = "../nowhere";
  ASSERT_FALSE(locate_bundle(no_bundle));
  EXPECT_EQ(locate_bundle(no_bundle).error().code, ENOENT);
  ContainerOptions no_config;
  no_config.config = "./config.json";
  EXPECT_FALSE(locate_bundle(no_config));
}

}  // namespace
}  // namespace tidewaiter::shim

#include "shim/at_entry.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "oci/base/system.h"
#include "oci/container/bundle.h"
#include "oci/container/directories.h"
#include "oci/container/settings.h"
#include "shim/options.h"
#include "shim/runtime.h"
#include "tests/oci/base/temporary_folder.h"

// What is decided before the program begins, held against what the program would decide: on chosen cases by
// hand, and on random ones by its own functions. Folders are those of an ordinary user, which the environment
// names.

namespace tidewaiter::shim {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;
constexpr const char* kPlain = R"({"ociVersion": "1.0.2", "annotations": {"a": "b"}})";
constexpr const char* kUnderPolicy = R"({"annotations": {"io.tidewaiter.policy": "p"}})";

std::mt19937_64& randomness() {
  static std::mt19937_64 engine([] {
    const char* chosen = std::getenv("TIDEWAITER_TEST_SEED");
    const std::uint64_t seed =
        chosen != nullptr ? std::strtoull(chosen, nullptr, 10) : std::random_device{}();
    ::testing::Test::RecordProperty("seed", std::to_string(seed));
    return seed;
  }());
  return engine;
}

template <typename Container>
const auto& any_of(const Container& container) {
  return container[randomness()() % std::size(container)];
}

class AtEntryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* each :
         {"config/tidewaiter", "run/tidewaiter/ours", "run/tidewaiter/named", "bin", "plain", "policed"})
      fs::create_directories(folder_ / each);
    write("run/tidewaiter/named/hosts", "");
    write("plain/config.json", kPlain);
    write("policed/config.json", kUnderPolicy);
    for (const char* each : {"bin/crun", "bin/runc", "bin/other"}) {
      write(each, "#!/bin/sh\n");
      fs::permissions(folder_ / each, fs::perms::all);
    }
    set("HOME", folder_.path());
    set("XDG_CONFIG_HOME", folder_ / "config");
    set("XDG_RUNTIME_DIR", folder_ / "run");
    set("PATH", folder_ / "bin");
    for (const char* each : {"XDG_STATE_HOME", "TIDEWAITER_CONFIG", "TIDEWAITER_RUNTIME"}) unset(each);
    ASSERT_EQ(::chdir(folder_.path().c_str()), 0);
    if (::geteuid() != 0) return;
    ASSERT_EQ(::chown(folder_.path().c_str(), kNobody, kNobody), 0);
    ASSERT_EQ(::seteuid(kNobody), 0);
    was_root_ = true;
  }
  void TearDown() override {
    if (was_root_) {
      ASSERT_EQ(::seteuid(0), 0);
    }
    ASSERT_EQ(::chdir("/"), 0);
    for (const auto& [name, value] : before_) {
      value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
    }
  }

  void set(const std::string& name, const std::string& value) {
    remember(name);
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  void unset(const std::string& name) {
    remember(name);
    ::unsetenv(name.c_str());
  }
  void write(const std::string& name, const std::string& text) const {
    as_root([&] { std::ofstream(folder_ / name) << text; });
  }
  template <typename Action>
  void as_root(Action action) const {
    if (!was_root_) return action();
    EXPECT_EQ(::seteuid(0), 0);
    action();
    EXPECT_EQ(::seteuid(kNobody), 0);
  }

  // The runtime that "tidewaiter `text`" becomes; empty when the program is to look.
  std::string plan(const std::string& text) { return plan(words_of(text)); }
  std::string plan(const std::vector<std::string>& words) {
    words_ = words;
    words_.insert(words_.begin(), "tidewaiter");
    pointers_.clear();
    for (std::string& word : words_) pointers_.push_back(word.data());
    pointers_.push_back(nullptr);
    const char* runtime = plan_at_entry(argc(), pointers_.data(), environ).runtime;
    return runtime != nullptr ? runtime : "";
  }
  [[nodiscard]] int argc() const { return static_cast<int>(words_.size()); }

  static std::vector<std::string> words_of(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word == "''" ? "" : word);
    return words;
  }

  // Why the program itself would not hand the line of the last plan() to `runtime` unseen; empty: it would.
  std::string objection(const std::string& runtime) {
    const auto line = read_command_line(argc(), pointers_.data());
    if (!line) return line.error().message();
    if (!line->config_file.empty()) return "an option of our own";
    for (const char* own : {"doctor", "log", "policy", "status"})
      if (line->command == own) return "a verb of our own";
    const auto directories = container::Directories::locate();
    if (!directories) return directories.error().message();
    const auto settings = container::Settings::load(directories->config_file, directories->config_named);
    if (!settings) return settings.error().message();
    const auto found = find_runtime(*settings);
    if (!found) return found.error().message();
    if (*found != runtime) return "the runtime is " + *found;
    for (const Spelling spelling : {Spelling::kGetopt, Spelling::kGo}) {
      std::string why = objection(*line, spelling, *directories, *settings);
      if (!why.empty()) return why;
    }
    return "";
  }

  static std::string objection(const CommandLine& line, Spelling spelling,
                               const container::Directories& directories,
                               const container::Settings& settings) {
    const bool creates = line.command == "create" || line.command == "run";
    if (line.command == "restore") return "a checkpoint";
    const bool starts = line.command == "start";
    if (!creates && !starts && line.command != "exec" && line.command != "delete" &&
        line.command != "update") {
      return "";
    }
    const ContainerOptions options = read_container_options(line, spelling);
    const auto name = container::state_folder_name(options.id, directories.state);
    if (!name) return name.error().message();
    if (sys::stat(directories.state + "/" + *name + (starts ? "/hosts" : ""))) return "a container of ours";
    if (!creates) return "";
    const auto place = locate_bundle(options);
    if (!place) return place.error().message();
    const auto bundle = container::Bundle::open(place->directory, place->config_file);
    if (!bundle) {
      // Then the runtime is to judge, unless a policy may be meant (open_bundle()).
      const auto text = sys::read_file(place->config_file);
      const bool meant = settings.default_policy || settings.require_policy || !text ||
                         text->find(container::kPolicyAnnotation) != std::string::npos;
      return meant ? bundle.error().message() : "";
    }
    if (bundle->has_record()) return "a record";
    const auto policy = container::policy_path(settings, bundle->original());
    if (!policy) return policy.error().message();
    return *policy ? "the policy " + **policy : "";
  }

  testing::TemporaryFolder folder_{"/dev/shm"};

 private:
  void remember(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    before_.emplace_back(name, value != nullptr ? std::optional<std::string>(value) : std::nullopt);
  }

  bool was_root_ = false;
  std::vector<std::string> words_;
  std::vector<char*> pointers_;
  std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

TEST_F(AtEntryTest, HandsOverWhatConcernsNoContainerOfOurs) {
  for (const char* line : {"start free",
                           "start ours",
                           "kill ours TERM",
                           "state ours",
                           "list",
                           "--version",
                           "--help",
                           "-v",
                           "features",
                           "--root /r --log l --log-format json start ours",
                           "--root=/r --systemd-cgroup state ours",
                           "create --bundle plain free",
                           "create --bundle=plain free",
                           "create -b plain free",
                           "run --no-pivot --pid-file p --bundle plain -d free",
                           "create --bundle policed --bundle plain free",
                           "delete free",
                           "delete --force free",
                           "delete -f free",
                           "exec free true",
                           "update --resources - free",
                           "exec --process p.json --detach --pid-file p free",
                           "exec -t -e A=B free sh -c ours"}) {
    const std::string runtime = plan(line);
    EXPECT_EQ(runtime, folder_ / "bin/crun") << line;
    EXPECT_EQ(objection(runtime), "") << line;
  }
}

TEST_F(AtEntryTest, HasTheProgramLookAtEverythingElse) {
  for (const char* line : {"",
                           "--",
                           "policy",
                           "log free",
                           "status",
                           "doctor",
                           "restore free",
                           "--tidewaiter-config f start free",
                           "--tidewaiter-config=f start free",
                           "--roo /r start free",
                           "--no-such-option start free",
                           "--root",
                           "-root /r start free",
                           "create --bundle policed free",
                           "create --bundle plain ours",
                           "create --bundle plain --bundle policed free",
                           "create --bundle plain",
                           "create --bundle plain free ours",
                           "create --bundle nowhere free",
                           "create --bundle= free",
                           "create free --bundle plain",
                           "create -bplain free",
                           "create -b=plain free",
                           "create -bundle plain free",
                           "create --bun plain free",
                           "create --bundle plain --config config.json free",
                           "create --bundle plain -f config.json free",
                           "create --bundle plain -- free",
                           "create --bundle plain .free",
                           "create --bundle plain fr/ee",
                           "create --bundle plain --no-such-option free",
                           "delete ours",
                           "delete --force ours",
                           "delete free ours",
                           "delete --no-such-option free",
                           "start named",
                           "start",
                           "start free ours",
                           "start --no-such-option free",
                           "update ours",
                           "update --resources - ours",
                           "update --no-such-option free",
                           "exec ours true",
                           "exec --no-such-option free true",
                           "exec"}) {
    EXPECT_EQ(plan(line), "") << line;
  }
  EXPECT_EQ(plan("create --bundle plain " + std::string(200, 'x')), "") << "not the state folder's name";
}

TEST_F(AtEntryTest, LeavesBundlesToTheProgramThatMayNameAPolicy) {
  const std::string line = "create --bundle plain free";
  for (const char* config :
       {"{}", "", "{", R"({"annotations": {}})", R"({"annotations" : {"io.tidewaiter": "p"}})",
        R"({"process": {"args": ["a\"b\\c\n\u003c\u0026\u001b"]}})"}) {
    write("plain/config.json", config);
    EXPECT_EQ(plan(line), folder_ / "bin/crun") << config;
    EXPECT_EQ(objection(plan(line)), "") << config;
  }
  for (const char* config :
       {kUnderPolicy, R"({"annotations": []})", R"({"annotations": "x"})", R"({"annotations":)",
        R"({"annotations": null})", R"({"annotations": {"\u0069o.tidewaiter.policy": "p"}})",
        R"({"annotations": {"io\u002etidewaiter.policy": "p"}})",
        R"({"annotations": {"io.tidewaiter.dry-run": "true"}})",
        R"({"annotations": {"io.tidewaiter.p\u006Flicy": "p"}})", R"({"\u0061nnotations": {"a": "b"}})",
        R"({"a": "\u12"})", R"({"a": "\u00zz"})", R"({"Annotations": {"io.tidewaiter.policy": "p"}})"}) {
    write("plain/config.json", config);
    EXPECT_EQ(plan(line), "") << config;
  }
  write("plain/config.json", kPlain + std::string(200'000, ' '));
  EXPECT_EQ(plan(line), "") << "beyond the buffer";
  write("plain/config.json", kPlain);
  EXPECT_EQ(plan(line), folder_ / "bin/crun");
  write("plain/config.json.tidewaiter", "");
  EXPECT_EQ(plan(line), "") << "a record";
}

TEST_F(AtEntryTest, DoesNotWaitForAFifoInTheConfigsPlace) {
  as_root([&] {
    fs::remove(folder_ / "plain/config.json");
    ASSERT_EQ(::mkfifo((folder_ / "plain/config.json").c_str(), 0666), 0);
  });
  EXPECT_EQ(plan("create --bundle plain free"), "");
}

TEST_F(AtEntryTest, ReadsTheSettings) {
  const std::string other = folder_ / "bin/other";
  const std::string file = "config/tidewaiter/config.json";
  write(file,
        "{\"runtime\": \"" + other + "\",\n \"require_policy\" : false, \"allow_policy_paths\":true}\n");
  EXPECT_EQ(plan("start free"), other);
  EXPECT_EQ(plan("create --bundle plain free"), other);
  for (const char* wanting : {R"({"default_policy": "p"})", R"({"require_policy": true})"}) {
    write(file, wanting);
    EXPECT_EQ(plan("start free"), folder_ / "bin/crun") << wanting;
    EXPECT_EQ(plan("create --bundle plain free"), "") << wanting;
  }
  for (const char* log :
       {"{}", "{\"max_bytes\": 4096}", "{\"total_bytes\" :1073741824,\"max_bytes\":4194304 }"}) {
    write(file, std::string("{\"log\": ") + log + "}");
    EXPECT_EQ(plan("start free"), folder_ / "bin/crun") << log;
  }
  for (const char* unclear : {"",
                              "[]",
                              "{",
                              "{}}",
                              "{\"runtime\": \"crun\"}",
                              "{\"runtime\": \"/no/such\"}",
                              "{\"runtime\": 1}",
                              "{\"agent\": \"a\"}",
                              "{\"agent\": \"/a\", \"agent\": \"/b\"}",
                              "{\"no_such\": true}",
                              "{\"require_policy\": 1}",
                              "{\"require_policy\": truefalse}",
                              "{,}",
                              "{\"log\": []}",
                              "{\"log\": {\"max_bytes\": 4095}}",
                              "{\"log\": {\"max_bytes\": 04096}}",
                              "{\"log\": {\"max_bytes\": 4096.5}}",
                              "{\"log\": {\"max_bytes\": \"4096\"}}",
                              "{\"log\": {\"max_bytes\": 4096, \"max_bytes\": 4096}}",
                              "{\"log\": {\"total_bytes\": 99999999999999999999}}",
                              "{\"log\": {\"max_bytes\": 4096}",
                              "{\"log\": {}, \"log\": {}}",
                              "{\"allowed_policies\": [\"p\"]}",
                              "{\"agent\": \"/a\",}",
                              "{\"agent\": \"/\\u0061\"}",
                              "{\"agent\" \"/a\"}"}) {
    write(file, unclear);
    EXPECT_EQ(plan("start free"), "") << unclear;
  }
}

TEST_F(AtEntryTest, ReadsTheEnvironment) {
  const std::string other = folder_ / "bin/other";
  set("TIDEWAITER_RUNTIME", other);
  EXPECT_EQ(plan("start free"), other);
  for (const char* unclear : {"other", "bin/other", "/no/such", "/proc/self/exe"}) {
    set("TIDEWAITER_RUNTIME", unclear);
    EXPECT_EQ(plan("start free"), "") << unclear;
  }
  unset("TIDEWAITER_RUNTIME");
  set("TIDEWAITER_CONFIG", folder_ / "mine.json");
  EXPECT_EQ(plan("start free"), "") << "named, and missing";
  write("mine.json", "{\"runtime\": \"" + other + "\"}");
  EXPECT_EQ(plan("start free"), other);
  set("TIDEWAITER_CONFIG", "mine.json");
  EXPECT_EQ(plan("start free"), "");
  unset("TIDEWAITER_CONFIG");
  for (const char* needed : {"XDG_RUNTIME_DIR", "HOME", "PATH"}) {
    const char* before = std::getenv(needed);
    ASSERT_NE(before, nullptr);
    const std::string value = before;
    unset(needed);
    EXPECT_EQ(plan("start free"), "") << needed;
    set(needed, "relative");
    EXPECT_EQ(plan("start free"), "") << needed;
    set(needed, value);
    EXPECT_NE(plan("start free"), "") << needed;
  }
  unset("XDG_CONFIG_HOME");
  as_root([&] { fs::create_directories(folder_ / ".config/tidewaiter"); });
  write(".config/tidewaiter/config.json", "{\"runtime\": \"" + other + "\"}");
  EXPECT_EQ(plan("start free"), other);
}

TEST_F(AtEntryTest, TakesTheFirstRuntimeOnPathThatIsNotThisProgram) {
  as_root([&] {
    fs::create_directories(folder_ / "first");
    fs::create_symlink("/proc/self/exe", folder_ / "first/crun");
    fs::create_directories(folder_ / "second/crun");
    fs::create_directories(folder_ / "third");
  });
  write("third/crun", "not executable");
  set("PATH", (folder_ / "first") + ":relative::" + (folder_ / "second") + ":" + (folder_ / "third") + ":" +
                  (folder_ / "bin"));
  EXPECT_EQ(plan("start free"), folder_ / "bin/crun");
  as_root([&] { fs::remove(folder_ / "bin/crun"); });
  EXPECT_EQ(plan("start free"), folder_ / "bin/runc");
  as_root([&] { fs::remove(folder_ / "bin/runc"); });
  EXPECT_EQ(plan("start free"), "");
}

// Everything that is handed over, the program would have handed over too.
TEST_F(AtEntryTest, NeverHandsOverWhatTheProgramWouldNot) {
  constexpr std::array kWords = {"--root",
                                 "/r",
                                 "--root=/r",
                                 "--log",
                                 "--debug",
                                 "-s",
                                 "--version",
                                 "create",
                                 "run",
                                 "delete",
                                 "exec",
                                 "start",
                                 "update",
                                 "--resources",
                                 "-r",
                                 "state",
                                 "restore",
                                 "log",
                                 "free",
                                 "ours",
                                 "named",
                                 "--bundle",
                                 "--bundle=policed",
                                 "--bundle=plain",
                                 "plain",
                                 "policed",
                                 "-b",
                                 "-bpoliced",
                                 "--force",
                                 "-f",
                                 "--config",
                                 "config.json",
                                 "--",
                                 "-",
                                 "''",
                                 "--pid-file",
                                 "-d",
                                 "--tty",
                                 "--process",
                                 "--regex",
                                 "-e",
                                 "--tidewaiter-config"};
  constexpr std::array kSettings = {"{}",
                                    "{\"require_policy\":true}",
                                    "{\"default_policy\":\"p\"}",
                                    "{\"require_policy\":false, \"agent\": \"/a\"}",
                                    "{\"runtime\":\"/bin/true\"}",
                                    "{\"runtime\":\"/bin/true\" \"agent\":\"/a\"}",
                                    "{\"log\":{\"max_bytes\":1}}",
                                    "{\"log\":{\"max_bytes\":4096}}"};
  constexpr std::array kPieces = {"{",
                                  "}",
                                  "\"annotations\"",
                                  ":",
                                  "\"io.tidewaiter.policy\"",
                                  "\"p\"",
                                  ",",
                                  "\"\\u0069o.tidewaiter.policy\"",
                                  "[]",
                                  "{}",
                                  " ",
                                  "\"a\"",
                                  "\\u0061",
                                  "{\"annotations\":",
                                  "\"io.tidewaiter.\\u0070olicy\":\"p\"}",
                                  "null"};
  int handed_over = 0;
  int starts = 0;
  int containers = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (i % 100 == 0) write("config/tidewaiter/config.json", any_of(kSettings));
    if (i % 10 == 0) {
      std::string config;
      for (std::size_t left = randomness()() % 9; left > 0; --left) config += any_of(kPieces);
      write("plain/config.json", randomness()() % 2 == 0 ? kPlain : config);
    }
    std::vector<std::string> words;
    const auto beginning = randomness()() % 4;
    if (beginning < 2) words = {"create", "--bundle", "plain"};
    if (beginning == 2) words = {"start"};
    for (std::size_t left = randomness()() % 6; left > 0; --left)
      words.push_back(words_of(any_of(kWords))[0]);
    if (randomness()() % 2 == 0) words.push_back("free");
    const std::string runtime = plan(words);
    if (runtime.empty()) continue;
    ++handed_over;
    if (words.size() >= 4 && words[0] == "create") ++containers;
    if (words.size() == 2 && words[0] == "start") ++starts;
    ASSERT_EQ(objection(runtime), "")
        << ::testing::PrintToString(words) << "\n"
        << sys::read_file(folder_ / "plain/config.json").value_or("none") << "\n"
        << sys::read_file(folder_ / "config/tidewaiter/config.json").value_or("");
  }
  EXPECT_GT(handed_over, 1000);
  EXPECT_GT(containers, 200);
  EXPECT_GT(starts, 100);
}

}  // namespace
}  // namespace tidewaiter::shim

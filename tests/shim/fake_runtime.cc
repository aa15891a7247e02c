// Stands in for crun in tests: writes what it was called with into $FAKE_FOLDER/runtime, copies the bundle's
// config as it finds it to $FAKE_FOLDER/seen.json, the file of an `exec --process` to
// $FAKE_FOLDER/process.json, and keeps its one container as the file $FAKE_FOLDER/container, or `container`
// in the folder that `--root FOLDER` names. Asked for its state it makes $FAKE_FOLDER/asked instead, and
// prints $FAKE_FOLDER/state.json. $FAKE_EXIT makes the command fail with that code, and $FAKE_SIGNAL end by
// that signal.

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

void write_what_was_given(const std::string& path, int argc, char** argv) {
  // Counted before a file of our own is open.
  std::vector<std::string> descriptors;
  for (int fd = 0; fd < 256; ++fd) {
    std::error_code error;
    const fs::path target = fs::read_symlink("/proc/self/fd/" + std::to_string(fd), error);
    if (!error) descriptors.push_back(std::to_string(fd) + " " + target.string());
  }
  std::ofstream out(path);
  for (int i = 0; i < argc; ++i) out << "argument " << argv[i] << "\n";
  for (char** variable = environ; *variable != nullptr; ++variable) out << "variable " << *variable << "\n";
  for (const std::string& each : descriptors) out << "fd " << each << "\n";
  const mode_t mask = ::umask(0);
  ::umask(mask);
  out << "umask " << mask << "\nfolder " << fs::current_path().string() << "\npid " << ::getpid() << "\n";
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Sig") || line.starts_with("ShdPnd")) out << line << "\n";
  }
  struct rlimit open_files {};
  ::getrlimit(RLIMIT_NOFILE, &open_files);
  out << "open files " << open_files.rlim_cur << " " << open_files.rlim_max << "\n";
  struct rlimit real_time {};
  ::getrlimit(RLIMIT_RTPRIO, &real_time);
  out << "real time " << real_time.rlim_cur << " " << real_time.rlim_max << "\n";
  std::ifstream children("/proc/thread-self/children");
  std::string pids;
  std::getline(children, pids);
  out << "children [" << pids << "]\n";
}

}  // namespace

int main(int argc, char** argv) {
  const std::string folder = std::getenv("FAKE_FOLDER");
  fs::path container = folder + "/container";
  std::string command;
  bool force = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    for (const char* each : {"create", "run", "exec", "delete", "state", "restore", "update"}) {
      if (command.empty() && argument == each) command = argument;
    }
    force = force || argument == "--force";
    if (argument == "--root" && i + 1 < argc && fs::is_directory(argv[i + 1])) {
      container = std::string(argv[i + 1]) + "/container";
    }
    if (argument == "--bundle" && i + 1 < argc) {
      fs::copy_file(std::string(argv[i + 1]) + "/config.json", folder + "/seen.json",
                    fs::copy_options::overwrite_existing);
    }
    if (command == "update" && argument == "--resources" && i + 1 < argc) {
      std::ofstream(folder + "/resources.json") << std::ifstream(argv[i + 1]).rdbuf();
    }
    if (command == "exec" && argument.starts_with("--process=")) {
      std::ofstream(folder + "/process.json")
          << std::ifstream(argument.substr(argument.find('=') + 1)).rdbuf();
    }
  }

  if (command == "state") {
    std::ofstream(folder + "/asked") << "";
    if (fs::exists(folder + "/state.json")) std::cout << std::ifstream(folder + "/state.json").rdbuf();
    return fs::exists(container) ? 0 : 1;
  }
  write_what_was_given(folder + "/runtime", argc, argv);
  std::cout << "runtime's output\n" << std::flush;
  std::cerr << "runtime's error\n";
  if (const char* text = std::getenv("FAKE_SIGNAL")) {
    const int number = std::stoi(text);
    ::signal(number, SIG_DFL);  // AddressSanitizer would make an exit of SIGSEGV
    ::raise(number);
  }
  if (const char* code = std::getenv("FAKE_EXIT")) return std::stoi(code);
  if (command == "create" || command == "run") std::ofstream(container) << "";
  if (command == "delete" && !fs::remove(container) && !force) return 1;
  return 0;
}

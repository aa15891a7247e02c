// Stands in for tidewaiter-agent in tests. It speaks the launcher's protocol, writes what it was given into
// $FAKE_FOLDER/agent, and misbehaves as $FAKE_AGENT says:
//
//   refuse    reports an error          die       ends without a report
//   hang      never reports             stay      does not end with its container
//   deaf      stays, and ignores SIGTERM slow      takes a while to clean up
//
// Its container exists while $FAKE_FOLDER/container does; when that goes, or the creator ends before it came,
// the agent removes the state folder and ends.

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

namespace {

namespace fs = std::filesystem;

void write_what_was_given(const std::string& folder, int argc, char** argv) {
  const std::string temporary = folder + "/agent.new";
  std::ofstream out(temporary);
  for (int i = 0; i < argc; ++i) out << "argument " << argv[i] << "\n";
  for (char** variable = environ; *variable != nullptr; ++variable) out << "variable " << *variable << "\n";
  for (int fd = 0; fd < 256; ++fd) {
    std::error_code error;
    const fs::path target = fs::read_symlink("/proc/self/fd/" + std::to_string(fd), error);
    // inotify and the like are not open yet; `out` is.
    if (!error && target != temporary) out << "fd " << fd << " " << target.string() << "\n";
  }
  const mode_t mask = ::umask(0);
  ::umask(mask);
  out << "umask " << mask << "\nfolder " << fs::current_path().string() << "\n";
  out << "session " << (::getsid(0) == ::getpid() ? "leader" : "member") << "\n";
  out << "terminal " << (::open("/dev/tty", O_RDWR) < 0 && errno == ENXIO ? "none" : "some") << "\n";
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("SigBlk:") || line.starts_with("SigIgn:")) out << line << "\n";
  }
  out.close();
  fs::rename(temporary, folder + "/agent");
}

void take_lock(const std::string& state_folder) {
  const int lock = ::open((state_folder + "/agent.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0 || ::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    std::perror("fake agent: lock");
    std::exit(3);
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::write(lock, pid.data(), pid.size()) < 0) std::exit(3);
}

void report(int ready, const std::string& text) {
  if (::write(ready, text.data(), text.size()) < 0) std::exit(3);
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> options;
  for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  const std::string state_folder = options["--state-folder"];
  const int ready = std::stoi(options["--ready-fd"]);
  const int creator = options.contains("--creator-fd") ? std::stoi(options["--creator-fd"]) : -1;
  const std::string folder = std::getenv("FAKE_FOLDER");
  const char* variable = std::getenv("FAKE_AGENT");
  const std::string behaviour = variable != nullptr ? variable : "";

  write_what_was_given(folder, argc, argv);
  if (behaviour == "die") return 1;
  if (behaviour == "hang") {
    for (;;) ::pause();
  }
  if (behaviour == "refuse") {
    report(ready, "/network/allow/0: cannot resolve \"nowhere\"\n");
    return 1;
  }
  if (behaviour == "deaf") ::signal(SIGTERM, SIG_IGN);

  take_lock(state_folder);
  const int inotify = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  ::inotify_add_watch(inotify, folder.c_str(), IN_DELETE | IN_CREATE);
  report(ready, "ok\n");
  ::close(ready);

  const std::string container = folder + "/container";
  const bool stays = behaviour == "stay" || behaviour == "deaf";
  bool creator_ended = creator < 0;
  bool seen = fs::exists(container);
  while (stays || !((creator_ended || seen) && !fs::exists(container))) {
    struct pollfd waiting[] = {{inotify, POLLIN, 0}, {creator_ended ? -1 : creator, POLLIN, 0}};
    if (::poll(waiting, 2, -1) < 0 && errno != EINTR) return 3;
    char ignored[4096];
    while (::read(inotify, ignored, sizeof ignored) > 0) {
    }
    seen = seen || fs::exists(container);
    if ((waiting[1].revents & POLLIN) != 0) creator_ended = true;
  }
  if (behaviour == "slow") ::usleep(200'000);
  fs::remove_all(state_folder);
  return 0;
}

#include "shim/commands/log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "oci/base/system.h"
#include "oci/container/agent_launcher.h"
#include "oci/container/record.h"
#include "shim/commands/commands.h"
#include "shim/containers.h"
#include "shim/event_line.h"
#include "shim/own_options.h"

namespace tidewaiter::shim {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;
using container::Directories;

constexpr const char* kSuffix = ".jsonl";
constexpr const char* kRotatedSuffix = ".jsonl.1";

// Where one container's log is, and how to know that no more will come.
struct Source {
  std::string path;          // of the current file; the rotated one has ".1" added
  std::string state_folder;  // whose agent writes it
};

bool is_same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Prints whole lines; what has no end yet waits for it.
class LinePrinter {
 public:
  LinePrinter(std::ostream& out, bool json) : out_(out), json_(json) {
    if (!json_) out_ << event_heading();
  }

  void feed(std::string_view bytes) {
    pending_ += bytes;
    std::size_t begin = 0;
    for (std::size_t end = pending_.find('\n'); end != std::string::npos; end = pending_.find('\n', begin)) {
      print(std::string_view(pending_).substr(begin, end - begin));
      begin = end + 1;
    }
    pending_.erase(0, begin);
    // No line of ours is as long; what is no line must not fill the memory.
    constexpr std::size_t kLongestLine = 1U << 20U;
    if (pending_.size() > kLongestLine) finish_line();
  }

  // The file ends here, in the middle of a line or not.
  void finish_line() {
    if (!pending_.empty()) print(pending_);
    pending_.clear();
  }

  void flush() { out_.flush(); }
  [[nodiscard]] bool failed() const { return out_.fail(); }

 private:
  void print(std::string_view line) {
    if (json_) {
      out_ << line << "\n";
    } else {
      out_ << event_line(line);
    }
  }

  std::ostream& out_;
  const bool json_;
  std::string pending_;
};

// Reads a log from its beginning and keeps up with it as it is rotated.
class LogReader {
 public:
  LogReader(std::string path, LinePrinter& printer) : path_(std::move(path)), printer_(printer) {}

  // Prints what has been added since the last call.
  Status read_on() {
    for (;;) {
      if (!file_ && !TRY(open_current())) return {};
      TRY(print_rest(file_->get()));
      if (!TRY(is_rotated())) return {};
      // Its writer has left it, but maybe after the last look.
      TRY(print_rest(file_->get()));
      printer_.finish_line();
      last_ = TRY(sys::fstat(file_->get()));
      file_.reset();
    }
  }

 private:
  // Opens the current file, and then prints the rotated one unless it was printed already: in this order none
  // is missed, whenever the next rotation comes.
  Result<bool> open_current() {
    auto file = open_log(path_);
    if (!file && file.error().code != ENOENT) return tl::unexpected(file.error());
    if (file) file_ = std::move(*file);
    TRY(print_rotated());
    return file_.has_value();
  }

  Status print_rotated() {
    const auto file = open_log(path_ + ".1");
    if (!file && file.error().code == ENOENT) return {};
    const int fd = TRY(file.map([](const UniqueFd& opened) { return opened.get(); }));
    const struct stat rotated = TRY(sys::fstat(fd));
    if (last_ && is_same_file(*last_, rotated)) return {};
    // A rotation just now: it will be printed as the current one that it was.
    if (file_ && is_same_file(TRY(sys::fstat(file_->get())), rotated)) return {};
    TRY(print_rest(fd));
    printer_.finish_line();
    last_ = rotated;
    return {};
  }

  // Whether `path_` is another file by now. While there is none, a new one is about to come.
  Result<bool> is_rotated() {
    const auto current = sys::stat(path_);
    if (!current && current.error().code == ENOENT) return false;
    return !is_same_file(TRY(current), TRY(sys::fstat(file_->get())));
  }

  Status print_rest(int fd) {
    std::array<char, 65536> buffer;
    for (;;) {
      const std::size_t size = TRY(sys::read(fd, buffer.data(), buffer.size()));
      if (size == 0) return {};
      printer_.feed(std::string_view(buffer.data(), size));
    }
  }

  static Result<UniqueFd> open_log(const std::string& path) {
    return sys::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  }

  std::string path_;
  LinePrinter& printer_;
  std::optional<UniqueFd> file_;     // the current one
  std::optional<struct stat> last_;  // the one printed before it
};

Result<UniqueFd> watch_folders(const std::string& logs, const std::string& states) {
  UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify.valid()) return fail(errno, "inotify_init1");
  constexpr std::uint32_t kLogEvents = IN_MODIFY | IN_CREATE | IN_MOVED_TO;
  // Where no agent has ever logged there is none. It is looked after all the same.
  if (::inotify_add_watch(inotify.get(), logs.c_str(), kLogEvents) < 0 && errno != ENOENT) {
    return fail(errno, "watch " + logs);
  }
  // It may be gone: then there is no agent either.
  if (::inotify_add_watch(inotify.get(), states.c_str(), IN_DELETE | IN_MOVED_FROM) < 0 && errno != ENOENT) {
    return fail(errno, "watch " + states);
  }
  return inotify;
}

Status follow(const Source& source, LogReader& reader, LinePrinter& printer) {
  const std::string logs = fs::path(source.path).parent_path();
  const UniqueFd inotify = TRY(watch_folders(logs, fs::path(source.state_folder).parent_path()));
  // An agent that dies removes nothing; this is how often it is looked after.
  constexpr std::chrono::milliseconds kLookAfterAgent{500};
  for (;;) {
    // In this order: an agent that is gone before the look has written all that it will.
    const bool last_look = !container::agent_alive(source.state_folder);
    TRY(reader.read_on());
    printer.flush();
    if (last_look || printer.failed()) return {};
    std::array<struct pollfd, 2> waiting{};
    waiting[0] = {.fd = inotify.get(), .events = POLLIN, .revents = 0};
    waiting[1] = {.fd = STDOUT_FILENO, .events = 0, .revents = 0};  // POLLERR: nobody reads any more
    if (::poll(waiting.data(), waiting.size(), static_cast<int>(kLookAfterAgent.count())) < 0 &&
        errno != EINTR)
      return fail(errno, "poll");
    if ((waiting[1].revents & POLLERR) != 0) return {};
    std::array<char, 4096> ignored;
    while (::read(inotify.get(), ignored.data(), ignored.size()) > 0) {
    }
  }
}

Status collect_logs(const std::string& directory, std::set<std::string>& names) {
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename();
    for (const std::string_view suffix : {kRotatedSuffix, kSuffix}) {
      if (name.ends_with(suffix)) names.insert(name.substr(0, name.size() - suffix.size()));
    }
  }
  if (error && error.value() != ENOENT) return fail(error.value(), directory);
  return {};
}

// A container that still has its state says itself where it logs to.
Result<Source> find_source(const Directories& directories, const std::string& id) {
  std::set<std::string> names;
  TRY(collect_logs(directories.log, names));
  const auto containers = TRY(supervised_containers(directories));
  for (const SupervisedContainer& each : containers) names.insert(each.name);

  const std::string name = TRY(match_container(names, id, directories));
  std::string folder = directories.log;
  for (const SupervisedContainer& each : containers) {
    if (each.name != name) continue;
    if (each.unreadable) return tl::unexpected(*each.unreadable);
    folder = each.record.log_directory;
  }
  return Source{folder + "/" + name + kSuffix, directories.state + "/" + name};
}

constexpr const char* kHelp =
    "tidewaiter log ID [--follow] [--json]\n"
    "\n"
    "What the container with this id, or the only one whose id begins so, did under its policy and was "
    "refused.\n"
    "The log outlives the container.\n"
    "\n";

Status run_log(int argc, char** argv) {
  po::options_description described("Options");
  described.add_options()("follow,f", "go on until the container is gone")(
      "json", "print the log's own lines, one JSON object each")("help,h", "print this");
  po::options_description all;
  all.add(described).add_options()("id", po::value<std::string>());
  po::positional_options_description arguments;
  arguments.add("id", 1);
  const po::variables_map values = TRY(read_own_options(argc, argv, all, arguments));
  if (values.contains("help")) {
    std::cout << kHelp << described;
    return {};
  }
  if (!values.contains("id")) return fail("which container? tidewaiter log ID; see --help");
  const LogOptions options{values["id"].as<std::string>(), values.contains("follow"),
                           values.contains("json")};
  return print_log(TRY(Directories::locate()), options, std::cout);
}

}  // namespace

Status print_log(const Directories& directories, const LogOptions& options, std::ostream& out) {
  const Source source = TRY(find_source(directories, options.id));
  LinePrinter printer(out, options.json);
  LogReader reader(source.path, printer);
  if (options.follow) {
    TRY(follow(source, reader, printer));
  } else {
    TRY(reader.read_on());
  }
  printer.finish_line();
  printer.flush();
  return {};
}

int log(int argc, char** argv) { return exit_code("log", run_log(argc, argv)); }

}  // namespace tidewaiter::shim

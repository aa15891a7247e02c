#pragma once

#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/container/record.h"
#include "shim/invocation.h"

namespace tidewaiter::shim {

// The command line of an `exec`, as the runtime gets it: the caller's, but for the process it names where
// that would have more than the container's policy lets it have.
class ExecutedLine {
 public:
  explicit ExecutedLine(const CommandLine& line) : line_(line) {}
  // `line_` points into `words_`.
  ExecutedLine(const ExecutedLine&) = delete;
  ExecutedLine& operator=(const ExecutedLine&) = delete;

  [[nodiscard]] const CommandLine& line() const { return line_; }

  // Holds the new process to record.open_files, soft and hard limit alike, to no real-time class where
  // record.shuts_real_time, and to the policy's identity where record.holds_process:
  // - a process named in a file gets another file, in memory, with lower limits, the user
  //   and the variables of the identity;
  // - what it would inherit from the runtime, that is from this process, is lowered here;
  // - what the runtime would take from elsewhere is an error where it is more.
  // Puts record.init before its program, be it named on the command line or in a file.
  // At most once.
  Status hold(const Invocation& invocation, const ContainerOptions& options, const container::Record& record);

 private:
  Status hold_process(const ValuePlace& place, const container::Record& record);
  void put_init(std::size_t id_index, const std::vector<std::string>& init);

  CommandLine line_;
  std::vector<std::string> words_;  // reserved for all that will be in it: none of them moves
};

}  // namespace tidewaiter::shim

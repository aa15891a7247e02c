#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

namespace tidewaiter::container {

// A bundle's config file, and how it is rewritten so that nothing is lost.
//
// Beside the config file FILE a rewritten bundle has FILE.tidewaiter: a one-line JSON header with lengths and
// the owners who are yet to read, the original's bytes, and the bytes that were written over it. Creating
// again, restarting and restoring therefore always start from the original, and a bundle that somebody edited
// in between is recognised by its bytes and taken as a new original. (Podman writes config.json anew at each
// start.)
//
// Several containers may be created from one bundle at a time. A runtime that read the original would start
// its container without a policy; so the record also names every process that is yet to read, the original
// comes back with the last of them, and is never in its place between two rewritings. Whoever writes here
// holds lock_bundle().
//
// The record is trusted only when it is a regular file of ours or of root; anything else by that name is an
// error, for neither reading nor ignoring it is safe.
class Bundle {
 public:
  // Reads the config file: `directory`/`config_file`, or `config_file` itself when it is absolute.
  // REQUIRES: `directory` is absolute.
  static Result<Bundle> open(const std::string& directory, const std::string& config_file = "config.json");

  // The config as its owner wrote it.
  [[nodiscard]] const nlohmann::ordered_json& original() const { return original_; }
  [[nodiscard]] const std::string& config_path() const { return path_; }
  // Whether somebody has rewritten it and not put it back.
  [[nodiscard]] bool has_record() const { return has_record_; }

  // Writes `rewritten` over the config file, recording the original first; each step is atomic, and a crash
  // between them leaves a bundle that open() still reads as the original. Owner and mode are kept.
  // `owner`, a new_owner(), stands for this process and the runtime that it becomes.
  // REQUIRES: lock_bundle() from before open().
  Status install(const nlohmann::ordered_json& rewritten, const std::string& owner) const;

  // Says that `owner` has read it, or never will. With the last the original is put back, byte for byte, if
  // the file is still what install() wrote, and the record removed. A bundle that is gone or was never
  // rewritten is a success. REQUIRES: lock_bundle().
  static Status restore(const std::string& config_path, const std::string& owner);
  // For owners who can no longer say so: the original is put back unless a process is alive that may be about
  // to read. Takes the lock; where somebody else has it, that one will restore in its turn: a success too.
  static Status restore_if_idle(const std::string& config_path);

 private:
  Bundle(std::string path, std::string original_bytes, std::string present_bytes, bool has_record,
         nlohmann::ordered_json original);

  std::string path_;
  std::string original_bytes_;
  std::string present_bytes_;  // what the config file held when it was read
  bool has_record_;
  nlohmann::ordered_json original_;
};

// Keeps all others from writing the bundle of `config_path`, until the descriptor and what was inherited of
// it are closed: a flock(2) on its folder, for the file itself is replaced. A `create` holds it until its
// runtime has read the config. EWOULDBLOCK: somebody else has held it for all of `patience`.
Result<UniqueFd> lock_bundle(const std::string& config_path, std::chrono::milliseconds patience);

// No two calls return the same.
Result<std::string> new_owner();

}  // namespace tidewaiter::container

#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "oci/base/result.h"

namespace tidewaiter::container {

// A bundle's config file, and how it is rewritten so that nothing is lost.
//
// Beside the config file FILE a rewritten bundle has FILE.tidewaiter: a one-line JSON header with two
// lengths, the original's bytes, and the bytes we wrote over it. Creating again, restarting and restoring
// therefore always start from the original, and a bundle that somebody edited in between is recognised by its
// bytes and taken as a new original. (Podman writes config.json anew at each start.)
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

  // Writes `rewritten` over the config file, recording the original first; each step is atomic, and a crash
  // between them leaves a bundle that open() still reads as the original. Owner and mode are kept.
  Status install(const nlohmann::ordered_json& rewritten) const;

  // Puts the original back, byte for byte, if the file at `config_path` is still what install() wrote, and
  // removes the record. A bundle that is gone or was never rewritten is a success.
  static Status restore(const std::string& config_path);

 private:
  Bundle(std::string path, std::string original_bytes, std::string present_bytes,
         nlohmann::ordered_json original);

  std::string path_;
  std::string original_bytes_;
  std::string present_bytes_;  // what the config file held when it was read
  nlohmann::ordered_json original_;
};

}  // namespace tidewaiter::container

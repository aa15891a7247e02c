#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "oci/base/result.h"

namespace tidewaiter::supervisor {

// Where a keeper has files kept beyond its own end. Names are the keeper's own; descriptors are borrowed.
class Deposit {
 public:
  virtual ~Deposit() = default;
  virtual void keep(const std::string& name, int fd) = 0;
  virtual void drop(const std::string& name) = 0;
};

// What the next keeper of a container has to know of the files that it finds there.
struct Testament {
  struct Connection {
    std::uint64_t number = 0;
    bool closed = false;
    std::uint64_t deaths = 0;
  };

  std::string state_folder;
  std::uint64_t facts = 0;            // of Begin
  std::uint64_t folders = 0;          // how often its listener or its lock was made anew
  std::uint64_t patience = 0;         // seconds: Record::restart_seconds, as far as a worker has told
  std::uint64_t next_connection = 0;  // numbers are never used again: files are called by them
  std::vector<Connection> connections;
  std::map<unsigned, std::string> sessions;  // the files of their notify descriptors

  [[nodiscard]] std::string text() const;
  // EPROTO: it is no such text.
  static Result<Testament> parse(std::string_view text);
};

}  // namespace tidewaiter::supervisor

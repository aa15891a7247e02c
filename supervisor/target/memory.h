#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "supervisor/target/target.h"

namespace tidewaiter::supervisor {

// A target's memory for whoever follows pointers through it. The pages read last are kept: an array of
// pointers and the texts it leads to mostly share a few. Everything handed out was read once; what is asked
// for twice may have been read twice.
class Memory {
 public:
  explicit Memory(const Target& target) : target_(target) {}

  // EFAULT: not all of it can be read.
  Status read(TargetAddress address, std::span<std::byte> buffer);
  // Up to a NUL, which is left out. `too_long`: the errno when there is none within `limit` bytes.
  Result<std::string> read_string(TargetAddress address, std::size_t limit, int too_long);

 private:
  // The smallest page of any architecture: larger ones are read in parts.
  static constexpr std::uint64_t kPageSize = 4096;
  using Page = std::array<std::byte, kPageSize>;
  Result<const Page*> page(std::uint64_t number);

  const Target& target_;
  // However many a target has others point to: pages that it never touched cost it nothing.
  static constexpr std::size_t kMaxPages = 16;
  std::map<std::uint64_t, std::unique_ptr<Page>> pages_;
  std::deque<std::uint64_t> order_;  // in which they were read
};

}  // namespace tidewaiter::supervisor

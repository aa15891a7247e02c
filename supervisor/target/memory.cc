#include "supervisor/target/memory.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tidewaiter::supervisor {

Result<const Memory::Page*> Memory::page(std::uint64_t number) {
  if (const auto known = pages_.find(number); known != pages_.end()) return known->second.get();
  auto fresh = std::make_unique<Page>();
  TRY(target_.read(TargetAddress{number * kPageSize}, *fresh));
  if (order_.size() == kMaxPages) {
    pages_.erase(order_.front());
    order_.pop_front();
  }
  order_.push_back(number);
  return pages_.emplace(number, std::move(fresh)).first->second.get();
}

Status Memory::read(TargetAddress address, std::span<std::byte> buffer) {
  auto at = static_cast<std::uint64_t>(address);
  while (!buffer.empty()) {
    const Page& from = *TRY(page(at / kPageSize));
    const std::size_t offset = at % kPageSize;
    const std::size_t count = std::min<std::size_t>(buffer.size(), kPageSize - offset);
    std::memcpy(buffer.data(), from.data() + offset, count);
    buffer = buffer.subspan(count);
    at += count;  // wraps at the end of the address space, where nothing can be read
  }
  return {};
}

Result<std::string> Memory::read_string(TargetAddress address, std::size_t limit, int too_long) {
  std::string text;
  auto at = static_cast<std::uint64_t>(address);
  while (text.size() < limit) {
    const Page& from = *TRY(page(at / kPageSize));
    const std::size_t offset = at % kPageSize;
    const std::size_t most = std::min<std::size_t>(limit - text.size(), kPageSize - offset);
    const auto* start = reinterpret_cast<const char*>(from.data()) + offset;
    const std::size_t count = ::strnlen(start, most);
    text.append(start, count);
    if (count < most) return text;
    at += count;
  }
  return fail(too_long, "string too long");
}

}  // namespace tidewaiter::supervisor

#include "supervisor/names/kept_names.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <new>
#include <utility>

#include "oci/base/system.h"

namespace tidewaiter::supervisor {
namespace {

constexpr std::uint64_t kLayout = 0x6e616d65'00000001;

// Where the texts lie. What nobody has written to takes no memory.
constexpr std::uint64_t kFirst = 4096;
constexpr std::uint64_t kRoom = std::uint64_t{256} << 20U;

}  // namespace

struct KeptNames::Header {
  std::uint64_t layout = kLayout;
  std::array<std::uint64_t, 2> sizes{};
  std::atomic<std::uint32_t> present{0};  // 1 or 2: that text; 0: none
};

Result<KeptNames> KeptNames::make() {
  UniqueFd memory(::memfd_create("tidewaiter-names", MFD_CLOEXEC));
  if (!memory.valid()) return fail(errno, "memfd_create");
  if (::ftruncate(memory.get(), static_cast<off_t>(kFirst)) != 0) return fail(errno, "ftruncate");
  auto made = TRY(map(std::move(memory)));
  new (made.header_) Header;
  return made;
}

Result<KeptNames> KeptNames::open(UniqueFd memory) {
  if (TRY(sys::fstat(memory.get())).st_size < static_cast<off_t>(kFirst)) return fail(EPROTO, "kept names");
  auto opened = TRY(map(std::move(memory)));
  if (opened.header_->layout != kLayout) return fail(EPROTO, "kept names");
  return opened;
}

Result<KeptNames> KeptNames::map(UniqueFd memory) {
  void* const mapped = ::mmap(nullptr, kFirst, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (mapped == MAP_FAILED) return fail(errno, "mmap");
  return KeptNames(std::move(memory), static_cast<Header*>(mapped));
}

KeptNames::KeptNames(KeptNames&& other) noexcept
    : memory_(std::move(other.memory_)), header_(std::exchange(other.header_, nullptr)) {}

KeptNames::~KeptNames() {
  if (header_ != nullptr) ::munmap(header_, kFirst);
}

Result<std::string> KeptNames::load() const {
  const std::uint32_t present = header_->present.load(std::memory_order_acquire);
  if (present == 0) return std::string();
  if (present > 2) return fail(EPROTO, "kept names");
  const std::uint64_t size = header_->sizes.at(present - 1);
  if (size > kRoom) return fail(EPROTO, "kept names");
  std::string text(size, '\0');
  const auto at = static_cast<off_t>(kFirst + (present - 1) * kRoom);
  if (::pread(memory_.get(), text.data(), text.size(), at) != static_cast<ssize_t>(text.size())) {
    return fail(EIO, "kept names");
  }
  return text;
}

Status KeptNames::store(std::string_view text) {
  if (text.size() > kRoom) return fail(EFBIG, "kept names");
  const std::uint32_t next = header_->present.load(std::memory_order_relaxed) == 1 ? 2 : 1;
  const auto at = static_cast<off_t>(kFirst + (next - 1) * kRoom);
  const ssize_t written = ::pwrite(memory_.get(), text.data(), text.size(), at);
  if (written != static_cast<ssize_t>(text.size())) return fail(written < 0 ? errno : ENOSPC, "kept names");
  header_->sizes.at(next - 1) = text.size();
  header_->present.store(next, std::memory_order_release);
  return {};
}

}  // namespace tidewaiter::supervisor

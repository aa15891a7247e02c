#include "supervisor/slots.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <initializer_list>
#include <new>

#include "oci/base/log.h"
#include "oci/base/system.h"

namespace tidewaiter::supervisor {
namespace {

// Changes with what the members mean. Their places and sizes Slots::layout() sees by itself.
constexpr std::uint64_t kMeaning = 8;

// One number for many (FNV-1a).
constexpr std::uint64_t folded(std::initializer_list<std::uint64_t> numbers) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::uint64_t number : numbers) hash = (hash ^ number) * 0x100000001b3;
  return hash;
}

constexpr std::uint64_t slot_layout() {
  return folded({sizeof(Slot), offsetof(Slot, session), offsetof(Slot, stage), offsetof(Slot, attempts),
                 offsetof(Slot, crashes), offsetof(Slot, event), offsetof(Slot, cookie),
                 offsetof(Slot, address_size), offsetof(Slot, address), offsetof(Slot, answer),
                 offsetof(Slot, sending), offsetof(Slot, headers)});
}

constexpr std::uint64_t lost_answer_layout() {
  return folded({sizeof(LostAnswer), offsetof(LostAnswer, held), offsetof(LostAnswer, tid),
                 offsetof(LostAnswer, number), offsetof(LostAnswer, of_thread_alone),
                 offsetof(LostAnswer, socket_cookie), offsetof(LostAnswer, address_size),
                 offsetof(LostAnswer, last_length), offsetof(LostAnswer, address),
                 offsetof(LostAnswer, answer)});
}

constexpr std::uint64_t answer_layout() {
  return folded({sizeof(Answer), offsetof(Answer, kind), offsetof(Answer, errno_value),
                 offsetof(Answer, value), sizeof(EventCounts), offsetof(EventCounts, appended),
                 offsetof(EventCounts, settled), offsetof(EventCounts, lost), sizeof(StandInThreads)});
}

constexpr std::size_t round_up(std::size_t size, std::size_t to) { return (size + to - 1) / to * to; }

// In Slot::sending: messages (1024 at most), bytes (2 GiB at most), header.
constexpr unsigned kMessagesShift = 48;
constexpr std::uint64_t kBytesMask = (std::uint64_t{1} << kMessagesShift) - 1;

// Of what is laid out one after the other, each is used by another processor.
constexpr std::size_t kLine = 64;

Result<std::size_t> notification_size() {
  const auto sizes = TRY(seccomp::notify_sizes());
  return std::max<std::size_t>(sizes.notification, sizeof(struct seccomp_notif));
}

constexpr std::size_t slot_size(std::size_t room) { return round_up(sizeof(Slot) + room, kLine); }

}  // namespace

// At the beginning of the memory; the slots follow, and then the room for lost answers.
struct Slots::Header {
  std::uint64_t layout = Slots::layout();
  std::uint64_t slot_size = 0;          // with its notification
  std::uint64_t notification_size = 0;  // as the kernel had it
  // Slots that were ever used: to look at one is to have the kernel make its page.
  std::atomic<std::uint32_t> touched{0};
  std::atomic<std::uint64_t> logged{0};
  std::array<std::atomic<std::uint32_t>, kSessions> start_over{};
  std::array<std::atomic<std::uint8_t>, kSessions> lost_answers{};  // LostAnswers::used
  EventCounts events;
  StandInThreads stand_ins;
  std::atomic<std::uint32_t> tracer_refusals{0};
};

std::uint64_t Slots::layout() {
  return folded({kMeaning, slot_layout(), lost_answer_layout(), answer_layout(), sizeof(Header),
                 offsetof(Header, layout), offsetof(Header, slot_size), offsetof(Header, notification_size),
                 offsetof(Header, touched), offsetof(Header, logged), offsetof(Header, start_over),
                 offsetof(Header, lost_answers), offsetof(Header, events), offsetof(Header, stand_ins),
                 offsetof(Header, tracer_refusals)});
}

std::size_t Slots::lost_answers_at(std::size_t room) {
  return round_up(sizeof(Header), kLine) + kSlots * slot_size(room);
}

std::size_t Slots::whole_size(std::size_t room) {
  return lost_answers_at(room) + kSessions * LostAnswers::kLimit * sizeof(LostAnswer);
}

thread_local Slot* Slot::own = nullptr;

void Slot::reset() {
  stage.store(Stage::kIdle, std::memory_order_release);
  attempts.store(0, std::memory_order_release);
  crashes.store(0, std::memory_order_release);
}

void Slot::begin(std::uint64_t socket_cookie, std::span<const std::byte> socket_address) {
  if (begun(socket_cookie, socket_address)) return;
  // What is noted is not to be taken for what is noted next.
  stage.store(Stage::kIdle, std::memory_order_release);
  cookie = socket_cookie;
  address_size = static_cast<std::uint32_t>(std::min(socket_address.size(), address.size()));
  std::copy_n(socket_address.begin(), address_size, address.begin());
  headers[0].msg_len = kUnsent;
  sending.store(0, std::memory_order_release);
  stage.store(Stage::kPerforming, std::memory_order_release);
}

bool Slot::begun(std::uint64_t socket_cookie, std::span<const std::byte> socket_address) const {
  return stage.load(std::memory_order_acquire) == Stage::kPerforming && cookie == socket_cookie &&
         std::equal(address.begin(), address.begin() + address_size, socket_address.begin(),
                    socket_address.end());
}

void Slot::record(const Answer& made) {
  if (stage.load(std::memory_order_relaxed) != Stage::kPerforming) return;
  answer = made;
  stage.store(Stage::kPerformed, std::memory_order_release);
}

std::optional<Answer> Slot::recorded() const {
  const Stage now = stage.load(std::memory_order_acquire);
  if (now != Stage::kPerformed && now != Stage::kAnswering) return std::nullopt;
  return answer;
}

void Slot::begin_answer() {
  if (stage.load(std::memory_order_relaxed) != Stage::kPerformed) return;
  stage.store(Stage::kAnswering, std::memory_order_release);
}

Slot::Sent Slot::sent() const {
  const std::uint64_t now = sending.load(std::memory_order_acquire);
  const std::uint32_t taken = headers[now & 1U].msg_len;
  Sent sent{static_cast<std::uint32_t>(now >> kMessagesShift), (now & kBytesMask) >> 1U, taken != kUnsent};
  if (sent.noted) sent.bytes += taken;
  return sent;
}

struct mmsghdr& Slot::next_send(std::uint32_t messages, std::uint64_t bytes) {
  const std::uint64_t next = (sending.load(std::memory_order_relaxed) & 1U) ^ 1U;
  headers[next].msg_len = kUnsent;
  sending.store(std::uint64_t{messages} << kMessagesShift | bytes << 1U | next, std::memory_order_release);
  return headers[next];
}

Result<std::unique_ptr<Slots>> Slots::make() {
  UniqueFd memory(::memfd_create("tidewaiter-slots", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.valid()) return fail(errno, "memfd_create");
  const std::size_t room = TRY(notification_size());
  const std::size_t size = whole_size(room);
  // Pages that nobody has written to are not there; a memory that shrank would kill who touches it.
  if (::ftruncate(memory.get(), static_cast<off_t>(size)) != 0) return fail(errno, "ftruncate");
  if (::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return fail(errno, "F_ADD_SEALS");
  }
  auto* const mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (mapped == MAP_FAILED) return fail(errno, "mmap");
  auto* const header = new (mapped) Header;
  header->slot_size = slot_size(room);
  header->notification_size = room;
  return std::unique_ptr<Slots>(new Slots(std::move(memory), static_cast<std::byte*>(mapped), size, room));
}

Result<std::unique_ptr<Slots>> Slots::open(UniqueFd memory) {
  const auto size = static_cast<std::size_t>(TRY(sys::fstat(memory.get())).st_size);
  const std::size_t room = TRY(notification_size());
  if (size != whole_size(room)) return fail(EPROTO, "shared slots");
  auto* const mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (mapped == MAP_FAILED) return fail(errno, "mmap");
  std::unique_ptr<Slots> slots(new Slots(std::move(memory), static_cast<std::byte*>(mapped), size, room));
  const Header& header = slots->header();
  if (header.layout != layout() || header.touched > kSlots || header.notification_size != room ||
      header.slot_size != slot_size(room)) {
    return fail(EPROTO, "shared slots");
  }
  return slots;
}

Slots::Slots(UniqueFd memory, std::byte* mapped, std::size_t size, std::size_t room)
    : memory_(std::move(memory)),
      mapped_(mapped),
      size_(size),
      notification_size_(room),
      slot_size_(slot_size(room)),
      taken_(kSlots) {}

Slots::~Slots() { ::munmap(mapped_, size_); }

Slots::Header& Slots::header() const { return *reinterpret_cast<Header*>(mapped_); }

// SAFETY: memory that is all zero is a slot that is not in use; the atomics have no other state.
Slot& Slots::at(unsigned index) const {
  return *reinterpret_cast<Slot*>(mapped_ + round_up(sizeof(Header), kLine) + index * slot_size_);
}

unsigned Slots::index_of(const Slot& slot) const {
  const auto offset = reinterpret_cast<const std::byte*>(&slot) - mapped_;
  return static_cast<unsigned>((static_cast<std::size_t>(offset) - round_up(sizeof(Header), kLine)) /
                               slot_size_);
}

unsigned Slots::touched() const {
  return std::min<std::uint32_t>(header().touched.load(std::memory_order_acquire), kSlots);
}

void Slots::empty(Slot& slot) const {
  auto* const id = reinterpret_cast<std::uint64_t*>(reinterpret_cast<std::byte*>(&slot) + sizeof(Slot));
  static_assert(offsetof(struct seccomp_notif, id) == 0 && sizeof(Slot) % alignof(std::uint64_t) == 0);
  std::atomic_ref(*id).store(0, std::memory_order_release);
}

seccomp::NotificationBuffer Slots::notification(Slot& slot) const {
  return seccomp::NotificationBuffer(
      std::span(reinterpret_cast<std::byte*>(&slot) + sizeof(Slot), notification_size_));
}

// Mapped once more, for good: lines may be logged when these slots are gone.
Status Slots::share_log_bound() const {
  constexpr std::size_t kPage = 4096;
  static_assert(offsetof(Header, logged) + sizeof(Header::logged) <= kPage);
  void* const mapped = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, memory_.get(), 0);
  if (mapped == MAP_FAILED) return fail(errno, "mmap");
  log::count_in(static_cast<Header*>(mapped)->logged);
  return {};
}

EventCounts& Slots::event_counts() const { return header().events; }

StandInThreads& Slots::stand_ins() const { return header().stand_ins; }

std::atomic<std::uint32_t>& Slots::tracer_refusals() const { return header().tracer_refusals; }

std::atomic<std::uint32_t>& Slots::start_over(unsigned session) { return header().start_over.at(session); }

void Slots::begin(unsigned session) {
  start_over(session) = 0;
  header().lost_answers.at(session) = 0;
}

// SAFETY: memory that is all zero is no lost answer.
LostAnswers Slots::lost_answers(unsigned session) const {
  auto& used = header().lost_answers.at(session);
  auto* const first = reinterpret_cast<LostAnswer*>(mapped_ + lost_answers_at(notification_size_));
  return {used, std::span<LostAnswer, LostAnswers::kLimit>(first + session * LostAnswers::kLimit,
                                                           LostAnswers::kLimit)};
}

Slot* Slots::take(unsigned session) {
  const std::lock_guard lock(mutex_);
  // The lowest, so that few pages are touched; and not one that an earlier worker has left for a session that
  // has yet to take it over.
  unsigned index = 0;
  const auto in_use = [this](unsigned each) {
    return taken_[each] ||
           (each < touched() && at(each).session.load(std::memory_order_acquire) != Slot::kNoSession);
  };
  while (index < kSlots && in_use(index)) ++index;
  if (index == kSlots) return nullptr;
  taken_[index] = true;
  if (index >= touched()) header().touched = index + 1;
  Slot& slot = at(index);
  slot.reset();
  // Of another filter, whose ids say nothing of this one's.
  std::fill_n(reinterpret_cast<std::byte*>(&slot) + sizeof(Slot), notification_size_, std::byte{0});
  // A page that had been written to disk, and cannot be read back, would take the thread along at a moment
  // when what it has to note has happened already. Where it may not be kept in memory, that is how it is.
  (void)::mlock(&slot, slot_size_);
  slot.session.store(session + 1, std::memory_order_release);
  return &slot;
}

void Slots::give_back(Slot& slot) {
  const std::lock_guard lock(mutex_);
  slot.session.store(Slot::kNoSession, std::memory_order_release);
  taken_[index_of(slot)] = false;
}

std::vector<Slot*> Slots::take_over(unsigned session) {
  const std::lock_guard lock(mutex_);
  std::vector<Slot*> left;
  for (unsigned index = 0; index < touched(); ++index) {
    Slot& slot = at(index);
    if (taken_[index] || slot.session.load(std::memory_order_acquire) != session + 1) continue;
    taken_[index] = true;
    left.push_back(&slot);
  }
  return left;
}

std::set<unsigned> Slots::sessions() const {
  std::set<unsigned> numbers;
  for (unsigned index = 0; index < touched(); ++index) {
    const std::uint32_t session = at(index).session.load(std::memory_order_acquire);
    if (session != Slot::kNoSession) numbers.insert(session - 1);
  }
  return numbers;
}

void Slots::forget_others(const std::vector<unsigned>& known) {
  const std::lock_guard lock(mutex_);
  for (unsigned index = 0; index < touched(); ++index) {
    Slot& slot = at(index);
    const std::uint32_t session = slot.session.load(std::memory_order_acquire);
    if (session == Slot::kNoSession || std::find(known.begin(), known.end(), session - 1) != known.end())
      continue;
    slot.settle_event();
    slot.session.store(Slot::kNoSession, std::memory_order_release);
  }
}

}  // namespace tidewaiter::supervisor

#include "supervisor/target/inject_calls.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/memfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "oci/base/system.h"

// Newer than the headers of Debian 12 (Linux 6.10); the same number on every architecture.
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

// Newer than those too (include/uapi/linux/fs.h of 6.11).
#ifndef PROCMAP_QUERY
struct procmap_query {
  __u64 size;
  __u64 query_flags;
  __u64 query_addr;
  __u64 vma_start;
  __u64 vma_end;
  __u64 vma_flags;
  __u64 vma_page_size;
  __u64 vma_offset;
  __u64 inode;
  __u32 dev_major;
  __u32 dev_minor;
  __u32 vma_name_size;
  __u32 build_id_size;
  __u64 vma_name_addr;
  __u64 build_id_addr;
};
#define PROCMAP_QUERY _IOWR('f', 17, struct procmap_query)
#define PROCMAP_QUERY_VMA_WRITABLE 0x02
#define PROCMAP_QUERY_VMA_SHARED 0x08
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace tidewaiter::supervisor {
namespace {

// Looks through /proc/PID/smaps for what it says of one address, part by part. No line is made up by the
// process: names have their line ends escaped.
class SmapsSearch {
 public:
  explicit SmapsSearch(std::uint64_t address) : address_(address) {}

  // Whether the mapping is sealed, as soon as it is known.
  std::optional<bool> take(std::string_view part) {
    for (const char c : part) {
      if (c != '\n') {
        line_ += c;
        continue;
      }
      if (const auto sealed = take_line(line_)) return sealed;
      line_.clear();
    }
    return std::nullopt;
  }

 private:
  std::optional<bool> take_line(std::string_view line) {
    constexpr std::string_view kFlags = "VmFlags:";
    if (line.starts_with(kFlags)) {
      if (!within_) return std::nullopt;
      return line.substr(kFlags.size()).find(" sl") != std::string_view::npos;
    }
    // "START-END ...", in hexadecimal; of the other lines none begins with a small letter or a digit.
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    const char* const last = line.data() + line.size();
    const auto first = std::from_chars(line.data(), last, start, 16);
    if (first.ec != std::errc{} || first.ptr == last || *first.ptr != '-') return std::nullopt;
    if (std::from_chars(first.ptr + 1, last, end, 16).ec != std::errc{}) return std::nullopt;
    within_ = start <= address_ && address_ < end;
    return std::nullopt;
  }

  std::uint64_t address_;
  std::string line_;
  bool within_ = false;
};

constexpr long kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;

}  // namespace

#if defined(__x86_64__)

long ThreadRegisters::number() const { return static_cast<long>(registers_.orig_rax); }
long ThreadRegisters::result() const { return static_cast<long>(registers_.rax); }

void ThreadRegisters::set_call(long number, const std::array<std::uint64_t, 6>& arguments) {
  registers_.orig_rax = static_cast<std::uint64_t>(number);
  registers_.rdi = arguments[0];
  registers_.rsi = arguments[1];
  registers_.rdx = arguments[2];
  registers_.r10 = arguments[3];
  registers_.r8 = arguments[4];
  registers_.r9 = arguments[5];
}

void ThreadRegisters::repeat() {
  constexpr std::uint64_t kInstruction = 2;  // bytes of SYSCALL
  registers_.rip -= kInstruction;
  registers_.orig_rax = ~0ULL;  // in no call: there is nothing to restart
}

void ThreadRegisters::set_result(long result) { registers_.rax = static_cast<std::uint64_t>(result); }

#else

// Never called: attach() refuses, for where this architecture has the arguments of a call has not been looked
// at.
long ThreadRegisters::number() const { std::abort(); }
long ThreadRegisters::result() const { std::abort(); }
void ThreadRegisters::set_call(long, const std::array<std::uint64_t, 6>&) { std::abort(); }
void ThreadRegisters::repeat() { std::abort(); }
void ThreadRegisters::set_result(long) { std::abort(); }

#endif

// mseal(2) is of Linux 6.10; it has no flags, and says so. PROCMAP_QUERY is of 6.11.
bool kernel_has_both() {
  if (::syscall(SYS_mseal, 0UL, 0UL, 1UL) == 0 || errno != EINVAL) return false;
  const auto maps = sys::open("/proc/self/maps", O_RDONLY);
  if (!maps) return false;
  struct procmap_query query {};
  query.size = sizeof query;
  return ::ioctl(maps->get(), PROCMAP_QUERY, &query) == 0 || errno != ENOTTY;
}

class SystemInjectCalls final : public InjectCalls {
 public:
  [[nodiscard]] bool available() const override {
#if defined(__x86_64__)
    static const bool available = kernel_has_both();
    return available;
#else
    return false;
#endif
  }

  Status attach(pid_t tid) override {
#if defined(__x86_64__)
    return trace(PTRACE_SEIZE, tid, kOptions, "PTRACE_SEIZE");
#else
    return fail(ENOSYS,
                "calls made by a thread of another process, on this architecture: " + std::to_string(tid));
#endif
  }

  Status interrupt(pid_t tid) override { return trace(PTRACE_INTERRUPT, tid, 0, "PTRACE_INTERRUPT"); }

  Status suspend_filter(pid_t tid, bool suspended) override {
    return trace(PTRACE_SETOPTIONS, tid, kOptions | (suspended ? PTRACE_O_SUSPEND_SECCOMP : 0),
                 "PTRACE_SETOPTIONS");
  }

  Result<std::uint64_t> signal_mask(pid_t tid) override {
    std::uint64_t mask = 0;
    if (::ptrace(static_cast<__ptrace_request>(PTRACE_GETSIGMASK), tid, sizeof mask, &mask) != 0) {
      return fail(errno, "PTRACE_GETSIGMASK");
    }
    return mask;
  }

  Status set_signal_mask(pid_t tid, std::uint64_t mask) override {
    if (::ptrace(static_cast<__ptrace_request>(PTRACE_SETSIGMASK), tid, sizeof mask, &mask) != 0) {
      return fail(errno, "PTRACE_SETSIGMASK");
    }
    return {};
  }

  Result<ThreadRegisters> registers(pid_t tid) override {
    ThreadRegisters registers;
    struct iovec where = {&registers.registers_, sizeof registers.registers_};
    if (::ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &where) != 0) return fail(errno, "PTRACE_GETREGSET");
    TRY(check_size(where));
    return registers;
  }

  Status set_registers(pid_t tid, const ThreadRegisters& registers) override {
    ThreadRegisters copy = registers;
    struct iovec where = {&copy.registers_, sizeof copy.registers_};
    if (::ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &where) != 0) return fail(errno, "PTRACE_SETREGSET");
    return check_size(where);
  }

  Result<EnteredCall> entered(pid_t tid) override {
    const struct __ptrace_syscall_info info = TRY(call_info(tid));
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return fail(EPROTO, "PTRACE_GET_SYSCALL_INFO");
    EnteredCall call{info.arch, static_cast<long>(info.entry.nr), {}};
    std::copy(std::begin(info.entry.args), std::end(info.entry.args), call.arguments.begin());
    return call;
  }

  Status resume(pid_t tid) override { return trace(PTRACE_SYSCALL, tid, 0, "PTRACE_SYSCALL"); }

  Status pass_on(pid_t tid, int signal) override {
    return trace(PTRACE_SYSCALL, tid, signal, "PTRACE_SYSCALL");
  }

  Result<InjectStop> wait() override {
    using Kind = InjectStop::Kind;
    int status = 0;
    // __WNOTHREAD: only whom this thread traces.
    const pid_t tid = ::waitpid(-1, &status, __WALL | __WNOTHREAD);
    if (tid < 0 && errno == ECHILD) return InjectStop{};
    if (tid < 0) return fail(errno, "waitpid");
    InjectStop stop{Kind::kEnded, tid, 0, 0};
    if (!WIFSTOPPED(status)) return stop;
    const int event = status >> 16;
    constexpr int kCall = SIGTRAP | 0x80;  // PTRACE_O_TRACESYSGOOD
    if (event == PTRACE_EVENT_CLONE) {
      unsigned long thread = 0;
      if (::ptrace(PTRACE_GETEVENTMSG, tid, nullptr, &thread) != 0) return fail(errno, "PTRACE_GETEVENTMSG");
      stop.kind = Kind::kCloned;
      stop.thread = static_cast<pid_t>(thread);
    } else if (event != 0) {
      stop.kind = Kind::kTrap;
    } else if (WSTOPSIG(status) != kCall) {
      stop.kind = Kind::kSignal;
      stop.signal = WSTOPSIG(status);
    } else {
      stop.kind = TRY(call_info(tid)).op == PTRACE_SYSCALL_INFO_ENTRY ? Kind::kEntry : Kind::kExit;
    }
    return stop;
  }

  Status let_go(pid_t tid, int signal) override { return trace(PTRACE_DETACH, tid, signal, "PTRACE_DETACH"); }

  Status kill_traced(pid_t tid) override {
    if (::kill(tid, SIGKILL) != 0) return fail(errno, "kill");
    return {};
  }

  Result<SharedMemory> make_shared_memory(std::size_t size) override {
    SharedMemory memory;
    memory.fd = UniqueFd(::memfd_create("tidewaiter", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!memory.fd.valid()) return fail(errno, "memfd_create");
    if (::ftruncate(memory.fd.get(), static_cast<off_t>(size)) != 0) return fail(errno, "ftruncate");
    void* mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd.get(), 0);
    if (mapped == MAP_FAILED) return fail(errno, "mmap");
    memory.bytes = {static_cast<std::byte*>(mapped), size};
    constexpr int kSeals = F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (::fcntl(memory.fd.get(), F_ADD_SEALS, kSeals) != 0) {
      const int reason = errno;
      unmap(memory.bytes);
      return fail(reason, "F_ADD_SEALS");
    }
    return memory;
  }

  void unmap(std::span<std::byte> bytes) override { (void)::munmap(bytes.data(), bytes.size()); }

  Result<Mapping> mapping_at(pid_t tid, std::uint64_t address) override {
    const UniqueFd maps = TRY(sys::open("/proc/" + std::to_string(tid) + "/maps", O_RDONLY));
    struct procmap_query query {};
    query.size = sizeof query;
    query.query_addr = address;
    if (::ioctl(maps.get(), PROCMAP_QUERY, &query) != 0) return fail(errno, "PROCMAP_QUERY");
    Mapping mapping;
    mapping.start = query.vma_start;
    mapping.end = query.vma_end;
    mapping.offset = query.vma_offset;
    mapping.device = makedev(query.dev_major, query.dev_minor);
    mapping.inode = query.inode;
    mapping.writable = (query.vma_flags & PROCMAP_QUERY_VMA_WRITABLE) != 0;
    mapping.shared = (query.vma_flags & PROCMAP_QUERY_VMA_SHARED) != 0;
    return mapping;
  }

  Result<bool> sealed_at(pid_t tid, std::uint64_t address) override {
    constexpr std::size_t kMost = 1U << 20U;  // a mapping has less than one KiB
    const UniqueFd smaps = TRY(sys::open("/proc/" + std::to_string(tid) + "/smaps", O_RDONLY));
    SmapsSearch search(address);
    std::array<char, 4096> part{};
    for (std::size_t size = 0; size < kMost;) {
      const std::size_t count = TRY(sys::read(smaps.get(), part.data(), part.size()));
      if (count == 0) return fail(ENOENT, "smaps");
      if (const auto sealed = search.take({part.data(), count})) return *sealed;
      size += count;
    }
    return fail(EFBIG, "smaps");
  }

 private:
  static Status trace(__ptrace_request request, pid_t tid, long data, const char* name) {
    if (::ptrace(request, tid, nullptr, data) != 0) return fail(errno, name);
    return {};
  }

  // A thread whose code segment is a 32-bit one has another, shorter set of registers
  // (task_user_regset_view, arch/x86/kernel/ptrace.c).
  static Status check_size(const struct iovec& where) {
    if (where.iov_len != sizeof(struct user_regs_struct)) return fail(EPERM, "registers of another ABI");
    return {};
  }

  static Result<struct __ptrace_syscall_info> call_info(pid_t tid) {
    struct __ptrace_syscall_info info {};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) < 0) {
      return fail(errno, "PTRACE_GET_SYSCALL_INFO");
    }
    return info;
  }
};

InjectCalls& system_inject_calls() {
  static SystemInjectCalls calls;
  return calls;
}

}  // namespace tidewaiter::supervisor

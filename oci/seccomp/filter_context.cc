#include "oci/seccomp/filter_context.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "oci/base/system.h"
#include "oci/base/unique_fd.h"

#if SCMP_VER_MAJOR > 2 || (SCMP_VER_MAJOR == 2 && SCMP_VER_MINOR >= 6)
#define TIDEWAITER_SECCOMP_2_6 1
#else
#define TIDEWAITER_SECCOMP_2_6 0
#endif

namespace tidewaiter::seccomp {
namespace {

// Every architecture that some libseccomp knows, as config.json names it: libseccomp itself has no way from
// a token to a name.
constexpr std::array<std::string_view, 23> kArchitectures = {
    "SCMP_ARCH_X86",     "SCMP_ARCH_X86_64",   "SCMP_ARCH_X32",         "SCMP_ARCH_ARM",
    "SCMP_ARCH_AARCH64", "SCMP_ARCH_MIPS",     "SCMP_ARCH_MIPS64",      "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",  "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",   "SCMP_ARCH_PPC64LE",  "SCMP_ARCH_S390",        "SCMP_ARCH_S390X",
    "SCMP_ARCH_PARISC",  "SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64",     "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_M68K",    "SCMP_ARCH_SH",       "SCMP_ARCH_SHEB"};

// libseccomp returns negative errno values; 0 and above is success.
Status checked(int result, std::string what) {
  if (result < 0) return fail(-result, std::move(what));
  return {};
}

std::string version_text(const LibraryVersion& version) {
  return std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
         std::to_string(version.micro);
}

// For what was compiled in, or left out, because of the headers' version.
[[maybe_unused]] Status needs_2_6(const std::string& what) {
  return fail(EOPNOTSUPP, what + ": needs libseccomp 2.6, and this was built with " +
                              version_text({SCMP_VER_MAJOR, SCMP_VER_MINOR, SCMP_VER_MICRO}));
}

#if TIDEWAITER_SECCOMP_2_6
constexpr auto kWaitKillAttribute = SCMP_FLTATR_CTL_WAITKILL;
#else
// An attribute is a number to the library: one newer than the headers is set all the same.
constexpr auto kWaitKillAttribute = static_cast<scmp_filter_attr>(10);
#endif

struct AttributeName {
  scmp_filter_attr code;
  const char* text;
};

AttributeName library_attribute(Attribute attribute) {
  switch (attribute) {
    case Attribute::kDefaultAction:
      return {SCMP_FLTATR_ACT_DEFAULT, "default action"};
    case Attribute::kBadArchitectureAction:
      return {SCMP_FLTATR_ACT_BADARCH, "bad architecture action"};
    case Attribute::kNoNewPrivileges:
      return {SCMP_FLTATR_CTL_NNP, "no_new_privs"};
    case Attribute::kThreadSync:
      return {SCMP_FLTATR_CTL_TSYNC, "thread sync"};
    case Attribute::kSkipSyscall:
      return {SCMP_FLTATR_API_TSKIP, "skip syscall -1"};
    case Attribute::kLog:
      return {SCMP_FLTATR_CTL_LOG, "log"};
    case Attribute::kSpeculativeStore:
      return {SCMP_FLTATR_CTL_SSB, "speculative store"};
    case Attribute::kOptimize:
      return {SCMP_FLTATR_CTL_OPTIMIZE, "optimize"};
    case Attribute::kRawReturnCodes:
      return {SCMP_FLTATR_API_SYSRAWRC, "raw return codes"};
    case Attribute::kWaitKillable:
      return {kWaitKillAttribute, "wait killable"};
  }
  std::abort();  // no such enumerator
}

// The attributes that the loaded library does not have, whatever was compiled against.
Status check_known(Attribute attribute, const std::string& what) {
  const LibraryVersion version = library_version();
  if (attribute == Attribute::kWaitKillable && version.major == 2 && version.minor < 6) {
    return fail(EOPNOTSUPP, what + ": needs libseccomp 2.6, and this is " + version_text(version));
  }
  return {};
}

scmp_arg_cmp comparison(const policy::ArgumentTest& test) {
  const auto made = [&](scmp_compare operation) {
    return scmp_arg_cmp{test.index, operation, test.value, 0};
  };
  switch (test.comparison) {
    case policy::Comparison::kEqual:
      return made(SCMP_CMP_EQ);
    case policy::Comparison::kNotEqual:
      return made(SCMP_CMP_NE);
    case policy::Comparison::kLess:
      return made(SCMP_CMP_LT);
    case policy::Comparison::kLessOrEqual:
      return made(SCMP_CMP_LE);
    case policy::Comparison::kGreater:
      return made(SCMP_CMP_GT);
    case policy::Comparison::kGreaterOrEqual:
      return made(SCMP_CMP_GE);
    case policy::Comparison::kMaskedEqual:
      // Here the first datum is the mask.
      return scmp_arg_cmp{test.index, SCMP_CMP_MASKED_EQ, test.mask, test.value};
  }
  std::abort();  // no such enumerator
}

std::optional<int> known(int number) {
  if (number == __NR_SCMP_ERROR) return std::nullopt;
  return number;
}

}  // namespace

LibraryVersion library_version() {
  const scmp_version* version = ::seccomp_version();
  return {version->major, version->minor, version->micro};
}

unsigned api_level() { return ::seccomp_api_get(); }

Status set_api_level(unsigned level) {
  return checked(::seccomp_api_set(level), "set libseccomp's API level to " + std::to_string(level));
}

Result<std::string> architecture_name(std::uint32_t token) {
  for (const std::string_view name : kArchitectures) {
    if (architecture_token(name) == token) return std::string(name);
  }
  return fail("architecture token " + std::to_string(token) + " is not known to libseccomp " +
              version_text(library_version()));
}

std::uint32_t native_architecture() { return ::seccomp_arch_native(); }

std::optional<int> syscall_number(std::uint32_t architecture, const std::string& name) {
  return known(::seccomp_syscall_resolve_name_arch(architecture, name.c_str()));
}

std::optional<int> multiplexed_syscall_number(std::uint32_t architecture, const std::string& name) {
  return known(::seccomp_syscall_resolve_name_rewrite(architecture, name.c_str()));
}

std::optional<std::string> syscall_name(std::uint32_t architecture, int number) {
  const std::unique_ptr<char, decltype(&std::free)> name(
      ::seccomp_syscall_resolve_num_arch(architecture, number), &std::free);
  if (name == nullptr) return std::nullopt;
  return std::string(name.get());
}

void FilterContext::Release::operator()(void* context) const { ::seccomp_release(context); }

Result<FilterContext> FilterContext::create(const ProfileAction& default_action) {
  FilterContext made(::seccomp_init(return_value(default_action)));
  if (made.context_ == nullptr) return fail(EINVAL, "make a seccomp filter");
  TRY(made.set_attribute(Attribute::kRawReturnCodes, 1));
  return made;
}

Status FilterContext::reset(const ProfileAction& default_action) {
  TRY(checked(::seccomp_reset(context_.get(), return_value(default_action)), "reset a seccomp filter"));
  open_transactions_ = 0;
  return set_attribute(Attribute::kRawReturnCodes, 1);
}

Status FilterContext::merge(FilterContext&& other) {
  TRY(checked(::seccomp_merge(context_.get(), other.context_.get()), "merge seccomp filters"));
  (void)other.context_.release();  // libseccomp has released it
  return {};
}

Status FilterContext::add_architecture(std::uint32_t token) {
  return checked(::seccomp_arch_add(context_.get(), token),
                 "add architecture " + std::to_string(token) + " to a seccomp filter");
}

Status FilterContext::remove_architecture(std::uint32_t token) {
  return checked(::seccomp_arch_remove(context_.get(), token),
                 "remove architecture " + std::to_string(token) + " from a seccomp filter");
}

Result<bool> FilterContext::has_architecture(std::uint32_t token) const {
  const int result = ::seccomp_arch_exist(context_.get(), token);
  if (result == -EEXIST) return false;
  TRY(checked(result, "look for architecture " + std::to_string(token) + " in a seccomp filter"));
  return true;
}

Status FilterContext::add_rule(const ProfileAction& action, int syscall,
                               const std::vector<policy::ArgumentTest>& tests, Exactness exactness) {
  std::vector<scmp_arg_cmp> comparisons;
  comparisons.reserve(tests.size());
  for (const policy::ArgumentTest& test : tests) comparisons.push_back(comparison(test));
  const auto count = static_cast<unsigned>(comparisons.size());
  const auto add =
      exactness == Exactness::kExact ? &::seccomp_rule_add_exact_array : &::seccomp_rule_add_array;
  return checked(add(context_.get(), return_value(action), syscall, count, comparisons.data()),
                 "add a seccomp rule on syscall " + std::to_string(syscall));
}

Status FilterContext::set_syscall_priority(int syscall, std::uint8_t priority) {
  return checked(::seccomp_syscall_priority(context_.get(), syscall, priority),
                 "set the priority of syscall " + std::to_string(syscall));
}

Result<std::uint32_t> FilterContext::attribute(Attribute attribute) const {
  const AttributeName name = library_attribute(attribute);
  const std::string what = std::string("get seccomp attribute '") + name.text + "'";
  TRY(check_known(attribute, what));
  std::uint32_t value = 0;
  TRY(checked(::seccomp_attr_get(context_.get(), name.code, &value), what));
  return value;
}

Status FilterContext::set_attribute(Attribute attribute, std::uint32_t value) {
  const AttributeName name = library_attribute(attribute);
  const std::string what =
      std::string("set seccomp attribute '") + name.text + "' to " + std::to_string(value);
  TRY(check_known(attribute, what));
  return checked(::seccomp_attr_set(context_.get(), name.code, value), what);
}

Status FilterContext::start_transaction() {
  const std::string what = "start a seccomp transaction";
#if TIDEWAITER_SECCOMP_2_6
  TRY(checked(::seccomp_transaction_start(context_.get()), what));
  ++open_transactions_;
  return {};
#else
  return needs_2_6(what);
#endif
}

Status FilterContext::commit_transaction() {
  const std::string what = "commit a seccomp transaction";
#if TIDEWAITER_SECCOMP_2_6
  if (open_transactions_ == 0) return fail(EINVAL, what);
  TRY(checked(::seccomp_transaction_commit(context_.get()), what));
  --open_transactions_;
  return {};
#else
  return needs_2_6(what);
#endif
}

Status FilterContext::reject_transaction() {
  const std::string what = "reject a seccomp transaction";
#if TIDEWAITER_SECCOMP_2_6
  if (open_transactions_ == 0) return fail(EINVAL, what);
  ::seccomp_transaction_reject(context_.get());
  --open_transactions_;
  return {};
#else
  return needs_2_6(what);
#endif
}

Status FilterContext::precompute() {
  const std::string what = "precompute a seccomp filter";
#if TIDEWAITER_SECCOMP_2_6
  return checked(::seccomp_precompute(context_.get()), what);
#else
  return needs_2_6(what);
#endif
}

Status FilterContext::load() {
  if (::fcntl(STDIN_FILENO, F_GETFD) < 0) {
    UniqueFd null = TRY(sys::open("/dev/null", O_RDWR));
    (void)null.release();  // the lowest free descriptor, so it is 0
  }
  errno = 0;
  int result = ::seccomp_load(context_.get());
  // libseccomp makes EFAULT of every errno that its manual does not list, EBUSY among them. It leaves
  // errno as the kernel's refusal set it.
  if (result == -EFAULT && errno != 0) result = -errno;
  return checked(result, "load a seccomp filter");
}

Result<int> FilterContext::notify_fd() const {
  const int fd = ::seccomp_notify_fd(context_.get());
  if (fd < 0) return fail("no seccomp filter that notifies has been loaded");
  return fd;
}

Status FilterContext::export_pfc(int fd) const {
  return checked(::seccomp_export_pfc(context_.get(), fd), "export a seccomp filter as pseudo code");
}

Status FilterContext::export_bpf(int fd) const {
  return checked(::seccomp_export_bpf(context_.get(), fd), "export a seccomp filter as BPF");
}

Result<BpfProgram> FilterContext::program() const {
  ScratchFile scratch;
  return program(scratch);
}

Result<BpfProgram> FilterContext::program([[maybe_unused]] ScratchFile& scratch) const {
#if TIDEWAITER_SECCOMP_2_6
  const std::string what = "export a seccomp filter to memory";
  std::size_t size = 0;
  TRY(checked(::seccomp_export_bpf_mem(context_.get(), nullptr, &size), what));
  BpfProgram program(size / sizeof(struct sock_filter));
  TRY(checked(::seccomp_export_bpf_mem(context_.get(), program.data(), &size), what));
  return program;
#else
  // libseccomp 2.5 writes to descriptors only.
  const int file = TRY(scratch.rewound());
  TRY(export_bpf(file));
  const off_t size = ::lseek(file, 0, SEEK_CUR);  // what was written before may be longer
  if (size < 0) return fail(errno, "lseek");
  BpfProgram program(static_cast<std::size_t>(size) / sizeof(struct sock_filter));
  if (::pread(file, program.data(), static_cast<std::size_t>(size), 0) != size) {
    return fail(EIO, "read an exported seccomp filter");
  }
  return program;
#endif
}

}  // namespace tidewaiter::seccomp

#include "oci/policy/load/argument_width.h"

#include <seccomp.h>

#include <optional>
#include <string>

#include "oci/policy/load/read_syscall_names.h"
#include "oci/policy/syscalls.h"
#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

// On every architecture that has the call; nullopt when nobody has looked at its arguments.
std::optional<Width> width(const std::string& name, unsigned index) {
  if (!has_syscall(SCMP_ARCH_X86_64, name) && !has_syscall(SCMP_ARCH_AARCH64, name)) return Width::kHalf;
  const SyscallEntry* entry = find_syscall(name);
  if (entry == nullptr) return std::nullopt;
  return width_of(*entry, index);
}

// REQUIRES: an argument that is there, and always has as many bits.
unsigned bits(Width width) { return width == Width::kShort ? 16 : width == Width::kHalf ? 32 : 64; }

std::string words(Width width) { return width == Width::kDepends ? "32 or 64" : std::to_string(bits(width)); }

bool fits(std::uint64_t value, unsigned bits) {
  const auto as_signed = static_cast<std::int64_t>(value);
  return (value >> bits) == 0 || (as_signed < 0 && as_signed >= -(std::int64_t{1} << (bits - 1)));
}

// The width that an argument has in each of `names`, or what is wrong with testing it.
std::optional<Width> read_width(Reader& reader, const Place& place, const std::vector<std::string>& names,
                                const ArgumentTest& test) {
  const std::string argument = "argument " + std::to_string(test.index);
  std::optional<Width> common;
  for (const std::string& name : names) {
    const std::optional<Width> here = width(name, test.index);
    if (!here) {
      reader.wrong(
          place, "how many bits the arguments of " + quote(name) +
                     " have is not known, so a program might get round the test; without \"args\", the rule "
                     "is about every such call");
      return std::nullopt;
    }
    if (*here == Width::kNone) {
      reader.wrong(place,
                   quote(name) + " has no " + argument +
                       ", so a program may put any number there; without the test, the rule is about every "
                       "such call");
      return std::nullopt;
    }
    if (common && *common != *here) {
      reader.wrong(place, argument + " has " + words(*common) + " bits in " + quote(names.front()) + " and " +
                              words(*here) + " in " + quote(name) + "; write a rule for each");
      return std::nullopt;
    }
    common = here;
  }
  return common;
}

}  // namespace

void narrow_test(Reader& reader, const Place& place, const std::vector<std::string>& names,
                 ArgumentTest& test) {
  const std::optional<Width> common = read_width(reader, place, names, test);
  if (!common || *common == Width::kWhole) return;
  const std::string argument = "argument " + std::to_string(test.index) + " of " + quote(names.front());
  if (*common == Width::kDepends) {
    if (test.comparison != Comparison::kMaskedEqual)
      reader.wrong(place,
                   argument +
                       " has 32 or 64 bits, as the other arguments say, so \"op\" has to be \"masked_eq\"; "
                       "the mask \"0xffffffff\" compares 32");
    return;
  }
  const std::uint64_t all = (std::uint64_t{1} << bits(*common)) - 1;
  const std::string has = argument + " has " + words(*common) + " bits";
  if (!fits(test.value, bits(*common)))
    return reader.wrong(place, has + ", so it never has the value " + std::to_string(test.value));
  if (test.mask != 0 && (test.mask & all) == 0)
    return reader.wrong(place, has + ", and the mask looks at none of them");
  if (test.comparison == Comparison::kGreater && test.value == all)
    return reader.wrong(place, "no number of " + words(*common) +
                                   " bits is greater than this value, so the test never holds");
  test.mask &= all;
  test.value &= all;
}

}  // namespace tidewaiter::policy

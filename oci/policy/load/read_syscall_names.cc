#include "oci/policy/load/read_syscall_names.h"

#include <seccomp.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string_view>

#include "oci/policy/meant.h"
#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

constexpr std::uint32_t kArchitectures[] = {SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_AARCH64,
                                            SCMP_ARCH_ARM};

bool known_syscall(const std::string& name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return ('a' <= c && c <= 'z') || ('0' <= c && c <= '9') || c == '_';
  });
  return plain && std::any_of(std::begin(kArchitectures), std::end(kArchitectures),
                              [&](std::uint32_t architecture) { return has_syscall(architecture, name); });
}

std::string unknown_syscall(std::string_view name) {
  if (name.starts_with('@'))
    return "sets of calls, as " + quote(name) + ", are not known here; name each call";
  if (name.find('*') != std::string_view::npos)
    return "a \"*\" is not supported in the name of a syscall, found " + quote(name) + "; name each call";
  if (const std::string meant = syscall_meant(name); known_syscall(meant))
    return "unknown syscall " + quote(name) + "; write " + quote(meant);
  std::vector<std::string> names;
  for (const std::uint32_t architecture : kArchitectures) {
    for (int number = 0; number < 512; ++number) {
      char* const known = ::seccomp_syscall_resolve_num_arch(architecture, number);
      if (known == nullptr) continue;
      names.emplace_back(known);
      ::free(known);  // libseccomp allocates it with malloc
    }
  }
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const std::string_view near = nearest(name, candidates);
  const struct scmp_version* version = ::seccomp_version();
  return "unknown syscall " + quote(name) +
         (near.empty()
              ? "; libseccomp " + std::to_string(version->major) + "." + std::to_string(version->minor) +
                    "." + std::to_string(version->micro) + " does not know it on any architecture"
              : "; did you mean " + quote(near) + "?");
}

// Of a native syscall; empty when it is none.
std::string name_of_number(const spec::Json& number) {
  if (!number.is_number_unsigned() || number.get<std::uint64_t>() > 1023) return {};
  char* const known = ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number.get<int>());
  std::string name = known == nullptr ? "" : known;
  ::free(known);  // libseccomp allocates it with malloc
  return name;
}

}  // namespace

// libseccomp gives negative numbers to the names that an architecture does not have.
bool has_syscall(std::uint32_t architecture, const std::string& name) {
  return ::seccomp_syscall_resolve_name_arch(architecture, name.c_str()) >= 0;
}

std::vector<std::string> read_syscall_names(Reader& reader, const Place& place) {
  std::vector<std::string> names;
  reader.each_element(place, "syscall names", [&](const Place& element) {
    if (const std::string known = name_of_number(element.value); !known.empty())
      return reader.wrong(element, "expected the name of a syscall, found " + element.value.dump() +
                                       "; on this machine that is the number of " + quote(known));
    const std::string* name = reader.read_string(element, "the name of a syscall");
    if (name == nullptr) return;
    if (!known_syscall(*name)) return reader.wrong(element, unknown_syscall(*name));
    if (std::find(names.begin(), names.end(), *name) != names.end())
      return reader.wrong(element, quote(*name) + " is in the list twice");
    names.push_back(*name);
  });
  if (place.value.is_array() && place.value.empty())
    reader.wrong(place,
                 "expected at least one syscall name, found an empty array: the rule would never match");
  return names;
}

}  // namespace tidewaiter::policy

#include "oci/policy/cpu_list.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

std::optional<unsigned> number_in(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value >= kMostProcessors)
    return std::nullopt;
  return value;
}

// The number on a line "processor\t: 3"; nullopt where it is another line.
std::optional<unsigned> processor_on(std::string_view line) {
  constexpr std::string_view kKey = "processor";
  if (!line.starts_with(kKey)) return std::nullopt;
  line.remove_prefix(kKey.size());
  const std::size_t begin = line.find_first_not_of("\t :");
  return begin == std::string_view::npos ? std::nullopt : number_in(line.substr(begin));
}

// Of the block of lines that begins with `block`.
std::optional<unsigned> processor_of(std::string_view block) {
  while (!block.empty()) {
    const std::size_t end = std::min(block.find('\n'), block.size() - 1);
    std::string_view line = block.substr(0, end + 1);
    block.remove_prefix(end + 1);
    while (line.ends_with('\n')) line.remove_suffix(1);
    if (const auto number = processor_on(line)) return number;
  }
  return std::nullopt;
}

}  // namespace

Result<std::set<unsigned>> parse_cpu_list(std::string_view text) {
  const auto wrong = [text] {
    return fail("expected numbers of processors and ranges, each from 0 to " +
                std::to_string(kMostProcessors - 1) + ", as in \"0-3,8\", found " + quote(text));
  };
  std::string_view rest = text;
  if (rest.ends_with('\n')) rest.remove_suffix(1);
  std::set<unsigned> processors;
  for (std::size_t begin = 0; begin <= rest.size();) {
    const std::size_t end = std::min(rest.find(',', begin), rest.size());
    const std::string_view part = rest.substr(begin, end - begin);
    const std::size_t dash = part.find('-');
    const auto first = number_in(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : number_in(part.substr(dash + 1));
    if (!first || !last || *last < *first) return wrong();
    for (unsigned number = *first; number <= *last; ++number) processors.insert(number);
    begin = end + 1;
  }
  return processors;
}

std::string cpu_list_text(const std::set<unsigned>& processors) {
  std::string text;
  for (auto first = processors.begin(); first != processors.end();) {
    auto last = first;
    while (std::next(last) != processors.end() && *std::next(last) == *last + 1) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(*first);
    if (last != first) text += '-' + std::to_string(*last);
    first = std::next(last);
  }
  return text;
}

// Blocks of lines are ended by an empty one. On x86 each is about one processor; elsewhere one may be about
// the machine.
std::string cpuinfo_of(std::string_view cpuinfo, const std::set<unsigned>& processors) {
  constexpr std::string_view kEnd = "\n\n";
  std::string kept;
  while (!cpuinfo.empty()) {
    const std::size_t end = cpuinfo.find(kEnd);
    const std::string_view block =
        end == std::string_view::npos ? cpuinfo : cpuinfo.substr(0, end + kEnd.size());
    cpuinfo.remove_prefix(block.size());
    const auto number = processor_of(block);
    if (!number || processors.contains(*number)) kept += block;
  }
  return kept;
}

}  // namespace tidewaiter::policy

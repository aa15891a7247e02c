#include "oci/policy/wording.h"

#include <algorithm>
#include <vector>

#include "oci/base/json_text.h"

namespace tidewaiter::policy {
namespace {

constexpr std::size_t kMaxQuoted = 80;
constexpr std::size_t kMaxCompared = 64;  // no name we know is longer

std::string comparable(std::string_view text) {
  for (const std::string_view prefix : {"SCMP_ACT_", "SCMP_CMP_"})
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  std::string plain(text.substr(0, kMaxCompared));
  for (char& c : plain)
    if ('A' <= c && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return plain;
}

// How many letters have to be inserted, removed, replaced or swapped with their neighbour.
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> before_last(to.size() + 1);
  std::vector<std::size_t> last(to.size() + 1);
  std::vector<std::size_t> row(to.size() + 1);
  for (std::size_t j = 0; j <= to.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (from[i - 1] == to[j - 1] ? 0U : 1U)});
      if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last.swap(last);
    last.swap(row);
  }
  return last[to.size()];
}

}  // namespace

std::string quote(std::string_view text) {
  std::string quoted;
  append_json_string(quoted, text, kMaxQuoted);
  return quoted;
}

std::string one_of(std::span<const std::string_view> words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += quote(words[i]);
  }
  return text;
}

std::string_view nearest(std::string_view text, std::span<const std::string_view> candidates) {
  const std::string wanted = comparable(text);
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, wanted.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t found = distance(wanted, comparable(candidate));
    if (found < best_distance) {
      best = candidate;
      best_distance = found;
    }
  }
  if (!best.empty()) return best;
  // "kill_process" for "kill", "deny_all" for "deny".
  for (const std::string_view candidate : candidates)
    if (candidate.size() >= 3 && wanted.starts_with(comparable(candidate)) && candidate.size() > best.size())
      best = candidate;
  return best;
}

}  // namespace tidewaiter::policy

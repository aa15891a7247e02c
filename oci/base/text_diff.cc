#include "oci/base/text_diff.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace tidewaiter {
namespace {

constexpr std::size_t kContext = 3;
// Lines taken away and added, beyond which the middle of two texts is one change.
constexpr std::ptrdiff_t kMostChanges = 2000;

using Lines = std::vector<std::string_view>;

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// A line of the diff: kept, taken away or added.
struct Step {
  char sign;
  std::string_view line;
};

// E. W. Myers, An O(ND) Difference Algorithm and Its Variations (1986), the greedy one: `reach[k]` is how far
// into `before` one comes on diagonal k (place in `before` less place in `after`) with so many changes.
class Comparison {
 public:
  Comparison(const Lines& before, const Lines& after) : before_(before), after_(after) {}

  std::vector<Step> steps() {
    const auto changes = search();
    return changes < 0 ? as_one_change() : walk_back(changes);
  }

 private:
  using Place = std::ptrdiff_t;

  [[nodiscard]] Place follow(Place x, Place y) const {
    while (x < size(before_) && y < size(after_) && line(before_, x) == line(after_, y)) {
      ++x;
      ++y;
    }
    return x;
  }

  // The least number of changes; -1 where there are too many.
  Place search() {
    const Place most = std::min(size(before_) + size(after_), kMostChanges);
    std::vector<Place> reach(static_cast<std::size_t>(2 * most + 3), 0);
    const auto at = [&](Place diagonal) -> Place& {
      return reach[static_cast<std::size_t>(diagonal + most + 1)];
    };
    for (Place changes = 0; changes <= most; ++changes) {
      for (Place k = -changes; k <= changes; k += 2) {
        const bool added = k == -changes || (k != changes && at(k - 1) < at(k + 1));
        Place x = added ? at(k + 1) : at(k - 1) + 1;
        if (x - k >= 0) x = follow(x, x - k);
        at(k) = x;
        if (x >= size(before_) && x - k >= size(after_)) {
          keep(reach, changes, most);
          return changes;
        }
      }
      keep(reach, changes, most);
    }
    return -1;
  }

  void keep(const std::vector<Place>& reach, Place changes, Place most) {
    const auto first = reach.begin() + (most + 1 - changes);
    history_.emplace_back(first, first + 2 * changes + 1);
  }

  // reach[k] after so many changes; -1 where that diagonal was not reached.
  [[nodiscard]] Place reached(Place changes, Place k) const {
    if (changes < 0 || k < -changes || k > changes) return -1;
    return history_[static_cast<std::size_t>(changes)][static_cast<std::size_t>(k + changes)];
  }

  std::vector<Step> walk_back(Place changes) const {
    std::vector<Step> steps;
    Place x = size(before_);
    Place y = size(after_);
    for (; changes > 0; --changes) {
      const Place k = x - y;
      const bool added =
          k == -changes || (k != changes && reached(changes - 1, k - 1) < reached(changes - 1, k + 1));
      const Place from_x = added ? reached(changes - 1, k + 1) : reached(changes - 1, k - 1);
      const Place from_y = from_x - (added ? k + 1 : k - 1);
      const Place after_change = added ? from_x : from_x + 1;
      for (; x > after_change; --x, --y) steps.push_back({' ', line(before_, x - 1)});
      steps.push_back(added ? Step{'+', line(after_, from_y)} : Step{'-', line(before_, from_x)});
      x = from_x;
      y = from_y;
    }
    for (; x > 0; --x) steps.push_back({' ', line(before_, x - 1)});
    std::reverse(steps.begin(), steps.end());
    return steps;
  }

  [[nodiscard]] std::vector<Step> as_one_change() const {
    std::vector<Step> steps;
    for (const std::string_view one : before_) steps.push_back({'-', one});
    for (const std::string_view one : after_) steps.push_back({'+', one});
    return steps;
  }

  static Place size(const Lines& lines) { return static_cast<Place>(lines.size()); }
  static std::string_view line(const Lines& lines, Place at) { return lines[static_cast<std::size_t>(at)]; }

  const Lines& before_;
  const Lines& after_;
  std::vector<std::vector<Place>> history_;
};

// "12,3" of a hunk's head; one line has no count, and none is told by the line before (diff -u, POSIX).
std::string range(std::size_t first, std::size_t count) {
  const std::size_t start = count == 0 ? first : first + 1;
  return std::to_string(start) + (count == 1 ? "" : "," + std::to_string(count));
}

}  // namespace

std::string unified_diff(std::string_view before, std::string_view after, std::string_view before_name,
                         std::string_view after_name) {
  const Lines old_lines = lines_of(before);
  const Lines new_lines = lines_of(after);
  const std::vector<Step> steps = Comparison(old_lines, new_lines).steps();
  std::string text;
  std::size_t old_line = 0;  // of the step that is looked at
  std::size_t new_line = 0;
  for (std::size_t i = 0; i < steps.size();) {
    if (steps[i].sign == ' ') {
      ++i;
      ++old_line;
      ++new_line;
      continue;
    }
    const std::size_t lead = std::min({kContext, i, old_line, new_line});
    // A hunk goes on while fewer lines are kept between two changes than stand around them.
    std::size_t end = i;
    for (std::size_t kept = 0, j = i; j < steps.size() && kept <= 2 * kContext; ++j) {
      kept = steps[j].sign == ' ' ? kept + 1 : 0;
      if (kept == 0) end = j + 1;
    }
    const std::size_t stop = std::min(end + kContext, steps.size());
    std::string body;
    std::size_t old_count = 0;
    std::size_t new_count = 0;
    for (std::size_t j = i - lead; j < stop; ++j) {
      body += steps[j].sign;
      body += steps[j].line;
      body += '\n';
      if (steps[j].sign != '+') ++old_count;
      if (steps[j].sign != '-') ++new_count;
    }
    if (text.empty()) text = "--- " + std::string(before_name) + "\n+++ " + std::string(after_name) + "\n";
    text += "@@ -" + range(old_line - lead, old_count) + " +" + range(new_line - lead, new_count) + " @@\n" +
            body;
    old_line += old_count - lead;
    new_line += new_count - lead;
    i = stop;
  }
  return text;
}

}  // namespace tidewaiter

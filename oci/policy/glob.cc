#include "oci/policy/glob.h"

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

// Where to go on when a match fails: the last star takes one character more.
struct Star {
  std::size_t glob = std::string_view::npos;  // behind the star; npos: there was none
  std::size_t text = 0;                       // where what follows the star was last tried

  [[nodiscard]] bool seen() const { return glob != std::string_view::npos; }
};

// Once a star is met, the one before it need never be asked again: the later can take whatever the earlier
// could. Only a star that stops at "/" has the last one that does not to fall back on.
bool matches(std::string_view glob, std::string_view text, bool slash_stops) {
  Star one;
  Star all;
  std::size_t g = 0;
  std::size_t t = 0;
  while (t < text.size() || g < glob.size()) {
    if (g < glob.size() && glob[g] == '*') {
      const bool both = g + 1 < glob.size() && glob[g + 1] == '*';
      g += both ? 2 : 1;
      (both || !slash_stops ? all : one) = {g, t};
      if (both || !slash_stops) one = {};
      continue;
    }
    if (g < glob.size() && t < text.size() && glob[g] == text[t]) {
      ++g;
      ++t;
    } else if (one.seen() && one.text < text.size() && text[one.text] != '/') {
      t = ++one.text;
      g = one.glob;
    } else if (all.seen() && all.text < text.size()) {
      t = ++all.text;
      g = all.glob;
      one = {};
    } else {
      return false;
    }
  }
  return true;
}

// --- one glob within another ------------------------------------------------------------------------

// A glob as an automaton: it stands in front of one of its tokens, or behind the last, where it accepts.
class Automaton {
 public:
  using Position = std::uint32_t;
  // Where it may stand, in order, each once. Whoever stands in front of a star also stands behind it.
  using Positions = std::vector<Position>;

  Automaton(std::string_view glob, bool slash_stops) {
    for (std::size_t i = 0; i < glob.size(); ++i) {
      if (glob[i] != '*') {
        tokens_.push_back({kLetter, glob[i]});
        continue;
      }
      const bool both = i + 1 < glob.size() && glob[i + 1] == '*';
      if (both) ++i;
      tokens_.push_back({both || !slash_stops ? kAll : kOne, 0});
    }
  }

  [[nodiscard]] Positions start() const {
    Positions positions;
    add(positions, 0);
    return positions;
  }

  [[nodiscard]] Positions after(const Positions& positions, char letter) const {
    Positions next;
    for (const Position at : positions) {
      if (at == tokens_.size()) continue;
      const Token& token = tokens_[at];
      if (token.kind == kLetter) {
        if (token.letter == letter) add(next, at + 1);
      } else if (token.kind == kAll || letter != '/') {
        add(next, at);
      }
    }
    std::sort(next.begin(), next.end());
    next.erase(std::unique(next.begin(), next.end()), next.end());
    return next;
  }

  [[nodiscard]] bool accepts(const Positions& positions) const {
    return !positions.empty() && positions.back() == tokens_.size();
  }

  // The letters that it names.
  void add_letters(std::bitset<256>& letters) const {
    for (const Token& token : tokens_)
      if (token.kind == kLetter) letters.set(static_cast<unsigned char>(token.letter));
  }

 private:
  enum Kind { kLetter, kOne, kAll };
  struct Token {
    Kind kind;
    char letter;
  };

  void add(Positions& positions, Position at) const {
    for (;; ++at) {
      positions.push_back(at);
      if (at == tokens_.size() || tokens_[at].kind == kLetter) return;
    }
  }

  std::vector<Token> tokens_;
};

// Places that letters are taken at, before the question is given up.
constexpr std::size_t kMostSteps = 2'000'000;

// Goes through all that `narrow` matches, letter by letter, and looks whether `wide` goes along. Of the
// letters that neither names, one stands for all.
bool covers(const Automaton& wide, const Automaton& narrow, bool absolute, Effort& effort) {
  std::bitset<256> named;
  named.set('/');
  wide.add_letters(named);
  narrow.add_letters(named);
  std::string letters;
  bool other = false;
  for (unsigned letter = 1; letter < named.size(); ++letter) {
    if (!named[letter] && other) continue;
    other = other || !named[letter];
    letters.push_back(static_cast<char>(letter));
  }
  using Pair = std::pair<Automaton::Positions, Automaton::Positions>;
  std::set<Pair> seen;
  std::vector<Pair> open;
  std::size_t steps = 0;
  const auto visit = [&](Pair pair) {
    if (pair.first.empty()) return true;
    // From everywhere in a glob its end can be reached: where `wide` is lost, `narrow` goes on to match.
    if (pair.second.empty() || (narrow.accepts(pair.first) && !wide.accepts(pair.second))) return false;
    if (seen.insert(pair).second) open.push_back(std::move(pair));
    return true;
  };
  const auto follow = [&](const Pair& pair, char letter) {
    const std::size_t taken = pair.first.size() + pair.second.size();
    steps += taken;
    return steps <= kMostSteps && effort.spend(taken) &&
           visit({narrow.after(pair.first, letter), wide.after(pair.second, letter)});
  };
  const Pair start{narrow.start(), wide.start()};
  if (absolute) {
    if (!follow(start, '/')) return false;
  } else if (!visit(start)) {
    return false;
  }
  while (!open.empty()) {
    const Pair pair = std::move(open.back());
    open.pop_back();
    for (const char letter : letters) {
      if (!follow(pair, letter)) return false;
    }
  }
  return true;
}

// Whether `narrow` has something else where `wide` has no star yet. A star is something else: it can stand
// for other letters than the one that is wanted there. Most globs part here.
bool part_early(std::string_view wide, std::string_view narrow) {
  const std::size_t fixed = std::min(wide.find('*'), wide.size());
  return narrow.substr(0, fixed) != wide.substr(0, fixed);
}

// Of matches(), at most; its steps are small.
std::size_t match_steps(std::string_view glob, std::string_view text) {
  return glob.size() * text.size() / 4;
}

constexpr std::size_t kMaxPath = 4095;  // PATH_MAX, without the NUL

// Whether the component between two slashes, or a slash and the end, is `name`.
bool has_component(std::string_view path, std::string_view name) {
  const std::string inside = "/" + std::string(name) + "/";
  return (std::string(path) + "/").find(inside) != std::string::npos;
}

}  // namespace

Status check_path_glob(std::string_view glob, std::string_view what) {
  if (glob.size() > kMaxPath)
    return fail("a path has at most 4095 bytes, found " + std::to_string(glob.size()));
  if (glob.find("***") != std::string_view::npos)
    return fail("expected \"*\" (which stops at \"/\") or \"**\" (which does not), found " + quote(glob));
  if (glob.ends_with('/'))
    return fail(quote(glob) + " names a directory; for every " + std::string(what) + " below it, write " +
                quote(std::string(glob) + "**"));
  if (glob.find("//") != std::string_view::npos || has_component(glob, ".") || has_component(glob, ".."))
    return fail(quote(glob) + " can never match: a " + std::string(what) +
                "'s path is compared without \"//\", \".\" and \"..\"");
  return {};
}

bool matches_path(std::string_view glob, std::string_view path) { return matches(glob, path, true); }

bool matches_text(std::string_view glob, std::string_view text) { return matches(glob, text, false); }

bool covers_path(std::string_view wide, std::string_view narrow, Effort& effort) {
  if (!effort.spend(1)) return false;
  // "**" may only be "/", and then what is behind it.
  if (narrow.starts_with('/') && part_early(wide, narrow)) return false;
  if (wide == narrow) return true;
  if (!effort.spend(match_steps(wide, narrow))) return false;
  if (narrow.find('*') == std::string_view::npos) return matches_path(wide, narrow);
  return covers(Automaton(wide, true), Automaton(narrow, true), true, effort);
}

bool covers_text(std::string_view wide, std::string_view narrow, Effort& effort) {
  if (!effort.spend(1) || part_early(wide, narrow)) return false;
  if (wide == narrow) return true;
  if (!effort.spend(match_steps(wide, narrow))) return false;
  if (narrow.find('*') == std::string_view::npos) return matches_text(wide, narrow);
  return covers(Automaton(wide, false), Automaton(narrow, false), false, effort);
}

}  // namespace tidewaiter::policy

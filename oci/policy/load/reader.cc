#include "oci/policy/load/reader.h"

#include <algorithm>

#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

bool contains(Words words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// What to do about an unknown key: advice to who wrote a word of another tool, `; did you mean "x"?`, or what
// is known when nothing is close.
std::string suggestion(Where where, std::string_view found, Words known) {
  if (const std::string advice = key_advice(where, found); !advice.empty()) return after_semicolon(advice);
  const std::string_view near = nearest(found, known);
  return near.empty() ? "; expected " + one_of(known) : "; did you mean " + quote(near) + "?";
}

}  // namespace

std::string pointer_token(std::string_view key) {
  std::string token;
  const std::string quoted = quote(key);
  for (const char c : std::string_view(quoted).substr(1, quoted.size() - 2)) {
    if (c == '~')
      token += "~0";
    else if (c == '/')
      token += "~1";
    else
      token += c;
  }
  return token;
}

void Reader::wrong(const Place& place, std::string message) {
  const std::string gap = place.pointer.empty() ? "" : ": ";
  mistakes_.push_back({source_ + gap + place.pointer, std::move(message)});
}

void Reader::expected(const Place& place, const std::string& what) {
  wrong(place, "expected " + what + ", found " + described(place.value));
}

void Reader::each_member(const ObjectKind& kind, const Place& object,
                         const std::function<void(std::string_view, const Place&)>& visit) {
  if (!object.value.is_object()) return expected(object, "an object, as in " + std::string(kind.example));
  for (const auto& [key, value] : object.value.items()) {
    const Place member{value, object.pointer + "/" + pointer_token(key)};
    if (contains(kind.keys, key))
      visit(key, member);
    else if (contains(kind.later_keys, key))
      wrong(member, quote(key) + " is not supported yet; without it, everything it would restrict is open");
    else
      wrong(member, "unknown key " + quote(key) + suggestion(kind.where, key, kind.keys));
  }
}

void Reader::each_element(const Place& array, const std::string& what,
                          const std::function<void(const Place&)>& visit) {
  if (!array.value.is_array()) return expected(array, "an array of " + what);
  for (std::size_t i = 0; i < array.value.size(); ++i) visit(array.at(i));
}

void Reader::require(const Place& object, const char* key, const std::string& hint) {
  if (object.value.is_object() && !object.has(key)) wrong(object, "missing key " + quote(key) + "; " + hint);
}

const std::string* Reader::read_string(const Place& place, const std::string& what) {
  if (place.value.is_string()) return &place.value.get_ref<const std::string&>();
  expected(place, what);
  return nullptr;
}

std::optional<std::size_t> Reader::read_word(const Place& place, Words words, std::optional<Choice> choice,
                                             Words later) {
  if (!place.value.is_string()) {
    expected(place, one_of(words));
    return std::nullopt;
  }
  const auto& word = place.value.get_ref<const std::string&>();
  const auto found = std::find(words.begin(), words.end(), word);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  const std::string advice = choice ? word_advice(*choice, word) : "";
  if (contains(later, word))
    wrong(place, quote(word) + " is not supported yet; expected " + one_of(words));
  else
    wrong(place, "expected " + one_of(words) + ", found " + quote(word) +
                     (advice.empty() ? near_only(word, words) : after_semicolon(advice)));
  return std::nullopt;
}

std::string described(const spec::Json& value) {
  if (value.is_string()) return quote(value.get_ref<const std::string&>());
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  return value.dump();
}

std::string after_semicolon(const std::string& advice) { return advice.empty() ? advice : "; " + advice; }

std::string near_only(std::string_view found, Words known) {
  const std::string_view near = nearest(found, known);
  return near.empty() ? "" : "; did you mean " + quote(near) + "?";
}

std::string without_quotes(const Place& place, const NumberRange& range) {
  return place.value.is_string()
             ? after_semicolon(number_advice(place.value.get_ref<const std::string&>(), range))
             : "";
}

}  // namespace tidewaiter::policy

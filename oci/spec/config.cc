#include "oci/spec/config.h"

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <unordered_set>
#include <utility>
#include <vector>

namespace tidewaiter::spec {
namespace {

constexpr std::size_t kMaxDepth = 512;
constexpr std::size_t kMaxFoundBytes = 200;  // of what an error quotes

// "line 3, column 14" of the byte at `offset`, counted from 1; columns count characters, not bytes.
std::string position_of(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t newline = before.rfind('\n');
  const std::string_view in_line = newline == std::string_view::npos ? before : before.substr(newline + 1);
  const auto column = std::count_if(in_line.begin(), in_line.end(),
                                    [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }) +
                      1;
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

std::string shortened(std::string_view text) {
  if (text.size() <= kMaxFoundBytes) return std::string(text);
  std::size_t end = kMaxFoundBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return std::string(text.substr(0, end)) + "…";
}

// The library's own words without its tag and position: "[json.exception.parse_error.101] parse error at
// line 1, column 2: syntax error while parsing value - …".
std::string bare_message(std::string_view message) {
  const std::size_t tag = message.find("] ");
  if (tag != std::string_view::npos) message.remove_prefix(tag + 2);
  if (message.starts_with("parse error")) {
    const std::size_t colon = message.find(": ");
    if (colon != std::string_view::npos) message.remove_prefix(colon + 2);
  }
  return shortened(message);
}

// Reads bytes for the parser and remembers how far it has come; the parser does not tell its handler.
class TrackedByte {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  TrackedByte(const char* at, const char** reached) : at_(at), reached_(reached) {}
  reference operator*() const { return *at_; }
  TrackedByte& operator++() {
    *reached_ = ++at_;
    return *this;
  }
  TrackedByte operator++(int) {
    const TrackedByte before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const TrackedByte& a, const TrackedByte& b) { return a.at_ == b.at_; }

 private:
  const char* at_;
  const char** reached_;
};

// Builds the document and refuses what the library's own builder would let pass: a key twice, integers that
// would become floating point, and unbounded nesting.
class DocumentBuilder : public nlohmann::json_sax<Json> {
 public:
  DocumentBuilder(std::string_view text, const char* const& reached) : text_(text), reached_(reached) {}

  Json take_document() { return std::move(document_); }
  [[nodiscard]] const std::string& error() const { return error_; }

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t& source) override {
    // The library falls back to floating point for an integer that does not fit, and loses its low digits.
    if (source.find_first_of(".eE") == std::string::npos) {
      return refuse("the integer " + shortened(source) + " does not fit 64 bits");
    }
    return put(value);
  }
  bool string(string_t& value) override {
    if (holds_nul(value))
      return refuse("a string with \\u0000, at which a runtime written in C would cut it off");
    return put(std::move(value));
  }
  bool binary(binary_t& /*value*/) override { return refuse("binary data"); }  // not part of JSON text

  bool start_object(std::size_t /*elements*/) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t /*elements*/) override { return open(Json::array()); }
  bool end_array() override { return close(); }

  bool key(string_t& key) override {
    if (holds_nul(key)) return refuse("a key with \\u0000, at which a runtime written in C would cut it off");
    if (!open_.back().keys.insert(key).second) {
      return refuse("the key \"" + shortened(key) + "\" appears a second time in one object");
    }
    open_.back().next_key = std::move(key);
    return true;
  }

  bool parse_error(std::size_t position, const std::string& /*last_token*/,
                   const nlohmann::detail::exception& exception) override {
    // `position` counts the bytes read, the offending one included.
    error_ = position_of(text_, position == 0 ? 0 : position - 1) + ": " + bare_message(exception.what());
    return false;
  }

 private:
  static bool holds_nul(const std::string& text) { return text.find('\0') != std::string::npos; }

  struct Container {
    Json* value;
    std::string next_key;
    std::unordered_set<std::string> keys;  // the ordered object itself is searched from end to end
  };

  bool refuse(const std::string& reason) {
    const auto read = static_cast<std::size_t>(reached_ - text_.data());
    error_ = position_of(text_, read == 0 ? 0 : read - 1) + ": " + reason;
    return false;
  }

  // Adds a value where the next one belongs. The address stays good until its container grows again.
  template <typename Value>
  Json* append(Value&& value) {
    if (open_.empty()) {
      document_ = std::forward<Value>(value);
      return &document_;
    }
    Container& container = open_.back();
    if (container.value->is_array()) {
      return &container.value->get_ref<Json::array_t&>().emplace_back(std::forward<Value>(value));
    }
    // key() has seen to it that there are no doubles, so the search of emplace() is not needed.
    auto& object = container.value->get_ref<Json::object_t&>();
    return &object.emplace_back(std::move(container.next_key), Json(std::forward<Value>(value))).second;
  }

  template <typename Value>
  bool put(Value&& value) {
    append(std::forward<Value>(value));
    return true;
  }

  bool open(Json value) {
    if (open_.size() == kMaxDepth) {
      return refuse("nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    Json* const added = append(std::move(value));
    open_.push_back(Container{added, {}, {}});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  const char* const& reached_;
  Json document_;
  std::vector<Container> open_;
  std::string error_;
};

// The member `key` of an object; nullptr when there is none.
const Json* child(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

// As Go's bytes.EqualFold sees it: beside ASCII, U+017F is an s and U+212A a k.
std::string folded(std::string_view key) {
  static constexpr std::string_view kLongS = "\u017f";
  static constexpr std::string_view kKelvin = "\u212a";
  std::string text;
  while (!key.empty()) {
    if (key.starts_with(kLongS)) {
      text += 's';
      key.remove_prefix(kLongS.size());
    } else if (key.starts_with(kKelvin)) {
      text += 'k';
      key.remove_prefix(kKelvin.size());
    } else {
      const char c = key.front();
      text += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      key.remove_prefix(1);
    }
  }
  return text;
}

Status check_keys(const Json& object, const std::string& place,
                  std::initializer_list<std::string_view> known) {
  if (!object.is_object()) return {};
  for (const auto& [key, value] : object.items()) {
    for (const std::string_view name : known) {
      if (key == name || folded(key) != folded(name)) continue;
      std::string message = place;
      message.append("/").append(key).append(": expected \"").append(name);
      message += "\": runc takes the one for the other, whatever their case, and crun does not";
      return fail(std::move(message));
    }
  }
  return {};
}

// Of each object in the list `list` of `object`.
Status check_keys_of_each(const Json& object, const char* list, const std::string& place,
                          std::initializer_list<std::string_view> known) {
  const Json* all = child(object, list);
  if (all == nullptr || !all->is_array()) return {};
  for (std::size_t i = 0; i < all->size(); ++i) {
    std::string here = place;
    here.append("/").append(list).append("/").append(std::to_string(i));
    TRY(check_keys((*all)[i], here, known));
  }
  return {};
}

}  // namespace

Result<Json> parse_json(std::string_view text, const std::string& source) {
  if (text.empty()) return fail(source + ": line 1, column 1: is empty");
  // The library takes a NUL byte as the end, and would not look at what follows.
  const std::size_t nul = text.find('\0');
  if (nul != std::string_view::npos) {
    return fail(source + ": " + position_of(text, nul) + ": a NUL byte, which JSON does not have");
  }
  const char* reached = text.data();
  DocumentBuilder builder(text, reached);
  const TrackedByte begin(text.data(), &reached);
  const TrackedByte end(text.data() + text.size(), &reached);
  if (!Json::sax_parse(begin, end, &builder)) return fail(source + ": " + builder.error());
  return builder.take_document();
}

std::string dump_json(const Json& document, int indent) {
  // `replace` only so that a mistake of ours cannot throw.
  return document.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

bool is_utf8(const std::string& text) {
  try {
    static_cast<void>(Json(text).dump());
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

Status check_process_key_case(const Json& process, const std::string& place) {
  TRY(check_keys(process, place,
                 {"apparmorProfile", "args", "capabilities", "env", "noNewPrivileges", "rlimits", "scheduler",
                  "selinuxLabel", "user"}));
  if (const Json* capabilities = child(process, "capabilities")) {
    TRY(check_keys(*capabilities, place + "/capabilities",
                   {"ambient", "bounding", "effective", "inheritable", "permitted"}));
  }
  if (const Json* user = child(process, "user"))
    TRY(check_keys(*user, place + "/user", {"additionalGids", "gid", "uid"}));
  if (const Json* scheduler = child(process, "scheduler"))
    TRY(check_keys(*scheduler, place + "/scheduler", {"policy"}));
  return check_keys_of_each(process, "rlimits", place, {"hard", "soft", "type"});
}

Status check_resources_key_case(const Json& resources, const std::string& place) {
  TRY(check_keys(resources, place, {"cpu", "memory", "pids", "unified"}));
  if (const Json* memory = child(resources, "memory"))
    TRY(check_keys(*memory, place + "/memory", {"limit", "swap"}));
  if (const Json* pids = child(resources, "pids")) TRY(check_keys(*pids, place + "/pids", {"limit"}));
  if (const Json* cpu = child(resources, "cpu"))
    TRY(check_keys(*cpu, place + "/cpu", {"burst", "cpus", "period", "quota"}));
  return {};
}

Status check_key_case(const Json& config) {
  TRY(check_keys(config, "", {"annotations", "hostname", "linux", "mounts", "process", "root"}));
  if (const Json* root = child(config, "root")) TRY(check_keys(*root, "/root", {"path"}));
  TRY(check_keys_of_each(config, "mounts", "", {"destination", "options", "source", "type"}));
  if (const Json* process = child(config, "process")) TRY(check_process_key_case(*process, "/process"));
  const Json* linux_part = child(config, "linux");
  if (linux_part == nullptr) return {};
  TRY(check_keys(*linux_part, "/linux",
                 {"cgroupsPath", "gidMappings", "maskedPaths", "namespaces", "readonlyPaths", "resources",
                  "seccomp", "sysctl", "uidMappings"}));
  TRY(check_keys_of_each(*linux_part, "namespaces", "/linux", {"path", "type"}));
  if (const Json* resources = child(*linux_part, "resources"))
    TRY(check_resources_key_case(*resources, "/linux/resources"));
  const Json* seccomp = child(*linux_part, "seccomp");
  if (seccomp == nullptr) return {};
  TRY(check_keys(*seccomp, "/linux/seccomp",
                 {"architectures", "defaultAction", "defaultErrnoRet", "flags", "listenerMetadata",
                  "listenerPath", "syscalls"}));
  const Json* rules = child(*seccomp, "syscalls");
  if (rules == nullptr || !rules->is_array()) return {};
  for (std::size_t i = 0; i < rules->size(); ++i) {
    const std::string place = "/linux/seccomp/syscalls/" + std::to_string(i);
    const Json& rule = (*rules)[i];
    TRY(check_keys(rule, place, {"action", "args", "errnoRet", "names"}));
    const Json* tests = child(rule, "args");
    if (tests == nullptr || !tests->is_array()) continue;
    for (std::size_t j = 0; j < tests->size(); ++j) {
      TRY(check_keys((*tests)[j], place + "/args/" + std::to_string(j),
                     {"index", "op", "value", "valueTwo"}));
    }
  }
  return {};
}

Result<std::optional<std::string>> annotation(const Json& config, std::string_view key) {
  if (!config.is_object()) return std::nullopt;
  const auto annotations = config.find("annotations");
  if (annotations == config.end() || annotations->is_null()) return std::nullopt;
  if (!annotations->is_object()) return fail("/annotations: expected an object of strings");
  const auto found = annotations->find(std::string(key));
  if (found == annotations->end()) return std::nullopt;
  if (!found->is_string()) {
    return fail("/annotations/" + std::string(key) + ": expected a string, found " + found->type_name());
  }
  return found->get<std::string>();
}

bool no_new_privileges(const Json& config) {
  if (!config.is_object()) return false;
  const auto process = config.find("process");
  if (process == config.end() || !process->is_object()) return false;
  const auto flag = process->find("noNewPrivileges");
  return flag != process->end() && flag->is_boolean() && flag->get<bool>();
}

}  // namespace tidewaiter::spec

#include "oci/spec/state.h"

#include <cstdint>
#include <limits>
#include <utility>

namespace tidewaiter::spec {
namespace {

std::string string_or_empty(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

pid_t pid_or_zero(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned()) return 0;
  const auto value = found->get<std::uint64_t>();
  return value <= std::uint64_t{std::numeric_limits<pid_t>::max()} ? static_cast<pid_t>(value) : 0;
}

Result<std::vector<std::string>> descriptor_names(const Json& document) {
  const auto fds = document.find("fds");
  if (fds == document.end() || !fds->is_array()) return fail("/fds: expected an array of strings");
  std::vector<std::string> names;
  int listeners = 0;
  for (const Json& name : *fds) {
    if (!name.is_string()) return fail("/fds: expected an array of strings");
    names.push_back(name.get<std::string>());
    // runtime-spec, config-linux.md, "seccompFd": the name of the listener in `fds`.
    if (names.back() == "seccompFd") ++listeners;
  }
  if (listeners != 1) return fail("/fds: names seccompFd " + std::to_string(listeners) + " times, not once");
  return names;
}

Result<ContainerProcessState> read_state(Json document) {
  if (!document.is_object()) return fail("expected an object");
  ContainerProcessState state;
  state.fds = TRY(descriptor_names(document));
  state.pid = pid_or_zero(document, "pid");
  state.metadata = string_or_empty(document, "metadata");

  const auto container = document.find("state");
  if (container == document.end() || !container->is_object()) return fail("/state: expected an object");
  state.id = string_or_empty(*container, "id");
  if (state.id.empty()) return fail("/state/id: expected a string that is not empty");
  state.status = string_or_empty(*container, "status");
  state.init_pid = pid_or_zero(*container, "pid");
  state.bundle = string_or_empty(*container, "bundle");
  state.document = std::move(document);
  return state;
}

bool is_json_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

Result<ContainerProcessState> parse_state(std::string_view text) {
  const std::string source = "container process state";
  return in_context(source, read_state(TRY(parse_json(text, source))));
}

std::string dump_state(const ContainerProcessState& state) { return dump_json(state.document, -1); }

JsonObjectScanner::Progress JsonObjectScanner::feed(std::string_view bytes) {
  if (complete_) return Progress::kComplete;
  // Begun, nothing open and not complete: the first piece was refused, and stays so.
  if (started_ && depth_ == 0) return Progress::kNotAnObject;
  for (const char c : bytes) {
    ++size_;
    if (!started_) {
      if (is_json_space(c)) continue;
      started_ = true;
      if (c != '{') return Progress::kNotAnObject;
      depth_ = 1;
    } else if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if (c == '}' || c == ']') {
      --depth_;
      complete_ = depth_ == 0;
      if (complete_) return Progress::kComplete;
    }
  }
  return Progress::kIncomplete;
}

}  // namespace tidewaiter::spec

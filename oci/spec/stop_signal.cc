#include "oci/spec/stop_signal.h"

#include <charconv>
#include <csignal>
#include <cstring>
#include <optional>
#include <string>

#include "oci/spec/members.h"
#include "oci/spec/mounts.h"

namespace tidewaiter::spec {
namespace {

constexpr const char* kAnnotation = "org.opencontainers.image.stopSignal";

// All of `text` as a number.
std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// What stands behind the name of a real-time signal: "", "+3".
std::optional<int> offset(std::string_view text, char sign) {
  if (text.empty()) return 0;
  if (text.front() != sign || text.size() == 1 || text[1] == '-') return std::nullopt;
  return number(text.substr(1));
}

// 0: it is none.
int signal_of(std::string_view text) {
  if (const auto value = number(text)) return *value;
  std::string name(text);
  for (char& c : name) c = 'a' <= c && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  if (name.starts_with("SIG")) name.erase(0, 3);
  const std::string_view tail = std::string_view(name).substr(name.size() < 5 ? name.size() : 5);
  if (name.starts_with("RTMIN")) return offset(tail, '+').value_or(SIGRTMAX) + SIGRTMIN;
  if (name.starts_with("RTMAX")) return SIGRTMAX - offset(tail, '-').value_or(SIGRTMAX);
  for (int signal = 1; signal < SIGRTMIN; ++signal) {
    const char* known = ::sigabbrev_np(signal);
    if (known != nullptr && name == known) return signal;
  }
  return 0;
}

}  // namespace

Result<int> parse_signal(std::string_view text) {
  const int signal = signal_of(text);
  if (signal >= 1 && signal <= SIGRTMAX) return signal;
  return fail("expected a signal by its number or name, as in \"15\" or \"SIGTERM\", found " +
              dump_json(Json(std::string(text)), -1));
}

Result<int> stop_signal(const Json& config) {
  const Json* annotations = member(config, "annotations");
  const Json* text = annotations == nullptr ? nullptr : member(*annotations, kAnnotation);
  if (text == nullptr) return SIGTERM;
  const std::string place = std::string("/annotations/") + kAnnotation;
  if (!text->is_string()) return fail(place + ": expected text, found " + text->type_name());
  const std::string& signal = text->get_ref<const std::string&>();
  if (signal.empty()) return SIGTERM;
  return in_context(place, parse_signal(signal));
}

}  // namespace tidewaiter::spec

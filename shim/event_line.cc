#include "shim/event_line.h"

#include <nlohmann/json.hpp>

#include "shim/terminal_text.h"

namespace tidewaiter::shim {
namespace {

using nlohmann::json;

std::string text_of(const json& event, const char* key) {
  const auto found = event.find(key);
  if (found == event.end() || found->is_null()) return "";
  if (found->is_string()) return found->get<std::string>();
  return found->dump(-1, ' ', false, json::error_handler_t::replace);
}

// "2026-01-02T03:04:05.678901Z" as "2026-01-02 03:04:05.678".
std::string time_in_words(std::string time) {
  const std::size_t separator = time.find('T');
  if (separator != std::string::npos) time[separator] = ' ';
  const std::size_t point = time.find('.');
  if (point != std::string::npos) return time.substr(0, point + 4);
  return time.ends_with('Z') ? time.substr(0, time.size() - 1) : time;
}

std::string endpoint_in_words(const json& event) {
  const std::string host = text_of(event, "host");
  const std::string port = text_of(event, "port");
  const std::string transport = text_of(event, "transport");
  std::string words = transport.empty() ? "" : transport + "://";
  words += host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (!port.empty()) words += ":" + port;
  return words;
}

// The program's path, and what else it got: its argv[0] is only what the caller calls it.
std::string program_in_words(const json& event) {
  std::string words = text_of(event, "path");
  const auto argv = event.find("argv");
  if (argv == event.end() || !argv->is_array()) return words;
  for (std::size_t i = 1; i < argv->size(); ++i) {
    const json& argument = (*argv)[i];
    words += ' ';
    words += argument.is_string() ? argument.get<std::string>()
                                  : argument.dump(-1, ' ', false, json::error_handler_t::replace);
  }
  return words;
}

// What decided, and what came in between.
std::string rule_in_words(const json& event) {
  const std::string reason = text_of(event, "reason");
  return text_of(event, "rule") + (reason.empty() ? "" : " (" + reason + ")");
}

// What the call was about: whom it spoke to, what it ran, or who asked.
std::string subject_of(const json& event) {
  if (event.contains("host")) return endpoint_in_words(event);
  if (text_of(event, "transport") == "unix") return "unix:" + text_of(event, "path");
  if (event.contains("path")) return program_in_words(event);
  return text_of(event, "executable");
}

std::string row(std::string_view time, std::string_view verdict, std::string_view category,
                std::string_view syscall, std::string_view subject, std::string_view error,
                std::string_view rule) {
  std::string line = column(time, 23) + "  " + column(verdict, 7) + "  " + column(category, 8) + "  " +
                     column(syscall, 12) + "  " + column(subject, 28) + "  " + column(error, 12) + "  " +
                     terminal_text(rule);
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

}  // namespace

std::string event_heading() {
  return row("TIME (UTC)", "VERDICT", "CATEGORY", "SYSCALL", "SUBJECT", "ERRNO", "RULE");
}

std::string event_line(std::string_view text) {
  constexpr std::size_t kLongestLine = 4096;
  const json event = json::parse(text, nullptr, false);
  if (!event.is_object()) return terminal_text(text, kLongestLine) + "\n";
  const std::string time = time_in_words(text_of(event, "time"));
  if (const auto lost = event.find("lost"); lost != event.end()) {
    return column(time, 23) + "  " + terminal_text(text_of(event, "lost")) + " events could not be written\n";
  }
  return row(time, text_of(event, "verdict"), text_of(event, "category"), text_of(event, "syscall"),
             subject_of(event), text_of(event, "errno"), rule_in_words(event));
}

}  // namespace tidewaiter::shim

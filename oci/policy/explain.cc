#include "oci/policy/explain.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <vector>

namespace tidewaiter::policy {
namespace {

using nlohmann::ordered_json;

std::string_view to_string(Mode mode) { return mode == Mode::kAudit ? "audit" : "enforce"; }

// How much of a word fits into `width` bytes without cutting a UTF-8 sequence in two.
std::size_t cut(std::string_view word, std::size_t width) {
  if (word.size() <= width) return word.size();
  std::size_t end = width;
  while (end > 1 && (static_cast<unsigned char>(word[end]) & 0xc0U) == 0x80U) --end;
  return end;
}

// Lines of at most `width` bytes; a longer word is cut.
std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const std::size_t space = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, cut(text.substr(0, space), width));
    text.remove_prefix(word.size());
    if (text.starts_with(' ')) text.remove_prefix(1);
    if (word.empty()) continue;
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width) lines.emplace_back();
    if (!lines.back().empty()) lines.back() += ' ';
    lines.back() += word;
  }
  return lines;
}

struct Column {
  std::string_view title;
  std::size_t width;
};

// Cells side by side, each wrapped in its column, two spaces between columns.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {
    std::vector<std::string> titles;
    titles.reserve(columns_.size());
    for (const Column& column : columns_) titles.emplace_back(column.title);
    add(titles);
  }

  void add(const std::vector<std::string>& cells) {
    std::vector<std::vector<std::string>> wrapped;
    std::size_t height = 0;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      wrapped.push_back(wrap(cells[i], columns_[i].width));
      height = std::max(height, wrapped.back().size());
    }
    for (std::size_t line = 0; line < height; ++line) {
      std::string out;
      std::size_t start = 0;
      for (std::size_t i = 0; i < columns_.size(); ++i) {
        if (line < wrapped[i].size() && !wrapped[i][line].empty()) {
          out.append(start > out.size() ? start - out.size() : 0, ' ');
          out += wrapped[i][line];
        }
        start += columns_[i].width + 2;
      }
      text_ += out + '\n';
    }
  }

  // A remark below the last row, from its second column on.
  void remark(std::string_view note) {
    const std::size_t indent = columns_[0].width + 2;
    std::size_t width = 0;
    for (std::size_t i = 1; i < columns_.size(); ++i) width += columns_[i].width + 2;
    for (const std::string& line : wrap(note, width - 4)) {
      text_ += std::string(indent + 2, ' ') + line + '\n';
    }
  }

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::vector<Column> columns_;
  std::string text_;
};

std::string paragraph(std::string_view sentence, std::size_t width) {
  std::string text;
  for (const std::string& line : wrap(sentence, width)) text += line + '\n';
  return text;
}

std::string list(const std::set<std::string, std::less<>>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string headline(const Plan& plan, const PlanOrigin& origin, std::size_t width) {
  std::string text = "Policy " + origin.policy + " (" + std::string(to_string(origin.mode)) + ") ";
  text +=
      origin.bundle.empty() ? "for a container without a seccomp profile" : "for the bundle " + origin.bundle;
  const bool known = origin.runtime != runtime::traits(runtime::Kind::kUnknown).name;
  text += ", under " + (known ? origin.runtime : "an unknown runtime") + ".";
  const std::string here =
      origin.not_here.empty()
          ? ""
          : paragraph("On this machine, to you, the container would be refused: " + origin.not_here + ".",
                      width);
  return paragraph(text, width) + here +
         paragraph(plan.supervised()
                       ? "An agent supervises the container. It is asked about " + list(plan.notified) + "."
                       : "Nothing has to be supervised: no agent is started.",
                   width);
}

// "- what: note", wrapped.
std::string item(std::string_view what, std::string_view note, std::size_t width) {
  std::string text;
  std::string whole(what);
  if (!note.empty()) whole += ": " + std::string(note);
  for (const std::string& line : wrap(whole, width - 4)) {
    text += (text.empty() ? "  - " : "    ") + line + '\n';
  }
  return text;
}

ordered_json row_json(const PlanRow& row) {
  ordered_json json = ordered_json::object();
  if (row.origin == Origin::kRule) json["pointer"] = row.pointer;
  if (!row.name.empty()) json["name"] = row.name;
  json["what"] = row.what;
  if (row.origin != Origin::kLeftOpen) {
    json["mechanism"] = to_string(row.mechanism);
    json["cost"] = row.cost;
  }
  json["note"] = row.note;
  return json;
}

ordered_json rows_json(const Plan& plan, Origin origin) {
  ordered_json rows = ordered_json::array();
  for (const PlanRow& row : plan.rows) {
    if (row.origin == origin) rows.push_back(row_json(row));
  }
  return rows;
}

bool any(const Plan& plan, Origin origin) {
  return std::any_of(plan.rows.begin(), plan.rows.end(),
                     [origin](const PlanRow& row) { return row.origin == origin; });
}

// The rows of one origin below a title; nothing when there are none.
std::string section(const Plan& plan, Origin origin, std::string_view title, std::size_t width) {
  if (!any(plan, origin)) return "";
  std::string text = '\n' + paragraph(title, width);
  for (const PlanRow& row : plan.rows) {
    if (row.origin != origin) continue;
    const std::string name = row.name.empty() ? "" : " [" + row.name + "]";
    text += item(row.what + name, row.note, width);
  }
  return text;
}

}  // namespace

std::string_view to_string(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::kRuntime:
      return "OCI";
    case Mechanism::kCgroup:
      return "cgroup";
    case Mechanism::kFilter:
      return "filter";
    case Mechanism::kAgent:
      return "agent";
    case Mechanism::kLandlock:
      return "landlock";
    case Mechanism::kNobody:
      return "nobody";
  }
  return "nobody";
}

std::string explain_text(const Plan& plan, const PlanOrigin& origin, std::size_t width) {
  std::string text = headline(plan, origin, width);
  if (any(plan, Origin::kRule)) {
    constexpr std::size_t kRule = 18;
    constexpr std::size_t kBy = 8;
    constexpr std::size_t kGaps = 6;
    const std::size_t rest = width - kRule - kBy - kGaps;
    // "one notification per refused call", where there is room for it.
    const std::size_t cost = std::min<std::size_t>(33, rest / 2);
    Table table({{"rule", kRule}, {"what", rest - cost}, {"by", kBy}, {"cost", cost}});
    for (const PlanRow& row : plan.rows) {
      if (row.origin != Origin::kRule) continue;
      table.add({row.pointer, row.what, std::string(to_string(row.mechanism)), row.cost});
      if (!row.note.empty()) table.remark("(" + row.note + ")");
    }
    text += '\n' + table.text();
  }
  text += section(plan, Origin::kStart, "Added, so that the runtime can start the container:", width);
  text += section(plan, Origin::kNames, "Added, so that these names resolve without DNS:", width);
  text += section(plan, Origin::kFiles, "Added, so that the file rules hold:", width);
  text += section(plan, Origin::kBaseline,
                  "Added, so that the rules hold; a [name] in the policy's unsafe_allow gives back:", width);
  if (!plan.dropped_architectures.empty()) {
    text +=
        '\n' + paragraph(
                   "Programs of these ABIs do not run, since the policy cannot be held there; unsafe_allow "
                   "cannot change that:",
                   width);
    for (const auto& [name, reason] : plan.dropped_architectures) text += item(name, reason, width);
  }
  if (!plan.residual.empty()) {
    text +=
        '\n' +
        paragraph("The agent also weighs the bundle's own profile for " + list(plan.residual) + ".", width);
  }
  text += section(plan, Origin::kLeftOpen, "Left open:", width);
  return text;
}

nlohmann::ordered_json explain_json(const Plan& plan, const PlanOrigin& origin) {
  ordered_json json = ordered_json::object();
  json["policy"] = origin.policy;
  json["mode"] = to_string(origin.mode);
  json["bundle"] = origin.bundle.empty() ? ordered_json(nullptr) : ordered_json(origin.bundle);
  json["runtime"] = origin.runtime;
  json["not_here"] = origin.not_here.empty() ? ordered_json(nullptr) : ordered_json(origin.not_here);
  json["supervised"] = plan.supervised();
  json["rules"] = rows_json(plan, Origin::kRule);
  json["start"] = rows_json(plan, Origin::kStart);
  json["names"] = rows_json(plan, Origin::kNames);
  json["files"] = rows_json(plan, Origin::kFiles);
  json["baseline"] = rows_json(plan, Origin::kBaseline);
  json["left_open"] = rows_json(plan, Origin::kLeftOpen);
  json["notified"] = plan.notified;
  json["residual"] = plan.residual;
  json["dropped_architectures"] = plan.dropped_architectures;
  return json;
}

}  // namespace tidewaiter::policy

#include "supervisor/names/told_names.h"

#include "oci/base/json_text.h"
#include "oci/policy/address.h"

namespace tidewaiter::supervisor {

std::string told_names(Resolver& resolver, const std::vector<std::string>& names) {
  const auto results = resolver.resolve(names, -1);
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += "{\"name\": ";
    append_json_string(text, names[i]);
    if (results[i]) {
      text += ", \"addresses\": [";
      bool first = true;
      for (const policy::IpAddress& address : results[i]->addresses) {
        text += first ? "" : ", ";
        append_json_string(text, policy::to_string(address));
        first = false;
      }
      text += "]}\n";
    } else {
      text += ", \"error\": ";
      append_json_string(text, results[i].error().message());
      text += "}\n";
    }
  }
  return text;
}

}  // namespace tidewaiter::supervisor

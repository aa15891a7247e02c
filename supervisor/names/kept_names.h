#pragma once

#include <string>
#include <string_view>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

namespace tidewaiter::supervisor {

// What is known of the policy's host names, in memory that outlives the worker which knows it: what a name
// had before counts as well (AddressBook), and no DNS server tells that to the next one. A text, which nobody
// but a worker looks at. One at a time may store.
//
// SAFETY: there is room for two texts. A new one goes where the present one is not, and only when it is there
// becomes the present one, by one store: a worker that dies meanwhile leaves the old one.
class KeptNames {
 public:
  // New memory, with nothing in it.
  static Result<KeptNames> make();
  // What `memory` holds. EPROTO: it is something else.
  static Result<KeptNames> open(UniqueFd memory);
  KeptNames(KeptNames&& other) noexcept;
  KeptNames& operator=(KeptNames&&) = delete;
  ~KeptNames();

  // Borrowed.
  [[nodiscard]] int memory() const { return memory_.get(); }

  // Empty: nothing has been stored.
  [[nodiscard]] Result<std::string> load() const;
  Status store(std::string_view text);

 private:
  struct Header;
  static Result<KeptNames> map(UniqueFd memory);
  KeptNames(UniqueFd memory, Header* header) : memory_(std::move(memory)), header_(header) {}

  UniqueFd memory_;
  Header* header_;
};

}  // namespace tidewaiter::supervisor

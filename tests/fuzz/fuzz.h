#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <type_traits>

// What the fuzzers have in common. Each is one LLVMFuzzerTestOneInput(), which calls note() once. Linked with
// libFuzzer it gets inputs that nobody thought of; else feed_corpus.cc gives it those of its corpus.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace tidewaiter::fuzz {

// How many inputs the decoder took, and how many it refused. A corpus that comes to one of them alone has
// ceased to test anything.
struct Counts {
  std::size_t accepted = 0;
  std::size_t refused = 0;
};

inline Counts& counts() {
  static Counts made;
  return made;
}

inline void note(bool accepted) { ++(accepted ? counts().accepted : counts().refused); }

// An input as the values that a fuzzer takes from its front, least significant byte first. Behind its end are
// zeros.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size)
      : left_(reinterpret_cast<const char*>(data), data == nullptr ? 0 : size) {}

  template <typename Number>
  Number take() {
    static_assert(std::is_unsigned_v<Number>);
    Number value = 0;
    const std::string_view bytes = take_text(sizeof value);
    for (std::size_t i = bytes.size(); i-- > 0;) {
      value = static_cast<Number>(std::uint64_t{value} << 8U | static_cast<unsigned char>(bytes[i]));
    }
    return value;
  }

  std::string_view take_text(std::size_t size) {
    const std::string_view text = left_.substr(0, size);
    left_.remove_prefix(text.size());
    return text;
  }

  // What is in front of the next line that is `---`, which goes as well; all where there is none.
  std::string_view take_document() {
    constexpr std::string_view kBetween = "\n---\n";
    const std::size_t end = left_.find(kBetween);
    const std::string_view text = take_text(end);
    if (end != std::string_view::npos) left_.remove_prefix(kBetween.size());
    return text;
  }

  [[nodiscard]] std::string_view rest() const { return left_; }

 private:
  std::string_view left_;
};

}  // namespace tidewaiter::fuzz

// Ends the process, as a crash does, where the decoder does not hold what it promises.
#define MUST(...)                                                                                       \
  do {                                                                                                  \
    if (!(__VA_ARGS__)) {                                                                               \
      static_cast<void>(std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #__VA_ARGS__)); \
      std::abort();                                                                                     \
    }                                                                                                   \
  } while (false)

#include "shim/copies/list_changes.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "oci/base/system.h"

namespace tidewaiter::shim {
namespace {

bool same_owner_and_mode(const struct stat& a, const struct stat& b) {
  return a.st_mode == b.st_mode && a.st_uid == b.st_uid && a.st_gid == b.st_gid;
}

bool same_time(const struct stat& a, const struct stat& b) {
  return a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

Result<bool> same_bytes(int a, int b) {
  std::array<char, 64U << 10U> left{};
  std::array<char, 64U << 10U> right{};
  while (true) {
    const std::size_t size = TRY(sys::read(a, left.data(), left.size()));
    std::size_t filled = 0;
    while (filled < size) {
      const std::size_t more = TRY(sys::read(b, right.data() + filled, size - filled));
      if (more == 0) return false;
      filled += more;
    }
    if (size == 0) return TRY(sys::read(b, right.data(), 1)) == 0;
    if (!std::equal(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(size), right.begin()))
      return false;
  }
}

class Lister {
 public:
  Lister(const Layer& layer, const std::function<void(const ListedChange&)>& tell)
      : layer_(layer), tell_(tell) {}

  // `lower`: -1 where there is none.
  Status walk(int upper, int lower, bool hides, int depth) {
    if (depth > kMaxLayerDepth)
      return fail("nested deeper than " + std::to_string(kMaxLayerDepth) + " folders");
    const std::vector<std::string> names = TRY(names_in(upper));
    std::vector<std::string> all = names;
    if (hides && lower >= 0) {
      const std::vector<std::string> hidden = TRY(names_in(lower));
      all.clear();
      std::set_union(names.begin(), names.end(), hidden.begin(), hidden.end(), std::back_inserter(all));
    }
    for (const std::string& name : all) {
      const std::size_t length = path_.size();
      path_ += "/" + name;
      // A file of a running container may be gone by now.
      Status looked = in_context(name, look(upper, lower, name, hides, depth));
      if (!looked && looked.error().code == ENOENT) looked = {};
      path_.resize(length);
      TRY(std::move(looked));
    }
    return {};
  }

 private:
  void tell(Change change, const struct stat& status) { tell_({change, path_, kind_of(status)}); }

  Status look(int upper, int lower, const std::string& name, bool hides, int depth) {
    const auto now = TRY(look_at(upper, name));
    const auto was = lower < 0 ? std::optional<struct stat>() : TRY(look_at(lower, name));
    if (!now || is_whiteout(*now)) {
      if (was && (now || hides)) tell(Change::kDeleted, *was);
      return {};
    }
    if (was && S_ISDIR(was->st_mode) != S_ISDIR(now->st_mode)) {
      tell(Change::kDeleted, *was);
      return look_inside(upper, -1, name, *now, hides, depth, Change::kAdded);
    }
    if (!was) return look_inside(upper, -1, name, *now, hides, depth, Change::kAdded);
    if (!S_ISDIR(now->st_mode)) {
      if (!TRY(same(upper, lower, name, *now, *was))) tell(Change::kModified, *now);
      return {};
    }
    return look_inside(upper, lower, name, *now, hides, depth, std::nullopt);
  }

  // `change`: of the entry itself, where it is known.
  Status look_inside(int upper, int lower, const std::string& name, const struct stat& now, bool hides,
                     int depth, std::optional<Change> change) {
    if (change) tell(*change, now);
    if (!S_ISDIR(now.st_mode)) return {};
    const UniqueFd folder = TRY(open_folder_in(upper, name));
    UniqueFd below;
    if (lower >= 0) {
      below = TRY(open_folder_in(lower, name));
      const struct stat was = TRY(sys::fstat(below.get()));
      if (!same_owner_and_mode(now, was) ||
          TRY(attributes_of(layer_, folder.get())) != TRY(attributes_of(layer_, below.get())))
        tell(Change::kModified, now);
    }
    const bool opaque = hides || TRY(is_opaque(layer_, folder.get()));
    return walk(folder.get(), below.valid() ? below.get() : -1, opaque, depth + 1);
  }

  // Of no folders.
  Result<bool> same(int upper, int lower, const std::string& name, const struct stat& now,
                    const struct stat& was) {
    if (!same_owner_and_mode(now, was) || !same_time(now, was)) return false;
    if (S_ISLNK(now.st_mode)) return TRY(read_link_in(upper, name)) == TRY(read_link_in(lower, name));
    if (!S_ISREG(now.st_mode)) return now.st_rdev == was.st_rdev;
    if (now.st_size != was.st_size) return false;
    const UniqueFd a = TRY(open_file_in(upper, name));
    const UniqueFd b = TRY(open_file_in(lower, name));
    return TRY(attributes_of(layer_, a.get())) == TRY(attributes_of(layer_, b.get())) &&
           TRY(same_bytes(a.get(), b.get()));
  }

  const Layer layer_;
  const std::function<void(const ListedChange&)>& tell_;
  std::string path_;
};

}  // namespace

void ChangeCounts::count(Change change) {
  switch (change) {
    case Change::kAdded:
      ++added;
      return;
    case Change::kModified:
      ++modified;
      return;
    case Change::kDeleted:
      ++deleted;
      return;
  }
}

std::string in_words(Change change) {
  switch (change) {
    case Change::kAdded:
      return "added";
    case Change::kModified:
      return "modified";
    case Change::kDeleted:
      break;
  }
  return "deleted";
}

Status list_changes(const Layer& layer, int upper, int lower,
                    const std::function<void(const ListedChange&)>& tell) {
  const struct stat now = TRY(sys::fstat(upper));
  const struct stat was = TRY(sys::fstat(lower));
  if (!same_owner_and_mode(now, was) || TRY(attributes_of(layer, upper)) != TRY(attributes_of(layer, lower)))
    tell({Change::kModified, "", kind_of(now)});
  return Lister(layer, tell).walk(upper, lower, false, 0);
}

}  // namespace tidewaiter::shim

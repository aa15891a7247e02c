#pragma once

#include <cstdint>

// Landlock (landlock(7), include/uapi/linux/landlock.h), as far as file rules use it. Definitions of our own:
// the headers of Debian 12 know version 2, and tidewaiter-init is built without a library. Constants only.

namespace tidewaiter::landlock {

// The rights, LANDLOCK_ACCESS_FS_*, with the version (ABI) that brought each, and its Linux.
inline constexpr std::uint64_t kExecute = 1U << 0;  // version 1, Linux 5.13
inline constexpr std::uint64_t kWriteFile = 1U << 1;
inline constexpr std::uint64_t kReadFile = 1U << 2;
inline constexpr std::uint64_t kReadDirectory = 1U << 3;
inline constexpr std::uint64_t kRemoveDirectory = 1U << 4;
inline constexpr std::uint64_t kRemoveFile = 1U << 5;
inline constexpr std::uint64_t kMakeCharacterDevice = 1U << 6;
inline constexpr std::uint64_t kMakeDirectory = 1U << 7;
inline constexpr std::uint64_t kMakeFile = 1U << 8;
inline constexpr std::uint64_t kMakeSocket = 1U << 9;
inline constexpr std::uint64_t kMakeFifo = 1U << 10;
inline constexpr std::uint64_t kMakeBlockDevice = 1U << 11;
inline constexpr std::uint64_t kMakeSymbolicLink = 1U << 12;
inline constexpr std::uint64_t kRefer = 1U << 13;        // version 2, Linux 5.19
inline constexpr std::uint64_t kTruncate = 1U << 14;     // version 3, Linux 6.2
inline constexpr std::uint64_t kIoctlDevice = 1U << 15;  // version 5, Linux 6.10

// What a kernel of this version knows of the above.
constexpr std::uint64_t known_rights(long version) {
  std::uint64_t rights = 0;
  if (version >= 1) rights |= kRefer - 1;
  if (version >= 2) rights |= kRefer;
  if (version >= 3) rights |= kTruncate;
  if (version >= 5) rights |= kIoctlDevice;
  return rights;
}

// A path may only get these where it is not a directory (ACCESS_FILE in security/landlock/fs.c).
inline constexpr std::uint64_t kOfFiles = kExecute | kWriteFile | kReadFile | kTruncate | kIoctlDevice;

// What a path gets that is in a list of the policy. The kernel reads what it executes (FMODE_READ), and
// hardly a program writes what it may not read: so these lists imply the reading.
inline constexpr std::uint64_t kRead = kReadFile | kReadDirectory;
inline constexpr std::uint64_t kExec = kRead | kExecute;
inline constexpr std::uint64_t kWrite = kRead | kWriteFile | kRemoveDirectory | kRemoveFile | kMakeDirectory |
                                        kMakeFile | kMakeSocket | kMakeFifo | kMakeSymbolicLink | kRefer |
                                        kTruncate | kIoctlDevice;

// What is refused where no rule gives it, once a policy has the list. A device file is a way to what lies on
// the device, past every rule on paths: none gives the right to make one.
inline constexpr std::uint64_t kHandledByRead = kRead;
inline constexpr std::uint64_t kHandledByExec = kExecute;
inline constexpr std::uint64_t kHandledByWrite = (kWrite & ~kRead) | kMakeCharacterDevice | kMakeBlockDevice;

// By any list: a file that moves into another directory must not gain rights on the way. The kernel refuses
// such moves altogether where this right is not among the handled ones.
inline constexpr std::uint64_t kHandledByAll = kRefer;

// --- how tidewaiter-init is told ------------------------------------------------------------------------
//
//   PATH LISTS RULE… -- PROGRAM ARGUMENT…
//
// LISTS has a letter for each list that the policy has, and kBestEffort where it may go without what the
// kernel does not know. RULE is the letter of its list, and then its path.

inline constexpr char kReadLetter = 'r';
inline constexpr char kWriteLetter = 'w';
inline constexpr char kExecLetter = 'x';
inline constexpr char kBestEffort = 'b';
inline constexpr char kEndOfRules[] = "--";

}  // namespace tidewaiter::landlock

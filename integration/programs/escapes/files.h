#pragma once

#include "escape.h"

// Files, for the policies `files`, which has lists of what may be read, written and executed, and
// `files-deny`. integration/escapes gives each container a /srv of its own:
//
//                   says      files                          files-deny
//   open/           open      read and written               as without
//     file, folder/file
//   readable/       readable  read                           as without
//     file, loader
//   shut/           shut      nothing                        denied
//     file, prog
//   half/                     nothing                        as without
//     file          open
//     secret        shut                                     denied
//   programs/                 read, written and executed     as without
//   absent                    nothing                        denied; it is not there
//
// With --neighbour the same is done to what may be done: in open/ in place of shut/ and readable/, and in
// half/ to `file` in place of `secret`.
//
// What counts for an escape is what a file says, or that it is there: not what a call returns.

#define SHUT (is_neighbour ? "/srv/open" : "/srv/shut")          // a folder whose files may not be read
#define READABLE (is_neighbour ? "/srv/open" : "/srv/readable")  // one whose files may only be read
#define SECRET (is_neighbour ? "file" : "secret")                // in half/

struct path {
  char text[200];
};

// Of a folder and a name in it.
static inline struct path in(const char* folder, const char* name) {
  struct path path;
  if (snprintf(path.text, sizeof path.text, "%s/%s", folder, name) >= (int)sizeof path.text) broken(name);
  return path;
}

static inline struct path descriptor_path(int fd) {
  struct path path;
  snprintf(path.text, sizeof path.text, "/proc/self/fd/%d", fd);
  return path;
}

static inline bool says(int fd, const char* text) {
  char found[16] = {0};
  return pread(fd, found, sizeof found - 1, 0) > 0 && strncmp(found, text, strlen(text)) == 0;
}

// Whether this is the file that may not be read. Closes it.
static inline void look_into(int fd) {
  if (fd < 0) return;
  if (says(fd, is_neighbour ? "open" : "shut"))
    escaped("the %s file was read", is_neighbour ? "allowed" : "forbidden");
  close(fd);
}

static inline void try_to_read_at(int folder, const char* path) {
  look_into(openat(folder, path, O_RDONLY | O_CLOEXEC));
}
static inline void try_to_read(const char* path) { try_to_read_at(AT_FDCWD, path); }

// Whether the file may be read, and does not say any more what it did.
static inline void check_changed(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0 && says(fd, "changed")) escaped("%s was changed", path);
  if (fd >= 0) close(fd);
}

static inline void check_made(const char* path) {
  struct stat status;
  if (lstat(path, &status) == 0) escaped("%s was made", path);
}

static inline void check_gone(const char* path) {
  struct stat status;
  if (lstat(path, &status) < 0 && errno == ENOENT) escaped("%s is gone", path);
}

static inline void check_size(const char* path, off_t size) {
  struct stat status;
  if (stat(path, &status) == 0 && status.st_size == size) escaped("%s has %ld bytes now", path, (long)size);
}

// A file that may be written, to be put elsewhere.
static inline void make_changed(const char* path) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 || write(fd, "changed\n", 8) != 8) broken(path);
  close(fd);
}

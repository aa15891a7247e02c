#pragma once

#include <string>

#include "oci/base/result.h"
#include "shim/copies/copy_record.h"
#include "shim/copies/list_changes.h"

// The way of what a container wrote to its copied folders, from its creation to its end:
//
//   create          prepare_copies()     makes the layers; a process waits for the runtime, and removes them
//   if no
//                                        container has come of it
//   createRuntime   attend()             leaves a process behind that waits for the container's first
//   process,
//                                        learns how it ended, and settles
//   poststop        settle()             waits until that is done; does it where that process is dead
//   by hand         commit_kept(), discard_kept()
//
// Whoever does anything holds the lock. Where nobody has learnt how the container ended, it has failed:
// nothing is committed on a doubt.

namespace tidewaiter::shim {

// Makes `folder`, for a container that is about to be created. An error where it is there already: changes of
// an earlier container of the same id wait for somebody's decision. What another `create` left, that has come
// to nothing, and the list of a dry run, are replaced.
Status prepare_copies(const std::string& folder, const CopyRecord& record);

// Leaves a process behind that removes `folder` if no container has come of it when this process, which
// becomes the runtime, has ended.
Status forget_copies_unless_used(const std::string& folder);

// What the bundle's hooks do. `state`: what the runtime writes to the hook (runtime-spec, runtime.md,
// "State").
Status attend(const std::string& folder, const std::string& state);
Status settle(const std::string& folder);

// By hand, of all that is kept, or was left half done. An error while the container runs.
Status commit_kept(const std::string& folder);
Status discard_kept(const std::string& folder);

// Whether the container may still write: its first process is there.
bool still_runs(const CopyState& state);

// What the folder with this number would become. Not of one that is settled.
Status list_copy(const std::string& folder, const CopyRecord& record, std::size_t number,
                 const std::function<void(const ListedChange&)>& tell);

// One line of a list, JSON, with a newline: {"change":"added","path":"/work/file","kind":"file"}.
std::string change_line(const CopyRecord::Folder& copied, const ListedChange& change);

}  // namespace tidewaiter::shim

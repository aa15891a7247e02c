#pragma once

#include <functional>
#include <string>

#include "oci/base/result.h"
#include "shim/copies/layer.h"

// Makes what an upper layer says to the folder below it. Whoever wrote the layer may have wished for
// anything: links that lead out of it, files that give rights, trees without end.

namespace tidewaiter::shim {

// An error, with the path, where the layer holds what is not committed: nothing is changed then, and nothing
// should be. That is what gives rights on the host: device files, files with the set-user-ID bit, or with the
// set-group-ID bit that makes a program of them, and files with capabilities; and what an overlay may mean
// otherwise than it looks like, and folders nested too deep.
Status check_commit(const Layer& layer, int upper);

struct Commit {
  Layer layer;
  int upper = -1;
  int target = -1;  // the folder below
  std::string
      token;  // in the names of temporary files, ".tidewaiter-TOKEN": nobody else has any of that name
  std::function<void()> before_step = {};  // called before each change; for tests
};

// Each file is made beside its place and renamed, so that whoever looks finds the old one or the new one.
// Nothing of the layer is changed, and every change can be made twice: where it came to an end half way, be
// it by an error, a crash or a power failure, the same call with the same token goes on. Owner, mode, times
// and extended attributes are the layer's, and hard links within it stay such. What others have changed in
// the folder meanwhile stays, but for what the container has changed or deleted itself: there the container's
// is what stays, and a folder that it deleted goes with whatever is in it by now.
//
// Never leaves the folder: no link in it is followed, and what is mounted in it is an error.
// REQUIRES: check_commit(), and nobody writes to the layer any more.
Status commit_changes(const Commit& commit);

// Removes a folder and everything in it, nested as deep as it may be, with a handful of descriptors. Missing
// is a success; half done, it can be called again. REQUIRES: nobody else may write to `folder`, nor to what
// it is in.
Status remove_layer(const std::string& folder);

}  // namespace tidewaiter::shim

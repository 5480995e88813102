// SPDX-License-Identifier: Apache-2.0
// Directories of the caller become part of a layer.
#pragma once

#include "providers/local/file_handle.hpp"
#include "providers/local/image_store.hpp"

namespace sandboxkit::local {

// Puts each tree at its target in the layer that is being made at `layer`, a directory with `root` and, when base.usr is
// not empty, `usr`. Targets are resolved as the finished image would: a symbolic link of the base is followed inside the
// image. Missing parents are made 0755 and owned by root; parents that the base has keep their attributes. A directory
// that the base has at the target is merged with, as overlayfs does; the tree's objects win. Trees are renamed away
// where they are on the layer's file system, else copied.
// `excluded`: the open directory of the store, which no tree may contain.
// Errors: invalid for a target or source that cannot be; conflict when two trees need the same place.
Result<void> place_trees(const RootPlan& base, const std::filesystem::path& layer, const std::vector<ImageTree>& trees,
                         int excluded, std::stop_token stop);

} // namespace sandboxkit::local

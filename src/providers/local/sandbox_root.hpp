// SPDX-License-Identifier: Apache-2.0
// The root file system of one sandbox: the image's layers, a small layer of its own, and the writable one on top.
#pragma once

#include <sandboxkit/provider.hpp>

#include "providers/local/image_store.hpp"
#include "providers/local/spawn.hpp"

#include <filesystem>
#include <vector>

namespace sandboxkit::local {

// In the topmost layer that has it, a mount point or /etc must be a directory: ours hides what is there otherwise.
// Errors: unsupported "image_unusable".
Result<void> check_directories(const RootPlan& plan);

// <sandbox>/base: a lower layer right under the writable one, with /etc/{hosts,hostname,resolv.conf} and the mount
// points. They are a layer and not bind mounts, so that a captured layer holds no trace of them, and a link or a file of
// the image at these places does no harm. Errors: unsupported "image_unusable".
Result<void> make_base_layer(const std::filesystem::path& sandbox, const CreateRequest& request, const RootPlan& plan);

[[nodiscard]] WritableLayer writable_layer(const std::filesystem::path& sandbox);

// The overlays to mount on <sandbox>/rootfs.
std::vector<OverlayMount> root_mounts(const std::filesystem::path& sandbox, const RootPlan& plan);

} // namespace sandboxkit::local

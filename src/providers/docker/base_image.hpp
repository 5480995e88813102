// SPDX-License-Identifier: Apache-2.0
// From what a recipe names to an image that the daemon has: pulled, imported, or one of our own.
#pragma once

#include "providers/docker/daemon.hpp"
#include "providers/docker/image_status.hpp"

namespace sandboxkit::docker {

struct BaseImage {
    ImageStatus image;
    std::vector<Ingredient> ingredients; // what it is made of
};

// Errors: invalid "image_reference", "image_digest_mismatch", "unknown_image", "image_path_relative", "image_not_file",
// "image_archive_refused"; not_found "image_not_found"; unsupported "image_architecture"; permission "docker_permission".
// `request` outlives the call.
Task<BaseImage> base_image(DaemonPtr daemon, const ImageRequest& request);

// Nothing: the daemon has none of that name or id.
Task<std::optional<ImageStatus>> find_image(DaemonPtr daemon, std::string name);

} // namespace sandboxkit::docker

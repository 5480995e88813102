// SPDX-License-Identifier: Apache-2.0
// What a daemon says of an image, and what an image of ours says of itself. Pure functions.
#pragma once

#include "providers/docker/image_reference.hpp"
#include "providers/docker/labels.hpp"

#include <sandboxkit/provider.hpp>

#include <optional>
#include <string>
#include <vector>

namespace sandboxkit::docker {

struct ImageStatus {
    std::string id; // "sha256:<hex>"
    std::string os, architecture;
    std::vector<std::string> repository_digests; // "debian@sha256:<hex>"
    std::vector<std::string> tags;
    Labels labels;
    bool has_volumes = false; // paths that the daemon would keep outside of the container's file system
    std::vector<std::string> environment;
    std::size_t layers = 0;
};

[[nodiscard]] ImageStatus read_image(const json::value& document);

// The digest that its registry knows it by, for this repository; else its id.
[[nodiscard]] std::string digest_of_image(const ImageStatus& image, const ImageReference& reference);
// Whether it is known by this digest, to its registry or to the daemon.
[[nodiscard]] bool has_digest(const ImageStatus& image, std::string_view digest);

[[nodiscard]] std::string pack_ingredients(const std::vector<Ingredient>& ingredients);
// Nothing: they cannot be read.
[[nodiscard]] std::optional<std::vector<Ingredient>> unpack_ingredients(const Labels& labels);

// Errors: data_loss "image_damaged".
[[nodiscard]] Result<ImageInfo> info_of(const ImageStatus& image);

} // namespace sandboxkit::docker

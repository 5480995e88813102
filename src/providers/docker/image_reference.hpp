// SPDX-License-Identifier: Apache-2.0
// References of images as people write them: [registry/]path[:tag][@sha256:...].
#pragma once

#include <sandboxkit/error.hpp>

#include <string>
#include <string_view>

namespace sandboxkit::docker {

struct ImageReference {
    std::string repository;      // as written, with the registry
    std::string registry;        // "docker.io" when none is written
    bool names_registry = false; // it is written
    std::string tag;             // "latest" when neither it nor a digest is written
    std::string digest;          // "sha256:<64 hexadecimal digits>" or empty

    // As the daemon is asked for it: with the digest if there is one, else with the tag.
    [[nodiscard]] std::string text() const { return repository + (digest.empty() ? ":" + tag : "@" + digest); }
};

// Errors: invalid "image_reference".
[[nodiscard]] Result<ImageReference> parse_image_reference(std::string_view text);

[[nodiscard]] bool is_sha256_digest(std::string_view text) noexcept; // "sha256:" and 64 lower-case hexadecimal digits

} // namespace sandboxkit::docker

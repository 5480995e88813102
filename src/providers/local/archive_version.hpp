// SPDX-License-Identifier: Apache-2.0
// Which bytes an archive had: their digest, and whether they are still the same after they were unpacked.
#pragma once

#include "providers/local/file_handle.hpp"

#include <sandboxkit/error.hpp>

#include <stop_token>
#include <string>
#include <utility>

#include <sys/stat.h>

namespace sandboxkit::local {

class ArchiveVersion {
public:
    // Reads the open file from its beginning and leaves its position alone. `path` is for messages.
    static Result<ArchiveVersion> of(const FileHandle& file, std::string path, std::stop_token stop);

    [[nodiscard]] const std::string& digest() const { return digest_; } // "sha256:<hex>"
    // conflict "image_changed" when somebody has written to the file since.
    [[nodiscard]] Result<void> still(const FileHandle& file) const;

private:
    ArchiveVersion(std::string path, const struct stat& status) : path_(std::move(path)), status_(status) {}

    std::string path_, digest_;
    struct stat status_;
};

} // namespace sandboxkit::local

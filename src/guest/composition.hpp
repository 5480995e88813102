// SPDX-License-Identifier: Apache-2.0
// One file out of several, for clients that upload a large one in pieces.
#pragma once

#include "guest/accounts.hpp"
#include "guest/file_descriptor.hpp"
#include "guest/upload.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sandboxkit::guest {

class Composition {
public:
    static constexpr std::size_t source_limit = 1000;

    // Paths are absolute.
    Composition(std::vector<std::string> sources, std::string destination, Identity user)
        : sources_(std::move(sources)), destination_(std::move(destination)), user_(std::move(user)) {}

    // Appends the next piece, so that others are served in between. True when the file is in its place and the sources are
    // removed; until then, and when it fails, they are as they were.
    bool step(UploadFailure& failure);

private:
    UploadFailure begin();
    UploadFailure open_next();
    // The error that is told about a source.
    [[nodiscard]] UploadFailure fail(int error) const;

    std::vector<std::string> sources_;
    std::string destination_;
    Identity user_;
    Upload upload_;
    FileDescriptor source_;
    std::uint64_t left_ = 0; // of the source
    std::size_t next_ = 0;
    bool begun_ = false;
};

} // namespace sandboxkit::guest

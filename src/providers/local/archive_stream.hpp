// SPDX-License-Identifier: Apache-2.0
// The bytes of a tar archive, unpacked from whatever it is compressed with.
#pragma once

#include "providers/local/file_handle.hpp"

#include <cstdint>
#include <memory>
#include <string_view>

struct archive;

namespace sandboxkit::local {

// Never runs a program: only what libarchive decodes itself (none, gzip, bzip2, xz, lzma, lzip, zstd, lz4, compress).
class ArchiveStream {
public:
    // Reads the open file from its current position. `file` must outlive the stream.
    static Result<ArchiveStream> open(int file);

    // The next bytes, valid until the next call; empty at the end. invalid "archive_damaged" with the position in the file.
    Result<std::string_view> next();

private:
    struct Free {
        void operator()(archive* reader) const noexcept;
    };
    [[nodiscard]] Error damaged() const;

    std::unique_ptr<archive, Free> reader_;
};

} // namespace sandboxkit::local

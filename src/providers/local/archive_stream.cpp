// SPDX-License-Identifier: Apache-2.0
#include "providers/local/archive_stream.hpp"

#include <new>

#include <archive.h>
#include <archive_entry.h>

namespace sandboxkit::local {

void ArchiveStream::Free::operator()(archive* reader) const noexcept {
    archive_read_free(reader);
}

Error ArchiveStream::damaged() const {
    const char* text = archive_error_string(reader_.get());
    return {ErrorClass::invalid,
            "archive_damaged",
            "the archive is damaged or is not one, near byte " + std::to_string(archive_filter_bytes(reader_.get(), -1)) +
                " of the file",
            "make the archive again; a tar archive, plain or compressed with gzip, xz or zstd, is expected",
            text ? text : "",
            {}};
}

Result<ArchiveStream> ArchiveStream::open(int file) {
    ArchiveStream stream;
    stream.reader_.reset(archive_read_new());
    auto* reader = stream.reader_.get();
    if (!reader) throw std::bad_alloc();
    // Not "all": some of those run programs.
    for (const auto support :
         {archive_read_support_filter_gzip, archive_read_support_filter_bzip2, archive_read_support_filter_xz,
          archive_read_support_filter_lzma, archive_read_support_filter_lzip, archive_read_support_filter_zstd,
          archive_read_support_filter_lz4, archive_read_support_filter_compress})
        if (support(reader) != ARCHIVE_OK)
            return Error{ErrorClass::unsupported,
                         "archive_filter_missing",
                         "libarchive was built without a compression that archives use",
                         "install a complete libarchive",
                         archive_error_string(reader) ? archive_error_string(reader) : "",
                         {}};
    archive_read_support_format_raw(reader);
    archive_entry* entry = nullptr;
    if (archive_read_open_fd(reader, file, 256 << 10) != ARCHIVE_OK || archive_read_next_header(reader, &entry) != ARCHIVE_OK)
        return stream.damaged();
    return stream;
}

Result<std::string_view> ArchiveStream::next() {
    const void* block = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(reader_.get(), &block, &size, &offset);
    if (status == ARCHIVE_EOF) return std::string_view();
    if (status != ARCHIVE_OK) return damaged();
    return std::string_view(static_cast<const char*>(block), size);
}

} // namespace sandboxkit::local

// SPDX-License-Identifier: Apache-2.0
// Entries out of the bytes of an archive, and back to bytes that say the same. The first byte of the input says how the rest
// is cut into pieces.
#include "tree/tar_reader.hpp"
#include "tree/tar_writer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace sandboxkit::tree;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

void check_entry(const TarEntry& entry) {
    require(!entry.name.empty() && entry.name.size() <= tar_name_limit && entry.link.size() <= tar_name_limit);
    require(entry.modified.tv_nsec >= 0 && entry.modified.tv_nsec < 1'000'000'000);
    require(entry.type == TarEntry::Type::file || (entry.size == 0 && !entry.extents));
    if (entry.extents) require(entry.extents->size() <= tar_extent_limit);
}

// What the writer says of it is what the reader found; names of files have no NUL bytes.
void check_written(const TarEntry& entry) {
    if ((entry.name + entry.link).find('\0') != std::string::npos) return;
    std::string bytes;
    append_tar_header(bytes, entry);
    TarReader reader;
    reader.feed(bytes);
    require(reader.next() == TarReader::Event::entry);
    const TarEntry& again = reader.entry();
    require(again.type == entry.type && again.name == entry.name && again.link == entry.link && again.mode == entry.mode);
    require(again.uid == entry.uid && again.gid == entry.gid && again.size == entry.size);
    require(again.modified.tv_sec == entry.modified.tv_sec && again.modified.tv_nsec == entry.modified.tv_nsec);
    require(again.extents.has_value() == entry.extents.has_value());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t piece = data[0] == 0 ? size : data[0];
    std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    TarReader reader;
    std::uint64_t end = 0; // of the content so far
    while (!rest.empty()) {
        reader.feed(rest.substr(0, piece));
        rest.remove_prefix(std::min(piece, rest.size()));
        for (;;) {
            const auto event = reader.next();
            if (event == TarReader::Event::need_more) break;
            if (event == TarReader::Event::end) return 0;
            if (event == TarReader::Event::bad) {
                require(!reader.error().empty());
                return 0;
            }
            if (event == TarReader::Event::entry) {
                end = 0;
                check_entry(reader.entry());
                check_written(reader.entry());
            } else if (event == TarReader::Event::data) {
                require(!reader.data().empty() && reader.offset() >= end);
                end = reader.offset() + reader.data().size();
                require(end <= reader.entry().size);
            }
        }
    }
    return 0;
}

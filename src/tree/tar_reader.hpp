// SPDX-License-Identifier: Apache-2.0
// Entries out of the bytes of a tar archive, without any I/O: feed it what arrived, take events until there are no more.
// Reads ustar, pax, and the format of GNU tar with its long names and all its ways to write sparse files.
//
// It is not libarchive's: that one converts names by the locale, with modules that a static program loads from the sandbox,
// and refuses those it cannot; and its other half, which writes files, goes by paths, which others may change meanwhile.
#pragma once

#include "tree/tar_entry.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit::tree {

class TarReader {
public:
    static constexpr std::size_t records_limit = 1 << 20; // bytes of the records before an entry

    enum class Event : std::uint8_t {
        need_more, // feed more bytes; at their end the archive is cut off
        entry,     // entry() is complete; its content follows
        data,      // data() stands at offset() of a file
        entry_end, // there is no more of this entry
        end,       // of the archive; what follows is padding
        bad,       // not an archive, or more than the limits: error(); nothing can follow
    };

    void feed(std::string_view bytes);
    Event next();

    [[nodiscard]] const TarEntry& entry() const { return entry_; }
    [[nodiscard]] std::string_view data() const { return data_; }
    [[nodiscard]] std::uint64_t offset() const { return offset_; }
    [[nodiscard]] const std::string& error() const { return error_; }

private:
    enum class State : std::uint8_t { header, records, old_sparse_map, sparse_map, content, padding, end, bad };

    // What records say about the entry that follows, in place of its header.
    struct Records {
        std::optional<std::string> path, link, user, group;
        std::optional<std::uint64_t> size, uid, gid;
        std::optional<timespec> modified;
        // Of sparse files
        std::optional<std::string> sparse_name;
        std::optional<std::uint64_t> real_size;
        bool map_in_content = false; // version 1.0
        std::optional<std::vector<TarExtent>> extents;
    };

    std::optional<std::string_view> take(std::size_t size);
    Event fail(std::string message);
    std::optional<Event> read_header(std::string_view block);
    std::optional<Event> read_records(std::string_view text);
    bool read_record(Records& records, std::string_view key, std::string_view value);
    std::optional<Event> read_old_sparse_map(std::string_view block, std::size_t at, std::size_t count);
    std::optional<Event> read_sparse_map(std::string_view block);
    Event begin_entry();
    Event read_content();

    std::string buffer_;
    std::size_t begin_ = 0;
    State state_ = State::header;
    TarEntry entry_;
    Records global_, records_; // of all entries from here on; of the next one
    char meta_ = 0;            // the type of the header whose content are records, or a long name
    std::uint64_t left_ = 0;   // bytes of the content, or of the records
    std::size_t padding_ = 0;
    std::size_t extent_ = 0;                   // the one whose content comes
    std::uint64_t in_extent_ = 0;              // bytes of it that came
    std::optional<std::uint64_t> map_numbers_; // of a map in the content, that still come
    std::uint64_t map_number_ = 0;             // the digits of the next one so far
    bool map_digits_ = false;
    std::string_view data_;
    std::uint64_t offset_ = 0;
    std::string error_;
};

} // namespace sandboxkit::tree

// SPDX-License-Identifier: Apache-2.0
#include "tree/tar_reader.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace sandboxkit::tree {
namespace {

constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

// Places of fields in a header.
constexpr std::size_t at_mode = 100, at_uid = 108, at_gid = 116, at_size = 124, at_modified = 136, at_checksum = 148,
                      at_type = 156, at_link = 157, at_magic = 257, at_user = 265, at_group = 297, at_prefix = 345;
// And of GNU's old sparse files.
constexpr std::size_t at_sparse = 386, at_sparse_goes_on = 482, at_real_size = 483, at_next_sparse_goes_on = 504;
constexpr std::size_t sparse_in_header = 4, sparse_in_block = 21, sparse_size = 24;

std::string text_of(std::string_view block, std::size_t at, std::size_t size) {
    const std::string_view field = block.substr(at, size);
    return std::string(field.substr(0, field.find('\0')));
}

// Octal digits, or GNU's binary form, which may be negative.
std::optional<std::int64_t> number_of(std::string_view block, std::size_t at, std::size_t size) {
    std::string_view field = block.substr(at, size);
    if ((static_cast<unsigned char>(field.front()) & 0x80) != 0) {
        const bool negative = (static_cast<unsigned char>(field.front()) & 0x40) != 0;
        // All but the lowest eight bytes only repeat the sign.
        std::uint64_t value = negative ? ~0ULL : 0;
        for (std::size_t i = 0; i < field.size(); ++i) {
            auto byte = static_cast<unsigned char>(field[i]);
            if (i == 0) byte = static_cast<unsigned char>(negative ? byte | 0x80 : byte & 0x3f);
            if (value >> 56 != (negative ? 0xff : 0)) return std::nullopt;
            value = value << 8 | byte;
        }
        if ((value > largest) != negative) return std::nullopt;
        return static_cast<std::int64_t>(value);
    }
    while (field.starts_with(' ')) field.remove_prefix(1);
    while (field.ends_with(' ') || field.ends_with('\0')) field.remove_suffix(1);
    if (field.empty()) return 0;
    std::uint64_t value = 0;
    const auto [end, ec] = std::from_chars(field.data(), field.data() + field.size(), value, 8);
    if (ec != std::errc() || end != field.data() + field.size() || value > largest) return std::nullopt;
    return static_cast<std::int64_t>(value);
}

bool checksum_fits(std::string_view block) {
    const auto expected = number_of(block, at_checksum, 8);
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < block.size(); ++i)
        sum += i >= at_checksum && i < at_checksum + 8 ? ' ' : static_cast<unsigned char>(block[i]);
    return expected && *expected == sum;
}

std::optional<std::uint64_t> decimal(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc() || end != text.data() + text.size() || value > largest) return std::nullopt;
    return value;
}

// Seconds with a fraction, of which nanoseconds count.
std::optional<timespec> time_of(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    const std::size_t point = text.find('.');
    const auto seconds = decimal(text.substr(0, point));
    if (!seconds || *seconds > largest / 2) return std::nullopt;
    std::string fraction(point == std::string_view::npos ? std::string_view() : text.substr(point + 1));
    if (fraction.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
    fraction.resize(9, '0');
    timespec time{};
    time.tv_sec = static_cast<time_t>(*seconds);
    time.tv_nsec = static_cast<long>(*decimal(fraction));
    if (!negative) return time;
    time.tv_sec = -time.tv_sec;
    if (time.tv_nsec == 0) return time;
    time.tv_sec -= 1;
    time.tv_nsec = 1'000'000'000 - time.tv_nsec;
    return time;
}

// "<offset>,<size>,…"
std::optional<std::vector<TarExtent>> extents_of(std::string_view text) {
    std::vector<TarExtent> extents;
    while (!text.empty()) {
        std::array<std::uint64_t, 2> pair{};
        for (std::uint64_t& number : pair) {
            const std::size_t comma = text.find(',');
            const auto value = decimal(text.substr(0, comma));
            if (!value) return std::nullopt;
            number = *value;
            text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
        }
        extents.push_back({pair[0], pair[1]});
    }
    return extents;
}

} // namespace

void TarReader::feed(std::string_view bytes) {
    buffer_.erase(0, begin_);
    begin_ = 0;
    buffer_.append(bytes);
}

std::optional<std::string_view> TarReader::take(std::size_t size) {
    if (buffer_.size() - begin_ < size) return std::nullopt;
    const std::string_view bytes = std::string_view(buffer_).substr(begin_, size);
    begin_ += size;
    return bytes;
}

TarReader::Event TarReader::fail(std::string message) {
    state_ = State::bad;
    error_ = std::move(message);
    return Event::bad;
}

TarReader::Event TarReader::next() {
    for (;;) {
        std::optional<Event> event;
        switch (state_) {
        case State::end: return Event::end;
        case State::bad: return Event::bad;
        case State::header: {
            const auto block = take(tar_block);
            if (!block) return Event::need_more;
            event = read_header(*block);
            break;
        }
        case State::records: {
            const auto text = take(static_cast<std::size_t>(left_) + tar_padding(left_));
            if (!text) return Event::need_more;
            state_ = State::header;
            event = read_records(text->substr(0, static_cast<std::size_t>(left_)));
            break;
        }
        case State::old_sparse_map: {
            const auto block = take(tar_block);
            if (!block) return Event::need_more;
            event = read_old_sparse_map(*block, 0, sparse_in_block);
            if (!event && (*block)[at_next_sparse_goes_on] == '\0') event = begin_entry();
            break;
        }
        case State::sparse_map: {
            const auto block = take(tar_block);
            if (!block) return Event::need_more;
            if (left_ < tar_block) return fail("'" + entry_.name + "': the map of the sparse file is longer than its content");
            left_ -= tar_block;
            event = read_sparse_map(*block);
            break;
        }
        case State::content: return read_content();
        case State::padding: {
            const std::size_t there = std::min(padding_, buffer_.size() - begin_);
            begin_ += there;
            padding_ -= there;
            if (padding_ > 0) return Event::need_more;
            state_ = State::header;
            break;
        }
        }
        if (event) return *event;
    }
}

std::optional<TarReader::Event> TarReader::read_header(std::string_view block) {
    if (block.find_first_not_of('\0') == std::string_view::npos) {
        state_ = State::end;
        return Event::end;
    }
    if (!checksum_fits(block)) return fail("the checksum of a header is wrong: this is not a tar archive, or it is damaged");
    const auto size = number_of(block, at_size, 12);
    const auto uid = number_of(block, at_uid, 8);
    const auto gid = number_of(block, at_gid, 8);
    const auto mode = number_of(block, at_mode, 8);
    const auto modified = number_of(block, at_modified, 12);
    if (!size || *size < 0 || !uid || *uid < 0 || !gid || *gid < 0 || !mode || !modified ||
        *modified < -static_cast<std::int64_t>(largest / 2))
        return fail("a header has a number that is none");

    const char type = block[at_type];
    left_ = static_cast<std::uint64_t>(*size);
    if (type == 'x' || type == 'g' || type == 'L' || type == 'K') {
        if (left_ > records_limit) return fail("an extended header has more than " + std::to_string(records_limit) + " bytes");
        meta_ = type;
        state_ = State::records;
        return std::nullopt;
    }

    const auto chosen = [this](auto Records::*field) -> const auto& {
        return records_.*field ? records_.*field : global_.*field;
    };
    entry_ = TarEntry{};
    entry_.name = text_of(block, 0, 100);
    if (block.substr(at_magic, 6) == std::string_view("ustar\0", 6))
        if (const std::string prefix = text_of(block, at_prefix, 155); !prefix.empty()) entry_.name = prefix + "/" + entry_.name;
    entry_.name = chosen(&Records::path).value_or(entry_.name);
    if (records_.sparse_name) entry_.name = *records_.sparse_name;
    entry_.link = chosen(&Records::link).value_or(text_of(block, at_link, 100));
    entry_.mode = static_cast<mode_t>(*mode) & 07777;
    entry_.uid = chosen(&Records::uid).value_or(static_cast<std::uint64_t>(*uid));
    entry_.gid = chosen(&Records::gid).value_or(static_cast<std::uint64_t>(*gid));
    entry_.user = chosen(&Records::user).value_or(text_of(block, at_user, 32));
    entry_.group = chosen(&Records::group).value_or(text_of(block, at_group, 32));
    entry_.modified.tv_sec = static_cast<time_t>(*modified);
    if (const auto& time = chosen(&Records::modified)) entry_.modified = *time;
    left_ = chosen(&Records::size).value_or(left_);
    if (entry_.name.empty()) return fail("an entry has no name");
    if (entry_.name.size() > tar_name_limit || entry_.link.size() > tar_name_limit)
        return fail("a name has more than " + std::to_string(tar_name_limit) + " bytes");

    switch (type) {
    case '0':
    case '\0':
    case '7':
    case 'S': entry_.type = entry_.name.ends_with('/') ? TarEntry::Type::directory : TarEntry::Type::file; break;
    case '1': entry_.type = TarEntry::Type::hard_link; break;
    case '2': entry_.type = TarEntry::Type::symbolic_link; break;
    case '5': entry_.type = TarEntry::Type::directory; break;
    case '6': entry_.type = TarEntry::Type::fifo; break;
    case '3':
    case '4': return fail("'" + entry_.name + "' is a device, which is not unpacked");
    default:
        return fail("'" + entry_.name +
                    "' is of a type that is not known: " + std::to_string(static_cast<int>(static_cast<unsigned char>(type))));
    }
    if (entry_.type != TarEntry::Type::file) {
        left_ = 0; // whatever the header says: nothing of it follows
        return begin_entry();
    }
    const bool sparse = records_.extents || records_.map_in_content;
    entry_.size = sparse ? records_.real_size.value_or(left_) : left_;
    entry_.extents = std::move(records_.extents);
    if (type == 'S') {
        const auto real_size = number_of(block, at_real_size, 12);
        if (!real_size || *real_size < 0) return fail("'" + entry_.name + "': the size of the sparse file is none");
        entry_.size = static_cast<std::uint64_t>(*real_size);
        entry_.extents.emplace();
        state_ = State::old_sparse_map;
        if (auto event = read_old_sparse_map(block, at_sparse, sparse_in_header)) return event;
        return block[at_sparse_goes_on] == '\0' ? std::optional(begin_entry()) : std::nullopt;
    }
    if (records_.map_in_content) {
        entry_.extents.emplace();
        map_numbers_.reset();
        map_number_ = 0;
        map_digits_ = false;
        padding_ = tar_padding(left_); // the map is whole blocks
        state_ = State::sparse_map;
        return std::nullopt;
    }
    return begin_entry();
}

std::optional<TarReader::Event> TarReader::read_records(std::string_view text) {
    if (meta_ == 'L' || meta_ == 'K') {
        (meta_ == 'L' ? records_.path : records_.link) = std::string(text.substr(0, text.find('\0')));
        return std::nullopt;
    }
    Records& records = meta_ == 'g' ? global_ : records_;
    while (!text.empty()) {
        const std::size_t space = text.find(' ');
        const auto length = decimal(text.substr(0, space));
        if (space == std::string_view::npos || !length || *length > text.size() || *length < space + 3 ||
            text[static_cast<std::size_t>(*length) - 1] != '\n')
            return fail("an extended header is damaged");
        const std::string_view record = text.substr(space + 1, static_cast<std::size_t>(*length) - space - 2);
        text.remove_prefix(static_cast<std::size_t>(*length));
        const std::size_t equals = record.find('=');
        if (equals == std::string_view::npos) return fail("an extended header is damaged");
        const std::string_view key = record.substr(0, equals);
        if (meta_ == 'g' && key.starts_with("GNU.sparse.")) continue; // says nothing about several files
        if (!read_record(records, key, record.substr(equals + 1)))
            return fail("an extended header has a '" + std::string(key.substr(0, 64)) + "' that is none");
    }
    return std::nullopt;
}

// Keys that nobody here knows say nothing about what is unpacked.
bool TarReader::read_record(Records& records, std::string_view key, std::string_view value) {
    const auto text = [&](std::optional<std::string>& field) {
        // Without a value it takes back what was said before.
        field = value.empty() ? std::nullopt : std::optional(std::string(value));
        return true;
    };
    const auto number = [&](std::optional<std::uint64_t>& field) {
        field = decimal(value);
        return field.has_value() || value.empty();
    };
    if (key == "path") return text(records.path);
    if (key == "linkpath") return text(records.link);
    if (key == "uname") return text(records.user);
    if (key == "gname") return text(records.group);
    if (key == "size") return number(records.size);
    if (key == "uid") return number(records.uid);
    if (key == "gid") return number(records.gid);
    if (key == "mtime") return (records.modified = time_of(value)).has_value() || value.empty();
    if (key == "GNU.sparse.name") return text(records.sparse_name);
    if (key == "GNU.sparse.realsize" || key == "GNU.sparse.size") return number(records.real_size);
    if (key == "GNU.sparse.major") {
        records.map_in_content = value == "1";
        return value == "0" || value == "1";
    }
    if (key == "GNU.sparse.minor") return value == "0" || value == "1";
    if (key == "GNU.sparse.map") return (records.extents = extents_of(value)).has_value();
    if (key == "GNU.sparse.offset") {
        const auto offset = decimal(value);
        if (!records.extents) records.extents.emplace();
        if (records.extents->size() == tar_extent_limit) return false;
        if (offset) records.extents->push_back({*offset, 0});
        return offset.has_value();
    }
    if (key == "GNU.sparse.numbytes") {
        const auto size = decimal(value);
        if (!size || !records.extents || records.extents->empty()) return false;
        records.extents->back().size = *size;
    }
    return true;
}

std::optional<TarReader::Event> TarReader::read_old_sparse_map(std::string_view block, std::size_t at, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i, at += sparse_size) {
        if (block[at + 12] == '\0') break;
        const auto offset = number_of(block, at, 12);
        const auto size = number_of(block, at + 12, 12);
        if (!offset || !size || *offset < 0 || *size < 0 || entry_.extents->size() == tar_extent_limit)
            return fail("'" + entry_.name + "': the map of the sparse file is damaged, or too long");
        entry_.extents->push_back({static_cast<std::uint64_t>(*offset), static_cast<std::uint64_t>(*size)});
    }
    return std::nullopt;
}

// Lines of digits: how many pieces there are, and the offset and size of each.
std::optional<TarReader::Event> TarReader::read_sparse_map(std::string_view block) {
    const auto damaged = [this] { return fail("'" + entry_.name + "': the map of the sparse file is damaged, or too long"); };
    for (const char c : block) {
        if (c >= '0' && c <= '9') {
            if (map_number_ > largest / 10 - 1) return damaged();
            map_number_ = map_number_ * 10 + static_cast<std::uint64_t>(c - '0');
            map_digits_ = true;
            continue;
        }
        if (c != '\n' || !map_digits_) return damaged();
        const std::uint64_t number = std::exchange(map_number_, 0);
        map_digits_ = false;
        if (!map_numbers_) {
            if (number > tar_extent_limit) return damaged();
            map_numbers_ = 2 * number;
        } else {
            if (*map_numbers_ % 2 == 0)
                entry_.extents->push_back({number, 0});
            else
                entry_.extents->back().size = number;
            --*map_numbers_;
        }
        if (*map_numbers_ == 0) return begin_entry();
    }
    return std::nullopt;
}

TarReader::Event TarReader::begin_entry() {
    if (entry_.extents) {
        std::uint64_t end = 0;
        std::uint64_t content = 0;
        for (const TarExtent& extent : *entry_.extents) {
            if (extent.offset < end || extent.offset > entry_.size || extent.size > entry_.size - extent.offset)
                return fail("'" + entry_.name + "': the pieces of the sparse file do not fit into it");
            end = extent.offset + extent.size;
            content += extent.size;
        }
        if (content != left_) return fail("'" + entry_.name + "': the pieces of the sparse file are not its content");
    }
    padding_ = tar_padding(left_);
    extent_ = 0;
    in_extent_ = 0;
    records_ = Records{};
    state_ = State::content;
    return Event::entry;
}

TarReader::Event TarReader::read_content() {
    if (left_ == 0) {
        state_ = State::padding;
        return Event::entry_end;
    }
    if (begin_ == buffer_.size()) return Event::need_more;
    std::uint64_t piece = left_;
    if (entry_.extents) {
        const auto& extents = *entry_.extents;
        while (in_extent_ == extents[extent_].size) {
            ++extent_;
            in_extent_ = 0;
        }
        piece = extents[extent_].size - in_extent_;
        offset_ = extents[extent_].offset + in_extent_;
    } else {
        offset_ = entry_.size - left_;
    }
    piece = std::min<std::uint64_t>(piece, buffer_.size() - begin_);
    data_ = *take(static_cast<std::size_t>(piece));
    left_ -= piece;
    in_extent_ += piece;
    return Event::data;
}

} // namespace sandboxkit::tree

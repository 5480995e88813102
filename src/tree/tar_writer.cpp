// SPDX-License-Identifier: Apache-2.0
#include "tree/tar_writer.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace sandboxkit::tree {
namespace {

// The fields of a ustar header, all bytes.
struct Header {
    std::array<char, 100> name;
    std::array<char, 8> mode, uid, gid;
    std::array<char, 12> size, modified;
    std::array<char, 8> checksum;
    char type;
    std::array<char, 100> link;
    std::array<char, 8> magic;
    std::array<char, 32> user, group;
    std::array<char, 8> device_major, device_minor;
    std::array<char, 155> prefix;
    std::array<char, 12> unused;
};
static_assert(sizeof(Header) == tar_block);

template <std::size_t N>
bool put_text(std::array<char, N>& field, std::string_view text) {
    std::memcpy(field.data(), text.data(), std::min(text.size(), N));
    return text.size() <= N;
}

// False, and nothing is written, when the number has too many digits.
template <std::size_t N>
bool put_number(std::array<char, N>& field, std::uint64_t number) {
    const bool fits = number >> (3 * (N - 1)) == 0;
    std::snprintf(field.data(), N, "%0*llo", static_cast<int>(N - 1), static_cast<unsigned long long>(fits ? number : 0));
    return fits;
}

// "<length of all of it> <key>=<value>\n"
void append_record(std::string& records, std::string_view key, std::string_view value) {
    const std::size_t rest = key.size() + value.size() + 3;
    std::size_t length = rest + std::to_string(rest).size();
    length = rest + std::to_string(length).size();
    records += std::to_string(length);
    records += ' ';
    records += key;
    records += '=';
    records += value;
    records += '\n';
}

std::string decimal(const timespec& time) {
    std::array<char, 48> text{};
    // A time before 1970 counts backwards, its fraction too.
    const bool negative = time.tv_sec < 0;
    const bool borrow = negative && time.tv_nsec > 0;
    const auto seconds = static_cast<long long>(time.tv_sec) + (borrow ? 1 : 0);
    std::snprintf(text.data(), text.size(), "%s%lld.%09ld", negative ? "-" : "", negative ? -seconds : seconds,
                  borrow ? 1'000'000'000 - time.tv_nsec : time.tv_nsec);
    return text.data();
}

std::string sparse_map(const TarEntry& entry) {
    const auto& extents = *entry.extents;
    // What ends with a hole is as long as an empty piece at its end says.
    const bool hole_at_end = extents.empty() || extents.back().offset + extents.back().size < entry.size;
    std::string map = std::to_string(extents.size() + (hole_at_end ? 1 : 0)) + "\n";
    for (const TarExtent& extent : extents) map += std::to_string(extent.offset) + "\n" + std::to_string(extent.size) + "\n";
    if (hole_at_end) map += std::to_string(entry.size) + "\n0\n";
    map.append(tar_padding(map.size()), '\0');
    return map;
}

char type_of(TarEntry::Type type) {
    switch (type) {
    case TarEntry::Type::file: return '0';
    case TarEntry::Type::hard_link: return '1';
    case TarEntry::Type::symbolic_link: return '2';
    case TarEntry::Type::directory: return '5';
    case TarEntry::Type::fifo: return '6';
    }
    return '0';
}

void append_header(std::string& out, Header& header) {
    put_text(header.magic, std::string_view("ustar\0"
                                            "00",
                                            8));
    put_number(header.device_major, 0);
    put_number(header.device_minor, 0);
    header.checksum.fill(' ');
    unsigned sum = 0;
    for (const char byte : std::string_view(reinterpret_cast<const char*>(&header), sizeof header))
        sum += static_cast<unsigned char>(byte);
    std::snprintf(header.checksum.data(), header.checksum.size(), "%06o", sum); // and a space after the NUL
    out.append(reinterpret_cast<const char*>(&header), sizeof header);
}

} // namespace

void append_tar_header(std::string& out, const TarEntry& entry) {
    Header header{};
    std::string records;
    std::string map;
    std::uint64_t size = entry.type == TarEntry::Type::file ? entry.size : 0;
    if (entry.extents) {
        map = sparse_map(entry);
        size = map.size();
        for (const TarExtent& extent : *entry.extents) size += extent.size;
        append_record(records, "GNU.sparse.major", "1");
        append_record(records, "GNU.sparse.minor", "0");
        append_record(records, "GNU.sparse.name", entry.name);
        append_record(records, "GNU.sparse.realsize", std::to_string(entry.size));
        // Whoever does not know sparse files must not take the map for the file.
        put_text(header.name, "GNUSparseFile.0/" + entry.name.substr(entry.name.rfind('/') + 1).substr(0, 80));
    } else if (!put_text(header.name, entry.name)) {
        append_record(records, "path", entry.name);
    }
    if (!put_text(header.link, entry.link)) append_record(records, "linkpath", entry.link);
    put_number(header.mode, entry.mode);
    if (!put_number(header.uid, entry.uid)) append_record(records, "uid", std::to_string(entry.uid));
    if (!put_number(header.gid, entry.gid)) append_record(records, "gid", std::to_string(entry.gid));
    if (!put_number(header.size, size)) append_record(records, "size", std::to_string(size));
    if (!put_number(header.modified, entry.modified.tv_sec < 0 ? ~0ULL : static_cast<std::uint64_t>(entry.modified.tv_sec)) ||
        entry.modified.tv_nsec != 0)
        append_record(records, "mtime", decimal(entry.modified));
    // These two end with a NUL in any case.
    if (!put_text(header.user, entry.user) || entry.user.size() == header.user.size()) {
        header.user.fill('\0');
        append_record(records, "uname", entry.user);
    }
    if (!put_text(header.group, entry.group) || entry.group.size() == header.group.size()) {
        header.group.fill('\0');
        append_record(records, "gname", entry.group);
    }
    header.type = type_of(entry.type);

    if (!records.empty()) {
        Header extended{};
        put_text(extended.name,
                 "PaxHeaders/" + entry.name.substr(entry.name.size() - std::min<std::size_t>(entry.name.size(), 80)));
        put_number(extended.mode, 0644);
        put_number(extended.uid, 0);
        put_number(extended.gid, 0);
        put_number(extended.size, records.size());
        put_number(extended.modified, 0);
        extended.type = 'x';
        append_header(out, extended);
        out += records;
        out.append(tar_padding(records.size()), '\0');
    }
    append_header(out, header);
    out += map;
}

void append_tar_end(std::string& out) {
    out.append(2 * tar_block, '\0');
}

} // namespace sandboxkit::tree

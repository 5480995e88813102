// SPDX-License-Identifier: Apache-2.0
// Entries to bytes and back, without files.
#include "tree/tar_reader.hpp"
#include "tree/tar_writer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

using namespace sandboxkit::tree;

namespace {

struct Read {
    std::vector<TarEntry> entries;
    std::vector<std::string> contents; // holes are dots
    TarReader::Event last = TarReader::Event::need_more;
    std::string error;
};

Read read_in_pieces(std::string_view bytes, std::size_t piece) {
    TarReader reader;
    Read result;
    while (!bytes.empty()) {
        reader.feed(bytes.substr(0, piece));
        bytes.remove_prefix(std::min(piece, bytes.size()));
        for (;;) {
            result.last = reader.next();
            if (result.last == TarReader::Event::entry) {
                result.entries.push_back(reader.entry());
                result.contents.emplace_back();
            }
            if (result.last == TarReader::Event::data) {
                std::string& content = result.contents.back();
                content.resize(reader.offset(), '.');
                content += reader.data();
            }
            if (result.last == TarReader::Event::need_more || result.last == TarReader::Event::end) break;
            if (result.last == TarReader::Event::bad) {
                result.error = reader.error();
                return result;
            }
        }
    }
    return result;
}

std::string padded(std::string content) {
    content.append(tar_padding(content.size()), '\0');
    return content;
}

// A header as somebody else would write it.
std::string header(char type, std::string_view name, std::uint64_t size,
                   const std::vector<std::pair<std::size_t, std::string>>& fields = {}) {
    std::string block(512, '\0');
    const auto put = [&](std::size_t at, std::string_view text) { block.replace(at, text.size(), text); };
    put(0, name);
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    char octal[13];
    std::snprintf(octal, sizeof octal, "%011llo", static_cast<unsigned long long>(size));
    put(124, octal);
    put(136, "00000000000");
    block[156] = type;
    put(257, "ustar  ");
    for (const auto& [at, text] : fields) put(at, text);
    put(148, "        ");
    unsigned sum = 0;
    for (const char c : block) sum += static_cast<unsigned char>(c);
    std::snprintf(octal, sizeof octal, "%06o", sum);
    put(148, std::string_view(octal, 7));
    return block;
}

std::string record(std::string_view key, std::string_view value) {
    const std::string rest = " " + std::string(key) + "=" + std::string(value) + "\n";
    for (std::size_t length = rest.size() + 1;; ++length)
        if (std::to_string(length).size() + rest.size() == length) return std::to_string(length) + rest;
}

std::string records(char type, const std::string& text) {
    return header(type, "records", text.size()) + padded(text);
}

const std::string end(1024, '\0');

} // namespace

TEST_CASE("an entry is read as it was written, however it is cut") {
    TarEntry plain;
    plain.name = "./" + std::string(300, 'n') + "\n\xff";
    plain.mode = 04755;
    plain.uid = 4'000'000'000;
    plain.gid = 7;
    plain.user = std::string(40, 'u');
    plain.group = "g";
    plain.modified = {-5, 250'000'000};
    plain.size = 700;
    TarEntry sparse = plain;
    sparse.size = 2000;
    sparse.modified = {10'000'000'000, 0};
    sparse.extents = {{100, 5}, {600, 3}};
    TarEntry link;
    link.type = TarEntry::Type::symbolic_link;
    link.name = std::string(100, 'l');
    link.link = std::string(101, 't');
    std::string bytes;
    append_tar_header(bytes, plain);
    bytes += padded(std::string(700, 'p'));
    append_tar_header(bytes, sparse);
    bytes += padded("12345678");
    append_tar_header(bytes, link);
    append_tar_end(bytes);
    for (const std::size_t piece : {std::size_t(1), std::size_t(7), std::size_t(511), std::size_t(512), bytes.size()}) {
        const Read result = read_in_pieces(bytes, piece);
        CHECK(result.last == TarReader::Event::end);
        REQUIRE(result.entries.size() == 3);
        const TarEntry& first = result.entries[0];
        CHECK(first.name == plain.name);
        CHECK(first.mode == plain.mode);
        CHECK(first.uid == plain.uid);
        CHECK(first.gid == plain.gid);
        CHECK(first.user == plain.user);
        CHECK(first.group == plain.group);
        CHECK(first.modified.tv_sec == -5);
        CHECK(first.modified.tv_nsec == 250'000'000);
        CHECK(result.contents[0] == std::string(700, 'p'));
        CHECK(result.entries[1].size == 2000);
        CHECK(result.entries[1].modified.tv_sec == 10'000'000'000);
        CHECK(result.contents[1] == std::string(100, '.') + "12345" + std::string(495, '.') + "678");
        CHECK(result.entries[2].name == link.name);
        CHECK(result.entries[2].link == link.link);
    }
}

TEST_CASE("what others write: records for all entries, long names, numbers in binary, and old sparse files") {
    const auto only = [](const std::string& bytes) {
        const Read result = read_in_pieces(bytes + end, bytes.size());
        CHECK(result.error == "");
        REQUIRE(result.entries.size() == 1);
        return result.entries[0];
    };
    CHECK(only(records('g', record("comment", "x") + record("uid", "7")) + header('0', "a", 0)).uid == 7);
    CHECK(only(records('g', record("uid", "7")) + records('x', record("uid", "8")) + header('0', "a", 0)).uid == 8);
    CHECK(only(records('x', record("path", "b") + record("path", "")) + header('0', "a", 0)).name == "a");
    CHECK(only(records('L', std::string(200, 'n') + '\0') + header('0', "short", 0)).name == std::string(200, 'n'));
    CHECK(only(records('K', std::string(200, 't') + '\0') + header('2', "a", 0)).link == std::string(200, 't'));
    CHECK(only(header('5', "directory", 10'240)).size == 0);
    CHECK(only(header('\0', "old/", 0)).type == TarEntry::Type::directory);
    const TarEntry binary =
        only(header('5', "a", 0, {{108, std::string("\x80\0\0\0\xff\0\0\1", 8)}, {136, std::string(11, '\xff') + '\xfb'}}));
    CHECK(binary.uid == 0xff000001);
    CHECK(binary.modified.tv_sec == -5);

    // Four pieces in the header, and one in a block of its own.
    const auto piece = [](std::uint64_t offset, std::uint64_t size) {
        char text[25];
        std::snprintf(text, sizeof text, "%011llo %011llo ", static_cast<unsigned long long>(offset),
                      static_cast<unsigned long long>(size));
        return std::string(text, 24);
    };
    std::string more = piece(5000, 1);
    more.resize(512, '\0');
    const std::string old =
        header('S', "sparse", 9,
               {{386, piece(0, 2) + piece(1000, 2) + piece(2000, 2) + piece(3000, 2)}, {482, "\1"}, {483, "00000020000"}}) +
        more + padded("aabbccdde");
    const Read result = read_in_pieces(old + end, 100);
    CHECK(result.last == TarReader::Event::end);
    REQUIRE(result.entries.size() == 1);
    CHECK(result.entries[0].size == 8192);
    CHECK(result.contents[0].size() == 5001);
    CHECK(result.contents[0].substr(3000) == "dd" + std::string(1998, '.') + "e");
}

TEST_CASE("what is damaged, or too much, is refused") {
    const auto error = [](const std::string& bytes) { return read_in_pieces(bytes + end, 1000).error; };
    CHECK(error(std::string(512, 'x')).find("checksum") != std::string::npos);
    CHECK(error(header('0', "a", 0, {{124, "0000000000x"}})).find("a number that is none") != std::string::npos);
    CHECK(error(header('0', "a", 0, {{124, std::string(12, '\xff')}})).find("a number that is none") != std::string::npos);
    CHECK(error(header('0', "a", 0, {{124, '\x80' + std::string(11, '\xff')}})).find("a number that is none") !=
          std::string::npos);
    CHECK(error(header('x', "a", TarReader::records_limit + 1)).find("more than 1048576 bytes") != std::string::npos);
    for (const char* text : {"x", "5 a=", "9 a=b\n", "0 a=b\n", "6 a=b\n6 ab\n", "99999999999999999999 a=b\n"})
        CHECK(error(records('x', text) + header('0', "a", 0)) == "an extended header is damaged");
    for (const char* key :
         {"size", "uid", "mtime", "GNU.sparse.map", "GNU.sparse.offset", "GNU.sparse.numbytes", "GNU.sparse.major"})
        CHECK(error(records('x', record(key, "-1x")) + header('0', "a", 0)).find("that is none") != std::string::npos);
    CHECK(error(header('0', "", 0)) == "an entry has no name");
    CHECK(error(header('4', "sda", 0)).find("is a device") != std::string::npos);
    CHECK(error(header('V', "label", 0)).find("a type that is not known") != std::string::npos);
    CHECK(error(records('x', record("path", std::string(40'000, 'n'))) + header('0', "a", 0)).find("more than 32768") !=
          std::string::npos);
    // Maps of sparse files.
    const std::string in_content = record("GNU.sparse.major", "1") + record("GNU.sparse.realsize", "100");
    const auto map = [&](const std::string& text, std::string content = {}) {
        std::string body = text;
        body.append(tar_padding(body.size()), '\0');
        body += content;
        return error(records('x', in_content) + header('0', "a", body.size()) + padded(body));
    };
    CHECK(map("1\n0\n3\n", "abc") == "");
    CHECK(map("0\n") == "");
    for (const char* text : {"x\n", "1\n", "\n", "1\n0\n", "99999999999999999999\n", "1000001\n"})
        CHECK(map(text).find("damaged, or too long") != std::string::npos);
    CHECK(map("1\n99\n2\n", "ab").find("do not fit") != std::string::npos);
    CHECK(map("2\n5\n1\n3\n1\n", "ab").find("do not fit") != std::string::npos);
    CHECK(map("1\n0\n3\n", "abcd").find("are not its content") != std::string::npos);
    CHECK(map("1\n9223372036854775807\n1\n", "a").find("damaged, or too long") != std::string::npos);
    std::string endless = "1000000\n";
    for (int i = 0; i < 200; ++i) endless += "1\n0\n";
    endless.resize(512);
    CHECK(error(records('x', in_content) + header('0', "a", 512) + endless).find("is longer than its content") !=
          std::string::npos);
    CHECK(error(records('x', record("GNU.sparse.map", "0,50,40,10") + record("GNU.sparse.size", "100")) + header('0', "a", 60) +
                padded(std::string(60, 'a')))
              .find("do not fit") != std::string::npos);
}

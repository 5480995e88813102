// SPDX-License-Identifier: Apache-2.0
// The canonical description, version 1. Numbers are 8 bytes, least significant first; a string is its length and its
// bytes; so no description is the beginning of another.
//
//   "sandboxkit tree 1\n" attributes children
//   children   = { entry } 'E'
//   entry      = kind name ...       in the byte order of the names
//     'D' attributes children                directory
//     'F' attributes size { block }  end     file; block = index bytes, for every 4096-byte block that is not all zeros
//     'H' number                             the same file as the entry of that number (the root is 0)
//     'L' attributes target                  symbolic link
//     'C' 'B' attributes device              device node
//     'P' 'S' attributes                     named pipe, socket
//     'W'                                    whiteout
//   attributes = mode uid gid count { name value }
#include "providers/local/tree_digest.hpp"
#include "providers/local/tree_walk.hpp"

#include <sandboxkit/digest.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace sandboxkit::local {

namespace {

constexpr std::size_t block_size = 4096;
constexpr std::uint64_t end_of_blocks = ~std::uint64_t{0};

class Describer final : public TreeVisitor {
public:
    Describer(Marks marks, std::stop_token stop) : marks_(marks), stop_(std::move(stop)), buffer_(256 * block_size) {
        sha_.update("sandboxkit tree 1\n");
    }

    Result<void> root(int directory) {
        struct stat status {};
        if (::fstat(directory, &status) != 0) return system_error(errno, "cannot read a directory's status");
        return attributes(directory, "", "/", status);
    }

    Result<bool> entry(const TreeEntry& entry) override {
        ++digest_.entries;
        const auto& status = entry.status;
        if (is_whiteout(status)) {
            if (marks_ == Marks::refused) return marked(entry.path, "is a character device 0:0, which is overlayfs' whiteout");
            kind('W', entry.name);
            return false;
        }
        if (!S_ISDIR(status.st_mode) && status.st_nlink > 1) {
            const auto [first, fresh] = links_.try_emplace({status.st_dev, status.st_ino}, digest_.entries);
            if (!fresh) {
                kind('H', entry.name);
                number(first->second);
                return false;
            }
        }
        switch (status.st_mode & S_IFMT) {
        case S_IFDIR: kind('D', entry.name); break;
        case S_IFREG: kind('F', entry.name); break;
        case S_IFLNK: kind('L', entry.name); break;
        case S_IFCHR: kind('C', entry.name); break;
        case S_IFBLK: kind('B', entry.name); break;
        case S_IFIFO: kind('P', entry.name); break;
        default: kind('S', entry.name); break;
        }
        auto described = attributes(entry.directory, entry.name, entry.path, status);
        if (!described) return described.error();
        if (S_ISREG(status.st_mode)) {
            auto read = contents(entry);
            if (!read) return read.error();
        } else if (S_ISLNK(status.st_mode)) {
            std::array<char, 4096> target;
            const auto size = ::readlinkat(entry.directory, entry.name.c_str(), target.data(), target.size());
            if (size < 0) return system_error(errno, "cannot read the link " + shown(entry.path));
            text({target.data(), static_cast<std::size_t>(size)});
        } else if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
            number(major(status.st_rdev));
            number(minor(status.st_rdev));
        }
        return S_ISDIR(status.st_mode);
    }

    Result<void> entered(int) override { return {}; }
    Result<void> left(const TreeEntry&) override {
        sha_.update("E");
        return {};
    }

    TreeDigest finish() {
        sha_.update("E");
        digest_.digest = "sha256:" + sha_.finish();
        return std::move(digest_);
    }

private:
    void number(std::uint64_t value) {
        std::array<char, 8> bytes;
        for (auto& byte : bytes) {
            byte = static_cast<char>(value & 0xff);
            value >>= 8;
        }
        sha_.update({bytes.data(), bytes.size()});
    }
    void text(std::string_view value) {
        number(value.size());
        sha_.update(value);
    }
    void kind(char letter, const std::string& name) {
        sha_.update({&letter, 1});
        text(name);
    }

    static Error marked(const std::string& path, std::string_view why) {
        return {ErrorClass::invalid,
                "overlay_marks",
                shown(path) + " " + std::string(why) + ": it would hide files of other layers",
                "use a root file system, not a layer of an overlay",
                "",
                {}};
    }

    Result<void> attributes(int directory, const std::string& name, const std::string& path, const struct stat& status) {
        number(status.st_mode & 07777);
        number(status.st_uid);
        number(status.st_gid);
        auto read = read_attributes(directory, name);
        if (!read) return read.error();
        std::erase_if(*read, [](const auto& attribute) { return is_overlay_bookkeeping(attribute.first); });
        for (const auto& attribute : *read) {
            if (!attribute.first.starts_with(overlay_attribute_prefix)) continue;
            if (marks_ == Marks::refused) return marked(path, "has the extended attribute " + attribute.first);
            // Such an object's content is elsewhere in the stack, at a place that later layers may change.
            if (attribute.first == "trusted.overlay.redirect" || attribute.first == "trusted.overlay.metacopy")
                return Error{ErrorClass::internal,
                             "overlay_reference",
                             shown(path) + " refers to another layer by " + attribute.first,
                             "mount writable layers with redirect_dir=off,metacopy=off",
                             "",
                             {}};
        }
        number(read->size());
        for (const auto& [attribute, value] : *read) {
            text(attribute);
            text(value);
        }
        return {};
    }

    Result<void> contents(const TreeEntry& entry) {
        const auto what = "cannot read " + shown(entry.path);
        FileHandle file(
            ::openat(entry.directory, entry.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC));
        if (!file) return system_error(errno, what);
        const auto size = static_cast<std::uint64_t>(entry.status.st_size);
        digest_.bytes += size;
        number(size);
        // Holes are skipped, not read: an almost empty file of many terabytes costs a sandbox nothing to make.
        const bool sparse = static_cast<std::uint64_t>(entry.status.st_blocks) * 512 < size;
        std::uint64_t at = 0;
        while (at < size) {
            if (stop_.stop_requested()) return cancelled_error();
            std::uint64_t data_end = size;
            if (sparse) {
                const auto data = ::lseek(file.get(), static_cast<off_t>(at), SEEK_DATA);
                if (data < 0 && errno == ENXIO) break;
                if (data >= 0) {
                    at = static_cast<std::uint64_t>(data) / block_size * block_size;
                    const auto hole = ::lseek(file.get(), data, SEEK_HOLE);
                    if (hole > 0)
                        data_end = std::min(size, (static_cast<std::uint64_t>(hole) + block_size - 1) / block_size * block_size);
                }
            }
            while (at < data_end) {
                if (stop_.stop_requested()) return cancelled_error();
                auto got = fill(file.get(), at, std::min<std::uint64_t>(buffer_.size(), data_end - at), what);
                if (!got) return got.error();
                if (*got == 0)
                    return Error{ErrorClass::conflict,
                                 "tree_changed",
                                 shown(entry.path) + " became shorter while it was read",
                                 "",
                                 "",
                                 {}};
                blocks(at, *got);
                at += *got;
            }
        }
        number(end_of_blocks);
        return {};
    }

    // Reads `size` bytes unless the file ends before: blocks must start at multiples of their size.
    Result<std::size_t> fill(int file, std::uint64_t offset, std::uint64_t size, const std::string& what) {
        std::size_t have = 0;
        while (have < size) {
            const auto got = ::pread(file, buffer_.data() + have, size - have, static_cast<off_t>(offset + have));
            if (got < 0) {
                if (errno == EINTR) continue;
                return system_error(errno, what);
            }
            if (got == 0) break;
            have += static_cast<std::size_t>(got);
        }
        return have;
    }

    void blocks(std::uint64_t offset, std::size_t size) {
        for (std::size_t at = 0; at < size; at += block_size) {
            const std::string_view block(buffer_.data() + at, std::min(block_size, size - at));
            if (block[0] == '\0' && std::memcmp(block.data(), block.data() + 1, block.size() - 1) == 0) continue;
            number((offset + at) / block_size);
            sha_.update(block);
        }
    }

    Marks marks_;
    std::stop_token stop_;
    Sha256 sha_;
    TreeDigest digest_;
    std::map<std::pair<dev_t, ino_t>, std::uint64_t> links_;
    std::vector<char> buffer_;
};

} // namespace

Result<TreeDigest> digest_tree(int root, Marks marks, std::stop_token stop) {
    Describer describer(marks, stop);
    auto begun = describer.root(root);
    if (!begun) return begun.error();
    auto walked = walk_tree(root, describer, stop);
    if (!walked) return walked.error();
    return describer.finish();
}

} // namespace sandboxkit::local

// SPDX-License-Identifier: Apache-2.0
// The output of one process, numbered in bytes from 0 in the order in which it was read: what is still needed, the latest in
// memory and the rest on disk.
#pragma once

#include "guest/messages.hpp"
#include "guest/spill_file.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::guest {

// What the spools of one program share.
struct SpoolSpace;

class Spool {
public:
    struct Limits {
        std::size_t recent = 512 << 10; // bytes that are kept before what is needed: they may have been lost on their way
        std::size_t memory = 1 << 20;   // bytes, with what keeping it costs
        std::size_t slots = 2048;       // of the file: 64 MiB
    };

    // Output of one stream. The bytes are valid until the spool, or another one of its space, is used again.
    struct Piece {
        Stream stream = Stream::standard_output;
        std::string_view bytes;
    };

    Spool(std::shared_ptr<SpoolSpace> space, Limits limits);
    ~Spool();
    Spool(const Spool&) = delete;
    Spool& operator=(const Spool&) = delete;

    void append(Stream stream, std::string_view bytes);
    // What begins at `offset`, which is from first() to before last(). No bytes: the disk failed, and first() is behind it now.
    [[nodiscard]] Piece read(std::uint64_t offset);

    [[nodiscard]] std::uint64_t first() const { return blocks_.empty() ? last_ : blocks_.front().begin; }
    [[nodiscard]] std::uint64_t last() const { return last_; } // one past the last byte

    // What is before that, but for the last of it, nobody needs at present.
    void need_from(std::uint64_t offset);
    // Everything goes to disk, or is forgotten when the disk does not take it. A spool does so by itself when those of its
    // space hold too much.
    void leave_memory();
    [[nodiscard]] std::size_t memory() const { return memory_; } // bytes

private:
    // Bytes of one stream, up to this many from the beginning of their block.
    struct Run {
        std::uint32_t end;
        Stream stream;
    };
    struct Contents {
        std::string bytes;
        std::vector<Run> runs;
        [[nodiscard]] std::size_t cost() const { return bytes.size() + runs.size() * sizeof(Run) + 128; }
    };
    struct Block {
        std::uint64_t begin = 0;
        std::size_t size = 0, runs = 0;
        Contents contents;                   // empty when they are on disk
        std::optional<SpillFile::Slot> slot; // then
        [[nodiscard]] std::uint64_t end() const { return begin + size; }
    };
    friend struct SpoolSpace;

    [[nodiscard]] const Contents* contents_of(const Block& block);
    void forget_unneeded();
    void free_oldest_memory();
    void drop_oldest();
    void charge(std::size_t before, std::size_t after);

    std::shared_ptr<SpoolSpace> space_;
    Limits limits_;
    std::deque<Block> blocks_;
    std::size_t on_disk_ = 0; // so many blocks, the first ones
    std::uint64_t last_ = 0, needed_ = 0;
    std::size_t memory_ = 0;
};

struct SpoolSpace {
    SpoolSpace(SpillFile spill, std::size_t limit) : file(std::move(spill)), memory_limit(limit) {}

    // Those that hold most leave memory first, and so much of it at once that it need not be done again soon.
    void make_room();

    SpillFile file;
    std::size_t memory_limit; // bytes of all spools
    std::size_t memory = 0;
    std::set<Spool*> spools;
    // The block that was last read from the file, for it is read piece by piece.
    std::optional<SpillFile::Slot> loaded;
    Spool::Contents loaded_contents;
};

} // namespace sandboxkit::guest

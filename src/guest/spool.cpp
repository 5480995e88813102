// SPDX-License-Identifier: Apache-2.0
#include "guest/spool.hpp"

#include <algorithm>
#include <climits>
#include <cstring>
#include <utility>

namespace sandboxkit::guest {

void SpoolSpace::make_room() {
    if (memory <= memory_limit) return;
    std::vector<Spool*> largest(spools.begin(), spools.end());
    std::sort(largest.begin(), largest.end(), [](const Spool* a, const Spool* b) { return a->memory() > b->memory(); });
    for (Spool* spool : largest) {
        if (memory <= memory_limit / 8 * 7) return;
        spool->leave_memory();
    }
}

Spool::Spool(std::shared_ptr<SpoolSpace> space, Limits limits) : space_(std::move(space)), limits_(limits) {
    space_->spools.insert(this);
}

Spool::~Spool() {
    while (!blocks_.empty()) drop_oldest();
    space_->spools.erase(this);
}

void Spool::charge(std::size_t before, std::size_t after) {
    memory_ += after - before;
    space_->memory += after - before;
}

void Spool::append(Stream stream, std::string_view bytes) {
    while (!bytes.empty()) {
        std::size_t room = 0;
        bool new_run = true;
        if (!blocks_.empty() && !blocks_.back().slot) {
            const Contents& last = blocks_.back().contents;
            new_run = last.runs.back().stream != stream;
            const std::size_t taken = last.bytes.size() + (last.runs.size() + (new_run ? 1 : 0)) * sizeof(Run);
            room = SpillFile::slot_size - std::min(taken, SpillFile::slot_size);
        }
        // What was said at once stays together: some clients decode each event by itself.
        if (room == 0 || (bytes.size() > room && bytes.size() <= PIPE_BUF)) {
            blocks_.emplace_back().begin = last_;
            new_run = true;
            room = SpillFile::slot_size - sizeof(Run);
            charge(0, blocks_.back().contents.cost());
            if (bytes.size() > PIPE_BUF) blocks_.back().contents.bytes.reserve(room);
        }
        Block& block = blocks_.back();
        Contents& contents = block.contents;
        const std::size_t before = contents.cost();
        const std::string_view piece = bytes.substr(0, room);
        bytes.remove_prefix(piece.size());
        contents.bytes += piece;
        block.size = contents.bytes.size();
        if (new_run) contents.runs.push_back({0, stream});
        contents.runs.back().end = static_cast<std::uint32_t>(block.size);
        last_ += piece.size();
        charge(before, contents.cost());
    }
    forget_unneeded();
    while (memory_ > limits_.memory) free_oldest_memory();
    space_->make_room();
}

Spool::Piece Spool::read(std::uint64_t offset) {
    const auto after =
        std::upper_bound(blocks_.begin(), blocks_.end(), offset, [](std::uint64_t o, const Block& b) { return o < b.begin; });
    const Block& block = *std::prev(after);
    const Contents* contents = contents_of(block);
    if (contents == nullptr) {
        while (first() <= offset) drop_oldest();
        return {};
    }
    const auto from = static_cast<std::uint32_t>(offset - block.begin);
    const auto run = std::upper_bound(contents->runs.begin(), contents->runs.end(), from,
                                      [](std::uint32_t o, const Run& r) { return o < r.end; });
    return {run->stream, std::string_view(contents->bytes).substr(from, run->end - from)};
}

const Spool::Contents* Spool::contents_of(const Block& block) {
    if (!block.slot) return &block.contents;
    if (space_->loaded == block.slot) return &space_->loaded_contents;
    const std::size_t runs_size = block.runs * sizeof(Run);
    std::string image = space_->file.get(*block.slot, block.size + runs_size);
    if (image.size() < block.size + runs_size) return nullptr;
    Contents& loaded = space_->loaded_contents;
    loaded.runs.resize(block.runs);
    std::memcpy(loaded.runs.data(), image.data() + block.size, runs_size);
    image.resize(block.size);
    loaded.bytes = std::move(image);
    space_->loaded = block.slot;
    return &loaded;
}

void Spool::need_from(std::uint64_t offset) {
    needed_ = offset;
    forget_unneeded();
}

void Spool::forget_unneeded() {
    while (!blocks_.empty() && blocks_.front().end() + limits_.recent <= needed_) drop_oldest();
}

void Spool::leave_memory() {
    while (on_disk_ < blocks_.size()) free_oldest_memory();
}

// Of the oldest block in memory, or at least comes nearer to it.
void Spool::free_oldest_memory() {
    Block& block = blocks_[on_disk_];
    if (on_disk_ == limits_.slots) return drop_oldest();
    block.runs = block.contents.runs.size();
    std::string image = block.contents.bytes;
    image.append(reinterpret_cast<const char*>(block.contents.runs.data()), block.runs * sizeof(Run));
    block.slot = space_->file.put(image);
    if (!block.slot) return drop_oldest();
    charge(block.contents.cost(), 0);
    std::exchange(block.contents, {}); // a string that is assigned keeps its memory
    ++on_disk_;
}

void Spool::drop_oldest() {
    const Block& block = blocks_.front();
    if (block.slot) {
        if (space_->loaded == block.slot) {
            space_->loaded.reset();
            std::exchange(space_->loaded_contents, {});
        }
        space_->file.free(*block.slot);
        --on_disk_;
    } else {
        charge(block.contents.cost(), 0);
    }
    blocks_.pop_front();
}

} // namespace sandboxkit::guest

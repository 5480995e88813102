// SPDX-License-Identifier: Apache-2.0
// A temporary file without a name, cut into slots of one size: where output goes that memory does not hold.
#pragma once

#include "guest/file_descriptor.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::guest {

class SpillFile {
public:
    using Slot = std::uint32_t;
    static constexpr std::size_t slot_size = 32 << 10; // bytes

    // The file is made when it is needed, in the first of the directories that takes it, and exists while a slot is in use.
    SpillFile(std::vector<std::string> directories, std::size_t slot_limit)
        : directories_(std::move(directories)), slot_limit_(slot_limit) {}

    // At most slot_size bytes. Nothing: all slots are in use, or the file system does not take them.
    [[nodiscard]] std::optional<Slot> put(std::string_view bytes);
    // The first `size` bytes of what was put; shorter when they cannot be read.
    [[nodiscard]] std::string get(Slot slot, std::size_t size) const;
    void free(Slot slot);
    [[nodiscard]] std::size_t used() const { return made_ - free_.size(); }

private:
    bool open();

    std::vector<std::string> directories_;
    std::size_t slot_limit_;
    FileDescriptor file_;
    std::size_t made_ = 0; // slots that the file has
    std::vector<Slot> free_;
};

} // namespace sandboxkit::guest

// SPDX-License-Identifier: Apache-2.0
// Where layers and images are made before they are complete. Each entry is a directory incoming/<name> and a lock file
// incoming/<name>.owner, locked for as long as the entry's process lives: what is not locked was left by a dead one.
#pragma once

#include "providers/local/file_handle.hpp"

#include <string>

namespace sandboxkit::local {

// One entry. Removes itself and all in it at the end of its life; what was renamed out of it stays.
class IncomingEntry {
public:
    // `incoming` is the open directory and must outlive the entry.
    static Result<IncomingEntry> create(int incoming);
    IncomingEntry(IncomingEntry&& other) noexcept { *this = std::move(other); }
    IncomingEntry& operator=(IncomingEntry&& other) noexcept;
    ~IncomingEntry() { discard(); }

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] int directory() const noexcept { return directory_.get(); }

private:
    IncomingEntry() = default;
    void discard() noexcept;

    int incoming_ = -1;
    std::string name_;
    FileHandle owner_;
    FileHandle directory_;
};

// Removes every entry whose process is gone.
Result<void> remove_abandoned(int incoming);

} // namespace sandboxkit::local

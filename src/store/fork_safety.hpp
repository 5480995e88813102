// SPDX-License-Identifier: Apache-2.0
// SQLite and fork(): its locks on a file belong to the process that took them, and what it remembers of them is inherited.
#pragma once

#include <sandboxkit/error.hpp>

#include <sys/types.h>

#include <filesystem>

namespace sandboxkit::store {

// That this process has a store's file open, for as long as it lives. In a child, what SQLite inherited says that locks are held
// which the child does not have: it would read and write without them, and the parent would remove the log under its hands
// (https://www.sqlite.org/howtocorrupt.html, 2.7). So a file that was open when the process was forked is not opened in the
// child.
//
// From the first one on fork() also waits until no other thread is within SQLite's memory allocator and its other locks of the
// whole process, which would stay locked in the child for ever.
class OpenFile {
public:
    // The file exists. conflict "store_open_at_fork".
    static Result<OpenFile> enter(const std::filesystem::path& file);
    OpenFile(OpenFile&& other) noexcept;
    OpenFile& operator=(OpenFile&&) = delete;
    ~OpenFile();

private:
    OpenFile(dev_t device, ino_t inode) : device_(device), inode_(inode) {}

    dev_t device_;
    ino_t inode_;
    bool entered_ = true;
};

} // namespace sandboxkit::store

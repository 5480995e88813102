// SPDX-License-Identifier: Apache-2.0
#include "guest/spill_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace sandboxkit::guest {

bool SpillFile::open() {
    for (const std::string& directory : directories_) {
        file_.reset(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600));
        if (file_) return true;
        // Overlayfs on older kernels, among others, has no files without a name.
        std::string name = directory + "/.sandboxkit-XXXXXX";
        file_.reset(::mkostemp(name.data(), O_CLOEXEC));
        if (file_) ::unlink(name.c_str());
        if (file_) return true;
    }
    return false;
}

std::optional<SpillFile::Slot> SpillFile::put(std::string_view bytes) {
    if (free_.empty() && made_ == slot_limit_) return std::nullopt;
    if (!file_ && !open()) return std::nullopt;
    const Slot slot = free_.empty() ? static_cast<Slot>(made_) : free_.back();
    for (std::size_t written = 0; written < bytes.size();) {
        const ssize_t n = ::pwrite(file_.get(), bytes.data() + written, bytes.size() - written,
                                   static_cast<off_t>(slot * std::uint64_t{slot_size} + written));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (used() == 0) file_.reset();
            return std::nullopt;
        }
        written += static_cast<std::size_t>(n);
    }
    if (free_.empty())
        ++made_;
    else
        free_.pop_back();
    return slot;
}

std::string SpillFile::get(Slot slot, std::size_t size) const {
    std::string bytes(size, '\0');
    std::size_t read = 0;
    while (read < size) {
        const ssize_t n =
            ::pread(file_.get(), bytes.data() + read, size - read, static_cast<off_t>(slot * std::uint64_t{slot_size} + read));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        read += static_cast<std::size_t>(n);
    }
    bytes.resize(read);
    return bytes;
}

// The space goes back when nothing is kept any more; until then what was freed is used again.
void SpillFile::free(Slot slot) {
    free_.push_back(slot);
    if (used() > 0) return;
    std::vector<Slot>().swap(free_);
    made_ = 0;
    file_.reset();
}

} // namespace sandboxkit::guest

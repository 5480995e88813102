// SPDX-License-Identifier: Apache-2.0
#include "guest/composition.hpp"

#include "guest/rpc_error.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace sandboxkit::guest {
namespace {

constexpr int pieces_of_a_step = 8;

// One for all: a step does not leave anything in it.
std::array<char, 64 << 10> piece;

} // namespace

UploadFailure Composition::fail(int error) const {
    const std::string& path = sources_[std::min(next_, sources_.size() - 1)];
    if (error == ENOENT) return {ENOENT, "source file not found: " + path};
    return {error, "error composing source '" + path + "': " + std::string(describe(error))};
}

// Everything is looked at before anything is written.
UploadFailure Composition::begin() {
    {
        const ActingAs acting(user_);
        if (acting.error() != 0) return fail(acting.error());
        struct stat present {};
        const bool exists = ::stat(destination_.c_str(), &present) == 0;
        for (next_ = 0; next_ < sources_.size(); ++next_) {
            struct stat status {};
            const std::string& path = sources_[next_];
            if (::stat(path.c_str(), &status) != 0) return fail(errno);
            if (!S_ISREG(status.st_mode)) return {EINVAL, "source path is not a regular file: " + path};
            // Also by another name of it.
            if (path == destination_ || (exists && status.st_dev == present.st_dev && status.st_ino == present.st_ino))
                return {EINVAL, "source path '" + path + "' cannot be the same as destination"};
        }
        next_ = 0;
    }
    return upload_.begin(destination_, user_);
}

UploadFailure Composition::open_next() {
    source_.reset(::open(sources_[next_].c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    if (!source_ || ::fstat(source_.get(), &status) != 0) return fail(errno);
    if (!S_ISREG(status.st_mode)) return {EINVAL, "source path is not a regular file: " + sources_[next_]};
    // Not more, though somebody may still write to it.
    left_ = static_cast<std::uint64_t>(status.st_size);
    return {};
}

bool Composition::step(UploadFailure& failure) {
    if (!begun_) {
        begun_ = true;
        failure = begin();
        if (failure.error != 0) return false;
    }
    for (int i = 0; i < pieces_of_a_step && next_ < sources_.size(); ++i) {
        ssize_t n = 0;
        {
            const ActingAs acting(user_);
            failure = acting.error() != 0 ? fail(acting.error()) : source_ ? UploadFailure{} : open_next();
            if (failure.error != 0) return false;
            n = ::read(source_.get(), piece.data(), std::min<std::uint64_t>(piece.size(), left_));
        }
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failure = fail(errno), false;
        if (n == 0) {
            source_.reset();
            ++next_;
            continue;
        }
        left_ -= static_cast<std::uint64_t>(n);
        failure = upload_.write(std::string_view(piece.data(), static_cast<std::size_t>(n)));
        if (failure.error != 0) return false;
    }
    if (next_ < sources_.size()) return false;
    failure = upload_.commit();
    if (failure.error != 0) return false;
    // What cannot be removed stays; the file is complete.
    const ActingAs acting(user_);
    if (acting.error() == 0)
        for (const std::string& path : sources_) ::unlink(path.c_str());
    return true;
}

} // namespace sandboxkit::guest

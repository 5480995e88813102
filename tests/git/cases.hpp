// SPDX-License-Identifier: Apache-2.0
// What the cases of cloning share.
#pragma once

#include "fixture.hpp"

#include <doctest/doctest.h>

namespace sandboxkit::git::test {

inline CloneRequest request(const std::string& url, const fs::path& destination) {
    CloneRequest r;
    r.url = url;
    r.destination = destination;
    r.limits.stall = std::chrono::seconds(20);
    r.limits.total = std::chrono::seconds(100);
    return r;
}

inline Result<CloneResult> do_clone(const CloneRequest& r, std::stop_token stop = {}) {
    return git::clone(r, std::move(stop), {});
}

inline CloneResult cloned(const CloneRequest& r) {
    auto result = do_clone(r);
    if (!result) {
        CAPTURE(result.error().code);
        CAPTURE(result.error().message);
        CAPTURE(result.error().detail);
        REQUIRE(result.has_value());
    }
    return *result;
}

// Fails with this class and code, and leaves nothing behind.
inline Error refused(const CloneRequest& r, ErrorClass kind, const std::string& code, std::stop_token stop = {}) {
    const bool existed = fs::exists(r.destination);
    auto result = do_clone(r, std::move(stop));
    REQUIRE(result.has_error());
    CAPTURE(result.error().message);
    CAPTURE(result.error().detail);
    CHECK(to_string(result.error().kind) == to_string(kind));
    CHECK(result.error().code == code);
    CHECK(fs::exists(r.destination) == existed);
    if (existed) CHECK(fs::is_empty(r.destination));
    return result.error();
}

// Whole, clean, and independent of everything else.
inline void check_healthy(const fs::path& clone) {
    git(clone, {"fsck", "--strict"});
    CHECK(git(clone, {"status", "--porcelain"}).empty());
    CHECK_FALSE(fs::exists(clone / ".git/objects/info/alternates"));
    CHECK_FALSE(fs::exists(clone / ".git/hooks/post-checkout"));
    CHECK_FALSE(fs::exists(clone / ".git/FETCH_HEAD"));
}

} // namespace sandboxkit::git::test

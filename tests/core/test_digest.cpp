// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <sandboxkit/digest.hpp>

#include <doctest/doctest.h>

#include <string>
#include <utility>

using namespace sandboxkit;

TEST_CASE("the vectors of FIPS 180-4") {
    CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(sha256_hex(std::string(1'000'000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    CHECK(digest_of("abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("pieces give the digest of the whole, and finish starts anew") {
    std::string text;
    for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 7);
    Sha256 digest;
    for (int round = 0; round < 2; ++round) {
        for (std::size_t at = 0, step = 1; at < text.size(); at += step++) digest.update(std::string_view(text).substr(at, step));
        CHECK(digest.finish() == sha256_hex(text));
    }
    CHECK(digest.finish() == sha256_hex(""));
}

TEST_CASE("a digest under way can be moved") {
    Sha256 digest;
    digest.update("a");
    Sha256 moved = std::move(digest);
    moved.update("bc");
    CHECK(moved.finish() == sha256_hex("abc"));
    digest = Sha256();
    digest.update("abc");
    CHECK(digest.finish() == sha256_hex("abc"));
}

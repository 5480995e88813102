// SPDX-License-Identifier: Apache-2.0
// SHA-256, the one digest of the project. Needs OpenSSL's libcrypto, nothing else.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <string_view>

namespace sandboxkit {

// Digests bytes as they come. Movable, not copyable; a moved-from one may only be assigned or destroyed.
// Not thread-safe. Throws std::bad_alloc when libcrypto has no memory or no SHA-256 (a broken installation).
class Sha256 {
public:
    Sha256() : context_(EVP_MD_CTX_new()) {
        if (!context_) throw std::bad_alloc();
        restart();
    }

    void update(std::string_view bytes) { check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size())); }

    // The 64 lower-case hexadecimal digits of everything since the start or the last finish(); starts anew.
    [[nodiscard]] std::string finish() {
        std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
        unsigned int size = 0;
        check(EVP_DigestFinal_ex(context_.get(), raw.data(), &size));
        restart();
        static constexpr std::string_view digits = "0123456789abcdef";
        std::string hex;
        hex.reserve(std::size_t{size} * 2);
        for (unsigned int i = 0; i < size; ++i) {
            hex += digits[raw[i] >> 4];
            hex += digits[raw[i] & 15];
        }
        return hex;
    }

private:
    struct Free {
        void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
    };

    void restart() { check(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr)); }
    static void check(int ok) {
        if (ok != 1) throw std::bad_alloc();
    }

    std::unique_ptr<EVP_MD_CTX, Free> context_;
};

// 64 lower-case hexadecimal digits.
[[nodiscard]] inline std::string sha256_hex(std::string_view bytes) {
    Sha256 digest;
    digest.update(bytes);
    return digest.finish();
}

// "sha256:<64 hexadecimal digits>", the form in which digests are kept and shown.
[[nodiscard]] inline std::string digest_of(std::string_view bytes) {
    return "sha256:" + sha256_hex(bytes);
}

} // namespace sandboxkit

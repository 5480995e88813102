// SPDX-License-Identifier: Apache-2.0
#include "git/pack_check.hpp"

#include "git/durable.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::git {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t checksum_size = 20; // SHA-1

Error damaged(const fs::path& file) {
    return Error{ErrorClass::data_loss,
                 "pack_damaged",
                 "a pack of objects is damaged or incomplete",
                 "run 'git fsck' in the repository",
                 file.string(),
                 {}};
}

struct Ending {
    std::string before; // the checksum of the pack, in an index
    std::string own;
};

// The last bytes of a file whose contents they are the checksum of.
Result<Ending> check_file(const fs::path& path, Watch& watch) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    const auto size = static_cast<std::streamoff>(file.tellg());
    if (!file || size < static_cast<std::streamoff>(2 * checksum_size)) return damaged(path);
    file.seekg(0);
    const std::unique_ptr<EVP_MD_CTX, decltype(&::EVP_MD_CTX_free)> digest(::EVP_MD_CTX_new(), ::EVP_MD_CTX_free);
    if (!digest || ::EVP_DigestInit_ex(digest.get(), ::EVP_sha1(), nullptr) != 1)
        return Error{ErrorClass::internal, "checksum_failed", "SHA-1 is not to be had", "check this machine's OpenSSL", "", {}};
    std::string buffer(1U << 20, '\0');
    std::string before; // the last of what was read
    for (auto left = size - static_cast<std::streamoff>(checksum_size); left > 0;) {
        const auto part = std::min<std::streamoff>(left, static_cast<std::streamoff>(buffer.size()));
        if (!file.read(buffer.data(), part)) return damaged(path);
        const std::string_view bytes(buffer.data(), static_cast<std::size_t>(part));
        ::EVP_DigestUpdate(digest.get(), bytes.data(), bytes.size());
        before += bytes.substr(bytes.size() - std::min(bytes.size(), checksum_size));
        before.erase(0, before.size() - std::min(before.size(), checksum_size));
        left -= part;
        if (!watch.go_on()) return *watch.why();
    }
    Ending ending{std::move(before), std::string(checksum_size, '\0')};
    if (!file.read(ending.own.data(), static_cast<std::streamsize>(checksum_size))) return damaged(path);
    std::string found(EVP_MAX_MD_SIZE, '\0');
    unsigned length = 0;
    ::EVP_DigestFinal_ex(digest.get(), reinterpret_cast<unsigned char*>(found.data()), &length);
    found.resize(length);
    if (found != ending.own) return damaged(path);
    return ending;
}

} // namespace

Result<void> check_packs(const fs::path& directory, Watch& watch) {
    std::error_code error;
    std::vector<fs::path> packs;
    for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
        auto path = it->path();
        if (path.extension() == ".idx" && !fs::exists(path.replace_extension(".pack"))) return damaged(path);
        if (it->path().extension() == ".pack") packs.push_back(it->path());
    }
    if (error) return file_error(ErrorClass::data_loss, "reading the packs failed", directory, error.value());
    for (auto path : packs) {
        const auto pack = check_file(path, watch);
        if (!pack) return pack.error();
        const auto index = check_file(path.replace_extension(".idx"), watch);
        if (!index) return index.error();
        if (index->before != pack->own) return damaged(path);
    }
    return {};
}

} // namespace sandboxkit::git

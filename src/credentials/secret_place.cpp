// SPDX-License-Identifier: Apache-2.0
#include "credentials/secret_place.hpp"

#include <openssl/crypto.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace sandboxkit::credentials {

namespace {

constexpr std::size_t longest = 64U << 10;

Error unreadable(std::string message, std::string remedy) {
    return {ErrorClass::invalid, "secret_unreadable", std::move(message), std::move(remedy), "", {}};
}

struct Descriptor {
    int fd = -1;
    ~Descriptor() {
        if (fd >= 0) ::close(fd);
    }
};

// At most one byte more than a secret may have.
Result<std::string> read_file(const std::filesystem::path& file, const std::string& name) {
    // Not to wait for a pipe's writer.
    const Descriptor descriptor{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (descriptor.fd < 0)
        return unreadable(name + " cannot be read: " + std::strerror(errno), "check the path and who may read it");
    struct stat status {};
    if (::fstat(descriptor.fd, &status) < 0 || !S_ISREG(status.st_mode))
        return unreadable(name + " cannot be read: it is not a regular file", "name a regular file");
    std::string text(longest + 1, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const auto n = ::read(descriptor.fd, text.data() + size, text.size() - size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return unreadable(name + " cannot be read: " + std::strerror(errno), "check the file");
        if (n == 0) break;
        size += static_cast<std::size_t>(n);
    }
    text.resize(size); // within its capacity: nothing is copied
    return text;
}

} // namespace

Result<std::string> read_secret(const SecretPlace& place, const std::string& what) {
    std::string text, name;
    if (place.file.empty()) {
        name = what + ", the variable " + place.variable + ",";
        const char* const value = std::getenv(place.variable.c_str());
        if (!value) return unreadable(name + " is not set", "set it in the environment of the program that opens the engine");
        text.assign(value, ::strnlen(value, longest + 1));
    } else {
        name = what + ", the file " + place.file.string() + ",";
        auto read = read_file(place.file, name);
        if (!read) return read.error();
        text = std::move(*read);
    }
    if (text.ends_with('\n')) text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
    const std::size_t size = text.size();
    if (size > 0 && size <= longest) return text;
    ::OPENSSL_cleanse(text.data(), text.size());
    return unreadable(name + (size == 0 ? " is empty" : " is longer than 64 KiB"), "put the secret there, and nothing else");
}

} // namespace sandboxkit::credentials

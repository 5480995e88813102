// SPDX-License-Identifier: Apache-2.0
// Credentials are the host application's: the library asks for one when a server does, uses it once, and forgets it.
#pragma once

#include <sandboxkit/error.hpp>
#include <sandboxkit/profile.hpp>

#include <openssl/crypto.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxkit {

// What a credential is asked for.
enum class CredentialPurpose : std::uint8_t {
    clone, // to read a repository over HTTP, for a snapshot
    pull,  // to pull the base image of a snapshot from its registry
    fetch, // to read a repository for the git of a session
    push,  // to write to one for the git of a session
};

constexpr std::string_view to_string(CredentialPurpose purpose) noexcept {
    switch (purpose) {
    case CredentialPurpose::clone: return "clone";
    case CredentialPurpose::pull: return "pull";
    case CredentialPurpose::fetch: return "fetch";
    case CredentialPurpose::push: return "push";
    }
    return "clone";
}

struct CredentialRequest {
    CredentialPurpose purpose = CredentialPurpose::clone;
    // Of the repository, without credentials: https, or http to this machine. The credential goes to its host and to no other.
    // To pull: "https://" and the registry as the image names it.
    std::string url{};
    std::optional<std::string> connection{}; // the recipe's Git connection, by its id; absent: it names none
    std::string profile{};                   // "prf_..."
    std::uint32_t version = 0;               // of the profile, whose snapshot is built or whose session asks
    std::string repository{};                // of a repository: its identifier in the profile
    RepositoryRole role = RepositoryRole::primary;
    std::string job{};     // "job_...", the snapshot job; empty to fetch and to push
    std::string session{}; // "ses_...", whose git asks; empty but to fetch and to push

    friend bool operator==(const CredentialRequest&, const CredentialRequest&) = default;
};

// A user name and a secret, held in memory for one use; never printed, logged or stored. Its memory is overwritten when it is
// dropped: that of this object, of each copy of it, and no other that the host application made before.
struct Credential {
    // At most 1024 bytes, without ':' and control characters. Empty: "x-access-token", which GitHub, and servers that look at the
    // secret alone, take.
    std::string username;
    std::string secret; // a password or token: 1 to 64 KiB, without control characters
    // When it stops being taken, as far as its source knows.
    std::optional<std::chrono::system_clock::time_point> expires{};

    Credential() = default;
    Credential(std::string_view name, std::string_view password) : username(name), secret(password) {}
    // Moving copies: a string that is moved from may keep its bytes.
    Credential(const Credential&) = default;
    Credential& operator=(const Credential& other) {
        if (this == &other) return *this;
        overwrite();
        username = other.username;
        secret = other.secret;
        expires = other.expires;
        return *this;
    }
    ~Credential() { overwrite(); }

private:
    void overwrite() noexcept {
        secret.resize(secret.capacity()); // what it held when it was longer too
        OPENSSL_cleanse(secret.data(), secret.size());
        secret.clear();
    }
};

// What came of a credential, when it is given back.
struct CredentialUse {
    bool over = false;    // nothing will use it any more: it may be revoked
    bool refused = false; // its server did not take it: it is not worth keeping for the next request
};

// Implemented by the host application. May be called from any of the engine's worker threads, several at once, and may block
// there. Nothing: there is no credential, and the clone goes on without one. An error: it cannot be said now; the operation that
// asked ends with it. The engine never calls it while it holds a lock, and waits for its answer also when the operation is
// cancelled. It is asked at most once in a clone of a repository, and once for each of its submodules, whose URL the request
// then has; only when the server asks, so that nobody is bothered for a public repository; and never for a server that is
// reached in the clear, but on this machine.
class CredentialSource {
public:
    virtual ~CredentialSource() = default;

    virtual Result<std::optional<Credential>> credential(const CredentialRequest& request) = 0;

    // Once for each credential that credential() gave, when the operation it was for has ended, however it did; from the same
    // threads, and it may block. An error is in the log and changes nothing else. Does nothing unless overridden.
    virtual Result<void> release(const CredentialRequest& request, const Credential& credential, CredentialUse use);
};

inline Result<void> CredentialSource::release(const CredentialRequest& /*request*/, const Credential& /*credential*/,
                                              CredentialUse /*use*/) {
    return {};
}

} // namespace sandboxkit

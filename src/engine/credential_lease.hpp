// SPDX-License-Identifier: Apache-2.0
// A credential for one operation: asked for, recorded, and given back when the operation has ended.
#pragma once

#include "engine/context.hpp"

#include <sandboxkit/credentials.hpp>

#include <optional>

namespace sandboxkit::engine {

// For one operation of a job or a session, which `request` names. Not thread-safe, but what follows may happen on different
// threads: it is asked where the operation needs it, and given back where the operation ends.
class CredentialLease {
public:
    // The context outlives the lease.
    CredentialLease(Context& context, CredentialRequest request) : context_(context), request_(std::move(request)) {}
    CredentialLease(const CredentialLease&) = delete;
    CredentialLease& operator=(const CredentialLease&) = delete;
    // Gives back as over what was not given back before.
    ~CredentialLease() { give_back({.over = true, .refused = false}); }

    // Blocks, and ends with what the engine's source says: none when the engine has no source, or that has none. That it was
    // asked is in the activity log before anybody can use what it gave, as "credential.use" of the principal of the job or
    // session; an error of the store is an error of this. Asked again, gives back as over what it gave before.
    [[nodiscard]] Result<std::optional<Credential>> ask();

    // Blocks. Once for what was given; nothing otherwise. An error of the source is in the engine's log, "credential.kept".
    void give_back(CredentialUse use) noexcept;

private:
    Result<void> record(const std::optional<Credential>& given);
    Result<void> release(const Credential& credential, CredentialUse use);
    void log_kept(const Error& error) const;

    Context& context_;
    CredentialRequest request_;
    std::optional<Credential> held_;
};

} // namespace sandboxkit::engine

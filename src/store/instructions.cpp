// SPDX-License-Identifier: Apache-2.0
// The agent instructions of a profile: every text that they ever were, numbered.
#include "store/sql_store.hpp"

#include <sandboxkit/digest.hpp>

namespace sandboxkit::store {

std::uint32_t append_instructions(Connection& db, std::string_view profile, std::string_view text, std::string_view principal,
                                  Timestamp now) {
    std::uint32_t last = 0;
    db.query("SELECT coalesce(max(revision), 0) FROM instructions WHERE profile = ?").with(profile).into(last).step();
    const std::uint32_t revision = last + 1;
    db.query("INSERT INTO instructions (profile, revision, text, digest, principal, at) VALUES (?, ?, ?, ?, ?, ?)")
        .with(profile, revision, text, digest_of(text), principal, now)
        .run();
    return revision;
}

Result<std::vector<InstructionsRevision>> SqlStore::instructions(std::string_view profile) {
    return read([&](Connection& db) -> Result<std::vector<InstructionsRevision>> {
        if (auto missing = missing_profile(db, profile)) return std::move(*missing);
        std::vector<InstructionsRevision> all;
        InstructionsRevision r;
        Statement statement = db.query("SELECT revision, digest, length(CAST(text AS BLOB)), principal, at FROM instructions"
                                       " WHERE profile = ? ORDER BY revision DESC");
        statement.with(profile).into(r.revision, r.digest, r.bytes, r.principal, r.at);
        while (statement.step()) all.push_back(r);
        return all;
    });
}

Result<std::string> SqlStore::instructions_text(std::string_view profile, std::uint32_t revision) {
    return read([&](Connection& db) -> Result<std::string> {
        if (auto missing = missing_profile(db, profile)) return std::move(*missing);
        std::string text, digest;
        if (!db.query("SELECT text, digest FROM instructions WHERE profile = ? AND revision = ?")
                 .with(profile, revision)
                 .into(text, digest)
                 .step())
            return not_found("revision of the agent instructions", "no_instructions",
                             std::string(profile) + "@" + std::to_string(revision));
        if (digest_of(text) != digest) throw BadRow("the agent instructions do not have their digest");
        return text;
    });
}

} // namespace sandboxkit::store

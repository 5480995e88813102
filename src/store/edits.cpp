// SPDX-License-Identifier: Apache-2.0
// Edits of a profile: proposed, kept, discarded.
#include "store/sql_store.hpp"

namespace sandboxkit::store {

template <>
struct EnumValues<ProposalState> {
    static constexpr std::array all{ProposalState::open, ProposalState::kept, ProposalState::discarded};
};

namespace {

const std::string proposal_columns = "SELECT id, profile, base_revision, section, edit, changes, proposed_by, channel, proposed,"
                                     " state, closed, closed_by FROM proposals ";
const std::string one_proposal = proposal_columns + "WHERE id = ?";
const std::string open_proposals = proposal_columns + "WHERE profile = ? AND state = 'open' ORDER BY sequence";

void into(Statement& statement, Proposal& p) {
    statement.into(p.id, p.profile, p.base_revision, p.section, p.edit, p.changes, p.actor.principal, p.actor.channel, p.proposed,
                   p.state, p.closed, p.closed_by);
}

std::vector<Proposal> list_open(Connection& db, std::string_view profile) {
    std::vector<Proposal> all;
    Proposal proposal;
    Statement statement = db.query(open_proposals);
    into(statement.with(profile), proposal);
    while (statement.step()) all.push_back(proposal);
    return all;
}

Result<Proposal> read_proposal(Connection& db, std::string_view id) {
    Proposal proposal;
    Statement statement = db.query(one_proposal);
    into(statement.with(id), proposal);
    if (!statement.step()) return not_found("proposal", "no_proposal", id);
    return proposal;
}

Result<Proposal> read_open_proposal(Connection& db, std::string_view id) {
    Result<Proposal> proposal = read_proposal(db, id);
    if (proposal && proposal->state != ProposalState::open)
        return make_error(ErrorClass::conflict, "proposal_closed",
                          "proposal '" + std::string(id) + "' was " + std::string(to_string(proposal->state)) + " already",
                          "propose the edit again if it is still wanted");
    return proposal;
}

void close(Connection& db, std::string_view id, ProposalState state, std::string_view principal, Timestamp now) {
    db.query("UPDATE proposals SET state = ?, closed = ?, closed_by = ? WHERE id = ?").with(state, now, principal, id).run();
}

Error stale(std::string message) {
    return make_error(ErrorClass::conflict, "stale_revision", std::move(message),
                      "read the profile again and repeat the edit on it");
}

// None: the newest version has this digest.
std::optional<Error> newer_version(Connection& db, std::string_view profile, std::string_view digest) {
    std::uint32_t number = 0;
    std::string newest;
    if (!db.query("SELECT number, digest FROM versions WHERE profile = ? ORDER BY number DESC LIMIT 1")
             .with(profile)
             .into(number, newest)
             .step())
        return stale("profile '" + std::string(profile) + "' has no version, its draft is all of it");
    if (newest == digest) return {};
    return stale("version " + std::to_string(number) + " was published meanwhile, which the edit does not lead back to");
}

} // namespace

std::vector<std::string> discard_proposals(Connection& db, std::string_view profile, std::string_view principal, Timestamp now) {
    std::vector<std::string> ids;
    for (Proposal& proposal : list_open(db, profile)) {
        close(db, proposal.id, ProposalState::discarded, principal, now);
        ids.push_back(std::move(proposal.id));
    }
    return ids;
}

Result<Profile> SqlStore::save(std::string_view profile, const Save& s) {
    if (s.recipe.has_value() ? s.drop_draft || s.digest.empty() : s.drop_draft == s.digest.empty())
        return make_error(ErrorClass::internal, "bad_save",
                          "a save has a recipe and its digest, or drops the draft for the digest of a version, or has neither",
                          "please report this as a defect");
    return write("save", [&](Connection& db) -> Result<Profile> {
        if (auto missing = missing_profile(db, profile)) return std::move(*missing);
        if (!s.proposal.empty()) {
            const auto proposal = read_open_proposal(db, s.proposal);
            if (!proposal) return proposal.error();
            if (proposal->profile != profile) return not_found("proposal", "no_proposal", s.proposal);
        }
        std::uint32_t last = 0;
        if (!db.query("SELECT last_revision FROM profiles WHERE id = ?").with(profile).into(last).step())
            throw BadRow("a profile is there and is not");
        if (s.expected && *s.expected != last)
            return stale("the profile is at revision " + std::to_string(last) + ", not " + std::to_string(*s.expected));
        if (s.unpublished && version_exists(db, profile, 1)) return stale("the profile was published meanwhile");
        if (s.drop_draft)
            if (auto newer = newer_version(db, profile, s.digest)) return std::move(*newer);

        const std::uint32_t revision = last + 1;
        boost::json::object own{{"revision", revision}};
        db.query("UPDATE profiles SET name = ?, record = ?, last_revision = ? WHERE id = ?")
            .with(s.name, s.record, revision, profile)
            .run();
        if (s.recipe)
            db.query("INSERT INTO drafts (profile, revision, recipe, digest) VALUES (?, ?, ?, ?) ON CONFLICT (profile)"
                     " DO UPDATE SET revision = excluded.revision, recipe = excluded.recipe, digest = excluded.digest")
                .with(profile, revision, *s.recipe, s.digest)
                .run();
        if (s.drop_draft) db.query("DELETE FROM drafts WHERE profile = ?").with(profile).run();
        if (s.instructions)
            own["instructions_revision"] = append_instructions(db, profile, *s.instructions, s.actor.principal, s.now);
        if (!s.proposal.empty()) {
            close(db, s.proposal, ProposalState::kept, s.actor.principal, s.now);
            own["proposal"] = s.proposal;
        }
        record_activity(db, s.now, s.actor, profile, "edit.keep", with_detail(std::move(own), s.detail), s.section);
        return read_profile(db, profile);
    });
}

Result<Proposal> SqlStore::propose(const NewProposal& p) {
    return write("propose", [&](Connection& db) -> Result<Proposal> {
        if (auto missing = missing_profile(db, p.profile)) return std::move(*missing);
        std::uint32_t open = 0;
        db.query("SELECT count(*) FROM proposals WHERE profile = ? AND state = 'open'").with(p.profile).into(open).step();
        if (open >= open_proposals_limit)
            return make_error(ErrorClass::quota, "too_many_proposals",
                              "profile '" + p.profile + "' has " + std::to_string(open) + " open proposals",
                              "keep or discard some of them first");
        int one = 0;
        if (db.query("SELECT 1 FROM proposals WHERE id = ?").with(p.id).into(one).step())
            return make_error(ErrorClass::conflict, "already_exists", "there is a proposal '" + p.id + "' already",
                              "use a new id");
        db.query("INSERT INTO proposals (id, profile, base_revision, section, edit, changes, proposed_by, channel, proposed)"
                 " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .with(p.id, p.profile, p.base_revision, p.section, p.edit, p.changes, p.actor.principal, p.actor.channel, p.now)
            .run();
        record_activity(db, p.now, p.actor, p.profile, "edit.propose", {{"proposal", p.id}, {"base", p.base_revision}},
                        p.section);
        return read_proposal(db, p.id);
    });
}

Result<Proposal> SqlStore::proposal(std::string_view id) {
    return read([&](Connection& db) { return read_proposal(db, id); });
}

Result<std::vector<Proposal>> SqlStore::proposals(std::string_view profile) {
    return read([&](Connection& db) -> Result<std::vector<Proposal>> {
        if (auto missing = missing_profile(db, profile)) return std::move(*missing);
        return list_open(db, profile);
    });
}

Result<Proposal> SqlStore::discard_proposal(std::string_view id, const Actor& actor, Timestamp now) {
    return write("discard_proposal", [&](Connection& db) -> Result<Proposal> {
        const auto proposal = read_open_proposal(db, id);
        if (!proposal) return proposal.error();
        close(db, id, ProposalState::discarded, actor.principal, now);
        record_activity(db, now, actor, proposal->profile, "edit.discard", {{"proposal", proposal->id}}, proposal->section);
        return read_proposal(db, id);
    });
}

} // namespace sandboxkit::store

// SPDX-License-Identifier: Apache-2.0
// The activity log: who did what, when, and by which way. Nothing in it changes, and nothing leaves it.
#include "store/sql_store.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <limits>

namespace sandboxkit::store {

boost::json::object with_detail(boost::json::object own, std::string_view given) {
    boost::system::error_code failed;
    const boost::json::value parsed = boost::json::parse(boost::json::string_view(given.data(), given.size()), failed);
    if (failed || !parsed.is_object())
        throw Failure(make_error(ErrorClass::internal, "bad_detail", "the detail of an activity is not a JSON object",
                                 "please report this as a defect"));
    for (const auto& member : parsed.get_object()) own.emplace(member.key(), member.value()); // the store's own come first
    return own;
}

void record_activity(Connection& db, Timestamp at, const Actor& actor, std::string_view profile, std::string_view action,
                     const boost::json::object& detail, std::string_view section) {
    db.query("INSERT INTO activity (at, principal, channel, profile, action, section, detail) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .with(at, actor.principal, actor.channel, profile, action, section, boost::json::serialize(detail))
        .run();
}

Result<std::vector<Activity>> SqlStore::activity(std::string_view profile, std::optional<std::int64_t> before,
                                                 std::uint32_t limit) {
    return read([&](Connection& db) -> Result<std::vector<Activity>> {
        if (auto missing = missing_profile(db, profile); missing && missing->code != "profile_deleted")
            return std::move(*missing);
        std::vector<Activity> all;
        Activity a;
        Statement statement = db.query("SELECT sequence, at, principal, channel, profile, action, section, detail FROM activity"
                                       " WHERE profile = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?");
        statement.with(profile, before.value_or(std::numeric_limits<std::int64_t>::max()), limit)
            .into(a.sequence, a.at, a.principal, a.channel, a.profile, a.action, a.section, a.detail);
        while (statement.step()) all.push_back(a);
        return all;
    });
}

Result<void> SqlStore::record_credential(const CredentialRecord& record) {
    return write("record_credential", [&](Connection& db) -> Result<void> {
        const bool of_job = record.session.empty();
        const std::string& id = of_job ? record.job : record.session;
        Actor actor;
        if (!db.query(of_job ? "SELECT requested_by FROM jobs WHERE id = ?" : "SELECT principal FROM sessions WHERE id = ?")
                 .with(id)
                 .into(actor.principal)
                 .step())
            return of_job ? not_found("job", "no_job", id) : not_found("session", "no_session", id);
        boost::json::object own{{of_job ? "job" : "session", id}, {"version", record.version}};
        record_activity(db, record.now, actor, record.profile, "credential.use", with_detail(std::move(own), record.detail));
        return {};
    });
}

Result<void> SqlStore::record_git(const GitRecord& record) {
    return write("record_git", [&](Connection& db) -> Result<void> {
        Actor actor;
        std::string profile;
        std::uint32_t version = 0;
        if (!db.query("SELECT principal, profile, version FROM sessions WHERE id = ?")
                 .with(record.session)
                 .into(actor.principal, profile, version)
                 .step())
            return not_found("session", "no_session", record.session);
        boost::json::object own{{"session", record.session}, {"version", version}};
        record_activity(db, record.now, actor, profile, record.action, with_detail(std::move(own), record.detail));
        return {};
    });
}

} // namespace sandboxkit::store

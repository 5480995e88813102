// SPDX-License-Identifier: Apache-2.0
// Registered hosts, what was first seen behind each host, and which one is the default.
#include "store/sql_store.hpp"

namespace sandboxkit::store {

namespace {

const std::string host_columns = "SELECT name, definition, created, created_by FROM hosts ";
const std::string one_host = host_columns + "WHERE name = ?";
const std::string all_hosts = host_columns + "ORDER BY name";

void into(Statement& statement, Host& h) {
    statement.into(h.name, h.definition, h.created, h.created_by);
}

Result<Host> read_host(Connection& db, std::string_view name) {
    Host host;
    Statement statement = db.query(one_host);
    into(statement.with(name), host);
    if (!statement.step()) return not_found("host", "no_host", name);
    return host;
}

std::vector<std::string> ids(Statement& statement) {
    std::vector<std::string> all;
    std::string id;
    statement.into(id);
    while (statement.step()) all.push_back(id);
    return all;
}

std::vector<std::string> session_ids(Connection& db, std::string_view host) {
    Statement statement =
        db.query("SELECT id FROM sessions WHERE host = ? AND state NOT IN ('removed', 'failed') ORDER BY sequence");
    return ids(statement.with(host));
}

std::vector<std::string> job_ids(Connection& db, std::string_view host) {
    Statement statement = db.query("SELECT id FROM jobs WHERE host = ? AND state IN ('queued', 'running') ORDER BY sequence");
    return ids(statement.with(host));
}

std::uint64_t usable_snapshots(Connection& db, std::string_view host) {
    std::uint64_t count = 0;
    db.query("SELECT count(*) FROM snapshots WHERE host = ? AND image_id IS NOT NULL").with(host).into(count).step();
    return count;
}

std::string counted(std::uint64_t count, const std::string& what) {
    return std::to_string(count) + ' ' + what + (count == 1 ? "" : "s");
}

GivenUp give_up(Connection& db, std::string_view host, const Actor& actor, Timestamp now) {
    GivenUp given{session_ids(db, host), job_ids(db, host), usable_snapshots(db, host)};
    const std::string why =
        to_json(make_error(ErrorClass::unavailable, "host_given_up",
                           "the host '" + std::string(host) + "' that the session was on was given up", "start a new session"));
    for (const std::string& id : given.sessions) {
        std::string profile;
        db.query("SELECT profile FROM sessions WHERE id = ?").with(id).into(profile).step();
        db.query("UPDATE sessions SET state = CASE state WHEN 'starting' THEN 'failed' ELSE 'removed' END, error = ?,"
                 " idle_deadline = NULL, deadline = NULL WHERE id = ?")
            .with(why, id)
            .run();
        record_activity(db, now, actor, profile, "session.give_up", {{"session", id}, {"host", std::string(host)}});
    }
    db.query("UPDATE jobs SET state = 'cancelled', finished = ?, lease_owner = '', lease_until = NULL"
             " WHERE host = ? AND state IN ('queued', 'running')")
        .with(now, host)
        .run();
    db.query("DELETE FROM snapshots WHERE host = ?").with(host).run();
    db.query("DELETE FROM host_identities WHERE host = ?").with(host).run();
    return given;
}

} // namespace

Result<Host> SqlStore::add_host(const NewHost& h) {
    return write("add_host", [&](Connection& db) -> Result<Host> {
        if (read_host(db, h.name))
            return make_error(ErrorClass::conflict, "host_exists", "there is a host '" + h.name + "' already",
                              "choose another name, or remove that host first");
        db.query("INSERT INTO hosts (name, definition, created, created_by) VALUES (?, ?, ?, ?)")
            .with(h.name, h.definition, h.now, h.principal)
            .run();
        return read_host(db, h.name);
    });
}

Result<Host> SqlStore::host(std::string_view name) {
    return read([&](Connection& db) { return read_host(db, name); });
}

Result<std::vector<Host>> SqlStore::hosts() {
    return read([](Connection& db) -> Result<std::vector<Host>> {
        std::vector<Host> all;
        Host host;
        Statement statement = db.query(all_hosts);
        into(statement, host);
        while (statement.step()) all.push_back(host);
        return all;
    });
}

Result<GivenUp> SqlStore::remove_host(std::string_view name, bool force, const Actor& actor, Timestamp now) {
    return write("remove_host", [&](Connection& db) -> Result<GivenUp> {
        const auto host = read_host(db, name);
        if (!host) return host.error();
        const auto sessions = session_ids(db, name).size(), jobs = job_ids(db, name).size();
        const auto snapshots = usable_snapshots(db, name);
        if (!force && sessions + jobs + snapshots > 0)
            return make_error(ErrorClass::conflict, "host_in_use",
                              "the host '" + std::string(name) + "' has " + counted(sessions, "session") + ", " +
                                  counted(jobs, "snapshot job") + " and " + counted(snapshots, "snapshot"),
                              "remove the sessions first, or force it: what is there is then given up, and stays on that host");
        auto given = give_up(db, name, actor, now);
        db.query("UPDATE store SET default_host = NULL WHERE default_host = ?").with(name).run();
        db.query("DELETE FROM hosts WHERE name = ?").with(name).run();
        return given;
    });
}

Result<GivenUp> SqlStore::give_up_host(std::string_view name, const Actor& actor, Timestamp now) {
    return write("give_up_host", [&](Connection& db) -> Result<GivenUp> { return give_up(db, name, actor, now); });
}

Result<std::map<std::string, std::string>> SqlStore::host_identities() {
    return read([](Connection& db) -> Result<std::map<std::string, std::string>> {
        std::map<std::string, std::string> all;
        std::string host, identity;
        Statement statement = db.query("SELECT host, identity FROM host_identities");
        statement.into(host, identity);
        while (statement.step()) all.emplace(host, identity);
        return all;
    });
}

Result<std::string> SqlStore::host_identity(std::string_view name, std::string_view identity) {
    const auto known = [&](Connection& db) -> Result<std::string> {
        std::string first;
        db.query("SELECT identity FROM host_identities WHERE host = ?").with(name).into(first).step();
        return first;
    };
    auto first = read(known); // asked at every start: no write lock for that
    if (!first || !first->empty()) return first;
    return write("host_identity", [&](Connection& db) -> Result<std::string> {
        db.query("INSERT OR IGNORE INTO host_identities (host, identity) VALUES (?, ?)").with(name, identity).run();
        return known(db);
    });
}

Result<std::optional<std::string>> SqlStore::default_host() {
    return read([](Connection& db) -> Result<std::optional<std::string>> {
        std::optional<std::string> name;
        db.query("SELECT default_host FROM store").into(name).step();
        return name;
    });
}

Result<void> SqlStore::set_default_host(const std::optional<std::string>& name) {
    return write("set_default_host", [&](Connection& db) -> Result<void> {
        db.query("UPDATE store SET default_host = ? WHERE default_host IS NOT ?").with(name, name).run();
        return {};
    });
}

} // namespace sandboxkit::store

// SPDX-License-Identifier: Apache-2.0
#include "store/sql_store.hpp"

namespace sandboxkit::store {

namespace {

const std::string session_columns =
    "SELECT id, profile, principal, client_token, host, provider, image_id, creation_token, engine, "
    "version, instructions_revision, state, sandbox_id, idle_limit,"
    " time_limit, idle_deadline, deadline, created, timeline, notes, error FROM sessions ";
const std::string one_session = session_columns + "WHERE id = ?";
const std::string session_by_token = session_columns + "WHERE principal = ? AND client_token = ? AND client_token <> ''";
const std::string all_sessions = session_columns + "ORDER BY created, sequence";
const std::string sessions_not_ended = session_columns + "WHERE state NOT IN ('removed', 'failed') ORDER BY created, sequence";

void into(Statement& statement, Session& s) {
    statement.into(s.id, s.profile, s.principal, s.client_token, s.host, s.provider, s.image_id, s.creation_token, s.engine,
                   s.version, s.instructions_revision, s.state, s.sandbox_id, s.idle_limit, s.time_limit, s.idle_deadline,
                   s.deadline, s.created, s.timeline, s.notes, s.error);
}

template <class... Key>
std::optional<Session> find(Connection& db, const std::string& sql, const Key&... key) {
    std::optional<Session> found(std::in_place);
    Statement statement = db.query(sql);
    into(statement.with(key...), *found);
    if (!statement.step()) found.reset();
    return found;
}

void apply(Session& s, const SessionChange& change) {
    if (change.engine) s.engine = *change.engine;
    if (change.sandbox_id) s.sandbox_id = *change.sandbox_id;
    if (change.timeline) s.timeline = *change.timeline;
    if (change.notes) s.notes = *change.notes;
    if (change.error) s.error = *change.error;
    if (change.idle_deadline) s.idle_deadline = *change.idle_deadline;
    if (change.deadline) s.deadline = *change.deadline;
}

// Reads the session in state `from`, changes it, writes it. Inside a write transaction, so nothing comes between.
Result<Session> update(Connection& db, std::string_view id, SessionState from, SessionState to, const SessionChange& change) {
    auto s = find(db, one_session, id);
    if (!s) return not_found("session", "no_session", id);
    if (s->state != from)
        return make_error(ErrorClass::conflict, "session_state",
                          "session '" + std::string(id) + "' is " + std::string(to_string(s->state)) + ", not " +
                              std::string(to_string(from)),
                          "look at the session again");
    if (change.expected_engine && s->engine != *change.expected_engine)
        return make_error(ErrorClass::conflict, "session_state",
                          "session '" + std::string(id) + "' is in the hands of engine '" + s->engine + "' by now",
                          "look at the session again");
    apply(*s, change);
    s->state = to;
    db.query("UPDATE sessions SET state = ?, engine = ?, sandbox_id = ?, timeline = ?, notes = ?, error = ?, idle_deadline = ?, "
             "deadline = ?"
             " WHERE id = ?")
        .with(s->state, s->engine, s->sandbox_id, s->timeline, s->notes, s->error, s->idle_deadline, s->deadline, s->id)
        .run();
    return std::move(*s);
}

// The name of a transition in the activity log; empty: not recorded there.
std::string_view action_of(SessionState from, SessionState to) {
    switch (to) {
    case SessionState::starting: return "session.resume";
    case SessionState::stopped: return from == SessionState::running ? "session.stop" : ""; // else a resume that failed
    case SessionState::removing: return "session.remove";
    default: return "";
    }
}

} // namespace

Result<Store::Created> SqlStore::create_session(const NewSession& n) {
    return write("create_session", [&](Connection& db) -> Result<Created> {
        if (auto first = find(db, session_by_token, n.actor.principal, n.client_token)) return Created{std::move(*first), false};
        int one = 0;
        if (!db.query("SELECT 1 FROM snapshots WHERE profile = ? AND version = ? AND host = ? AND image_id = ?")
                 .with(n.profile, n.version, n.host, n.image_id)
                 .into(one)
                 .step()) {
            if (auto missing = missing_profile(db, n.profile)) return std::move(*missing);
            if (!version_exists(db, n.profile, n.version))
                return not_found("version", "no_version", n.profile + "@" + std::to_string(n.version));
            return make_error(ErrorClass::conflict, "image_replaced",
                              "the image is not this version's usable snapshot (any more)",
                              "start the session again from the version's current snapshot");
        }
        db.query("INSERT INTO sessions (id, profile, version, principal, client_token, host, provider, image_id, creation_token, "
                 "engine, state, idle_limit, time_limit, created, instructions_revision)"
                 " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'starting', ?, ?, ?,"
                 " (SELECT coalesce(max(revision), 0) FROM instructions WHERE profile = ?))")
            .with(n.id, n.profile, n.version, n.actor.principal, n.client_token, n.host, n.provider, n.image_id, n.creation_token,
                  n.engine, n.idle_limit, n.time_limit, n.now, n.profile)
            .run();
        record_activity(db, n.now, n.actor, n.profile, "session.start",
                        {{"session", n.id}, {"version", n.version}, {"host", n.host}});
        auto made = find(db, one_session, n.id);
        if (!made) throw BadRow("a session that was just written is not there");
        return Created{std::move(*made), true};
    });
}

Result<Session> SqlStore::session(std::string_view id) {
    return read([&](Connection& db) -> Result<Session> {
        if (auto s = find(db, one_session, id)) return std::move(*s);
        return not_found("session", "no_session", id);
    });
}

Result<std::vector<Session>> SqlStore::sessions(bool include_ended) {
    return read([&](Connection& db) -> Result<std::vector<Session>> {
        std::vector<Session> all;
        Session s;
        Statement statement = db.query(include_ended ? all_sessions : sessions_not_ended);
        into(statement, s);
        while (statement.step()) all.push_back(s);
        return all;
    });
}

Result<Session> SqlStore::move_session(std::string_view id, SessionState from, SessionState to, const SessionChange& change,
                                       Timestamp now) {
    if (!may_become(from, to))
        return make_error(ErrorClass::internal, "bad_transition",
                          "a session never goes from " + std::string(to_string(from)) + " to " + std::string(to_string(to)),
                          "please report this as a defect");
    return write("move_session", [&](Connection& db) -> Result<Session> {
        Result<Session> moved = update(db, id, from, to, change);
        if (!moved) return moved;
        if (const std::string_view action = action_of(from, to); !action.empty())
            record_activity(db, now, change.actor.value_or(Actor{moved->principal}), moved->profile, action,
                            {{"session", moved->id}, {"version", moved->version}});
        return moved;
    });
}

Result<Session> SqlStore::change_session(std::string_view id, SessionState state, const SessionChange& change) {
    return write("change_session", [&](Connection& db) { return update(db, id, state, state, change); });
}

} // namespace sandboxkit::store

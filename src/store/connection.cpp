// SPDX-License-Identifier: Apache-2.0
#include "store/connection.hpp"

#include "store/failure.hpp"

#include <soci/sqlite3/soci-sqlite3.h>

#include <string>

namespace sandboxkit::store {

namespace {

// The library that Debian builds keeps the type's information to itself, which this check would need.
__attribute__((no_sanitize("vptr"))) sqlite_api::sqlite3* handle(soci::session& session) {
    return static_cast<soci::sqlite3_session_backend*>(session.get_backend())->conn_;
}

} // namespace

Connection::Connection(const std::filesystem::path& file)
    : session_(*soci::factory_sqlite3(), "dbname=\"" + file.string() + "\" timeout=" + std::to_string(lock_patience.count())) {
    sqlite_api::sqlite3_extended_result_codes(handle(session_), 1);
    // SQLite falls back to reading only when it may not write, and tells it only at the first write.
    if (sqlite_api::sqlite3_db_readonly(handle(session_), "main") == 1) throw Failure(error_of(SQLITE_READONLY, 0, {}, file));
    // Not in the connection string: there SOCI loses the open file, and with it its locks, when the file is damaged.
    run_once("PRAGMA synchronous = FULL");
    run_once("PRAGMA foreign_keys = ON");
    run_once("PRAGMA trusted_schema = OFF");
    run_once("PRAGMA cell_size_check = ON");
}

Statement Connection::query(std::string_view sql) {
    auto found = prepared_.find(sql);
    if (found == prepared_.end()) {
        auto fresh = std::make_unique<soci::statement>(session_);
        fresh->alloc();
        fresh->prepare(std::string(sql));
        found = prepared_.emplace(sql, std::move(fresh)).first;
    }
    return Statement(*found->second);
}

void Connection::run_once(const std::string& sql) {
    soci::statement statement(session_);
    statement.alloc();
    statement.prepare(sql);
    Statement(statement).run();
}

long long Connection::number_once(const std::string& sql) {
    soci::statement statement(session_);
    statement.alloc();
    statement.prepare(sql);
    long long value = 0;
    if (!Statement(statement).into(value).step()) throw BadRow("no row from " + sql);
    return value;
}

std::string Connection::text_once(const std::string& sql) {
    soci::statement statement(session_);
    statement.alloc();
    statement.prepare(sql);
    std::string value;
    if (!Statement(statement).into(value).step()) throw BadRow("no row from " + sql);
    return value;
}

long long Connection::total_changes() {
    return sqlite_api::sqlite3_total_changes(handle(session_));
}
bool Connection::in_transaction() {
    return sqlite_api::sqlite3_get_autocommit(handle(session_)) == 0;
}
int Connection::system_errno() {
    return sqlite_api::sqlite3_system_errno(handle(session_));
}

Transaction::Transaction(Connection& connection, Kind kind) : connection_(connection) {
    // A write transaction takes its lock at once: one that starts by reading can be refused later, without a wait.
    if (kind == Kind::write)
        connection_.query("BEGIN IMMEDIATE").run();
    else
        connection_.query("BEGIN").run();
}

Transaction::~Transaction() {
    if (!connection_.in_transaction()) return;
    try {
        connection_.query("ROLLBACK").run();
    } catch (...) { // then the connection is lost, and its closing rolls back
    }
}

void Transaction::commit() {
    connection_.query("COMMIT").run();
}

Pool::Lease Pool::acquire() {
    {
        std::lock_guard lock(mutex_);
        if (!idle_.empty()) {
            auto connection = std::move(idle_.back());
            idle_.pop_back();
            return Lease(*this, std::move(connection));
        }
    }
    return Lease(*this, std::make_unique<Connection>(file_));
}

Pool::Lease::~Lease() {
    if (!good_ || connection_->in_transaction()) return;
    std::lock_guard lock(pool_.mutex_);
    if (pool_.idle_.size() < idle_limit) pool_.idle_.push_back(std::move(connection_));
}

} // namespace sandboxkit::store

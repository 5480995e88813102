// SPDX-License-Identifier: Apache-2.0
#include "store/statement.hpp"

#include <soci/sqlite3/soci-sqlite3.h>

namespace sandboxkit::store {

namespace {

// The library that Debian builds keeps the type's information to itself, which this check would need.
__attribute__((no_sanitize("vptr"))) sqlite_api::sqlite3_stmt* handle(soci::statement& statement) {
    return static_cast<soci::sqlite3_statement_backend*>(statement.get_backend())->stmt_;
}

} // namespace

Statement::~Statement() {
    prepared_.bind_clean_up();
    // SOCI resets only before the next execution; a statement left in the middle of its rows would hold its read
    // snapshot, and with it the write-ahead log, for as long as the connection idles.
    sqlite_api::sqlite3_reset(handle(prepared_));
}

bool Statement::step() {
    bool row = false;
    if (!executed_) {
        executed_ = true;
        prepared_.define_and_bind();
        row = prepared_.execute(true); // without data exchange SOCI would not step a statement that returns nothing
    } else {
        row = prepared_.fetch();
    }
    if (row)
        for (const Slot& slot : slots_)
            if (slot.take) slot.take(slot);
    return row;
}

} // namespace sandboxkit::store

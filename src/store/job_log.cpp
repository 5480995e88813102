// SPDX-License-Identifier: Apache-2.0
// The log of a build: its first and its last half-mebibyte. It is kept in small pieces by offset, so that appending
// writes what is new and at most one piece again, and the middle leaves as whole rows.
#include "store/sql_store.hpp"

#include <algorithm>

namespace sandboxkit::store {

namespace {

constexpr std::int64_t kept = 512 * 1024; // bytes at either end
constexpr std::int64_t piece = 16 * 1024;

// Writes bytes[from - base, to - base) at the offsets [from, to).
void put(Connection& db, std::string_view job, std::string_view bytes, std::int64_t base, std::int64_t from, std::int64_t to) {
    std::int64_t start = 0;
    std::string last;
    if (from < to && from != kept && // the piece before the border belongs to the other end
        db.query("SELECT start, bytes FROM job_log WHERE job = ? ORDER BY start DESC LIMIT 1")
            .with(job)
            .into(start, last)
            .step()) {
        const auto length = static_cast<std::int64_t>(last.size());
        if (start + length == from && length < piece) {
            const std::int64_t more = std::min(piece - length, to - from);
            last.append(bytes.substr(static_cast<std::size_t>(from - base), static_cast<std::size_t>(more)));
            // Bound as text, which SOCI passes on with its length; the cast keeps the bytes as they are.
            db.query("UPDATE job_log SET bytes = CAST(? AS BLOB) WHERE job = ? AND start = ?").with(last, job, start).run();
            from += more;
        }
    }
    for (; from < to; from += piece)
        db.query("INSERT INTO job_log (job, start, bytes) VALUES (?, ?, CAST(? AS BLOB))")
            .with(job, from,
                  bytes.substr(static_cast<std::size_t>(from - base), static_cast<std::size_t>(std::min(piece, to - from))))
            .run();
}

} // namespace

Result<void> SqlStore::append_job_log(std::string_view job, std::string_view engine, std::string_view bytes) {
    return write("append_job_log", [&](Connection& db) -> Result<void> {
        std::int64_t total = 0;
        std::string owner;
        if (!db.query("SELECT log_bytes, lease_owner FROM jobs WHERE id = ?").with(job).into(total, owner).step())
            return not_found("job", "no_job", job);
        if (engine.empty() || owner != engine)
            return make_error(ErrorClass::conflict, "lease_lost",
                              "job '" + std::string(job) + "' is not run by '" + std::string(engine) + "'", "stop working on it");
        if (bytes.empty()) return {};
        const std::int64_t end = total + static_cast<std::int64_t>(bytes.size());
        put(db, job, bytes, total, total, std::min(end, kept));
        put(db, job, bytes, total, std::max({total, kept, end - kept}), end);
        db.query("DELETE FROM job_log WHERE job = ? AND start >= ? AND start + length(bytes) <= ?")
            .with(job, kept, end - kept)
            .run();
        db.query("UPDATE jobs SET log_bytes = ? WHERE id = ?").with(end, job).run();
        return {};
    });
}

Result<std::string> SqlStore::job_log(std::string_view id) {
    return read([&](Connection& db) -> Result<std::string> {
        std::int64_t total = 0;
        if (!db.query("SELECT log_bytes FROM jobs WHERE id = ?").with(id).into(total).step())
            return not_found("job", "no_job", id);
        std::string first, last, bytes;
        std::int64_t start = 0;
        Statement statement = db.query("SELECT start, bytes FROM job_log WHERE job = ? ORDER BY start");
        statement.with(id).into(start, bytes);
        while (statement.step()) (start < kept ? first : last) += bytes;
        const auto expected = static_cast<std::size_t>(std::min(std::max<std::int64_t>(total - kept, 0), kept));
        if (last.size() < expected || first.size() != static_cast<std::size_t>(std::min(total, kept)))
            throw BadRow("pieces of a job's log are missing");
        last.erase(0, last.size() - expected);
        if (total > 2 * kept) first += "\n... " + std::to_string(total - 2 * kept) + " bytes left out ...\n";
        return first + last;
    });
}

} // namespace sandboxkit::store

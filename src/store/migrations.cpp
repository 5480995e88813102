// SPDX-License-Identifier: Apache-2.0
#include "store/migrations.hpp"

#include "store/failure.hpp"

#include <string>

namespace sandboxkit::store {

void migrate(Connection& connection, std::span<const Migration> steps,
             const std::function<void(std::string_view, bool)>& on_commit, const std::filesystem::path& file) {
    const int newest = steps.empty() ? 0 : steps.back().version;
    long long version = 0;
    {
        Transaction view(connection, Transaction::Kind::read); // the three belong together
        version = connection.number_once("PRAGMA user_version");
        if (connection.number_once("PRAGMA application_id") != application_id &&
            (version != 0 || connection.number_once("SELECT count(*) FROM sqlite_master") != 0 ||
             connection.number_once("PRAGMA application_id") != 0))
            throw Failure(make_error(ErrorClass::invalid, "not_a_store",
                                     file.string() + " is an SQLite database of another application", "name another file"));
    }
    if (version > newest)
        throw Failure(make_error(ErrorClass::data_loss, "store_too_new",
                                 "the store " + file.string() + " has schema version " + std::to_string(version) +
                                     ", this build knows only up to " + std::to_string(newest),
                                 "use a newer build of sandboxkit, or another store"));
    if (connection.text_once("PRAGMA journal_mode = WAL") != "wal")
        throw Failure(make_error(ErrorClass::unsupported, "no_wal",
                                 "the file system of " + file.string() + " cannot keep a store",
                                 "put the store on a local file system"));

    for (const Migration& step : steps) {
        if (step.version <= version) continue;
        Transaction transaction(connection, Transaction::Kind::write);
        version = connection.number_once("PRAGMA user_version"); // another process may have been faster
        if (step.version <= version) continue;
        for (std::string_view sql : step.statements) connection.run_once(std::string(sql));
        connection.run_once("PRAGMA application_id = " + std::to_string(application_id));
        connection.run_once("PRAGMA user_version = " + std::to_string(step.version));
        if (on_commit) on_commit("migrate", false);
        transaction.commit();
        if (on_commit) on_commit("migrate", true);
        version = step.version;
    }
}

} // namespace sandboxkit::store

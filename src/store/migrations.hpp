// SPDX-License-Identifier: Apache-2.0
// The schema as numbered steps. Step n takes a store from version n-1 to n, in one transaction; the version is the
// file's user_version. A step that was released is never changed: what is wrong with it is put right by the next one.
#pragma once

#include "store/connection.hpp"

#include <functional>
#include <span>
#include <string_view>

namespace sandboxkit::store {

// "SBXK", in the file's header: tells a store from any other SQLite file.
inline constexpr long long application_id = 0x5342584b;

struct Migration {
    int version = 0;
    std::span<const std::string_view> statements;
};

[[nodiscard]] std::span<const Migration> migrations();

// Refuses a file that is not a store, or one from a newer build, before anything is written; then runs what is missing
// of `steps`, which are numbered 1, 2, ... Several processes may do it at once. `on_commit` may be empty.
// Throws Failure, soci::soci_error.
void migrate(Connection& connection, std::span<const Migration> steps,
             const std::function<void(std::string_view verb, bool after)>& on_commit, const std::filesystem::path& file);

} // namespace sandboxkit::store

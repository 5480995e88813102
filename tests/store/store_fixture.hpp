// SPDX-License-Identifier: Apache-2.0
// A store in a directory of its own, and the short way to what a test needs in it.
#pragma once

#include "store/store.hpp"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Boost's own operator<< of a result needs one of its value and of its error.
template <class T>
struct doctest::StringMaker<boost::system::result<T, sandboxkit::Error>> {
    static String convert(const boost::system::result<T, sandboxkit::Error>& r) {
        if (r.has_value()) return "a value";
        return (r.error().code + ": " + r.error().message + " " + r.error().detail).c_str();
    }
};

namespace store_test {

using namespace sandboxkit;
using namespace sandboxkit::store;
using namespace std::chrono_literals;

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        std::string name = (std::filesystem::temp_directory_path() / "sandboxkit-store-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
        path = name;
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    std::filesystem::path path;
};

inline std::unique_ptr<Store> open_store(const std::filesystem::path& file, Options options = {}) {
    auto opened = Store::open(file, std::move(options));
    if (!opened) throw std::runtime_error(opened.error().code + ": " + opened.error().message + " " + opened.error().detail);
    return std::move(*opened);
}

inline Timestamp at(std::int64_t milliseconds) {
    return Timestamp(std::chrono::milliseconds(milliseconds));
}
inline constexpr std::uint32_t whole_log = 1'000'000; // of the activity log
inline const std::function<bool(std::string_view)> nobody_is_dead = [](std::string_view) { return false; };

// The code of an error; "" for a value.
template <class T>
std::string code(const Result<T>& r) {
    return r ? "" : r.error().code;
}
template <class T>
ErrorClass kind(const Result<T>& r) {
    REQUIRE_FALSE(r.has_value());
    return r.error().kind;
}

// An edit of the recipe, which sets the name, too.
inline Result<store::Profile> save_draft(Store& store, std::string_view profile, std::optional<std::uint32_t> expected,
                                         std::string name, std::string recipe, std::string digest, std::string principal,
                                         Timestamp now) {
    Save save;
    save.expected = expected;
    save.name = std::move(name);
    save.record = "{}";
    save.recipe = std::move(recipe);
    save.digest = std::move(digest);
    save.actor.principal = std::move(principal);
    save.section = "document";
    save.now = now;
    return store.save(profile, save);
}

// Each returns what it made, and throws when it could not.
struct Maker {
    Store& store;
    int counter = 0;

    std::string profile() {
        const std::string id = "prf_" + std::to_string(++counter);
        store.create_profile({id, "name", "{}", R"({"image":"host"})", "sha256:" + id, {"alice"}, at(1000)}).value();
        return id;
    }
    // A version with a queued job; the job's id.
    std::string version(const std::string& profile, const std::string& digest = "") {
        const std::string job = "job_" + std::to_string(++counter);
        const store::Profile info = store.profile(profile).value();
        if (info.draft_revision == 0)
            save_draft(store, profile, {}, info.name, "{}", digest.empty() ? "sha256:" + job : digest, "alice", at(1500)).value();
        store.publish_draft(publish(profile, job)).value();
        return job;
    }
    Publish publish(const std::string& profile, const std::string& job) {
        Publish p;
        p.profile = profile;
        p.draft_revision = store.profile(profile).value().draft_revision;
        p.decision = "{}";
        p.plan_snapshot_digest = "sha256:plan";
        p.host = "local";
        p.actor = {"alice"};
        p.job_id = job;
        p.now = at(2000);
        return p;
    }
    // A profile whose version 1 has the image "img_<profile>".
    std::string usable_profile() {
        const std::string id = profile();
        use(id);
        return id;
    }
    // Publishes the draft and gives it the image "img_<profile>".
    void use(const std::string& id) {
        const std::string job = version(id);
        // Jobs are leased oldest first; a test that needs an older one to stay queued leases by itself.
        const auto leased = store.lease_next_job("eng_maker", at(2500), 1h, nobody_is_dead).value();
        if (!leased || leased->info.id != job) throw std::runtime_error("another job was queued");
        store.succeed_job(job, "eng_maker", {"local", "img_" + id}, "{}", at(3000)).value();
    }
    NewSession session(const std::string& profile, const std::string& token = "") {
        NewSession n;
        n.id = "ses_" + std::to_string(++counter);
        n.profile = profile;
        n.actor = {"bob"};
        n.client_token = token;
        n.version = 1;
        n.host = n.provider = "local";
        n.image_id = "img_" + profile;
        n.creation_token = "tok_" + n.id;
        n.engine = "eng_1";
        n.now = at(4000);
        return n;
    }
};

struct Fixture {
    TemporaryDirectory directory;
    std::filesystem::path file = directory.path / "store.db";
    std::unique_ptr<Store> store = open_store(file);
    Maker make{*store};
};

// A second connection that knows nothing of the library's rules but what the file says.
class RawConnection {
public:
    explicit RawConnection(const std::filesystem::path& file) {
        if (sqlite3_open(file.c_str(), &db_) != SQLITE_OK) throw std::runtime_error("sqlite3_open failed");
        sqlite3_busy_timeout(db_, 10000);
        run("PRAGMA foreign_keys = ON");
    }
    ~RawConnection() { sqlite3_close(db_); }
    RawConnection(const RawConnection&) = delete;
    RawConnection& operator=(const RawConnection&) = delete;

    // "" or what SQLite said.
    std::string run(const std::string& sql) {
        char* message = nullptr;
        std::string said;
        if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, &message) != SQLITE_OK) said = message ? message : "error";
        sqlite3_free(message);
        return said;
    }
    // The first column of every row.
    std::vector<std::string> texts(const std::string& sql) {
        sqlite3_stmt* statement = nullptr;
        if (sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK)
            throw std::runtime_error(sqlite3_errmsg(db_));
        std::vector<std::string> all;
        while (sqlite3_step(statement) == SQLITE_ROW) {
            const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
            all.emplace_back(text ? text : "NULL");
        }
        sqlite3_finalize(statement);
        return all;
    }
    std::string text(const std::string& sql) {
        const auto all = texts(sql);
        return all.empty() ? "" : all.front();
    }

private:
    sqlite3* db_ = nullptr;
};

} // namespace store_test

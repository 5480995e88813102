// SPDX-License-Identifier: Apache-2.0
// Connections to the file, and transactions on them.
#pragma once

#include "store/statement.hpp"

#include <soci/soci.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::store {

// How long a lock that another process holds is waited for.
inline constexpr std::chrono::seconds lock_patience{10};

// One SQLite connection and the statements prepared on it. One thread at a time.
class Connection {
public:
    // The file exists. synchronous=FULL, foreign keys enforced. Throws soci::soci_error; Failure when it is read-only.
    explicit Connection(const std::filesystem::path& file);

    // The statement is prepared once and kept for the life of the connection; in one use at a time.
    Statement query(std::string_view sql);
    // Statements that are not worth keeping.
    void run_once(const std::string& sql);
    [[nodiscard]] long long number_once(const std::string& sql);
    [[nodiscard]] std::string text_once(const std::string& sql);

    // Rows changed over the life of the connection.
    [[nodiscard]] long long total_changes();
    [[nodiscard]] bool in_transaction();
    // What the operating system said last.
    [[nodiscard]] int system_errno();

private:
    soci::session session_;
    // After session_: SOCI's close needs every statement gone.
    std::map<std::string, std::unique_ptr<soci::statement>, std::less<>> prepared_;
};

// Rolled back unless committed.
class Transaction {
public:
    enum class Kind : std::uint8_t { read, write };
    Transaction(Connection& connection, Kind kind);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    // Throws; then the transaction is rolled back.
    void commit();

private:
    Connection& connection_;
};

// One connection for every caller at a time. Thread-safe.
class Pool {
public:
    explicit Pool(std::filesystem::path file) : file_(std::move(file)) {}

    // Borrowed until it goes out of scope.
    class Lease {
    public:
        Lease(Pool& pool, std::unique_ptr<Connection> connection) : pool_(pool), connection_(std::move(connection)) {}
        ~Lease();
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        Connection& operator*() const { return *connection_; }
        // After an error whose state is not known: the connection is closed, not used again.
        void discard() { good_ = false; }

    private:
        Pool& pool_;
        std::unique_ptr<Connection> connection_;
        bool good_ = true;
    };

    Lease acquire();
    [[nodiscard]] const std::filesystem::path& file() const { return file_; }

private:
    static constexpr std::size_t idle_limit = 8;

    std::filesystem::path file_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Connection>> idle_; // the last used is used next: its caches are warm
};

} // namespace sandboxkit::store

// SPDX-License-Identifier: Apache-2.0
#include "store/migrations.hpp"
#include "store/sql_store.hpp"

#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <soci/sqlite3/soci-sqlite3.h>
#include <thread>

namespace sandboxkit::store {

namespace {

// The names of new directories are on disk when it returns.
int make_directories(const std::filesystem::path& directory) {
    std::error_code ignored;
    if (directory.empty() || std::filesystem::is_directory(directory, ignored)) return 0;
    const std::filesystem::path parent = directory.parent_path();
    if (parent == directory) return ENOENT;
    if (const int e = make_directories(parent)) return e;
    if (::mkdir(directory.c_str(), 0700) != 0) return errno == EEXIST ? 0 : errno;
    const int fd = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno;
    const int e = ::fsync(fd) == 0 ? 0 : errno;
    ::close(fd);
    return e;
}

Error cannot_create(int number, const std::filesystem::path& file) {
    if (number == EROFS || number == EACCES || number == EPERM) return error_of(SQLITE_READONLY, number, {}, file);
    return error_of(SQLITE_CANTOPEN, number, {}, file);
}

// An empty file with mode 0600, which SQLite also gives to the files that it puts beside it. Not by open(): closing a
// descriptor would drop the locks that another connection of this process has on the file by then.
Result<void> make_file(const std::filesystem::path& file) {
    if (const int e = make_directories(file.parent_path())) return cannot_create(e, file);
    if (::mknod(file.c_str(), S_IFREG | 0600, 0) != 0 && errno != EEXIST) return cannot_create(errno, file);
    // SQLite takes a file of one byte for an empty one.
    std::error_code failed;
    if (std::filesystem::file_size(file, failed) == 1) return error_of(SQLITE_NOTADB, 0, "the file has one byte", file);
    // SQLite would say of either no more than that it cannot open.
    for (const std::filesystem::path& written : {file, file.parent_path()})
        if (::faccessat(AT_FDCWD, written.c_str(), W_OK, AT_EACCESS) != 0) return cannot_create(errno, file);
    return {};
}

// Tables whose size is bounded by what people write are checked whole at every open. Those that grow with use are
// checked by SQLite as their pages are read.
constexpr std::string_view checked_tables[] = {"store",     "profiles",     "drafts", "proposals",      "versions",
                                               "snapshots", "instructions", "hosts",  "host_identities"};

// SQLite reads a last page that was cut short as if it ended in zeros. Only while the log is empty: the death of a process
// that was moving pages out of the log may leave one too, and then the log still has it.
bool cut_short(Connection& connection, const std::filesystem::path& file) {
    const auto page_size = static_cast<std::uintmax_t>(connection.number_once("PRAGMA page_size"));
    std::error_code failed;
    const std::uintmax_t size = std::filesystem::file_size(file, failed);
    if (failed || size % page_size == 0) return false;
    const std::uintmax_t log = std::filesystem::file_size(file.string() + "-wal", failed);
    return failed || log == 0;
}

} // namespace

void SqlStore::prepare() {
    const auto patience = std::chrono::steady_clock::now() + lock_patience;
    for (;;) {
        int system_errno = 0;
        try {
            Pool::Lease lease = pool_.acquire();
            try {
                migrate(*lease, migrations(), options_.on_commit, pool_.file());
                if (cut_short(*lease, pool_.file()))
                    throw Failure(error_of(SQLITE_CORRUPT, 0, "its last page is cut short", pool_.file()));
                for (std::string_view table : checked_tables) {
                    const std::string found = (*lease).text_once("PRAGMA quick_check(" + std::string(table) + ")");
                    if (found != "ok") throw Failure(error_of(SQLITE_CORRUPT, 0, found, pool_.file()));
                }
                return;
            } catch (...) {
                system_errno = (*lease).system_errno();
                lease.discard();
                throw;
            }
        } catch (...) {
            // The change to WAL does not wait for locks by itself.
            if (!current_exception_is_busy() || std::chrono::steady_clock::now() >= patience)
                throw Failure(error_of_current_exception(pool_.file(), system_errno));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
}

Result<std::unique_ptr<Store>> Store::open(const std::filesystem::path& file, Options options) {
    std::error_code failed;
    const std::filesystem::path path = std::filesystem::absolute(file, failed);
    // SOCI has no way to write a quote in its connection string.
    if (failed || !path.has_filename() || path.native().find('"') != std::string::npos ||
        path.native().find('\0') != std::string::npos)
        return make_error(ErrorClass::invalid, "store_path", "'" + file.string() + "' cannot be the path of a store",
                          "give the path of a file, without double quotes");
    if (std::filesystem::is_directory(path, failed))
        return make_error(ErrorClass::invalid, "store_path", path.string() + " is a directory", "give the path of a file");
    try {
        if (auto made = make_file(path); !made) return made.error();
        auto open_file = OpenFile::enter(path);
        if (!open_file) return open_file.error();
        auto store = std::make_unique<SqlStore>(std::move(*open_file), path, std::move(options));
        store->prepare();
        return std::unique_ptr<Store>(std::move(store));
    } catch (...) {
        return error_of_current_exception(path, 0);
    }
}

Result<std::string> SqlStore::store_id() {
    return read([](Connection& db) -> Result<std::string> {
        std::string id;
        if (!db.query("SELECT id FROM store").into(id).step()) throw BadRow("the store has no identity");
        return id;
    });
}

static std::optional<StateDirectory> bound_state_directory(Connection& db) {
    StateDirectory directory;
    std::string path;
    if (!db.query("SELECT state_id, state_path FROM store WHERE state_id IS NOT NULL").into(directory.id, path).step()) return {};
    directory.path = path;
    return directory;
}

Result<std::optional<StateDirectory>> SqlStore::state_directory() {
    return read([](Connection& db) -> Result<std::optional<StateDirectory>> { return bound_state_directory(db); });
}

Result<StateDirectory> SqlStore::bind_state_directory(const StateDirectory& directory) {
    return write("bind_state_directory", [&](Connection& db) -> Result<StateDirectory> {
        if (auto bound = bound_state_directory(db)) return std::move(*bound); // another engine was faster
        db.query("UPDATE store SET state_id = ?, state_path = ?").with(directory.id, directory.path.string()).run();
        return directory;
    });
}

} // namespace sandboxkit::store

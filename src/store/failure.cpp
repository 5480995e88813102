// SPDX-License-Identifier: Apache-2.0
#include "store/failure.hpp"

#include "store/column.hpp"

#include <soci/sqlite3/soci-sqlite3.h>

#include <cerrno>
#include <cstring>
#include <new>

namespace sandboxkit::store {

Error make_error(ErrorClass kind, std::string code, std::string message, std::string remedy) {
    return {kind, std::move(code), std::move(message), std::move(remedy), {}, {}};
}

Error not_found(std::string_view what, std::string code, std::string_view id) {
    return make_error(ErrorClass::not_found, std::move(code), "there is no " + std::string(what) + " '" + std::string(id) + "'",
                      "list what exists, and check the id");
}

namespace {

Error damaged(const std::filesystem::path& file, std::string detail) {
    Error e = make_error(ErrorClass::data_loss, "store_damaged", "the store " + file.string() + " is damaged",
                         "restore it from a backup, or save what is readable: sqlite3 '" + file.string() +
                             "' .recover | sqlite3 NEW_FILE; then open the new file");
    e.detail = std::move(detail);
    return e;
}

Error constraint(int code, std::string detail) {
    Error e;
    switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
        e = make_error(ErrorClass::conflict, "already_exists", "an object with this key exists already", "use a new id");
        break;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        e = make_error(ErrorClass::not_found, "no_such_reference", "an object that this one refers to does not exist",
                       "create it first");
        break;
    default:
        e = make_error(ErrorClass::internal, "store_constraint", "a rule of the store forbids this change",
                       "please report this as a defect");
    }
    e.detail = std::move(detail);
    return e;
}

} // namespace

Error error_of(int sqlite_code, int system_errno, std::string detail, const std::filesystem::path& file) {
    const std::string name = file.string();
    const bool no_space = system_errno == ENOSPC || system_errno == EDQUOT;
    if (system_errno != 0) detail += std::string(" (") + std::strerror(system_errno) + ")";
    Error e;
    switch (sqlite_code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_ERROR: // a statement of ours, which was right for the schema that the store was made with
        return damaged(file, std::move(detail));
    case SQLITE_CONSTRAINT: return constraint(sqlite_code, std::move(detail));
    case SQLITE_FULL:
        e = make_error(ErrorClass::quota, "disk_full", "no space is left for the store " + name,
                       "free space on its disk, or remove sessions, and try again");
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        e = make_error(ErrorClass::unavailable, "store_busy", "another process holds the store " + name + " for too long",
                       "try again; if it stays, look for the process that has the file open");
        break;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        e = make_error(ErrorClass::permission, "store_read_only", "the store " + name + " cannot be written",
                       "check the owner and mode of the file and its directory, and that its disk is not mounted read-only");
        break;
    case SQLITE_CANTOPEN:
        if (no_space) return error_of(SQLITE_FULL, 0, std::move(detail), file);
        if (system_errno == EROFS) return error_of(SQLITE_READONLY, 0, std::move(detail), file);
        e = make_error(ErrorClass::permission, "store_unopenable", "the store " + name + " cannot be opened",
                       "check that the path names a file, and the owner and mode of the file and its directory");
        break;
    case SQLITE_IOERR:
        if (no_space) return error_of(SQLITE_FULL, 0, std::move(detail), file);
        e = make_error(ErrorClass::unavailable, "store_io_error", "reading or writing the store " + name + " failed",
                       "look for disk errors in the kernel log; try again");
        break;
    case SQLITE_NOMEM:
        e = make_error(ErrorClass::quota, "out_of_memory", "no memory is left for the store", "free memory");
        break;
    case SQLITE_TOOBIG:
        e = make_error(ErrorClass::quota, "value_too_big", "a value is larger than the store can keep", "make it smaller");
        break;
    default:
        e = make_error(ErrorClass::internal, "store_failed", "the store " + name + " failed", "please report this as a defect");
    }
    e.detail = std::move(detail);
    return e;
}

Error error_of_current_exception(const std::filesystem::path& file, int system_errno) {
    try {
        throw;
    } catch (const Failure& f) {
        return f.error;
    } catch (const BadRow& b) {
        return damaged(file, b.what());
    } catch (const soci::sqlite3_soci_error& s) {
        // Not what(): it repeats the values of the statement.
        return error_of(s.result(), system_errno, s.get_error_message(), file);
    } catch (const soci::soci_error& s) {
        return error_of(SQLITE_ERROR, 0, s.get_error_message(), file);
    } catch (const std::bad_alloc&) {
        return error_of(SQLITE_NOMEM, 0, {}, file);
    } catch (const std::exception& x) {
        return error_of(SQLITE_ERROR, 0, x.what(), file);
    }
}

bool current_exception_is_constraint() {
    try {
        throw;
    } catch (const soci::sqlite3_soci_error& s) {
        return (s.result() & 0xff) == SQLITE_CONSTRAINT;
    } catch (...) {
        return false;
    }
}

bool current_exception_is_busy() {
    try {
        throw;
    } catch (const soci::sqlite3_soci_error& s) {
        return (s.result() & 0xff) == SQLITE_BUSY || (s.result() & 0xff) == SQLITE_LOCKED;
    } catch (...) {
        return false;
    }
}

} // namespace sandboxkit::store

// SPDX-License-Identifier: Apache-2.0
#include "git/libgit2.hpp"

#include "git/authorities.hpp"

#include <git2/sys/alloc.h>
#include <git2/sys/errors.h>
#include <git2/sys/repository.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>

namespace sandboxkit::git {

namespace {

struct Settings {
    int connect_milliseconds = 0, milliseconds = 0, owner_validation = 1;
    std::size_t objects = 0;
};

thread_local std::size_t ceiling = SIZE_MAX;
thread_local bool ceiling_reached = false;

void* limited_realloc(void* memory, std::size_t size, const char*, int) {
    void* result = nullptr;
    if (size <= ceiling)
        result = std::realloc(memory, std::max<std::size_t>(size, 1));
    else
        ceiling_reached = true;
    if (result == nullptr) git_error_set_oom();
    return result;
}

void* limited_malloc(std::size_t size, const char* file, int line) {
    return limited_realloc(nullptr, size, file, line);
}

// Started once and never ended: ending it while another thread of the host application uses it would be worse.
void start_library() {
    static const int started = [] {
        git_allocator allocator{limited_malloc, limited_realloc, [](void* memory) { std::free(memory); }};
        git_libgit2_opts(GIT_OPT_SET_ALLOCATOR, &allocator);
        return git_libgit2_init();
    }();
    (void)started;
}

std::mutex settings_mutex;
std::multiset<int> stalls;
std::multiset<std::size_t> object_limits;
Settings before;
std::filesystem::path authorities;

void apply(const Settings& s) {
    git_libgit2_opts(GIT_OPT_SET_SERVER_CONNECT_TIMEOUT, s.connect_milliseconds);
    git_libgit2_opts(GIT_OPT_SET_SERVER_TIMEOUT, s.milliseconds);
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, s.owner_validation);
    git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECTS, s.objects);
}

Settings wanted() {
    return {*stalls.rbegin(), *stalls.rbegin(), 0, *object_limits.rbegin()};
}

} // namespace

LibraryScope::LibraryScope(const CloneLimits& limits) {
    start_library();
    const auto stall = std::min<std::chrono::milliseconds>(limits.stall, limits.total);
    stall_milliseconds_ = static_cast<int>(std::clamp<std::int64_t>(stall.count(), 1, 86'400'000));
    objects_ = static_cast<std::size_t>(std::min<std::uint64_t>(limits.objects, UINT32_MAX));
    std::lock_guard lock(settings_mutex);
    if (stalls.empty()) {
        git_libgit2_opts(GIT_OPT_GET_SERVER_CONNECT_TIMEOUT, &before.connect_milliseconds);
        git_libgit2_opts(GIT_OPT_GET_SERVER_TIMEOUT, &before.milliseconds);
        git_libgit2_opts(GIT_OPT_GET_OWNER_VALIDATION, &before.owner_validation);
        git_libgit2_opts(GIT_OPT_GET_PACK_MAX_OBJECTS, &before.objects);
    }
    stalls.insert(stall_milliseconds_);
    object_limits.insert(objects_);
    apply(wanted());
}

LibraryScope::~LibraryScope() {
    std::lock_guard lock(settings_mutex);
    stalls.erase(stalls.find(stall_milliseconds_));
    object_limits.erase(object_limits.find(objects_));
    apply(stalls.empty() ? before : wanted());
}

Result<void> trust_authorities(const std::filesystem::path& file) {
    constexpr const char* machines_own = "/etc/ssl/certs"; // libgit2 over mbedTLS would forget them
    start_library();
    std::lock_guard lock(settings_mutex);
    if (file == authorities) return {};
    if (!stalls.empty() || !authorities.empty())
        return Error{ErrorClass::conflict,
                     "authorities_in_use",
                     stalls.empty() ? "this process has other certificate authorities for git already"
                                    : "the certificate authorities for git cannot be changed while clones run in this process",
                     stalls.empty() ? "put all of them into one file" : "give them to the first engine of the process",
                     file.string(),
                     {}};
    std::error_code error;
    const char* directory = std::filesystem::is_directory(machines_own, error) ? machines_own : nullptr;
    if (git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, file.c_str(), directory) < 0) {
        const git_error* last = git_error_last();
        return Error{ErrorClass::invalid,
                     "authorities_unreadable",
                     "no certificate authorities can be read from " + file.string(),
                     "name a readable file in PEM",
                     last && last->message ? last->message : "",
                     {}};
    }
    authorities = file;
    return {};
}

MemoryCeiling::MemoryCeiling(std::uint64_t bytes) {
    ceiling = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, SIZE_MAX));
    ceiling_reached = false;
}

MemoryCeiling::~MemoryCeiling() {
    ceiling = SIZE_MAX;
}

Error last_error(int status, Where where, const Watch& watch, std::string what) {
    const git_error* last = git_error_last();
    std::string detail = last && last->message ? last->message : "";
    const int category = last ? last->klass : GIT_ERROR_NONE;
    const auto says = [&](std::string_view text) { return detail.find(text) != std::string::npos; };
    const auto make = [&](ErrorClass kind, std::string code, std::string message, std::string remedy) {
        return Error{kind, std::move(code), std::move(message), std::move(remedy), detail, {}};
    };
    // A cancelled clone whose peer is silent comes back through a timeout of the socket.
    if (watch.stop().stop_requested()) return {ErrorClass::cancelled, "cancelled", "the clone was cancelled", "", "", {}};
    if (watch.why()) {
        Error error = *watch.why();
        if (error.detail.empty()) error.detail = detail;
        return error;
    }
    if (ceiling_reached)
        return make(ErrorClass::quota, "object_too_large",
                    what + ": the repository has an object larger than the limit of " +
                        std::to_string(watch.limits().file_bytes) + " bytes",
                    "keep files that large out of the repository");
    if (says(std::strerror(ENOSPC)) || says(std::strerror(EDQUOT)))
        return make(ErrorClass::quota, "disk_full", what + ": no space is left on the disk", "make room and try again");
    if (where == Where::network) {
        if (watch.suspicion()) return *watch.suspicion();
        if (status == GIT_TIMEOUT || says("timed out") || watch.peer_silent())
            return make(ErrorClass::timeout, "server_stalled", what + ": the server did not answer in time", "try again later");
        if (status == GIT_EAUTH || says("authentication required") || says("status code: 401") || says("status code: 403"))
            return make(ErrorClass::permission, "credentials_required", what + ": the server asks for credentials",
                        "check the URL; a private repository needs the credentials of a connection, which the host application "
                        "gives (EngineOptions::credentials)");
        if (says("cannot redirect from"))
            return make(ErrorClass::permission, "redirect_refused",
                        what + ": the server redirects to another host with a credential, or away from https",
                        "name the address that it redirects to, if it is to be trusted");
        if (says("status code: 404") || says("status code: 410"))
            return make(ErrorClass::not_found, "repository_not_found", what + ": the server has no such repository",
                        "check the URL");
        if (status == GIT_ECERTIFICATE || category == GIT_ERROR_SSL)
            return make(ErrorClass::unavailable, "untrusted_server",
                        what + ": the server's certificate is not trusted, or TLS failed",
                        "check the URL, the clock, and this machine's certificate authorities");
        if (says("invalid content-type") || says("no content-type") || says("invalid response") ||
            says("unexpected http status code: 200"))
            return make(ErrorClass::not_found, "not_a_repository", what + ": the server answers, but not as a git repository",
                        "check the URL");
        if (says("too many objects"))
            return make(ErrorClass::quota, "too_many_objects",
                        what + ": the repository has more objects than the limit of " + std::to_string(watch.limits().objects),
                        "clone with a depth, or raise the limit if this size is right");
        if (category == GIT_ERROR_NET || category == GIT_ERROR_HTTP || category == GIT_ERROR_SSH || category == GIT_ERROR_OS ||
            category == GIT_ERROR_INDEXER || category == GIT_ERROR_ZLIB || status == GIT_EEOF)
            return make(ErrorClass::unavailable, "server_unavailable", what + ": the server cannot be reached or broke off",
                        "check the URL and the network, then try again");
    }
    if (where == Where::source)
        return make(ErrorClass::data_loss, "repository_damaged", what + ": the repository is damaged or incomplete",
                    "run 'git fsck' in it");
    return make(ErrorClass::internal, "git_failed", what + ": git failed", "");
}

int use_own_config(git_repository* repository) {
    git_config* raw = nullptr;
    if (const int status = git_config_new(&raw); status < 0) return status;
    const ConfigPtr config(raw);
    const std::string path = std::string(git_repository_commondir(repository)) + "config";
    if (const int status = git_config_add_file_ondisk(config.get(), path.c_str(), GIT_CONFIG_LEVEL_LOCAL, repository, 0);
        status < 0)
        return status;
    return git_repository_set_config(repository, config.get());
}

std::string hex(const git_oid& id) {
    std::string text(GIT_OID_SHA1_HEXSIZE, '\0');
    git_oid_fmt(text.data(), &id);
    return text;
}

} // namespace sandboxkit::git

// SPDX-License-Identifier: Apache-2.0
#include "git/clone.hpp"

#include "git/checkout.hpp"
#include "git/credential.hpp"
#include "git/fetch.hpp"
#include "git/local_source.hpp"
#include "git/mirror.hpp"

#include <utility>

namespace sandboxkit::git {

namespace fs = std::filesystem;

namespace {

// Undoes what was written to the destination unless kept.
class Destination {
public:
    Destination(fs::path path, bool existed) : path_(std::move(path)), existed_(existed) {}
    Destination(const Destination&) = delete;
    Destination& operator=(const Destination&) = delete;
    ~Destination() {
        if (!kept_) clear();
    }
    void clear() const {
        std::error_code error;
        if (!existed_) {
            fs::remove_all(path_, error);
            return;
        }
        for (fs::directory_iterator it(path_, error), end; !error && it != end; it.increment(error)) {
            std::error_code ignored;
            fs::remove_all(it->path(), ignored);
        }
    }
    void keep() { kept_ = true; }

private:
    fs::path path_;
    bool existed_, kept_ = false;
};

Result<bool> destination_exists(const fs::path& path) {
    std::error_code error;
    if (path.empty() || !fs::is_directory(fs::absolute(path, error).parent_path(), error))
        return Error{ErrorClass::invalid, "bad_destination", "the directory to clone into has no parent directory",
                     "make it first",     path.string(),     {}};
    const auto status = fs::symlink_status(path, error);
    if (status.type() == fs::file_type::not_found) return false;
    if (status.type() != fs::file_type::directory || !fs::is_empty(path, error) || error)
        return Error{
            ErrorClass::conflict, "destination_not_empty", "the directory to clone into exists and is not an empty directory",
            "remove it first",    path.string(),           {}};
    return true;
}

Result<void> set_config(git_repository* repository, const char* name, const std::string& value, const Watch& watch) {
    git_config* raw = nullptr;
    int status = git_repository_config(&raw, repository);
    const ConfigPtr config(raw);
    if (status == 0) status = git_config_set_string(raw, name, value.c_str());
    if (status < 0) return last_error(status, Where::writing, watch, "writing the config");
    return {};
}

// What git clone records of the remote's HEAD.
Result<void> name_origins_head(git_repository* repository, const std::string& branch, const Watch& watch) {
    git_reference* raw = nullptr;
    const int status = git_reference_symbolic_create(&raw, repository, "refs/remotes/origin/HEAD",
                                                     (origins_branches + branch).c_str(), 1, nullptr);
    const ReferencePtr reference(raw);
    if (status < 0) return last_error(status, Where::writing, watch, "writing the references");
    return {};
}

struct Obtained {
    Target target;
    bool from_mirror = false;
};

Result<Obtained> obtain(git_repository* repository, Access& access, bool afresh) {
    const auto& request = access.request;
    if (access.url.kind == RemoteUrl::Kind::file) {
        auto target = take_from_local(repository, access);
        if (!target) return target.error();
        return Obtained{*target, false};
    }
    if (request.mirrors.empty() || request.depth) { // a mirror holds everything: a shallow clone is cheaper without
        auto target = fetch(repository, access);
        if (!target) return target.error();
        return Obtained{*target, false};
    }
    auto mirror = update_mirror(access, afresh);
    if (!mirror) return mirror.error();
    const fs::path objects = fs::path(git_repository_path(repository)) / "objects";
    if (auto copied = copy_objects(mirror->path / "objects", objects, access.watch); !copied) return copied.error();
    auto listing = list_references(mirror->repository.get(), access.watch);
    if (!listing) return listing.error();
    if (auto written = write_references(repository, *listing, origins_branches, nullptr); !written) return written.error();
    if (auto checked = check_history(repository, *listing, mirror->target, access.watch); !checked) return checked.error();
    return Obtained{mirror->target, mirror->existed};
}

Result<CloneResult> attempt(Access& access, bool afresh) {
    const auto& request = access.request;
    auto made =
        make_repository(request.destination.string(), false, request.url, "+refs/heads/*:refs/remotes/origin/*", access.watch);
    if (!made) return made.error();
    git_repository* repository = made->get();
    auto obtained = obtain(repository, access, afresh);
    if (!obtained) return obtained.error();
    const auto resolved = resolve(repository, obtained->target, request, access.watch);
    if (!resolved) return resolved.error();
    const Target& target = *resolved;
    if (request.depth &&
        target.branch.size() + target.tag.size() > 0) { // a later fetch gets this one only, as after git clone --depth
        const auto refspec = target.tag.empty() ? "+refs/heads/" + target.branch + ":refs/remotes/origin/" + target.branch
                                                : "+refs/tags/" + target.tag + ":refs/tags/" + target.tag;
        if (auto set = set_config(repository, "remote.origin.fetch", refspec, access.watch); !set) return set.error();
    }
    const auto checked_out = check_out(repository, target, access.watch);
    if (!checked_out) return checked_out.error();
    if (!target.branch.empty())
        if (auto done = name_origins_head(repository, target.branch, access.watch); !done) return done.error();
    return CloneResult{hex(target.commit), target.branch, access.watch.received_bytes(), obtained->from_mirror,
                       checked_out->lfs_pointers};
}

} // namespace

Result<CloneResult> clone(const CloneRequest& request, std::stop_token stop,
                          const std::function<void(const CloneProgress&)>& progress) {
    auto url = parse_url(request.url);
    if (!url) return url.error();
    if (request.depth && (*request.depth == 0 || *request.depth > 1'000'000))
        return Error{ErrorClass::invalid, "bad_depth", "a clone's depth is 1 to 1000000 commits", "", "", {}};
    if (request.branch && request.revision)
        return Error{ErrorClass::invalid,
                     "bad_revision",
                     "a clone starts from a branch or from a revision, not from both",
                     "leave one of them out",
                     "",
                     {}};
    auto existed = destination_exists(request.destination);
    if (!existed) return existed.error();

    const LibraryScope library(request.limits);
    Watch watch(request.limits, std::move(stop), progress);
    if (!watch.go_on()) return *watch.why();
    Access access{*url, request, watch};
    Destination destination(request.destination, *existed);

    const auto attempt_all = [&] {
        auto result = attempt(access, false);
        const bool damaged =
            !result && (result.error().kind == ErrorClass::data_loss || result.error().kind == ErrorClass::internal);
        if (damaged && !request.mirrors.empty() && url->kind != RemoteUrl::Kind::file && !request.depth) {
            // A damaged mirror must never stand between a user and a healthy server.
            destination.clear();
            result = attempt(access, true);
        }
        return result;
    };
    auto result = attempt_all();
    // Only now, when nobody waits for a lock or at a connection: who is asked may take long.
    if (access.asked && !result && result.error().code == "credentials_required" && request.credential) {
        auto found = find_credential(access);
        if (!found) return found.error();
        if (access.credential) {
            destination.clear();
            result = attempt_all();
            if (!result) result = without_credential(result.error(), access);
        }
    }
    if (result) destination.keep();
    return result;
}

} // namespace sandboxkit::git

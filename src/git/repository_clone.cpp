// SPDX-License-Identifier: Apache-2.0
#include "git/repository_clone.hpp"

#include "git/checkout.hpp"
#include "git/credential.hpp"
#include "git/fetch.hpp"
#include "git/local_source.hpp"
#include "git/mirror.hpp"

#include <utility>

namespace sandboxkit::git {

namespace fs = std::filesystem;

namespace {

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

Result<ClonedRepository> attempt(Access& access, const Place& place, bool afresh) {
    const auto& request = access.request;
    const fs::path path = place.git_directory.empty() ? place.work_tree : place.git_directory;
    auto made = make_repository(path.string(), false, request.url, "+refs/heads/*:refs/remotes/origin/*", access.watch,
                                place.git_directory.empty() ? fs::path() : place.work_tree);
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
    return ClonedRepository{CloneResult{hex(target.commit), target.branch, access.watch.received_bytes(), obtained->from_mirror,
                                        checked_out->lfs_pointers},
                            std::move(*made), target.commit, place.work_tree, checked_out->submodules};
}

void clear(const Place& place, bool existed) {
    if (!place.git_directory.empty()) clear_directory(place.git_directory, false);
    clear_directory(place.work_tree, existed);
}

} // namespace

void clear_directory(const fs::path& path, bool keep) {
    std::error_code error;
    if (!keep) {
        fs::remove_all(path, error);
        return;
    }
    for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
        std::error_code ignored;
        fs::remove_all(it->path(), ignored);
    }
}

Result<ClonedRepository> clone_repository(Access& access, const Place& place) {
    const auto& request = access.request;
    std::error_code error;
    const bool existed = fs::exists(place.work_tree, error);
    const auto attempt_all = [&] {
        const auto before = access.watch.measured();
        const auto again = [&](bool afresh) {
            clear(place, existed);
            access.watch.measured() = before;
            return attempt(access, place, afresh);
        };
        auto result = again(false);
        const bool damaged =
            !result && (result.error().kind == ErrorClass::data_loss || result.error().kind == ErrorClass::internal);
        // A damaged mirror must never stand between a user and a healthy server.
        if (damaged && !request.mirrors.empty() && access.url.kind != RemoteUrl::Kind::file && !request.depth) return again(true);
        return result;
    };
    auto result = attempt_all();
    // Only now, when nobody waits for a lock or at a connection: who is asked may take long.
    if (access.asked && !result && result.error().code == "credentials_required" && request.credential) {
        auto found = find_credential(access);
        if (!found) return found.error();
        if (access.credential) {
            result = attempt_all();
            if (!result) return without_credential(result.error(), access);
        }
    }
    return result;
}

} // namespace sandboxkit::git

// SPDX-License-Identifier: Apache-2.0
#include "git/local_source.hpp"

#include <fstream>
#include <vector>

namespace sandboxkit::git {

namespace {

struct OidLess {
    bool operator()(const git_oid& a, const git_oid& b) const { return git_oid_cmp(&a, &b) < 0; }
};
using Boundary = std::map<git_oid, bool, OidLess>; // commits seen; true: their parents are not taken

struct Packing {
    Access& access;
    git_repository* source;
    git_packbuilder* pack;

    Error failed(int status) const { return last_error(status, Where::source, access.watch, "reading the repository"); }

    // Commit by commit, because a revision walk of libgit2 knows nothing of shallow repositories.
    Result<Boundary> insert_some(const std::vector<git_oid>& tips) {
        Boundary seen;
        std::vector<git_oid> generation = tips, next;
        const std::uint64_t depth = access.request.depth.value_or(UINT32_MAX);
        for (std::uint64_t distance = 1; !generation.empty(); ++distance, generation.swap(next)) {
            next.clear();
            for (const auto& id : generation) {
                if (!seen.emplace(id, false).second) continue;
                if (!access.watch.go_on()) return *access.watch.why();
                git_commit* raw = nullptr;
                if (const int status = git_commit_lookup(&raw, source, &id); status < 0) return failed(status);
                const CommitPtr commit(raw);
                if (const int status = git_packbuilder_insert_commit(pack, &id); status < 0) return failed(status);
                const unsigned parents = git_commit_parentcount(raw); // as the source has it: none where it is cut off
                if (distance < depth) {
                    for (unsigned i = 0; i < parents; ++i) next.push_back(*git_commit_parent_id(raw, i));
                } else {
                    seen[id] = parents > 0;
                }
            }
        }
        return seen;
    }

    Result<void> insert_all(const std::vector<git_oid>& tips) {
        git_revwalk* raw = nullptr;
        int status = git_revwalk_new(&raw, source);
        const RevwalkPtr walk(raw);
        for (std::size_t i = 0; status == 0 && i < tips.size(); ++i) status = git_revwalk_push(raw, &tips[i]);
        if (status == 0) status = git_packbuilder_insert_walk(pack, raw);
        if (status < 0) return failed(status);
        return {};
    }

    // The commit that a tag leads to; tag objects on the way, and tags of something else, are taken as well.
    int insert_tag(git_oid at, std::vector<git_oid>& tips) {
        for (;;) {
            git_object* raw = nullptr;
            if (const int status = git_object_lookup(&raw, source, &at, GIT_OBJECT_ANY); status < 0) return status;
            const ObjectPtr object(raw);
            if (git_object_type(raw) == GIT_OBJECT_COMMIT) {
                tips.push_back(at);
                return 0;
            }
            if (git_object_type(raw) != GIT_OBJECT_TAG) return git_packbuilder_insert_recur(pack, &at, nullptr);
            if (const int status = git_packbuilder_insert(pack, &at, nullptr); status < 0) return status;
            at = *git_tag_target_id(reinterpret_cast<git_tag*>(raw));
        }
    }
};

Result<void> write_boundary(git_repository* source, git_repository* destination, const Boundary& boundary) {
    std::map<std::string, bool> roots;
    for (const auto& [id, cut] : boundary)
        if (cut) roots.emplace(hex(id), true);
    std::ifstream of_source(std::string(git_repository_commondir(source)) + "shallow");
    for (std::string line; std::getline(of_source, line);) {
        git_oid id;
        if (git_oid_fromstr(&id, line.c_str()) == 0 && boundary.contains(id)) roots.emplace(hex(id), true);
    }
    if (roots.empty()) return {};
    const std::string path = std::string(git_repository_path(destination)) + "shallow";
    std::ofstream file(path);
    for (const auto& [id, unused] : roots) file << id << '\n';
    file.close();
    if (!file) return Error{ErrorClass::quota, "disk_full", "writing the clone failed", "make room and try again", path, {}};
    return {};
}

// What a transfer does: the pack goes through an indexer, counted on its way.
Result<void> write_pack(git_packbuilder* pack, git_repository* destination, Watch& watch) {
    const MemoryCeiling memory(watch.limits().file_bytes);
    const std::string directory = std::string(git_repository_path(destination)) + "objects/pack";
    git_indexer* raw = nullptr;
    if (const int status = git_indexer_new(&raw, directory.c_str(), 0, nullptr, nullptr); status < 0)
        return last_error(status, Where::writing, watch, "writing the objects");
    const IndexerPtr indexer(raw);
    struct State {
        git_indexer* indexer;
        Watch& watch;
        git_indexer_progress progress{};
    } state{raw, watch, {}};
    int status = git_packbuilder_foreach(
        pack,
        [](void* bytes, std::size_t size, void* payload) {
            auto& s = *static_cast<State*>(payload);
            if (!s.watch.received(size)) return static_cast<int>(GIT_EUSER);
            if (const int e = git_indexer_append(s.indexer, bytes, size, &s.progress); e < 0) return e;
            return s.watch.objects(s.progress.received_objects, s.progress.total_objects) ? 0 : static_cast<int>(GIT_EUSER);
        },
        &state);
    if (status == 0) status = git_indexer_commit(raw, &state.progress);
    if (status < 0) return last_error(status, Where::source, watch, "copying the objects");
    return {};
}

Result<RepositoryPtr> open_source(const Access& access) {
    git_repository* raw = nullptr;
    const int status = git_repository_open_ext(&raw, access.url.path.c_str(), GIT_REPOSITORY_OPEN_NO_SEARCH, nullptr);
    RepositoryPtr source(raw);
    if (status == GIT_ENOTFOUND) {
        std::error_code error;
        if (!std::filesystem::exists(access.url.path, error))
            return Error{ErrorClass::not_found,
                         "repository_not_found",
                         "there is no directory " + access.url.path,
                         "check the URL",
                         "",
                         {}};
        return Error{
            ErrorClass::not_found, "not_a_repository", access.url.path + " is not a git repository", "check the URL", "", {}};
    }
    if (status < 0) return last_error(status, Where::source, access.watch, "opening " + access.url.path);
    // Its references and objects only: settings there may name anything.
    if (const int own = use_own_config(raw); own < 0)
        return last_error(own, Where::source, access.watch, "opening " + access.url.path);
    return source;
}

} // namespace

Result<Target> take_from_local(git_repository* destination, Access& access) {
    auto source = open_source(access);
    if (!source) return source.error();
    auto listing = list_references(source->get(), access.watch);
    if (!listing) return listing.error();
    auto target = choose(*listing, access.request);
    if (!target) return target;
    if (auto checked = check_history(source->get(), *listing, *target, access.watch); !checked) return checked.error();

    git_packbuilder* raw = nullptr;
    if (const int status = git_packbuilder_new(&raw, source->get()); status < 0)
        return last_error(status, Where::source, access.watch, "reading the repository");
    const PackbuilderPtr pack(raw);
    git_packbuilder_set_callbacks(
        raw,
        [](int, std::uint32_t, std::uint32_t, void* watch) {
            return static_cast<Watch*>(watch)->go_on() ? 0 : static_cast<int>(GIT_EUSER);
        },
        &access.watch);

    Packing packing{access, source->get(), raw};
    std::vector<git_oid> tips;
    int status = target->tag.empty() ? 0 : packing.insert_tag(target->commit, tips);
    if (target->tag.empty()) tips.push_back(target->commit);
    const bool only_one = access.request.depth.has_value();
    if (!only_one) {
        for (const auto& [name, id] : listing->branches) tips.push_back(id);
        for (auto tag = listing->tags.begin(); status == 0 && tag != listing->tags.end(); ++tag)
            status = packing.insert_tag(tag->second, tips);
    }
    if (status < 0) return packing.failed(status);
    Boundary boundary;
    if (only_one || git_repository_is_shallow(source->get()) == 1) {
        auto some = packing.insert_some(tips);
        if (!some) return some.error();
        boundary = std::move(*some);
    } else if (auto all = packing.insert_all(tips); !all) {
        return all.error();
    }
    if (!access.watch.objects(0, git_packbuilder_object_count(raw))) return *access.watch.why();

    if (auto written = write_pack(raw, destination, access.watch); !written) return written.error();
    if (auto bound = write_boundary(source->get(), destination, boundary); !bound) return bound.error();
    const auto written = write_references(destination, *listing, origins_branches, only_one ? &*target : nullptr);
    if (!written) return written.error();
    return target;
}

} // namespace sandboxkit::git

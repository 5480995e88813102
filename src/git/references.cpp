// SPDX-License-Identifier: Apache-2.0
#include "git/references.hpp"

#include "git/durable.hpp"

#include <vector>

namespace sandboxkit::git {

namespace {

constexpr std::string_view heads = "refs/heads/", tags = "refs/tags/";

Error too_many(const Watch& watch) {
    return Error{ErrorClass::quota,
                 "too_many_references",
                 "the repository has more references than the limit of " + std::to_string(watch.limits().references),
                 "raise the limit if this number is right",
                 "",
                 {}};
}

// Calls `visit(name, id)` for each direct reference.
template <class Visit>
Result<void> each_reference(git_repository* repository, Watch& watch, Visit visit) {
    git_reference_iterator* raw = nullptr;
    if (const int status = git_reference_iterator_new(&raw, repository); status < 0)
        return last_error(status, Where::source, watch, "listing references");
    const ReferenceIteratorPtr iterator(raw);
    std::uint64_t count = 0;
    for (;;) {
        git_reference* next = nullptr;
        const int status = git_reference_next(&next, iterator.get());
        if (status == GIT_ITEROVER) return {};
        if (status < 0) return last_error(status, Where::source, watch, "listing references");
        const ReferencePtr reference(next);
        if (++count > watch.limits().references) return too_many(watch);
        if (!watch.go_on()) return *watch.why();
        if (const git_oid* id = git_reference_target(reference.get()))
            visit(std::string_view(git_reference_name(reference.get())), *id);
    }
}

} // namespace

Result<Listing> list_references(git_remote* remote, const Watch& watch) {
    const git_remote_head** list = nullptr;
    std::size_t count = 0;
    if (const int status = git_remote_ls(&list, &count, remote); status < 0)
        return last_error(status, Where::network, watch, "listing references");
    if (count > watch.limits().references) return too_many(watch);
    Listing out;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string_view name = list[i]->name;
        int valid = 0;                                                                      // the name becomes a path
        if (git_reference_name_is_valid(&valid, list[i]->name) < 0 || valid == 0) continue; // what a tag is of ("^{}") is not one
        if (name.starts_with(heads)) {
            out.branches.emplace(name.substr(heads.size()), list[i]->oid);
        } else if (name.starts_with(tags)) {
            out.tags.emplace(name.substr(tags.size()), list[i]->oid);
        } else if (name == "HEAD") {
            out.head = list[i]->oid;
            const std::string_view target = list[i]->symref_target ? list[i]->symref_target : "";
            if (target.starts_with(heads)) out.head_branch = target.substr(heads.size());
        }
    }
    return out;
}

Result<Listing> list_references(git_repository* repository, Watch& watch) {
    Listing out;
    auto listed = each_reference(repository, watch, [&](std::string_view name, const git_oid& id) {
        if (name.starts_with(heads)) out.branches.emplace(name.substr(heads.size()), id);
        if (name.starts_with(tags)) out.tags.emplace(name.substr(tags.size()), id);
    });
    if (!listed) return listed.error();
    git_reference* raw = nullptr;
    if (git_reference_lookup(&raw, repository, "HEAD") == 0) {
        const ReferencePtr head(raw);
        const std::string_view target = git_reference_symbolic_target(raw) ? git_reference_symbolic_target(raw) : "";
        if (target.starts_with(heads)) out.head_branch = target.substr(heads.size());
    }
    git_oid id;
    if (git_reference_name_to_id(&id, repository, "HEAD") == 0) out.head = id;
    return out;
}

namespace {

std::string names_of(const std::map<std::string, git_oid>& references) {
    std::string text;
    int count = 0;
    for (const auto& [name, id] : references) {
        if (++count > 10) return text + ", ...";
        text += (count > 1 ? ", " : "") + name;
    }
    return text;
}

Error commit_not_found(const git_oid& commit) {
    return Error{ErrorClass::not_found,
                 "revision_not_found",
                 "no branch or tag of the repository has the commit " + hex(commit) + " in its history",
                 "check the commit, and that it was pushed",
                 "",
                 {}};
}

} // namespace

bool is_commit_id(std::string_view revision) {
    return revision.size() == GIT_OID_SHA1_HEXSIZE &&
           revision.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

std::string name_of(const Listing& listing, const git_oid& id) {
    const auto in = [&](const std::map<std::string, git_oid>& references, std::string_view prefix) -> std::string {
        for (const auto& [name, its] : references)
            if (git_oid_equal(&its, &id)) return std::string(prefix) + name;
        return {};
    };
    auto name = in(listing.branches, heads);
    return name.empty() ? in(listing.tags, tags) : name;
}

Result<Target> resolve(git_repository* repository, Target target, const CloneRequest& request, const Watch& watch) {
    if (!request.revision) return target;
    git_object* raw = nullptr;
    int status = git_object_lookup(&raw, repository, &target.commit, GIT_OBJECT_ANY);
    if (status == GIT_ENOTFOUND && target.tag.empty()) return commit_not_found(target.commit);
    if (status < 0) return last_error(status, Where::source, watch, "reading the revision");
    const ObjectPtr named(raw);
    git_object* peeled = nullptr;
    status = git_object_peel(&peeled, raw, GIT_OBJECT_COMMIT);
    const ObjectPtr commit(peeled);
    if (status == GIT_EPEEL || status == GIT_EINVALIDSPEC)
        return Error{ErrorClass::invalid,
                     "not_a_commit",
                     "the revision '" + *request.revision + "' is not a commit",
                     "name a tag of a commit, or a commit",
                     "",
                     {}};
    if (status < 0) return last_error(status, Where::source, watch, "reading the revision");
    target.commit = *git_object_id(peeled);
    return target;
}

Result<void> check_history(git_repository* repository, const Listing& listing, const Target& target, const Watch& watch) {
    if (target.listed) return {};
    git_commit* found = nullptr;
    int status = git_commit_lookup(&found, repository, &target.commit);
    const CommitPtr commit(found);
    if (status == GIT_ENOTFOUND) return commit_not_found(target.commit);
    if (status < 0) return last_error(status, Where::source, watch, "reading the revision");
    std::vector<git_oid> ends;
    for (const auto* references : {&listing.branches, &listing.tags})
        for (const auto& [name, id] : *references) {
            git_object *raw = nullptr, *peeled = nullptr;
            if (git_object_lookup(&raw, repository, &id, GIT_OBJECT_ANY) < 0) continue;
            const ObjectPtr named(raw);
            if (git_object_peel(&peeled, raw, GIT_OBJECT_COMMIT) < 0) continue; // a tag of a file, say
            const ObjectPtr end(peeled);
            ends.push_back(*git_object_id(peeled));
        }
    status = git_graph_reachable_from_any(repository, &target.commit, ends.data(), ends.size());
    if (status < 0) return last_error(status, Where::source, watch, "reading the history");
    if (status != 1) return commit_not_found(target.commit);
    return {};
}

Result<Target> choose(const Listing& listing, const CloneRequest& request) {
    const auto names = [&] { return names_of(listing.branches); };
    const auto find = [&](const std::string& name) -> std::optional<Target> {
        const auto it = listing.branches.find(name);
        if (it == listing.branches.end()) return std::nullopt;
        return Target{name, it->second};
    };
    if (listing.branches.empty() && !listing.head)
        return Error{
            ErrorClass::not_found, "repository_empty", "the repository has no commits", "push a commit to it first", "", {}};
    if (request.revision) {
        if (is_commit_id(*request.revision)) {
            Target target;
            git_oid_fromstr(&target.commit, request.revision->c_str());
            target.listed =
                (listing.head && git_oid_equal(&*listing.head, &target.commit)) || !name_of(listing, target.commit).empty();
            return target;
        }
        const auto it = listing.tags.find(*request.revision);
        if (it != listing.tags.end()) return Target{"", it->second, it->first};
        return Error{ErrorClass::not_found,
                     "revision_not_found",
                     "the repository has no tag '" + *request.revision + "'",
                     "name a tag, or a commit by all its 40 hexadecimal digits; its tags: " + names_of(listing.tags),
                     "",
                     {}};
    }
    if (request.branch) {
        if (auto found = find(*request.branch)) return *found;
        return Error{ErrorClass::not_found,
                     "branch_not_found",
                     "the repository has no branch '" + *request.branch + "'",
                     "its branches: " + names(),
                     "",
                     {}};
    }
    if (auto found = find(listing.head_branch)) return *found;
    if (!listing.head)
        return Error{ErrorClass::not_found,
                     "no_default_branch",
                     "the repository's HEAD names no existing branch",
                     "name one of its branches: " + names(),
                     "",
                     {}};
    // A server that does not say what HEAD names: guess as git does. Otherwise HEAD is detached.
    if (listing.head_branch.empty()) {
        for (const auto* name : {"main", "master"})
            if (auto found = find(name); found && git_oid_equal(&found->commit, &*listing.head)) return *found;
        for (const auto& [name, id] : listing.branches)
            if (git_oid_equal(&id, &*listing.head)) return Target{name, id};
    }
    return Target{"", *listing.head};
}

Result<void> write_references(git_repository* repository, const Listing& listing, const std::string& prefix, const Target* only) {
    std::map<std::string, git_oid> references; // sorted, as the file must be
    if (only) {
        if (!only->branch.empty()) references.emplace(prefix + only->branch, only->commit);
        if (!only->tag.empty()) references.emplace(std::string(tags) + only->tag, only->commit);
    } else {
        for (const auto& [name, id] : listing.branches) references.emplace(prefix + name, id);
        for (const auto& [name, id] : listing.tags) references.emplace(std::string(tags) + name, id);
    }
    std::string text;
    for (const auto& [name, id] : references) text += hex(id) + ' ' + name + '\n';
    const std::string path = std::string(git_repository_commondir(repository)) + "packed-refs";
    return write_durably(path, text);
}

} // namespace sandboxkit::git

// SPDX-License-Identifier: Apache-2.0
#include "git/submodules.hpp"

#include "git/submodule_rules.hpp"

#include <algorithm>

namespace sandboxkit::git {

namespace fs = std::filesystem;

namespace {

Error too_many(std::string message) {
    return Error{
        ErrorClass::quota, "too_many_submodules", std::move(message), "clone without submodules, or fewer of them", "", {}};
}

// Of the commit, not of the work tree, where it may be a link.
Result<std::vector<Submodule>> read_gitmodules(const ClonedRepository& parent, const Watch& watch) {
    const auto failed = [&](int status) { return last_error(status, Where::source, watch, "reading .gitmodules"); };
    git_commit* raw_commit = nullptr;
    if (const int status = git_commit_lookup(&raw_commit, parent.repository.get(), &parent.commit); status < 0)
        return failed(status);
    const CommitPtr commit(raw_commit);
    git_tree* raw_tree = nullptr;
    if (const int status = git_commit_tree(&raw_tree, raw_commit); status < 0) return failed(status);
    const TreePtr tree(raw_tree);
    const git_tree_entry* entry = git_tree_entry_byname(raw_tree, ".gitmodules");
    if (!entry || git_tree_entry_type(entry) != GIT_OBJECT_BLOB || git_tree_entry_filemode(entry) == GIT_FILEMODE_LINK)
        return std::vector<Submodule>();
    git_object* raw_blob = nullptr;
    if (const int status = git_tree_entry_to_object(&raw_blob, parent.repository.get(), entry); status < 0) return failed(status);
    const ObjectPtr blob(raw_blob);
    const auto* file = reinterpret_cast<const git_blob*>(raw_blob); // measured before it was checked out
    return parse_gitmodules(
        {static_cast<const char*>(git_blob_rawcontent(file)), static_cast<std::size_t>(git_blob_rawsize(file))});
}

Error unknown(const std::string& path) {
    return Error{ErrorClass::invalid,
                 "submodule_unknown",
                 "the repository has a submodule at " + path + " of which its .gitmodules does not say the URL",
                 "mend .gitmodules, or clone without submodules",
                 "",
                 {}};
}

// What git submodule init records of one.
Result<void> register_in(const ClonedRepository& parent, const Submodule& submodule, const std::string& url, const Watch& watch) {
    git_config* raw = nullptr;
    int status = git_repository_config(&raw, parent.repository.get());
    const ConfigPtr config(raw);
    const auto section = "submodule." + submodule.name;
    if (status == 0) status = git_config_set_bool(raw, (section + ".active").c_str(), 1);
    if (status == 0) status = git_config_set_string(raw, (section + ".url").c_str(), url.c_str());
    if (status < 0) return last_error(status, Where::writing, watch, "writing the config");
    return {};
}

// One's repository is not in another's.
bool overlap(const Submodule& a, const Submodule& b) {
    const auto inside = [](const std::string& inner, const std::string& outer) {
        return inner == outer || inner.starts_with(outer + "/");
    };
    return inside(a.name, b.name) || inside(b.name, a.name);
}

Result<void> clone_all(Access& access, const ClonedRepository& parent, std::size_t depth, ClonedSubmodules& done) {
    if (parent.submodules.empty()) return {};
    if (depth > deepest_submodule)
        return too_many("submodules are inside each other more than " + std::to_string(deepest_submodule) + " times");
    // Before any of them is cloned: those inside of the first count while the others still wait.
    done.count += parent.submodules.size();
    if (done.count > most_submodules)
        return too_many("the repository has more than " + std::to_string(most_submodules) + " submodules, theirs included");
    auto listed = read_gitmodules(parent, access.watch);
    if (!listed) return listed.error();
    std::vector<Submodule> taken;
    for (const auto& link : parent.submodules) {
        const auto found = std::ranges::find(*listed, link.path, &Submodule::path);
        if (found == listed->end() || found->url.empty()) return unknown(link.path);
        if (auto safe = check_names(*found); !safe) return safe.error();
        const auto other = std::ranges::find_if(taken, [&](const Submodule& s) { return overlap(s, *found); });
        if (other != taken.end())
            return Error{ErrorClass::invalid,
                         "submodule_unsafe",
                         "the repositories of two submodules would be one inside the other",
                         "rename one of them",
                         other->name + " and " + found->name,
                         {}};
        taken.push_back(*found);
        auto url = submodule_url(*found, access.request.url);
        if (!url) return url.error();
        auto parsed = parse_url(*url);
        if (!parsed) return parsed.error();

        CloneRequest request = access.request;
        request.url = *url;
        request.branch.reset();
        request.depth.reset();
        request.revision = hex(link.commit);
        request.destination = parent.work_tree / link.path;
        if (!same_server(*parsed, access.url)) request.credential = nullptr;
        Access inner{*parsed, request, access.watch, true};
        const Place place{request.destination, fs::path(git_repository_path(parent.repository.get())) / "modules" / found->name};
        auto cloned = clone_repository(inner, place);
        if (!cloned) {
            Error error = cloned.error();
            error.message = "submodule \"" + found->name + "\": " + error.message;
            return error;
        }
        if (auto registered = register_in(parent, *found, *url, access.watch); !registered) return registered;
        done.lfs_pointers += cloned->result.lfs_pointers;
        if (auto all = clone_all(inner, *cloned, depth + 1, done); !all) return all;
    }
    return {};
}

} // namespace

Result<ClonedSubmodules> clone_submodules(Access& access, const ClonedRepository& parent) {
    ClonedSubmodules done;
    if (auto all = clone_all(access, parent, 1, done); !all) return all.error();
    return done;
}

} // namespace sandboxkit::git

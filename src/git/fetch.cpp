// SPDX-License-Identifier: Apache-2.0
#include "git/fetch.hpp"

#include <vector>

namespace sandboxkit::git {

namespace {

// What to ask for when it is one only. A commit goes by the name of what it is the end of, since few servers give any other.
std::string one_reference(const Listing& listing, const Target& target, const CloneRequest& request) {
    if (!target.branch.empty()) return "refs/heads/" + target.branch;
    if (!target.tag.empty()) return "refs/tags/" + target.tag;
    if (!request.revision || (listing.head && git_oid_equal(&*listing.head, &target.commit))) return "HEAD";
    const auto name = name_of(listing, target.commit);
    return name.empty() ? hex(target.commit) : name;
}

Result<Target> fetch_origin(git_repository* repository, Access& access, bool mirror) {
    const auto failed = [&](int status, const char* what) { return last_error(status, Where::network, access.watch, what); };
    git_remote* raw = nullptr;
    if (const int status = git_remote_lookup(&raw, repository, "origin"); status < 0)
        return last_error(status, Where::source, access.watch, "reading the remote");
    const RemotePtr remote(raw);

    git_remote_connect_options connect;
    git_remote_connect_options_init(&connect, GIT_REMOTE_CONNECT_OPTIONS_VERSION);
    connect.callbacks = callbacks_for(access);
    connect.proxy_opts.type = GIT_PROXY_AUTO; // of the environment: the repository's config names none
    access.offered = false;
    // None but on the same host: another would get the credential when it asks.
    if (access.credential || access.led) connect.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
    if (access.credential && !access.url.tls) connect.proxy_opts.type = GIT_PROXY_NONE; // a proxy would read it
    if (const int status = git_remote_connect_ext(raw, GIT_DIRECTION_FETCH, &connect); status < 0)
        return failed(status, "connecting to the repository");
    auto listing = list_references(raw, access.watch);
    if (!listing) return listing.error();
    auto target = choose(*listing, access.request);
    if (!target) return target.error();

    git_fetch_options options;
    git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
    options.callbacks = connect.callbacks;
    options.proxy_opts = connect.proxy_opts;
    options.follow_redirects = connect.follow_redirects;
    options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE; // those wanted are among the refspecs
    // What they are called here does not matter: the references are written below.
    std::vector<std::string> refspecs;
    const bool only_one = access.request.depth && !mirror;
    if (only_one) {
        options.depth = static_cast<int>(*access.request.depth);
        refspecs = {"+" + one_reference(*listing, *target, access.request) + ":refs/heads/one"};
    } else {
        refspecs = {"+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"};
        if (target->branch.empty() && listing->head) refspecs.push_back("+HEAD:refs/heads/HEAD");
    }
    std::vector<char*> pointers;
    for (auto& refspec : refspecs) pointers.push_back(refspec.data());
    const git_strarray array{pointers.data(), pointers.size()};
    const MemoryCeiling memory(access.watch.limits().file_bytes);
    if (const int status = git_remote_download(raw, &array, &options); status < 0) {
        auto error = failed(status, "fetching the repository");
        if (error.detail.find("cannot fetch a specific object") != std::string::npos)
            return Error{ErrorClass::unsupported,
                         "commit_needs_history",
                         "the server gives no commit with a depth that is not the end of a branch or tag",
                         "leave out the depth, or name a tag",
                         std::move(error.detail),
                         {}};
        return error;
    }
    git_remote_disconnect(raw);

    const auto written =
        write_references(repository, *listing, mirror ? own_branches : origins_branches, only_one ? &*target : nullptr);
    if (!written) return written.error();
    return target;
}

} // namespace

Result<RepositoryPtr> make_repository(const std::string& path, bool bare, const std::string& url, const std::string& refspec,
                                      const Watch& watch, const std::filesystem::path& work_tree) {
    const auto failed = [&](int status) { return last_error(status, Where::writing, watch, "making the repository"); };
    git_repository_init_options options;
    git_repository_init_options_init(&options, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
    options.flags = GIT_REPOSITORY_INIT_MKDIR;
    if (bare) options.flags |= GIT_REPOSITORY_INIT_BARE;
    if (!work_tree.empty()) {
        options.flags |= GIT_REPOSITORY_INIT_MKPATH | GIT_REPOSITORY_INIT_NO_DOTGIT_DIR | GIT_REPOSITORY_INIT_RELATIVE_GITLINK;
        options.workdir_path = work_tree.c_str();
    }
    options.initial_head = "main"; // replaced before anybody sees it
    git_repository* raw = nullptr;
    if (const int status = git_repository_init_ext(&raw, path.c_str(), &options); status < 0) return failed(status);
    RepositoryPtr repository(raw);
    if (const int status = use_own_config(raw); status < 0) return failed(status);

    git_remote_create_options remote_options;
    git_remote_create_options_init(&remote_options, GIT_REMOTE_CREATE_OPTIONS_VERSION);
    remote_options.repository = raw;
    remote_options.name = "origin";
    remote_options.fetchspec = refspec.c_str();
    remote_options.flags = GIT_REMOTE_CREATE_SKIP_INSTEADOF;
    git_remote* remote = nullptr;
    if (const int status = git_remote_create_with_opts(&remote, url.c_str(), &remote_options); status < 0) return failed(status);
    const RemotePtr owned(remote);
    return repository;
}

Result<Target> fetch(git_repository* repository, Access& access) {
    return fetch_origin(repository, access, false);
}

Result<Target> fetch_mirror(git_repository* mirror, Access& access) {
    return fetch_origin(mirror, access, true);
}

} // namespace sandboxkit::git

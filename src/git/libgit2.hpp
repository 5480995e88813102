// SPDX-License-Identifier: Apache-2.0
// libgit2's objects owned, its errors as ours, and its process-wide settings for as long as clones run.
#pragma once

#include "git/watch.hpp"

#include <git2.h>

#include <memory>
#include <string>
#include <string_view>

namespace sandboxkit::git {

template <auto Free>
struct Freer {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};
using RepositoryPtr = std::unique_ptr<git_repository, Freer<git_repository_free>>;
using RemotePtr = std::unique_ptr<git_remote, Freer<git_remote_free>>;
using ReferencePtr = std::unique_ptr<git_reference, Freer<git_reference_free>>;
using ReferenceIteratorPtr = std::unique_ptr<git_reference_iterator, Freer<git_reference_iterator_free>>;
using ObjectPtr = std::unique_ptr<git_object, Freer<git_object_free>>;
using CommitPtr = std::unique_ptr<git_commit, Freer<git_commit_free>>;
using TreePtr = std::unique_ptr<git_tree, Freer<git_tree_free>>;
using IndexPtr = std::unique_ptr<git_index, Freer<git_index_free>>;
using ConfigPtr = std::unique_ptr<git_config, Freer<git_config_free>>;
using OdbObjectPtr = std::unique_ptr<git_odb_object, Freer<git_odb_object_free>>;
using OdbPtr = std::unique_ptr<git_odb, Freer<git_odb_free>>;
using RevwalkPtr = std::unique_ptr<git_revwalk, Freer<git_revwalk_free>>;
using PackbuilderPtr = std::unique_ptr<git_packbuilder, Freer<git_packbuilder_free>>;
using IndexerPtr = std::unique_ptr<git_indexer, Freer<git_indexer_free>>;
using RefdbPtr = std::unique_ptr<git_refdb, Freer<git_refdb_free>>;

// Timeouts, the number of objects a pack may announce, and the check of a repository's owner are settings of the whole
// process in libgit2. While clones run they are the most generous of what those ask for; after the last they are what
// they were. The owner check is off: it protects programs that run what a repository's config names, and libgit2 runs none of it.
// Thread-safe.
class LibraryScope {
public:
    explicit LibraryScope(const CloneLimits& limits);
    ~LibraryScope();
    LibraryScope(const LibraryScope&) = delete;
    LibraryScope& operator=(const LibraryScope&) = delete;

private:
    int stall_milliseconds_;
    std::size_t objects_;
};

// While it lives, libgit2 gets no more memory than `bytes` at once on this thread. A few bytes of a pack can name an object of
// any size, which libgit2 would make whole in memory before anything can ask how large it is.
// libgit2 has one allocator for the process: ours, from the first clone on, which is malloc to every other thread.
class MemoryCeiling {
public:
    explicit MemoryCeiling(std::uint64_t bytes);
    ~MemoryCeiling();
    MemoryCeiling(const MemoryCeiling&) = delete;
    MemoryCeiling& operator=(const MemoryCeiling&) = delete;
};

// Where a call failed decides what its error means.
enum class Where {
    network, // talking to a server
    source,  // reading a repository that exists already: a mirror, a local one, what was just received
    writing, // the destination
};

// The error of the libgit2 call that just returned `status` on this thread; what the watch knows goes first.
[[nodiscard]] Error last_error(int status, Where where, const Watch& watch, std::string what);

// Makes `repository` read its own config file only: neither the user's nor the system's settings decide what a checkout
// looks like, whom a URL is rewritten to, or which credentials are used.
[[nodiscard]] int use_own_config(git_repository* repository);

[[nodiscard]] std::string hex(const git_oid& id);

} // namespace sandboxkit::git

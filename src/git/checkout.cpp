// SPDX-License-Identifier: Apache-2.0
#include "git/checkout.hpp"

#include <strings.h>

#include <unordered_set>
#include <vector>

namespace sandboxkit::git {

namespace {

Error over(std::string code, std::string message) {
    return Error{ErrorClass::quota, std::move(code), std::move(message), "raise the limit if this size is right", "", {}};
}

// Depth first, with a stack of its own: how deep a tree nests is the server's choice.
// `visit(path, entry)` is called for what is not a directory.
template <class Visit>
Result<void> walk(git_repository* repository, const git_oid& commit_id, Watch& watch, std::uint64_t& entries, Visit visit) {
    struct Level {
        TreePtr tree;
        std::size_t next = 0;
        std::size_t path_length = 0; // of the directory, with its slash
        std::unordered_set<std::string_view> names;
    };
    std::vector<Level> levels;
    std::string path;

    const auto enter = [&](git_tree* tree) { levels.push_back({TreePtr(tree), 0, path.size(), {}}); };
    {
        git_commit* commit = nullptr;
        if (const int status = git_commit_lookup(&commit, repository, &commit_id); status < 0)
            return last_error(status, Where::source, watch, "reading the commit to check out");
        const CommitPtr owned(commit);
        git_tree* tree = nullptr;
        if (const int status = git_commit_tree(&tree, commit); status < 0)
            return last_error(status, Where::source, watch, "reading the tree to check out");
        enter(tree);
    }
    while (!levels.empty()) {
        Level& level = levels.back();
        path.resize(level.path_length);
        if (level.next == git_tree_entrycount(level.tree.get())) {
            levels.pop_back();
            continue;
        }
        const git_tree_entry* entry = git_tree_entry_byindex(level.tree.get(), level.next++);
        const std::string_view name = git_tree_entry_name(entry);
        if (name.empty() || name == "." || name == ".." || name.find('/') != std::string_view::npos ||
            ::strcasecmp(std::string(name).c_str(), ".git") == 0 || !level.names.insert(name).second)
            return Error{ErrorClass::invalid,
                         "unsafe_tree",
                         "the repository contains a file name that cannot be checked out safely",
                         "the repository is damaged or hostile: run 'git fsck' in it",
                         path + std::string(name),
                         {}};
        path += name;
        if (path.size() >= 4095) // PATH_MAX, with the terminator
            return Error{ErrorClass::invalid,
                         "path_too_long",
                         "the repository contains a path longer than 4095 bytes",
                         "shorten it",
                         "",
                         {}};
        // Directories count too: a few trees that contain each other many times over make any number of them.
        if (++entries > watch.limits().checkout_files)
            return over("too_many_files",
                        "the work tree has more files than the limit of " + std::to_string(watch.limits().checkout_files));
        if (!watch.go_on()) return *watch.why();
        if (git_tree_entry_type(entry) == GIT_OBJECT_TREE) {
            git_tree* tree = nullptr;
            if (const int status = git_tree_lookup(&tree, repository, git_tree_entry_id(entry)); status < 0)
                return last_error(status, Where::source, watch, "reading a directory to check out");
            path += '/';
            enter(tree);
        } else if (Result<void> visited = visit(path, entry); !visited) {
            return visited;
        }
    }
    return {};
}

bool is_settings_link(const git_tree_entry* entry) {
    const char* name = git_tree_entry_name(entry);
    return git_tree_entry_filemode(entry) == GIT_FILEMODE_LINK &&
           (::strcasecmp(name, ".gitattributes") == 0 || ::strcasecmp(name, ".gitignore") == 0);
}

constexpr std::string_view lfs_first_line = "version https://git-lfs.github.com/spec/v1\n";
constexpr std::size_t lfs_longest = 1024; // as its specification has it

Result<bool> is_lfs_pointer(git_odb* odb, const git_oid& blob, std::size_t length, const Watch& watch) {
    if (length <= lfs_first_line.size() || length > lfs_longest) return false;
    git_odb_object* raw = nullptr;
    if (const int status = git_odb_read(&raw, odb, &blob); status < 0)
        return last_error(status, Where::source, watch, "reading a file to check out");
    const OdbObjectPtr object(raw);
    return std::string_view(static_cast<const char*>(git_odb_object_data(raw)), git_odb_object_size(raw))
        .starts_with(lfs_first_line);
}

// libgit2 reads .gitmodules anew for each submodule that it makes an empty directory for, and cannot be stopped meanwhile.
constexpr std::size_t most_links = 2000;
constexpr std::size_t longest_gitmodules = 1 << 20;

struct Size {
    std::uint64_t files = 0;
    CheckedOut found;
};

Result<Size> measure(git_repository* repository, const git_oid& commit, Watch& watch) {
    git_odb* raw = nullptr;
    if (const int status = git_repository_odb(&raw, repository); status < 0)
        return last_error(status, Where::source, watch, "opening the objects");
    const OdbPtr odb(raw);
    Size size;
    auto& measured = watch.measured();
    auto walked = walk(
        repository, commit, watch, measured.files, [&](const std::string& path, const git_tree_entry* entry) -> Result<void> {
            ++size.files;
            if (git_tree_entry_type(entry) != GIT_OBJECT_BLOB) { // an empty directory, as far as this tree goes
                if (size.found.submodules.size() == most_links)
                    return over("too_many_submodules",
                                "the work tree has more than " + std::to_string(most_links) + " submodules");
                size.found.submodules.push_back({path, *git_tree_entry_id(entry)});
                return {};
            }
            std::size_t length = 0;
            git_object_t type{};
            if (const int status = git_odb_read_header(&length, &type, odb.get(), git_tree_entry_id(entry)); status < 0)
                return last_error(status, Where::source, watch, "reading the size of " + path);
            measured.bytes += length;
            if (length > watch.limits().file_bytes)
                return over("file_too_large", "the file " + path + " is larger than the limit of " +
                                                  std::to_string(watch.limits().file_bytes) + " bytes");
            if (path == ".gitmodules" && length > longest_gitmodules)
                return over("file_too_large", "the repository's .gitmodules is larger than 1 MiB");
            if (measured.bytes > watch.limits().checkout_bytes)
                return over("checkout_too_large", "the work tree is larger than the limit of " +
                                                      std::to_string(watch.limits().checkout_bytes) + " bytes");
            if (git_tree_entry_filemode(entry) == GIT_FILEMODE_LINK) return {};
            const auto pointer = is_lfs_pointer(odb.get(), *git_tree_entry_id(entry), length, watch);
            if (!pointer) return pointer.error();
            if (*pointer) ++size.found.lfs_pointers;
            return {};
        });
    if (!walked) return walked.error();
    return size;
}

Result<void> point_head(git_repository* repository, const Target& target, Watch& watch) {
    const auto failed = [&](int status) { return last_error(status, Where::writing, watch, "setting the branch"); };
    if (target.branch.empty()) {
        if (const int status = git_repository_set_head_detached(repository, &target.commit); status < 0) return failed(status);
        return {};
    }
    git_commit* raw = nullptr;
    if (const int status = git_commit_lookup(&raw, repository, &target.commit); status < 0)
        return last_error(status, Where::source, watch, "reading the commit to check out");
    const CommitPtr commit(raw);
    git_reference* made = nullptr;
    if (const int status = git_branch_create(&made, repository, target.branch.c_str(), raw, 1); status < 0) return failed(status);
    const ReferencePtr branch(made);
    if (const int status = git_branch_set_upstream(made, ("origin/" + target.branch).c_str()); status < 0) return failed(status);
    if (const int status = git_repository_set_head(repository, ("refs/heads/" + target.branch).c_str()); status < 0)
        return failed(status);
    return {};
}

} // namespace

Result<CheckedOut> check_out(git_repository* repository, const Target& target, Watch& watch) {
    const MemoryCeiling memory(watch.limits().file_bytes);
    auto size = measure(repository, target.commit, watch);
    if (!size) return size.error();
    if (auto pointed = point_head(repository, target, watch); !pointed) return pointed.error();

    git_object* raw = nullptr;
    if (const int status = git_object_lookup(&raw, repository, &target.commit, GIT_OBJECT_COMMIT); status < 0)
        return last_error(status, Where::source, watch, "reading the commit to check out");
    const ObjectPtr commit(raw);

    // libgit2 cannot be stopped while it writes files, so it gets at most this many at a time.
    constexpr std::size_t batch_files = 2048;
    std::vector<std::string> paths;
    // It reads its settings from the work tree, and follows links: to a FIFO, a device, any file of this machine. So these
    // are written last, all at once, when nothing reads them any more. git does not follow them.
    std::vector<std::string> links;
    std::uint64_t done = 0;
    const auto flush = [&]() -> Result<void> {
        if (paths.empty()) return {};
        std::vector<char*> pointers;
        for (auto& path : paths) pointers.push_back(path.data());
        git_checkout_options options;
        git_checkout_options_init(&options,
                                  GIT_CHECKOUT_OPTIONS_VERSION); // the macro leaves members out, which compilers dislike
        options.checkout_strategy = GIT_CHECKOUT_FORCE | GIT_CHECKOUT_DISABLE_PATHSPEC_MATCH | GIT_CHECKOUT_DONT_WRITE_INDEX;
        options.paths = {pointers.data(), pointers.size()};
        if (const int status = git_checkout_tree(repository, commit.get(), &options); status < 0)
            return last_error(status,
                              git_error_last() && git_error_last()->klass == GIT_ERROR_OS ? Where::writing : Where::source, watch,
                              "writing the work tree");
        done += paths.size();
        paths.clear();
        if (!watch.files(done, size->files)) return *watch.why();
        return {};
    };
    if (!watch.files(0, size->files)) return *watch.why();
    std::uint64_t entries = 0;
    auto walked = walk(repository, target.commit, watch, entries,
                       [&](const std::string& path, const git_tree_entry* entry) -> Result<void> {
                           if (!is_settings_link(entry)) {
                               paths.push_back(path);
                               return paths.size() < batch_files ? Result<void>{} : flush();
                           }
                           links.push_back(path);
                           if (links.size() <= batch_files) return {};
                           return Error{ErrorClass::quota,
                                        "too_many_links",
                                        "the repository has more than " + std::to_string(batch_files) +
                                            " files .gitattributes or .gitignore that are symbolic links",
                                        "make them files",
                                        "",
                                        {}};
                       });
    if (!walked) return walked.error();
    if (auto rest = flush(); !rest) return rest.error();
    paths = std::move(links);
    if (auto last = flush(); !last) return last.error();

    git_index* index = nullptr;
    if (const int status = git_repository_index(&index, repository); status < 0)
        return last_error(status, Where::writing, watch, "writing the index");
    const IndexPtr owned(index);
    if (const int status = git_index_write(index); status < 0)
        return last_error(status, Where::writing, watch, "writing the index");
    return std::move(size->found);
}

} // namespace sandboxkit::git

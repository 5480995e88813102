// SPDX-License-Identifier: Apache-2.0
#include "providers/local/layer_trees.hpp"
#include "providers/local/layer_view.hpp"
#include "providers/local/tree_copy.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace sandboxkit::local {

namespace {

constexpr int most_links = 40; // as the kernel's own limit

Error bad_target(const std::string& target, std::string_view why) {
    return {ErrorClass::invalid,
            "invalid_target",
            "a tree cannot be put at " + shown(target) + ": " + std::string(why),
            "choose another absolute path in the image",
            "",
            {}};
}

// The image as it will be, the layer that is being made included.
class Placement {
public:
    static Result<Placement> open(const RootPlan& base, const std::filesystem::path& layer) {
        Placement placement;
        auto stack = base.root;
        stack.insert(stack.begin(), layer / "root");
        auto root = LayerView::open(stack);
        if (!root) return root.error();
        placement.root_ = std::move(*root);
        auto directory = open_directory(layer / "root");
        if (!directory) return directory.error();
        placement.root_directory_ = std::move(*directory);
        if (base.usr.empty()) return placement;

        stack = base.usr;
        stack.insert(stack.begin(), layer / "usr");
        auto usr = LayerView::open(stack);
        if (!usr) return usr.error();
        placement.usr_ = std::move(*usr);
        directory = open_directory(layer / "usr");
        if (!directory) return directory.error();
        placement.usr_directory_ = std::move(*directory);
        return placement;
    }

    // The target with every symbolic link of the image followed.
    Result<PathParts> resolve(const std::string& target) const {
        PathParts resolved;
        auto pending = split_path(target);
        int links = 0;
        while (!pending.empty()) {
            auto part = std::move(pending.front());
            pending.erase(pending.begin());
            if (part == "..") {
                if (!resolved.empty()) resolved.pop_back();
                continue;
            }
            resolved.push_back(std::move(part));
            auto object = find(resolved);
            if (!object) return object.error();
            if (!*object || S_ISDIR((*object)->status.st_mode)) continue;
            if (!S_ISLNK((*object)->status.st_mode))
                return bad_target(target, shown(join_path(resolved)) + " is not a directory in the image");
            if (++links > most_links) return bad_target(target, "too many symbolic links in the image");
            const auto& link = (*object)->link_target;
            if (link.starts_with('/'))
                resolved.clear();
            else
                resolved.pop_back();
            auto more = split_path(link);
            pending.insert(pending.begin(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
        }
        return resolved;
    }

    // The directory of the new layer that is `parts` in the image, made with its parents.
    Result<FileHandle> make_directories(const PathParts& parts) const {
        const bool in_usr = usr_ && !parts.empty() && parts.front() == "usr";
        FileHandle at(::openat(in_usr ? usr_directory_.get() : root_directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!at) return system_error(errno, "cannot open a layer");
        PathParts so_far;
        for (std::size_t i = 0; i < parts.size(); ++i) {
            so_far.push_back(parts[i]);
            if (in_usr && i == 0) continue;
            const auto what = "cannot make the directory " + shown(join_path(so_far));
            struct stat status {};
            if (::fstatat(at.get(), parts[i].c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
                auto original = find(so_far); // before it is made here, where it would be found
                if (!original) return original.error();
                if (::mkdirat(at.get(), parts[i].c_str(), 0755) != 0) return system_error(errno, what);
                if (*original) {
                    auto copied =
                        copy_attributes((*original)->holder.get(), (*original)->name, (*original)->status, at.get(), parts[i]);
                    if (!copied) return copied.error();
                } else if (::fchmodat(at.get(), parts[i].c_str(), 0755, 0) != 0) { // whatever the umask is
                    return system_error(errno, what);
                }
            }
            auto next = open_directory_at(at.get(), parts[i]);
            if (!next) return next.error();
            at = std::move(*next);
        }
        return at;
    }

private:
    Result<std::optional<LayerView::Object>> find(const PathParts& path) const {
        if (usr_ && !path.empty() && path.front() == "usr") return usr_->find(PathParts(path.begin() + 1, path.end()));
        return root_.find(path);
    }

    LayerView root_;
    std::optional<LayerView> usr_; // the host image: /usr is a stack of its own
    FileHandle root_directory_;
    FileHandle usr_directory_;
};

Result<void> place(const Placement& placement, const ImageTree& tree, bool usr_is_apart, int excluded, std::stop_token stop) {
    const auto what = "cannot put a tree at " + shown(tree.target);
    if (!tree.target.starts_with('/')) return bad_target(tree.target, "it is not absolute");
    const auto asked = split_path(tree.target);
    if (std::find(asked.begin(), asked.end(), "..") != asked.end()) return bad_target(tree.target, "it is not normalized");
    auto resolved = placement.resolve(tree.target);
    if (!resolved) return resolved.error();
    if (resolved->empty() || (usr_is_apart && *resolved == PathParts{"usr"}))
        return bad_target(tree.target, "it would replace the image itself");
    static constexpr std::array<std::string_view, 3> mounted = {"dev", "proc", "sys"};
    if (std::find(mounted.begin(), mounted.end(), resolved->front()) != mounted.end())
        return bad_target(tree.target, "every sandbox mounts its own there");

    FileHandle source(::open(tree.source.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!source) {
        if (errno == ENOTDIR || errno == ELOOP)
            return Error{
                ErrorClass::invalid, "tree_not_directory", shown(tree.source.native()) + " is not a directory", "", "", {}};
        return system_error(errno, "cannot open the directory " + shown(tree.source.native()));
    }
    const auto name = resolved->back();
    resolved->pop_back();
    auto parent = placement.make_directories(*resolved);
    if (!parent) return parent.error();

    const auto occupied = [&] {
        return Error{ErrorClass::conflict,
                     "target_occupied",
                     what + ": another tree is there",
                     "give each tree a place of its own",
                     "",
                     {}};
    };
    // An empty directory in the way, such as a submodule's place in its parent checkout, gives way.
    if (::unlinkat(parent->get(), name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
        if (errno == ENOTEMPTY || errno == ENOTDIR || errno == EEXIST) return occupied();
        return system_error(errno, what);
    }
    if (::renameat(AT_FDCWD, tree.source.c_str(), parent->get(), name.c_str()) == 0) return {};
    if (errno == EEXIST || errno == ENOTEMPTY) return occupied();
    if (errno != EXDEV && errno != EBUSY) return system_error(errno, what);
    if (::mkdirat(parent->get(), name.c_str(), 0700) != 0) return system_error(errno, what);
    auto target = open_directory_at(parent->get(), name);
    if (!target) return target.error();
    return copy_tree(source.get(), target->get(), {CopyMarks::refused, excluded}, stop);
}

} // namespace

Result<void> place_trees(const RootPlan& base, const std::filesystem::path& layer, const std::vector<ImageTree>& trees,
                         int excluded, std::stop_token stop) {
    auto placement = Placement::open(base, layer);
    if (!placement) return placement.error();
    // Parents before what is inside them.
    auto ordered = trees;
    std::stable_sort(ordered.begin(), ordered.end(),
                     [](const ImageTree& a, const ImageTree& b) { return split_path(a.target) < split_path(b.target); });
    for (const auto& tree : ordered) {
        if (stop.stop_requested()) return cancelled_error();
        auto placed = place(*placement, tree, !base.usr.empty(), excluded, stop);
        if (!placed) return placed;
    }
    return {};
}

} // namespace sandboxkit::local

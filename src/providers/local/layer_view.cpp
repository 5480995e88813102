// SPDX-License-Identifier: Apache-2.0
#include "providers/local/layer_view.hpp"
#include "providers/local/tree_walk.hpp"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace sandboxkit::local {

PathParts split_path(std::string_view path) {
    PathParts parts;
    while (!path.empty()) {
        const auto end = path.find('/');
        const auto part = path.substr(0, end);
        if (!part.empty() && part != ".") parts.emplace_back(part);
        if (end == std::string_view::npos) break;
        path.remove_prefix(end + 1);
    }
    return parts;
}

std::string join_path(const PathParts& parts) {
    std::string path;
    for (const auto& part : parts) {
        path += '/';
        path += part;
    }
    return path.empty() ? "/" : path;
}

Result<LayerView> LayerView::open(const std::vector<std::filesystem::path>& layers) {
    LayerView view;
    for (const auto& layer : layers) {
        auto directory = open_directory(layer);
        if (!directory) return directory.error();
        view.layers_.push_back(std::move(*directory));
    }
    return view;
}

Result<std::optional<LayerView::Object>> LayerView::find(const PathParts& path) const {
    // The directories that together are the one looked into, topmost first.
    std::vector<FileHandle> merged;
    for (const auto& layer : layers_) {
        FileHandle copy(::openat(layer.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!copy) return system_error(errno, "cannot open a layer");
        merged.push_back(std::move(copy));
    }
    if (path.empty()) {
        Object root;
        if (::fstat(merged.front().get(), &root.status) != 0) return system_error(errno, "cannot read a layer");
        root.holder = std::move(merged.front());
        return std::optional<Object>(std::move(root));
    }
    for (std::size_t i = 0; i < path.size(); ++i) {
        const auto& name = path[i];
        const bool last = i + 1 == path.size();
        std::vector<FileHandle> below;
        for (auto& directory : merged) {
            struct stat status {};
            if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
                if (errno == ENOENT) continue;
                return system_error(errno, "cannot read " + shown(name) + " in a layer");
            }
            if (is_whiteout(status)) break;
            if (last) {
                Object object;
                object.status = status;
                object.name = name;
                if (S_ISLNK(status.st_mode)) {
                    std::array<char, 4096> target;
                    const auto size = ::readlinkat(directory.get(), name.c_str(), target.data(), target.size());
                    if (size < 0) return system_error(errno, "cannot read the link " + shown(name));
                    object.link_target.assign(target.data(), static_cast<std::size_t>(size));
                }
                object.holder = std::move(directory);
                return std::optional<Object>(std::move(object));
            }
            if (!S_ISDIR(status.st_mode)) break;
            auto attributes = read_attributes(directory.get(), name);
            if (!attributes) return attributes.error();
            auto child = open_directory_at(directory.get(), name);
            if (!child) return child.error();
            below.push_back(std::move(*child));
            if (is_opaque(*attributes)) break;
        }
        if (below.empty()) return std::optional<Object>();
        merged = std::move(below);
    }
    return std::optional<Object>();
}

} // namespace sandboxkit::local

// SPDX-License-Identifier: Apache-2.0
// What a stack of layers shows, read without mounting it.
#pragma once

#include "providers/local/file_handle.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sandboxkit::local {

// A path as its components; empty: the root.
using PathParts = std::vector<std::string>;
[[nodiscard]] PathParts split_path(std::string_view path);
[[nodiscard]] std::string join_path(const PathParts& parts);

// Layer directories, topmost first. Reads the directories at each call: what is put into them meanwhile is seen.
class LayerView {
public:
    static Result<LayerView> open(const std::vector<std::filesystem::path>& layers);

    struct Object {
        struct stat status {};
        std::string link_target; // of a symbolic link
        FileHandle holder;       // the directory, in the topmost layer that has the object, that holds it
        std::string name;        // there; empty: `holder` is the object, the root
    };
    // What is at this path; no component is followed when it is a symbolic link. Absent: nothing is there.
    [[nodiscard]] Result<std::optional<Object>> find(const PathParts& path) const;

private:
    std::vector<FileHandle> layers_;
};

} // namespace sandboxkit::local

// SPDX-License-Identifier: Apache-2.0
// The user's editor, on a private file.
#pragma once

#include "cli/document.hpp"

#include <memory>
#include <string>

namespace sandboxkit::cli {

// Removes its file when it goes, unless it was told to keep it.
class EditorFile {
public:
    // A new file in the directory of temporary files, which nobody else can read.
    static Result<std::unique_ptr<EditorFile>> make(const std::string& text);
    explicit EditorFile(std::string path) : path_(std::move(path)) {}
    ~EditorFile();
    EditorFile(const EditorFile&) = delete;
    EditorFile& operator=(const EditorFile&) = delete;

    // Waits for VISUAL, else EDITOR, else vi, and reads what it left. cancelled "editor_failed": it ended with an error, and the
    // file counts as given up; invalid "no_editor": none is named, and vi has no terminal.
    [[nodiscard]] Result<Document> edit();
    // Leaves the file where it is; says so on standard error.
    void keep();
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
    bool kept_ = false;
};

// "what you wrote is kept in PATH"
[[nodiscard]] std::string kept_line(const std::string& path);

} // namespace sandboxkit::cli

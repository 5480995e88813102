// SPDX-License-Identifier: Apache-2.0
#include "cli/editor.hpp"

#include "cli/dialogue.hpp"
#include "cli/standard_streams.hpp"
#include "cli/text.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace sandboxkit::cli {

namespace {

Error no_file(std::string message) {
    return {ErrorClass::unavailable, "no_temporary_file", std::move(message), "make room there", "", {}};
}

std::string named_editor() {
    for (const char* name : {"VISUAL", "EDITOR"})
        if (const char* value = std::getenv(name); value && *value) return value;
    return "";
}

} // namespace

Result<std::unique_ptr<EditorFile>> EditorFile::make(const std::string& text) {
    std::error_code unknown;
    const auto directory = std::filesystem::temp_directory_path(unknown);
    std::string path = (directory / "sandboxkit-profile-XXXXXX.json").string();
    const int fd = unknown ? -1 : ::mkstemps(path.data(), 5);
    if (fd < 0) return no_file("cannot make a file in the directory of temporary files");
    auto file = std::make_unique<EditorFile>(path);
    const int number = write_all(fd, text);
    ::close(fd);
    if (number != 0) return no_file("cannot write " + path + ": " + std::strerror(number));
    return file;
}

EditorFile::~EditorFile() {
    if (!kept_) ::unlink(path_.c_str());
}

Result<Document> EditorFile::edit() {
    std::string editor = named_editor();
    if (editor.empty() && !somebody_there())
        return Error{ErrorClass::invalid,
                     "no_editor",
                     "there is no terminal to edit in, and no editor is named",
                     "give a file, or - for standard input",
                     "",
                     {}};
    if (editor.empty()) editor = "vi";
    std::string quoted = "'";
    for (const char c : path_) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    const int status = std::system((editor + ' ' + quoted + "'").c_str());
    if (status == -1 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return Error{ErrorClass::cancelled,
                     "editor_failed",
                     "the editor ended with an error; the profile is as it was",
                     "set VISUAL or EDITOR, or give a file",
                     editor,
                     {}};
    return read_document(path_);
}

void EditorFile::keep() {
    kept_ = true;
    write_all(STDERR_FILENO, kept_line(path_));
}

std::string kept_line(const std::string& path) {
    return "what you wrote is kept in " + one_line(path) + '\n';
}

} // namespace sandboxkit::cli

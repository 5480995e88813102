// SPDX-License-Identifier: Apache-2.0
#include "envd/entry_decoder.hpp"

#include "envd/json_reader.hpp"

#include <boost/json/array.hpp>

#include <limits>
#include <utility>

namespace sandboxkit::envd {

namespace json = boost::json;

namespace {

FileType file_type(std::string_view name) {
    if (name == "FILE_TYPE_FILE" || name == "file") return FileType::file;
    if (name == "FILE_TYPE_DIRECTORY" || name == "dir" || name == "directory") return FileType::directory;
    if (name == "FILE_TYPE_SYMLINK" || name == "symlink") return FileType::symlink;
    return FileType::other;
}

bool is_number(std::string_view text) {
    return text.find_first_not_of("0123456789") == std::string_view::npos;
}

Result<FileInfo> read_entry(const json::object& object) {
    FileInfo entry;
    const std::pair<std::string_view, std::string*> texts[] = {{"name", &entry.name},
                                                               {"path", &entry.path},
                                                               {"owner", &entry.owner},
                                                               {"group", &entry.group},
                                                               {"permissions", &entry.permissions},
                                                               {"symlinkTarget", &entry.symlink_target},
                                                               {"modifiedTime", &entry.modified}};
    for (const auto& [name, target] : texts) {
        auto text = string_member(object, name);
        if (!text) return text.error();
        *target = std::move(*text);
    }
    if (entry.path.empty()) return protocol_error("the sandbox described a file without a path");
    const auto type = string_member(object, "type");
    if (!type) return type.error();
    entry.type = file_type(*type);
    // envd gives a link the type of what it leads to, and its target apart.
    if (!entry.symlink_target.empty()) entry.type = FileType::symlink;
    const auto size = integer_member(object, "size", 0, std::numeric_limits<std::int64_t>::max());
    if (!size) return size.error();
    entry.size = static_cast<std::uint64_t>(size->value_or(0));
    const auto mode = integer_member(object, "mode", 0, std::numeric_limits<std::uint32_t>::max());
    if (!mode) return mode.error();
    entry.mode = static_cast<std::uint32_t>(mode->value_or(0));
    return entry;
}

} // namespace

Result<FileInfo> decode_entry(std::string_view body) {
    FileInfo entry;
    const auto parsed = with_json_object(body, [&](const json::object& answer) -> Result<void> {
        const auto object = object_member(answer, "entry");
        if (!object) return object.error();
        if (*object == nullptr) return protocol_error("the sandbox answered without the file asked for");
        auto read = read_entry(**object);
        if (!read) return read.error();
        entry = std::move(*read);
        return {};
    });
    if (!parsed) return parsed.error();
    return entry;
}

Result<std::vector<FileInfo>> decode_entries(std::string_view body) {
    std::vector<FileInfo> entries;
    const auto parsed = with_json_object(body, [&](const json::object& answer) -> Result<void> {
        const auto list = array_member(answer, "entries");
        if (!list) return list.error();
        if (*list == nullptr) return {};
        if ((*list)->size() > entries_limit)
            return Error{ErrorClass::quota,
                         "guest_listing_too_large",
                         "the directory has more than " + std::to_string(entries_limit) + " entries",
                         "list it with a smaller depth",
                         "",
                         {}};
        entries.reserve((*list)->size());
        for (const auto& item : **list) {
            const auto* object = item.if_object();
            if (object == nullptr) return protocol_error("the sandbox listed something that is not a file");
            auto read = read_entry(*object);
            if (!read) return read.error();
            entries.push_back(std::move(*read));
        }
        return {};
    });
    if (!parsed) return parsed.error();
    return entries;
}

Result<std::vector<ProcessInfo>> decode_processes(std::string_view body) {
    std::vector<ProcessInfo> processes;
    const auto parsed = with_json_object(body, [&](const json::object& answer) -> Result<void> {
        const auto list = array_member(answer, "processes");
        if (!list) return list.error();
        if (*list == nullptr) return {};
        if ((*list)->size() > processes_limit) return protocol_error("the sandbox listed too many processes");
        for (const auto& item : **list) {
            const auto* object = item.if_object();
            if (object == nullptr) return protocol_error("the sandbox listed something that is not a process");
            ProcessInfo process;
            const auto pid = integer_member(*object, "pid", 1, std::numeric_limits<std::uint32_t>::max());
            if (!pid) return pid.error();
            if (!*pid) return protocol_error("the sandbox listed a process without a pid");
            process.pid = static_cast<std::uint32_t>(**pid);
            auto tag = string_member(*object, "tag");
            if (!tag) return tag.error();
            // What is a number is a pid: a tag may be anything.
            process.id = is_number(*tag) ? std::to_string(process.pid) : std::move(*tag);
            const auto config = object_member(*object, "config");
            if (!config) return config.error();
            if (*config != nullptr) {
                auto cmd = string_member(**config, "cmd");
                if (!cmd) return cmd.error();
                process.argv.push_back(std::move(*cmd));
                const auto args = array_member(**config, "args");
                if (!args) return args.error();
                if (*args != nullptr)
                    for (const auto& arg : **args) {
                        const auto* text = arg.if_string();
                        if (text == nullptr)
                            return protocol_error("the sandbox listed a process with an argument that is not text");
                        process.argv.emplace_back(text->data(), text->size());
                    }
            }
            processes.push_back(std::move(process));
        }
        return {};
    });
    if (!parsed) return parsed.error();
    return processes;
}

Result<FileInfo> decode_written_file(std::string_view body) {
    // The reader knows objects only: one around the array keeps the bounds and checks in one place.
    FileInfo entry;
    const auto parsed =
        with_json_object("{\"files\":" + std::string(body) + "}", [&](const json::object& answer) -> Result<void> {
            const auto list = array_member(answer, "files");
            if (!list) return list.error();
            const auto* object = *list != nullptr && (*list)->size() == 1 ? (*list)->front().if_object() : nullptr;
            if (object == nullptr) return protocol_error("the sandbox answered without the file that was written");
            auto read = read_entry(*object);
            if (!read) return read.error();
            entry = std::move(*read);
            return {};
        });
    if (!parsed) return parsed.error();
    return entry;
}

Result<TreeSummary> decode_tree_summary(std::string_view body) {
    TreeSummary summary;
    const auto parsed = with_json_object(body, [&](const json::object& answer) -> Result<void> {
        constexpr auto most = std::numeric_limits<std::int64_t>::max();
        const auto entries = integer_member(answer, "entries", 0, most);
        if (!entries) return entries.error();
        const auto bytes = integer_member(answer, "bytes", 0, most);
        if (!bytes) return bytes.error();
        summary = {static_cast<std::uint64_t>(entries->value_or(0)), static_cast<std::uint64_t>(bytes->value_or(0))};
        return {};
    });
    if (!parsed) return parsed.error();
    return summary;
}

} // namespace sandboxkit::envd

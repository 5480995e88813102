// SPDX-License-Identifier: Apache-2.0
// Profiles as files: checked, and versions taken from one store to another.
#include "cli/commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/forms.hpp"
#include "cli/standard_streams.hpp"
#include "cli/text.hpp"

#include <sandboxkit/strict_json.hpp>

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <utility>

namespace sandboxkit::cli {

namespace json = boost::json;

namespace {

const std::vector<std::string> gates{"save", "publish", "start"}; // in the order of Gate

Gate gate_named(const std::string& name) {
    return static_cast<Gate>(std::find(gates.begin(), gates.end(), name) - gates.begin());
}

std::string counted(std::size_t count, const std::string& what) {
    return std::to_string(count) + ' ' + what + (count == 1 ? "" : "s");
}

int validate(const Settings& settings, const std::string& file, Gate gate) {
    auto document = read_document(file);
    if (!document) return settings.fail(document.error());
    auto engine = settings.open_or_create(); // what can be published is asked of an engine, and there is none without a store
    if (!engine) return settings.fail(engine.error());
    auto found = wait(settings, engine->validate(settings.who(), document->text, gate));
    if (!found) return settings.fail(found.error(), {}, &*document);
    json::array warnings = placed_to_json(found->warnings, &*document);
    const auto warned = problem_lines(found->warnings, *document, "warning");
    if (!found->errors.empty()) {
        const int code = settings.fail(document_error("profile_invalid", "the profile", std::move(found->errors)),
                                       {{"warnings", std::move(warnings)}}, &*document);
        if (!settings.json) write_all(STDERR_FILENO, warned);
        return code;
    }
    if (!settings.json) write_all(STDERR_FILENO, warned);
    return settings.answer({{"warnings", std::move(warnings)}},
                           found->warnings.empty() ? "no problems\n"
                                                   : "no errors, " + counted(found->warnings.size(), "warning") + '\n');
}

int export_version(const Settings& settings, const std::string& id, std::uint32_t number, const std::string& output) {
    auto engine = settings.open();
    if (!engine) return settings.fail(engine.error());
    auto text = engine->export_version(settings.who(), id, number);
    if (!text) return settings.fail(text.error());
    if (output.empty()) {
        // The same value for a terminal, and byte for byte for everything else; with --json too, as it is a JSON document.
        const int failed = write_all(STDOUT_FILENO, ::isatty(STDOUT_FILENO) ? escaped_json(*text) : *text);
        return failed == 0 ? exit_ok : settings.fail(output_error(STDOUT_FILENO, failed));
    }
    std::ofstream file(output, std::ios::binary);
    file << *text;
    file.close();
    if (!file)
        return settings.fail({ErrorClass::invalid, "file_not_writable", "cannot write " + output, "check the path", "", {}});
    return settings.answer({{"profile", id}, {"version", number}, {"file", output}, {"bytes", text->size()}},
                           one_line(output) + '\n');
}

int import_version(const Settings& settings, const std::string& file, const std::string& name) {
    auto document = read_document(file);
    if (!document) return settings.fail(document.error());
    auto engine = settings.open_or_create();
    if (!engine) return settings.fail(engine.error());
    auto made = engine->import_version(settings.who(), document->text, name);
    if (!made) {
        Error error = made.error();
        // Those of the recipe have pointers into it, and it is a member of the file.
        if (error.code == "recipe_invalid" || error.code == "profile_invalid")
            for (auto& problem : error.problems)
                if (problem.pointer != "/name") problem.pointer = "/recipe" + problem.pointer;
        return settings.fail(error, {}, &*document);
    }
    return settings.answer(to_json(*made), made->id + '\n');
}

} // namespace

void add_profile_documents(CLI::App& group, const Settings& settings, Chosen& chosen) {
    struct Arguments {
        std::string id, file, name;
        std::uint32_t version = 0;
        std::string gate = "publish";
    };
    const auto arguments = std::make_shared<Arguments>();

    auto* command = group.add_subcommand("validate", "Check a document without storing it");
    command->footer("Each line is FILE:LINE:COLUMN: error or warning: what is wrong [code] JSON pointer; what to do is below.\n"
                    "Ends with 65 when there are errors, with 0 when there are warnings alone.\n");
    command->add_option("file", arguments->file, "The profile document; - for standard input")->required()->type_name("FILE");
    command
        ->add_option("--gate", arguments->gate,
                     "What it is to be fit for: save (form, types, credentials), publish, or start (here and now); else publish")
        ->type_name("save|publish|start")
        ->check(CLI::IsMember(gates).description(""));
    choose(command, chosen, settings, arguments,
           [](const Settings& s, const Arguments& a) { return validate(s, a.file, gate_named(a.gate)); });

    command = group.add_subcommand("export", "Write a version as one file, which shows when it was changed on the way");
    command->add_option("id", arguments->id, "The profile")->required()->type_name("ID");
    command->add_option("version", arguments->version, "The version's number")->required()->type_name("VERSION");
    command->add_option("-o,--output", arguments->file, "Into this file, in place of standard output")
        ->type_name("FILE")
        ->check(not_empty);
    choose(command, chosen, settings, arguments,
           [](const Settings& s, const Arguments& a) { return export_version(s, a.id, a.version, a.file); });

    command = group.add_subcommand("import", "Make a profile from an exported version; prints its id");
    command->add_option("file", arguments->file, "The exported file; - for standard input")->required()->type_name("FILE");
    command->add_option("--name", arguments->name, "The profile's name (else that in the file)")
        ->type_name("NAME")
        ->check(not_empty);
    choose(command, chosen, settings, arguments,
           [](const Settings& s, const Arguments& a) { return import_version(s, a.file, a.name); });
}

} // namespace sandboxkit::cli

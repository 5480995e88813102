// SPDX-License-Identifier: Apache-2.0
#include "cli/settings.hpp"

#include "cli/exit_code.hpp"
#include "cli/standard_streams.hpp"
#include "cli/text.hpp"

#include <sandboxkit/credential_sources.hpp>

#include <boost/json/serialize.hpp>

#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace sandboxkit::cli {

namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

// Of the document in that file.
Result<std::shared_ptr<CredentialSource>> credentials_of(const std::string& file) {
    auto document = read_document(file);
    if (!document) return document.error();
    auto sources = read_credential_sources(document->text);
    if (sources) return sources;
    Error error = sources.error();
    error.message = file + ": " + error.message;
    return error;
}

const passwd* user() {
    return ::getpwuid(::geteuid());
}

} // namespace

Principal Settings::who() const {
    std::string id = principal.empty() ? variable("USER") : principal;
    if (id.empty()) id = user() ? user()->pw_name : "uid-" + std::to_string(::geteuid());
    // Whoever can open the store file can do everything with it.
    Principal who = with_every_scope(std::move(id));
    who.channel = Channel::command_line;
    return who;
}

Result<EngineOptions> Settings::engine_options() const {
    EngineOptions options;
    options.store = store.empty() ? variable("SANDBOXKIT_STORE") : store.string();
    options.state_directory = state_directory.empty() ? variable("SANDBOXKIT_STATE_DIRECTORY") : state_directory.string();
    const std::string file = credentials.empty() ? variable("SANDBOXKIT_CREDENTIALS") : credentials.string();
    if (!file.empty()) {
        auto sources = credentials_of(file);
        if (!sources) return sources.error();
        options.credentials = std::move(*sources);
    }
    if (!options.store.empty()) return options;
    std::filesystem::path data = variable("XDG_DATA_HOME");
    if (!data.is_absolute()) { // as its specification has it: a relative one is ignored
        std::filesystem::path home = variable("HOME");
        if (home.empty() && user()) home = user()->pw_dir;
        if (home.empty())
            return Error{ErrorClass::invalid,        "no_store", "there is no home directory to keep the store in",
                         "name a file with --store", "",         {}};
        data = home / ".local/share";
    }
    options.store = data / "sandboxkit" / "sandboxkit.db";
    return options;
}

Result<Engine> Settings::open(bool build) const {
    auto options = engine_options();
    if (!options) return options.error();
    std::error_code unknown; // whether it is there: then opening it says why
    if (!std::filesystem::exists(options->store, unknown) && !unknown)
        return Error{ErrorClass::not_found,
                     "no_store_yet",
                     "there is no store " + options->store.string(),
                     "'sandboxkit profile create' and 'sandboxkit run' make it; --store names another",
                     "",
                     {}};
    return open_or_create(build);
}

Result<Engine> Settings::open_or_create(bool build) const {
    auto options = engine_options();
    if (!options) return options.error();
    options->run_snapshot_jobs = build;
    return Engine::open(std::move(*options));
}

namespace {

// "the profile is not valid", without the first problem, which the library's line repeats.
std::string heading(const Error& error) {
    const std::string_view message = error.message;
    const auto end = message.find(" is not valid: ");
    if (error.kind != ErrorClass::invalid || end == std::string_view::npos) return one_line(message);
    const bool json = error.problems.front().code != "syntax";
    return one_line(message.substr(0, end)) + (json ? " is not valid" : " is not a JSON object");
}

} // namespace

std::string error_text(const Error& error, const Document* from) {
    std::string text = "error: ";
    if (error.problems.empty()) {
        text += one_line(error.message) + '\n';
    } else { // each is told below, with what to do about it
        const auto count = error.problems.size();
        text += heading(error) + " (" + std::to_string(count) + (count == 1 ? " problem)\n" : " problems)\n");
    }
    if (from) {
        text += problem_lines(error.problems, *from, "error");
    } else {
        for (const auto& problem : error.problems) {
            text += "  " + (problem.pointer.empty() ? std::string("(the document)") : one_line(problem.pointer)) + ": " +
                    one_line(problem.message);
            if (!problem.remedy.empty()) text += " (" + one_line(problem.remedy) + ')';
            text += '\n';
        }
    }
    std::vector<std::string_view> lines;
    std::string_view detail = error.detail;
    while (detail.ends_with('\n')) detail.remove_suffix(1);
    while (!detail.empty()) {
        const auto end = std::min(detail.find('\n'), detail.size());
        lines.push_back(detail.substr(0, end));
        detail.remove_prefix(std::min(end + 1, detail.size()));
    }
    constexpr std::size_t shown = 20; // the last ones: there it went wrong
    if (lines.size() > shown) {
        text += "  | ...\n";
        lines.erase(lines.begin(), lines.end() - shown);
    }
    for (const auto line : lines) text += "  | " + one_line(line) + '\n';
    if (!error.remedy.empty() && error.problems.empty()) text += "hint: " + one_line(error.remedy) + '\n';
    return text;
}

boost::json::value error_to_json(const Error& error, const Document* from) {
    return {{"class", to_string(error.kind)}, {"code", error.code},     {"message", error.message},
            {"remedy", error.remedy},         {"detail", error.detail}, {"problems", placed_to_json(error.problems, from)}};
}

int Settings::fail(const Error& error, boost::json::object beside, const Document* from) const {
    beside["error"] = error_to_json(error, from);
    if (!json || write_all(STDOUT_FILENO, escaped_json(boost::json::serialize(beside)) + '\n') != 0)
        write_all(STDERR_FILENO, error_text(error, from));
    const int number = signals->last();
    return error.kind == ErrorClass::cancelled && number != 0 ? 128 + number : exit_code(error.kind);
}

int Settings::answer(const boost::json::value& value, const std::string& text) const {
    const int number = write_all(STDOUT_FILENO, json ? escaped_json(boost::json::serialize(value)) + '\n' : text);
    if (number == EPIPE) return 128 + SIGPIPE;
    return number == 0 ? exit_ok : fail(output_error(STDOUT_FILENO, number));
}

} // namespace sandboxkit::cli

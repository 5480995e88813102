// SPDX-License-Identifier: Apache-2.0
#include "cli/settings.hpp"

#include "cli/exit_code.hpp"
#include "cli/standard_streams.hpp"

#include <sandboxkit/strict_json.hpp>

#include <boost/json/serialize.hpp>

#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace sandboxkit::cli {

namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

const passwd* user() {
    return ::getpwuid(::geteuid());
}

} // namespace

std::string one_line(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        // U+0080 to U+009F, c2 80 to c2 9f in UTF-8, are control characters too.
        if (byte >= 0x80 && byte < 0xa0 && !out.empty() && out.back() == '\xc2')
            out.back() = ' ';
        else
            out += byte < 0x20 || byte == 0x7f ? ' ' : c;
    }
    return out;
}

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

std::string error_text(const Error& error) {
    std::string text = "error: ";
    if (error.problems.empty()) {
        text += one_line(error.message) + '\n';
    } else { // each is told below, with what to do about it; the error's own line repeats the first
        const auto count = error.problems.size();
        if (error.code != "profile_invalid")
            text += one_line(error.message);
        else
            text += error.problems.front().code == "syntax" ? "the profile is not a JSON object" : "the profile is not valid";
        text += " (" + std::to_string(count) + (count == 1 ? " problem)\n" : " problems)\n");
    }
    for (const auto& problem : error.problems) {
        text += "  " + (problem.pointer.empty() ? std::string("(the document)") : one_line(problem.pointer)) + ": " +
                one_line(problem.message);
        if (!problem.remedy.empty()) text += " (" + one_line(problem.remedy) + ')';
        text += '\n';
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

boost::json::value error_to_json(const Error& error) {
    return {{"class", to_string(error.kind)}, {"code", error.code},     {"message", error.message},
            {"remedy", error.remedy},         {"detail", error.detail}, {"problems", problems_to_json(error.problems)}};
}

int Settings::fail(const Error& error, boost::json::object beside) const {
    beside["error"] = error_to_json(error);
    if (!json || write_all(STDOUT_FILENO, boost::json::serialize(beside) + '\n') != 0)
        write_all(STDERR_FILENO, error_text(error));
    const int number = signals->last();
    return error.kind == ErrorClass::cancelled && number != 0 ? 128 + number : exit_code(error.kind);
}

int Settings::answer(const boost::json::value& value, const std::string& text) const {
    const int number = write_all(STDOUT_FILENO, json ? boost::json::serialize(value) + '\n' : text);
    if (number == EPIPE) return 128 + SIGPIPE;
    return number == 0 ? exit_ok : fail(output_error(STDOUT_FILENO, number));
}

Result<std::string> read_document(const std::string& path) {
    const auto failed = [&](int number) {
        return Error{number == ENOENT ? ErrorClass::not_found : ErrorClass::invalid,
                     "file_not_readable",
                     "cannot read " + path + ": " + std::strerror(number),
                     "check the path",
                     "",
                     {}};
    };
    const int fd = path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return failed(errno);
    std::string text;
    std::array<char, 65536> buffer{};
    int number = 0;
    constexpr std::size_t limit = 100U << 20; // far beyond what the reader accepts, which says its own limit
    while (text.size() <= limit) {
        const auto n = ::read(fd, buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) number = errno;
        if (n <= 0) break;
        text.append(buffer.data(), static_cast<std::size_t>(n));
    }
    if (fd != STDIN_FILENO) ::close(fd);
    if (number != 0) return failed(number);
    if (text.size() > limit)
        return Error{ErrorClass::invalid, "document_too_large", path + " is larger than 100 MiB", "", "", {}};
    return text;
}

} // namespace sandboxkit::cli

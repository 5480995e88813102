// SPDX-License-Identifier: Apache-2.0
#include "cli/document.hpp"

#include "cli/text.hpp"

#include <sandboxkit/json_position.hpp>
#include <sandboxkit/strict_json.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace sandboxkit::cli {

namespace {

// What is no JSON at all has its place in its message: "line 3, column 14: ...". Taken off the front of it.
std::optional<TextPosition> take_place(std::string_view& message) {
    TextPosition place;
    std::string_view rest = message;
    const auto number = [&](std::string_view word, std::size_t& value) {
        if (!rest.starts_with(word)) return false;
        rest.remove_prefix(word.size());
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        return error == std::errc{};
    };
    if (!number("line ", place.line) || !number(", column ", place.column) || !rest.starts_with(": ")) return {};
    message = rest.substr(2);
    return place;
}

struct Placed {
    std::optional<TextPosition> place;
    std::string_view message;
};

Placed placed(const Problem& problem, const Document& document) {
    Placed out{{}, problem.message};
    if (problem.pointer.empty()) out.place = take_place(out.message);
    if (!out.place && problem.code != "too_large") out.place = position_of(document.text, problem.pointer);
    return out;
}

} // namespace

std::optional<TextPosition> place_of(const Problem& problem, const Document& document) {
    return placed(problem, document).place;
}

std::string problem_lines(const std::vector<Problem>& problems, const Document& document, std::string_view severity) {
    std::string text;
    for (const Problem& problem : problems) {
        const auto [place, message] = placed(problem, document);
        text += one_line(document.name);
        if (place) text += ':' + std::to_string(place->line) + ':' + std::to_string(place->column);
        text.append(": ").append(severity).append(": ") += one_line(message);
        if (!problem.code.empty()) text += " [" + problem.code + ']';
        if (!problem.pointer.empty()) text += ' ' + one_line(problem.pointer);
        text += '\n';
        if (!problem.remedy.empty()) text += "  " + one_line(problem.remedy) + '\n';
    }
    return text;
}

boost::json::array placed_to_json(const std::vector<Problem>& problems, const Document* document) {
    auto out = problems_to_json(problems);
    if (!document) return out;
    for (std::size_t i = 0; i < problems.size(); ++i) {
        const auto place = place_of(problems[i], *document);
        if (!place) continue;
        out[i].as_object()["line"] = place->line;
        out[i].as_object()["column"] = place->column;
    }
    return out;
}

Result<Document> read_document(const std::string& path) {
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
    Document document{path == "-" ? "<stdin>" : path, {}};
    std::array<char, 65536> buffer{};
    int number = 0;
    constexpr std::size_t limit = 100U << 20; // far beyond what the reader accepts, which says its own limit
    while (document.text.size() <= limit) {
        const auto n = ::read(fd, buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) number = errno;
        if (n <= 0) break;
        document.text.append(buffer.data(), static_cast<std::size_t>(n));
    }
    if (fd != STDIN_FILENO) ::close(fd);
    if (number != 0) return failed(number);
    if (document.text.size() > limit)
        return Error{ErrorClass::invalid, "document_too_large", path + " is larger than 100 MiB", "", "", {}};
    return document;
}

} // namespace sandboxkit::cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/difference.hpp"

#include "cli/forms.hpp"
#include "cli/text.hpp"

#include <sandboxkit/line_diff.hpp>
#include <sandboxkit/strict_json.hpp>

namespace sandboxkit::cli {

namespace {

// A value as its lines: a string of several by its own, a long list or object by its indented form, anything else as one.
struct Shown {
    std::string text;
    bool lines = false;
};

Shown shown(const std::string& json) {
    constexpr std::size_t one_line_holds = 100;
    if (json.empty()) return {};
    const auto value = parse_strict(json);
    if (!value) return {json, false}; // what the store gave is shown as it is
    if (const auto* string = value->if_string(); string && string->find('\n') != boost::json::string::npos)
        return {std::string(*string), true};
    if (value->is_structured() && json.size() > one_line_holds) return {pretty(*value), true};
    return {json, false};
}

// The other side of a text of several lines: a string is its text, too.
std::string as_lines(const std::string& json) {
    const auto value = json.empty() ? Result<boost::json::value>(boost::json::value(nullptr)) : parse_strict(json);
    if (!value || value->is_null()) return {};
    return value->is_string() ? std::string(value->get_string()) : pretty(*value);
}

} // namespace

std::string difference_text(const std::vector<FieldChange>& changes, bool coloured, std::string_view indent) {
    std::string out;
    const auto line = [&](std::string_view text, Colour colour) {
        out.append(indent) += painted(cleaned(text), colour, coloured) + '\n';
    };
    for (const FieldChange& change : changes) {
        out.append(indent) += painted(one_line(change.pointer), Colour::bold, coloured);
        if (!change.reason.empty()) out += "  (" + one_line(change.reason) + ')';
        out += '\n';
        const Shown before = shown(change.before), after = shown(change.after);
        if (!before.lines && !after.lines) {
            if (!before.text.empty()) line("  - " + one_line(before.text), Colour::red);
            if (!after.text.empty()) line("  + " + one_line(after.text), Colour::green);
            continue;
        }
        const std::string text = unified(as_lines(change.before), as_lines(change.after));
        for (const auto part : detail::lines_of(text)) {
            const std::string_view content = part.substr(0, part.find('\n'));
            if (content.starts_with('-'))
                line("  " + std::string(content), Colour::red);
            else if (content.starts_with('+'))
                line("  " + std::string(content), Colour::green);
            else if (content.starts_with("@@"))
                line("  " + std::string(content), Colour::cyan);
            else
                out.append(indent).append("  ") += cleaned(content) + '\n';
        }
    }
    return out;
}

} // namespace sandboxkit::cli

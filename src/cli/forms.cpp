// SPDX-License-Identifier: Apache-2.0
#include "cli/forms.hpp"

#include "cli/text.hpp"

#include <sandboxkit/canonical.hpp>
#include <sandboxkit/timeline_format.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace sandboxkit::cli {

namespace json = boost::json;

namespace {

void write_pretty(std::string& out, const json::value& value, std::size_t indent) {
    const auto line = [&](std::size_t depth) {
        out += '\n';
        out.append(depth * 2, ' ');
    };
    if (const auto* object = value.if_object(); object && !object->empty()) {
        out += '{';
        bool first = true;
        for (const auto& [key, member] : *object) {
            if (!first) out += ',';
            first = false;
            line(indent + 1);
            out += json::serialize(json::string(key)) + ": ";
            write_pretty(out, member, indent + 1);
        }
        line(indent);
        out += '}';
    } else if (const auto* array = value.if_array(); array && !array->empty()) {
        out += '[';
        bool first = true;
        for (const auto& element : *array) {
            if (!first) out += ',';
            first = false;
            line(indent + 1);
            write_pretty(out, element, indent + 1);
        }
        line(indent);
        out += ']';
    } else if (value.is_double()) {
        out += canonical_json(value); // 1.5, where serialize writes 1.5E0
    } else {
        out += json::serialize(value);
    }
}

} // namespace

std::string pretty(const json::value& value) {
    std::string out;
    write_pretty(out, value, 0);
    return escaped_json(out) + '\n';
}

std::string table(const std::vector<std::vector<std::string>>& given) {
    auto rows = given;
    for (auto& row : rows)
        for (auto& cell : row) cell = one_line(cell);
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], detail::characters_in(row[i]));
    }
    std::string out;
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i)
            line += row[i] + std::string(i + 1 < row.size() ? widths[i] - detail::characters_in(row[i]) + 2 : 0, ' ');
        while (line.ends_with(' ')) line.pop_back();
        out += line + '\n';
    }
    return out;
}

std::string proposal_line(const EditProposal& proposal) {
    return proposal.id + ' ' + std::string(to_string(proposal.section)) + ", by " + one_line(proposal.proposed_by) +
           " on revision " + std::to_string(proposal.base_revision) + ", " + time_text(proposal.proposed);
}

} // namespace sandboxkit::cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/forms.hpp"

#include "cli/settings.hpp"
#include "cli/text.hpp"

#include <sandboxkit/recipe_json.hpp>
#include <sandboxkit/strict_json.hpp>
#include <sandboxkit/timeline_format.hpp>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <ctime>

namespace sandboxkit::cli {

namespace json = boost::json;

namespace {

template <class T>
json::value or_null(const std::optional<T>& value) {
    return value ? json::value(*value) : json::value(nullptr);
}

json::value time_or_null(const std::optional<Timestamp>& time) {
    return time ? json::value(time_text(*time)) : json::value(nullptr);
}

// JSON that the library kept as text; the text itself if it is none.
json::value value_of(const std::string& text) {
    const auto value = parse_strict(text);
    return value ? *value : json::value(text);
}

std::string_view to_string(TestState state) {
    switch (state) {
    case TestState::not_yet_tested: return "not_yet_tested";
    case TestState::passed: return "passed";
    case TestState::failed: return "failed";
    }
    return "not_yet_tested";
}

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

std::string time_text(Timestamp time) {
    const auto since = time.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    const std::time_t t = seconds.count();
    std::tm parts{};
    ::gmtime_r(&t, &parts);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    const auto milliseconds = std::to_string((since - seconds).count());
    return std::string(text.data()) + '.' + std::string(3 - milliseconds.size(), '0') + milliseconds + 'Z';
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

json::object to_json(const ProfileInfo& info) {
    return {{"id", info.id},
            {"name", info.record.name},
            {"description", info.record.description},
            {"created", time_text(info.created)},
            {"created_by", info.created_by},
            {"revision", info.revision},
            {"has_draft", info.has_draft},
            {"draft_revision", info.draft_revision},
            {"latest_version", or_null(info.latest_version)},
            {"usable_version", or_null(info.usable_version)},
            {"instructions_revision", info.instructions_revision}};
}

json::object to_json(const FieldChange& change) {
    return {{"pointer", change.pointer},
            {"class", to_string(change.field_class)},
            {"before", change.before},
            {"after", change.after},
            {"reason", change.reason}};
}

json::object to_json(const EditProposal& proposal) {
    return {{"id", proposal.id},
            {"profile", proposal.profile},
            {"section", to_string(proposal.section)},
            {"members", value_of(proposal.members)},
            {"changes", list_to_json(proposal.changes)},
            {"base_revision", proposal.base_revision},
            {"proposed_by", proposal.proposed_by},
            {"channel", to_string(proposal.channel)},
            {"proposed", time_text(proposal.proposed)},
            {"state", to_string(proposal.state)}};
}

std::string proposal_line(const EditProposal& proposal) {
    return proposal.id + ' ' + std::string(to_string(proposal.section)) + ", by " + one_line(proposal.proposed_by) +
           " on revision " + std::to_string(proposal.base_revision) + ", " + time_text(proposal.proposed);
}

json::object to_json(const ActivityEntry& entry) {
    return {{"sequence", entry.sequence},          {"at", time_text(entry.at)}, {"principal", entry.principal},
            {"channel", to_string(entry.channel)}, {"action", entry.action},    {"section", entry.section},
            {"detail", value_of(entry.detail)}};
}

json::object to_json(const InstructionsRevision& revision) {
    return {{"revision", revision.revision},
            {"digest", revision.digest},
            {"bytes", revision.bytes},
            {"principal", revision.principal},
            {"at", time_text(revision.at)}};
}

json::object to_json(const Overview& overview) {
    json::object sessions;
    for (const auto& [state, count] : overview.sessions) sessions[to_string(state)] = count;
    return {{"profile", to_json(overview.profile)},
            {"in_use", overview.in_use ? json::value(to_json(*overview.in_use)) : json::value(nullptr)},
            {"latest", overview.latest ? json::value(to_json(*overview.latest)) : json::value(nullptr)},
            {"record", record_to_json(overview.profile.record)},
            {"sessions", std::move(sessions)},
            {"active_jobs", overview.active_jobs},
            {"proposals", list_to_json(overview.proposals)},
            {"activity", list_to_json(overview.activity)},
            {"test", to_string(overview.test)}};
}

json::object to_json(const VersionInfo& info) {
    json::object out{
        {"profile", info.profile},
        {"version", info.number},
        {"digest", info.digest},
        {"recipe", recipe_to_json(info.recipe)},
        {"published", time_text(info.published)},
        {"published_by", info.published_by},
        {"snapshot", to_string(info.snapshot)},
        {"image", nullptr},
        {"ingredients", nullptr},
        {"decision",
         {{"reuse", info.decision.reuse}, {"reason", info.decision.reason}, {"changes", list_to_json(info.decision.changes)}}},
        {"last_job", or_null(info.last_job)}};
    if (info.image) out["image"] = {{"provider", info.image->provider}, {"id", info.image->id}};
    if (info.manifest) {
        json::array ingredients;
        for (const auto& i : info.manifest->ingredients)
            ingredients.push_back({{"kind", i.kind}, {"name", i.name}, {"digest", i.digest}, {"branch", i.branch}});
        out["ingredients"] = std::move(ingredients);
    }
    return out;
}

json::object to_json(const JobInfo& info) {
    return {{"id", info.id},
            {"profile", info.profile},
            {"version", info.version},
            {"trigger", to_string(info.trigger)},
            {"state", to_string(info.state)},
            {"phase", to_string(info.phase)},
            {"attempt", info.attempt},
            {"error", info.error ? error_to_json(*info.error) : json::value(nullptr)},
            {"created", time_text(info.created)},
            {"started", time_or_null(info.started)},
            {"finished", time_or_null(info.finished)}};
}

json::object to_json(const SessionInfo& info) {
    json::array notes;
    for (const auto& note : info.notes) notes.push_back(json::value(note));
    return {{"id", info.id},
            {"profile", info.profile},
            {"version", info.version},
            {"instructions_revision", info.instructions_revision},
            {"state", to_string(info.state)},
            {"provider", info.provider},
            {"sandbox_id", info.sandbox_id},
            {"owner", info.owner},
            {"created", time_text(info.created)},
            {"idle_deadline", time_or_null(info.idle_deadline)},
            {"deadline", time_or_null(info.deadline)},
            {"notes", std::move(notes)},
            {"error", info.error ? error_to_json(*info.error) : json::value(nullptr)},
            {"timeline", timeline_to_json(info.timeline)}};
}

} // namespace sandboxkit::cli

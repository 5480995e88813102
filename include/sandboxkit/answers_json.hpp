// SPDX-License-Identifier: Apache-2.0
// The engine's answers as JSON: what the command line prints with --json, and what the C ABI and the languages above it hand out.
// Members are only ever added. An absent value is null; times are RFC 3339 in UTC with milliseconds.
#pragma once

#include <sandboxkit/engine.hpp>
#include <sandboxkit/host_document.hpp>
#include <sandboxkit/recipe_json.hpp>
#include <sandboxkit/strict_json.hpp>
#include <sandboxkit/timeline_format.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <array>
#include <chrono>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit {

// "2026-01-31T12:00:00.000Z"
[[nodiscard]] inline std::string time_text(Timestamp time) {
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

namespace detail {

template <class T>
[[nodiscard]] boost::json::value or_null(const std::optional<T>& value) {
    return value ? boost::json::value(*value) : boost::json::value(nullptr);
}

[[nodiscard]] inline boost::json::value time_or_null(const std::optional<Timestamp>& time) {
    return time ? boost::json::value(time_text(*time)) : boost::json::value(nullptr);
}

// JSON that the library kept as text; the text itself if it is none.
[[nodiscard]] inline boost::json::value value_of(const std::string& text) {
    const auto value = parse_strict(text);
    return value ? *value : boost::json::value(text);
}

} // namespace detail

constexpr std::string_view to_string(TestState state) noexcept {
    constexpr std::string_view names[] = {"not_yet_tested", "passed", "failed"};
    return names[static_cast<std::size_t>(state)];
}

template <class T>
[[nodiscard]] boost::json::array list_to_json(const std::vector<T>& list) {
    boost::json::array array;
    for (const auto& element : list) array.push_back(to_json(element));
    return array;
}

[[nodiscard]] inline boost::json::object to_json(const Error& error) {
    return {{"class", to_string(error.kind)}, {"code", error.code},     {"message", error.message},
            {"remedy", error.remedy},         {"detail", error.detail}, {"problems", problems_to_json(error.problems)}};
}

[[nodiscard]] inline boost::json::object to_json(const ProfileInfo& info) {
    return {{"id", info.id},
            {"name", info.record.name},
            {"description", info.record.description},
            {"created", time_text(info.created)},
            {"created_by", info.created_by},
            {"revision", info.revision},
            {"has_draft", info.has_draft},
            {"draft_revision", info.draft_revision},
            {"latest_version", detail::or_null(info.latest_version)},
            {"usable_version", detail::or_null(info.usable_version)},
            {"instructions_revision", info.instructions_revision}};
}

[[nodiscard]] inline boost::json::object to_json(const FieldChange& change) {
    return {{"pointer", change.pointer},
            {"class", to_string(change.field_class)},
            {"before", change.before},
            {"after", change.after},
            {"reason", change.reason}};
}

[[nodiscard]] inline boost::json::object to_json(const EditProposal& proposal) {
    return {{"id", proposal.id},
            {"profile", proposal.profile},
            {"section", to_string(proposal.section)},
            {"members", detail::value_of(proposal.members)},
            {"changes", list_to_json(proposal.changes)},
            {"base_revision", proposal.base_revision},
            {"proposed_by", proposal.proposed_by},
            {"channel", to_string(proposal.channel)},
            {"proposed", time_text(proposal.proposed)},
            {"state", to_string(proposal.state)}};
}

[[nodiscard]] inline boost::json::object to_json(const ActivityEntry& entry) {
    return {{"sequence", entry.sequence},
            {"at", time_text(entry.at)},
            {"principal", entry.principal},
            {"channel", to_string(entry.channel)},
            {"action", entry.action},
            {"section", entry.section},
            {"detail", detail::value_of(entry.detail)}};
}

[[nodiscard]] inline boost::json::object to_json(const InstructionsRevision& revision) {
    return {{"revision", revision.revision},
            {"digest", revision.digest},
            {"bytes", revision.bytes},
            {"principal", revision.principal},
            {"at", time_text(revision.at)}};
}

namespace detail {

[[nodiscard]] inline boost::json::array ingredients_to_json(const Manifest& manifest) {
    boost::json::array ingredients;
    for (const auto& i : manifest.ingredients)
        ingredients.push_back({{"kind", i.kind}, {"name", i.name}, {"digest", i.digest}, {"branch", i.branch}});
    return ingredients;
}

} // namespace detail

[[nodiscard]] inline boost::json::object to_json(const HostSnapshot& snapshot) {
    boost::json::object out{{"host", snapshot.host},
                            {"state", to_string(snapshot.state)},
                            {"image", nullptr},
                            {"ingredients", nullptr},
                            {"made", detail::time_or_null(snapshot.made)},
                            {"last_job", detail::or_null(snapshot.last_job)}};
    if (snapshot.image) out["image"] = {{"provider", snapshot.image->provider}, {"id", snapshot.image->id}};
    if (snapshot.manifest) out["ingredients"] = detail::ingredients_to_json(*snapshot.manifest);
    return out;
}

[[nodiscard]] inline boost::json::object to_json(const VersionInfo& info) {
    boost::json::object out{
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
        {"last_job", detail::or_null(info.last_job)},
        {"snapshots", list_to_json(info.snapshots)}};
    if (info.image) out["image"] = {{"provider", info.image->provider}, {"id", info.image->id}};
    if (info.manifest) out["ingredients"] = detail::ingredients_to_json(*info.manifest);
    return out;
}

// The definition's members, beside the others.
[[nodiscard]] inline boost::json::object to_json(const HostInfo& info) {
    auto out = host_definition_to_json(info.definition);
    out["registered"] = info.registered;
    out["is_default"] = info.is_default;
    out["identity"] = info.identity.empty() ? boost::json::value(nullptr) : boost::json::value(info.identity);
    out["created"] = detail::time_or_null(info.created);
    out["created_by"] = info.created_by.empty() ? boost::json::value(nullptr) : boost::json::value(info.created_by);
    return out;
}

[[nodiscard]] inline boost::json::object to_json(const HostStatus& status) {
    boost::json::object facts;
    for (const auto& [name, fact] : status.facts) facts[name] = fact;
    return {{"state", to_string(status.state)},
            {"message", status.message},
            {"remedy", status.remedy},
            {"facts", std::move(facts)},
            {"latency_ms", status.latency.count()}};
}

[[nodiscard]] inline boost::json::object to_json(const Overview& overview) {
    boost::json::object sessions;
    for (const auto& [state, count] : overview.sessions) sessions[to_string(state)] = count;
    return {{"profile", to_json(overview.profile)},
            {"in_use", overview.in_use ? boost::json::value(to_json(*overview.in_use)) : boost::json::value(nullptr)},
            {"latest", overview.latest ? boost::json::value(to_json(*overview.latest)) : boost::json::value(nullptr)},
            {"record", record_to_json(overview.profile.record)},
            {"sessions", std::move(sessions)},
            {"active_jobs", overview.active_jobs},
            {"proposals", list_to_json(overview.proposals)},
            {"activity", list_to_json(overview.activity)},
            {"test", to_string(overview.test)}};
}

[[nodiscard]] inline boost::json::object to_json(const JobInfo& info) {
    return {{"id", info.id},
            {"profile", info.profile},
            {"version", info.version},
            {"host", info.host},
            {"trigger", to_string(info.trigger)},
            {"state", to_string(info.state)},
            {"phase", to_string(info.phase)},
            {"attempt", info.attempt},
            {"error", info.error ? boost::json::value(to_json(*info.error)) : boost::json::value(nullptr)},
            {"created", time_text(info.created)},
            {"started", detail::time_or_null(info.started)},
            {"finished", detail::time_or_null(info.finished)}};
}

[[nodiscard]] inline boost::json::object to_json(const SessionInfo& info) {
    boost::json::array notes;
    for (const auto& note : info.notes) notes.push_back(boost::json::value(note));
    return {{"id", info.id},
            {"profile", info.profile},
            {"version", info.version},
            {"instructions_revision", info.instructions_revision},
            {"state", to_string(info.state)},
            {"host", info.host},
            {"provider", info.provider},
            {"sandbox_id", info.sandbox_id},
            {"owner", info.owner},
            {"created", time_text(info.created)},
            {"idle_deadline", detail::time_or_null(info.idle_deadline)},
            {"deadline", detail::time_or_null(info.deadline)},
            {"notes", std::move(notes)},
            {"error", info.error ? boost::json::value(to_json(*info.error)) : boost::json::value(nullptr)},
            {"timeline", timeline_to_json(info.timeline)}};
}

[[nodiscard]] inline boost::json::object to_json(const KeptEdit& kept) {
    return {{"profile", to_json(kept.profile)}, {"changes", list_to_json(kept.changes)}};
}

[[nodiscard]] inline boost::json::object to_json(const Validation& validation) {
    return {{"errors", problems_to_json(validation.errors)}, {"warnings", problems_to_json(validation.warnings)}};
}

[[nodiscard]] inline boost::json::object to_json(const DoctorCheck& check) {
    constexpr std::string_view names[] = {"ok", "warning", "missing"};
    return {{"name", check.name},
            {"status", names[static_cast<std::size_t>(check.status)]},
            {"message", check.message},
            {"remedy", check.remedy}};
}

[[nodiscard]] inline boost::json::object to_json(const ProcessEnd& end) {
    return {{"exit_code", end.exit_code}, {"signal", end.signal}, {"timed_out", end.timed_out}, {"shell_code", end.shell_code()}};
}

// What a command printed is bytes, and beside this.
[[nodiscard]] inline boost::json::object to_json(const ExecResult& result) {
    return {{"end", to_json(result.end)}, {"dropped_bytes", result.dropped_bytes}};
}

[[nodiscard]] inline boost::json::object to_json(const ProcessInfo& process) {
    boost::json::array argv;
    for (const auto& argument : process.argv) argv.push_back(boost::json::value(argument));
    return {{"id", process.id}, {"pid", process.pid}, {"argv", std::move(argv)}};
}

[[nodiscard]] inline boost::json::object to_json(const FileInfo& file) {
    return {{"name", file.name},        {"path", file.path},   {"type", to_string(file.type)},
            {"size", file.size},        {"mode", file.mode},   {"permissions", file.permissions},
            {"owner", file.owner},      {"group", file.group}, {"symlink_target", file.symlink_target},
            {"modified", file.modified}};
}

[[nodiscard]] inline boost::json::object to_json(const FileEvent& event) {
    return {{"change", to_string(event.change)}, {"name", event.name}};
}

[[nodiscard]] inline boost::json::object to_json(const TreeSummary& tree) {
    return {{"entries", tree.entries}, {"bytes", tree.bytes}};
}

// Without its output, which is bytes.
[[nodiscard]] inline boost::json::object to_json(const Progress& progress) {
    return {
        {"phase", to_string(progress.phase)}, {"message", progress.message}, {"done", progress.done}, {"total", progress.total}};
}

} // namespace sandboxkit

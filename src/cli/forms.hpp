// SPDX-License-Identifier: Apache-2.0
// The engine's answers as JSON and as tables.
#pragma once

#include <sandboxkit/engine.hpp>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <string>
#include <vector>

namespace sandboxkit::cli {

[[nodiscard]] boost::json::object to_json(const ProfileInfo& info);
[[nodiscard]] boost::json::object to_json(const VersionInfo& info);
[[nodiscard]] boost::json::object to_json(const JobInfo& info);
[[nodiscard]] boost::json::object to_json(const SessionInfo& info);
[[nodiscard]] boost::json::object to_json(const FieldChange& change);
[[nodiscard]] boost::json::object to_json(const EditProposal& proposal);
[[nodiscard]] boost::json::object to_json(const ActivityEntry& entry);
[[nodiscard]] boost::json::object to_json(const InstructionsRevision& revision);
[[nodiscard]] boost::json::object to_json(const Overview& overview);

template <class T>
[[nodiscard]] boost::json::value list_to_json(const std::vector<T>& list) {
    boost::json::array array;
    for (const auto& element : list) array.push_back(to_json(element));
    return array;
}

// "2026-01-31T12:00:00.000Z"
[[nodiscard]] std::string time_text(Timestamp time);

// "edt_... network, by ada on revision 3, 2026-..."
[[nodiscard]] std::string proposal_line(const EditProposal& proposal);

// Columns aligned, two spaces between; the first row is the heading. Cells have no control characters
// afterwards.
[[nodiscard]] std::string table(const std::vector<std::vector<std::string>>& rows);

// Indented, members in their order, a newline at the end; fit for a terminal (escaped_json).
[[nodiscard]] std::string pretty(const boost::json::value& value);

} // namespace sandboxkit::cli

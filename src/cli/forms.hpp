// SPDX-License-Identifier: Apache-2.0
// Answers for a terminal: tables, and JSON that is easy to read.
#pragma once

#include <sandboxkit/answers_json.hpp>
#include <sandboxkit/engine.hpp>

#include <boost/json/value.hpp>

#include <string>
#include <vector>

namespace sandboxkit::cli {

// "edt_... network, by ada on revision 3, 2026-..."
[[nodiscard]] std::string proposal_line(const EditProposal& proposal);

// Columns aligned, two spaces between; the first row is the heading. Cells have no control characters
// afterwards.
[[nodiscard]] std::string table(const std::vector<std::vector<std::string>>& rows);

// Indented, members in their order, a newline at the end; fit for a terminal (escaped_json).
[[nodiscard]] std::string pretty(const boost::json::value& value);

} // namespace sandboxkit::cli

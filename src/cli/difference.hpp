// SPDX-License-Identifier: Apache-2.0
// Changes of fields as people read them.
#pragma once

#include <sandboxkit/plan.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::cli {

// A paragraph a change: its pointer, then "- " what was and "+ " what is; text of several lines, such as a script, by its lines.
// `indent` stands before every line.
[[nodiscard]] std::string difference_text(const std::vector<FieldChange>& changes, bool coloured, std::string_view indent = "");

} // namespace sandboxkit::cli

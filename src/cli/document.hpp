// SPDX-License-Identifier: Apache-2.0
// A file that the user named, and the places in it where something is wrong.
#pragma once

#include <sandboxkit/error.hpp>
#include <sandboxkit/text_position.hpp>

#include <boost/json/array.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::cli {

struct Document {
    std::string name; // as the user wrote it; of standard input "<stdin>"
    std::string text;
};

// The content of a file, or of standard input for "-". More than 100 MiB is refused.
[[nodiscard]] Result<Document> read_document(const std::string& path);

// Where in the document a problem of it stands. Nothing where it is known of the whole only: too large, or empty.
[[nodiscard]] std::optional<TextPosition> place_of(const Problem& problem, const Document& document);

// One paragraph each, in the form that editors jump by: "FILE:LINE:COLUMN: error: message [code] /pointer" and, indented, what
// to do. `severity` is the word after the place.
[[nodiscard]] std::string problem_lines(const std::vector<Problem>& problems, const Document& document,
                                        std::string_view severity);

// As problems_to_json has them; with "line" and "column" where the document is given and the place known.
[[nodiscard]] boost::json::array placed_to_json(const std::vector<Problem>& problems, const Document* document);

} // namespace sandboxkit::cli

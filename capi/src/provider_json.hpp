// SPDX-License-Identifier: Apache-2.0
// What a provider is asked, and what it answers, as JSON: the waist for hosts in other languages. The header says the forms.
#pragma once

#include <sandboxkit/error.hpp>
#include <sandboxkit/provider.hpp>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::capi {

[[nodiscard]] boost::json::object to_json(const std::map<std::string, std::string>& texts);
[[nodiscard]] boost::json::object to_json(const CreateRequest& request);
// Not of one with a path that is no UTF-8: invalid "path_not_utf8".
[[nodiscard]] Result<boost::json::object> to_json(const ImageRequest& request);

// Of an answer that is none: internal "provider_answer".
[[nodiscard]] Error wrong_provider_answer(std::vector<Problem> problems);

// Puts into `out` what an answer says: a value, or with {"error": {...}} the provider's own error. Of what is no such answer the
// error, with all that is wrong with it. For void and for what the operations of Provider give.
template <class T>
[[nodiscard]] Result<void> read_provider_answer(const boost::json::value& answer, std::optional<Result<T>>& out);

} // namespace sandboxkit::capi

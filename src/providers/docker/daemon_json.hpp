// SPDX-License-Identifier: Apache-2.0
// JSON of a daemon, which may be anything: depth is bounded, types are checked, members that are not known are left alone.
#pragma once

#include <sandboxkit/error.hpp>

#include "envd/bounded_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <exception>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::docker {

namespace json = boost::json;

// internal "peer_protocol".
[[nodiscard]] inline Error protocol_error(std::string what, std::string_view peer_text = {}) {
    return {ErrorClass::internal, "peer_protocol", std::move(what), "", envd::bounded_text(peer_text, 1024), {}};
}

// What `read` makes of the document; it may throw what Boost.JSON throws when something is of another type, or missing. What is
// longer than an answer of the client's limit does not come here. Errors: internal "peer_protocol".
template <class Read>
auto read_json(std::string_view text, Read read) -> Result<decltype(read(json::value{}))> {
    try {
        json::parse_options options;
        options.max_depth = 32;
        const json::value document = json::parse(json::string_view(text.data(), text.size()), {}, options);
        return read(document);
    } catch (const std::exception& e) {
        return protocol_error(std::string("the Docker daemon answered with what is not its API: ") + e.what(),
                              text.substr(0, 256));
    }
}

// Members; absent or null is empty, another type throws.
[[nodiscard]] inline const json::value* present(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(json::string_view(name.data(), name.size()));
    return value != nullptr && !value->is_null() ? value : nullptr;
}
[[nodiscard]] inline std::string text_of(const json::object& object, std::string_view name) {
    const auto* value = present(object, name);
    if (value == nullptr) return {};
    const auto& text = value->as_string();
    return {text.data(), text.size()};
}
[[nodiscard]] inline bool flag_of(const json::object& object, std::string_view name) {
    const auto* value = present(object, name);
    return value != nullptr && value->as_bool();
}
[[nodiscard]] inline std::int64_t number_of(const json::object& object, std::string_view name) {
    const auto* value = present(object, name);
    return value == nullptr ? 0 : value->to_number<std::int64_t>();
}
[[nodiscard]] inline const json::object* object_of(const json::object& object, std::string_view name) {
    const auto* value = present(object, name);
    return value == nullptr ? nullptr : &value->as_object();
}
[[nodiscard]] inline const json::array* array_of(const json::object& object, std::string_view name) {
    const auto* value = present(object, name);
    return value == nullptr ? nullptr : &value->as_array();
}
[[nodiscard]] inline std::vector<std::string> texts_of(const json::object& object, std::string_view name) {
    std::vector<std::string> texts;
    if (const auto* list = array_of(object, name))
        for (const auto& each : *list) texts.emplace_back(each.as_string());
    return texts;
}
[[nodiscard]] inline std::map<std::string, std::string> labels_of(const json::object& object, std::string_view name) {
    std::map<std::string, std::string> labels;
    if (const auto* members = object_of(object, name))
        for (const auto& member : *members) labels[std::string(member.key())] = std::string(member.value().as_string());
    return labels;
}

} // namespace sandboxkit::docker

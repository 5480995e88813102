// SPDX-License-Identifier: Apache-2.0
// Reading JSON of an untrusted peer: depth and memory are bounded, types are checked, unknown members are ignored
// (the wire allows new ones). Every fault is ErrorClass::internal "peer_protocol".
#pragma once

#include <sandboxkit/error.hpp>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxkit::envd {

// `what` is our text, `peer_text` the peer's; the latter is bounded here.
[[nodiscard]] Error protocol_error(std::string what, std::string_view peer_text = {});

// Parses `text`, which must be one object, and hands it to `use`; the object does not outlive the call.
// The parsed form takes at most `text.size() * 8 + 64 KiB`.
Result<void> with_json_object(std::string_view text, const std::function<Result<void>(const boost::json::object&)>& use);

// Members as proto3 JSON has them: an absent member or null is the zero value.
Result<std::string> string_member(const boost::json::object& object, std::string_view name);
Result<bool> bool_member(const boost::json::object& object, std::string_view name);
// A number, or a string of decimal digits (64-bit integers are strings). Nothing when absent.
Result<std::optional<std::int64_t>> integer_member(const boost::json::object& object, std::string_view name, std::int64_t min,
                                                   std::int64_t max);
// Null when absent.
Result<const boost::json::object*> object_member(const boost::json::object& object, std::string_view name);
Result<const boost::json::array*> array_member(const boost::json::object& object, std::string_view name);

} // namespace sandboxkit::envd

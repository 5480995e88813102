// SPDX-License-Identifier: Apache-2.0
// The conditions of a request for a file (RFC 9110, section 13), which here has a time and no tag.
#pragma once

#include "guest/request_reader.hpp"

#include <cstdint>
#include <ctime>

namespace sandboxkit::guest {

enum class Conditions : std::uint8_t {
    met,
    not_modified, // the client has it already: 304
    failed,       // it is not what the client takes it for: 412
};

// `modified`: in whole seconds, as the client was told. A date that is none says nothing.
[[nodiscard]] Conditions check_conditions(const RequestHead& head, std::time_t modified);

} // namespace sandboxkit::guest

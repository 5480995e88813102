// SPDX-License-Identifier: Apache-2.0
// The Range field of a request for a file. https://www.rfc-editor.org/rfc/rfc9110#section-14.2
#pragma once

#include <cstdint>
#include <string_view>

namespace sandboxkit::guest {

struct RangeAnswer {
    enum class Kind : std::uint8_t {
        whole, // no range, or one that a server may ignore: several ranges, another unit, not understood
        part,
        unsatisfiable,
    };
    Kind kind = Kind::whole;
    std::uint64_t first = 0, length = 0;
};

[[nodiscard]] RangeAnswer parse_range(std::string_view field, std::uint64_t size);

} // namespace sandboxkit::guest

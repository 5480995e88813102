// SPDX-License-Identifier: Apache-2.0
// Structs of options of any age.
#pragma once

#include "guard.hpp"

#include <sandboxkit/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace sandboxkit::capi {

// `first`: the size that the struct was published with. A smaller one is filled up with zeros. Of a larger one, from a header
// that is newer than this library, the rest has to be zero: what is asked for there would not be done.
template <class Options>
Result<Options> read_options(const Options* given, std::size_t first) {
    if (!given) throw Misuse{};
    std::size_t size = 0;
    std::memcpy(&size, given, sizeof size);
    if (size < first) throw Misuse{};
    Options options{};
    std::memcpy(&options, given, std::min(size, sizeof options));
    if (size > sizeof options) {
        const auto* const bytes = reinterpret_cast<const unsigned char*>(given);
        if (std::any_of(bytes + sizeof options, bytes + size, [](unsigned char byte) { return byte != 0; }))
            return Error{ErrorClass::unsupported,
                         "unknown_option",
                         "an option is set that this version of the library does not know",
                         "use a newer library, or leave out what came after " + std::to_string(sizeof options) + " bytes",
                         "",
                         {}};
    }
    options.struct_size = sizeof options;
    return options;
}

} // namespace sandboxkit::capi

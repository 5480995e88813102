// SPDX-License-Identifier: Apache-2.0
#include "envd/bounded_text.hpp"

#include <cstdint>

namespace sandboxkit::envd {
namespace {

// The length of the character at the front, 0 when there is no valid one.
std::size_t character_size(std::string_view bytes) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const unsigned char lead = at(0);
    if (lead < 0x80) return 1;
    const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || bytes.size() < size) return 0;
    for (std::size_t i = 1; i < size; ++i)
        if ((at(i) & 0xc0) != 0x80) return 0;
    const unsigned char second = at(1);
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f)) return 0;
    if ((lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) return 0;
    return size;
}

} // namespace

bool is_utf8(std::string_view bytes) {
    while (!bytes.empty()) {
        const std::size_t size = character_size(bytes);
        if (size == 0) return false;
        bytes.remove_prefix(size);
    }
    return true;
}

std::string bounded_text(std::string_view bytes, std::size_t limit) {
    std::string text;
    while (!bytes.empty()) {
        const std::size_t size = character_size(bytes);
        if (text.size() + (size == 0 ? 1 : size) > limit) break;
        const auto lead = static_cast<unsigned char>(bytes[0]);
        const bool c0 = lead < 0x20 && lead != '\n' && lead != '\t';
        const bool c1 = size == 2 && lead == 0xc2 && static_cast<unsigned char>(bytes[1]) < 0xa0;
        if (size == 0 || c0 || c1 || lead == 0x7f)
            text += '?';
        else
            text.append(bytes.substr(0, size));
        bytes.remove_prefix(size == 0 ? 1 : size);
    }
    return text;
}

} // namespace sandboxkit::envd

// SPDX-License-Identifier: Apache-2.0
// RE2, behind the few words that this room needs of it. Bytes, not characters: a credential is ASCII, and what surrounds it
// may be anything. Thread-safe.
#pragma once

#include <re2/re2.h>

#include <cstddef>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

namespace sandboxkit::secrets {

[[nodiscard]] inline RE2::Options pattern_options() {
    RE2::Options options;
    options.set_encoding(RE2::Options::EncodingLatin1);
    options.set_log_errors(false);
    options.set_max_mem(std::int64_t{64} << 20); // for automata, which are made as they are needed
    return options;
}

class Pattern {
public:
    explicit Pattern(std::string_view text) : re_(re2::StringPiece(text.data(), text.size()), pattern_options()) {
        if (!re_.ok()) std::abort(); // a defect of the table, and every test would meet it
    }

    // Into `groups` (at most 8, the whole match first) what the first match at `begin` or later has. What is before `begin` is
    // still seen by \b.
    [[nodiscard]] bool find(std::string_view text, std::size_t begin, std::span<std::string_view> groups) const {
        re2::StringPiece found[8];
        const int count = static_cast<int>(groups.size());
        if (!re_.Match(re2::StringPiece(text.data(), text.size()), begin, text.size(), RE2::UNANCHORED, found, count))
            return false;
        for (std::size_t i = 0; i < groups.size(); ++i)
            groups[i] = found[i].data() ? std::string_view(found[i].data(), found[i].size()) : std::string_view{};
        return true;
    }

    [[nodiscard]] bool is_all_of(std::string_view text) const {
        return re_.Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), RE2::ANCHOR_BOTH, nullptr, 0);
    }

private:
    RE2 re_;
};

} // namespace sandboxkit::secrets

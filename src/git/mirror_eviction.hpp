// SPDX-License-Identifier: Apache-2.0
// Keeps the mirror cache within a size.
#pragma once

#include <sandboxkit/error.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace sandboxkit::git {

struct Evicted {
    std::size_t mirrors = 0;
    std::uint64_t bytes = 0;
};

// Removes mirrors of `directory`, those first whose last clone began the longest ago, until the files of the rest take at most
// `most_bytes`; and what processes left that died while they made or removed one. A mirror that a clone uses stays, in this
// process or another. One is renamed before it is removed, so that no clone ever finds half of it. Their lock files, which are
// empty, stay. Only one at a time: who comes while another evicts removes nothing. Blocks. Thread-safe. No directory is no
// mirrors.
[[nodiscard]] Result<Evicted> evict_mirrors(const std::filesystem::path& directory, std::uint64_t most_bytes);

} // namespace sandboxkit::git

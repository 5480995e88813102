// SPDX-License-Identifier: Apache-2.0
// What the library says of itself.
#include "guard.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace capi = sandboxkit::capi;

namespace {

constexpr std::array<std::string_view, 8> features = {"provider.local", "terminals",  "trees", "watch",
                                                      "credentials",    "references", "log",   "providers"};

} // namespace

const char* sbk_version(void) {
    return SANDBOXKIT_VERSION;
}

int sbk_has_feature(const char* name, size_t name_size) {
    return capi::guarded_or(__func__, 0, [&] {
        return std::find(features.begin(), features.end(), capi::text(name, name_size)) != features.end() ? 1 : 0;
    });
}

const char* sbk_status_name(sbk_status status) {
    switch (capi::number_of(status)) {
    case SBK_OK: return "ok";
    case SBK_INVALID: return "invalid";
    case SBK_NOT_FOUND: return "not_found";
    case SBK_CONFLICT: return "conflict";
    case SBK_PERMISSION: return "permission";
    case SBK_UNAVAILABLE: return "unavailable";
    case SBK_QUOTA: return "quota";
    case SBK_TIMEOUT: return "timeout";
    case SBK_CANCELLED: return "cancelled";
    case SBK_DATA_LOSS: return "data_loss";
    case SBK_UNSUPPORTED: return "unsupported";
    case SBK_INTERNAL: return "internal";
    case SBK_NO_MEMORY: return "no_memory";
    case SBK_MISUSE: return "misuse";
    case SBK_FORKED: return "forked";
    case SBK_EMPTY: return "empty";
    }
    return "unknown";
}

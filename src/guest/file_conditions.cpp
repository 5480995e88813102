// SPDX-License-Identifier: Apache-2.0
#include "guest/file_conditions.hpp"

#include <optional>
#include <string>

namespace sandboxkit::guest {
namespace {

// The date of a field; also in the two forms that are obsolete.
std::optional<std::time_t> date_of(const std::string* text) {
    if (text == nullptr) return std::nullopt;
    for (const char* form : {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
        std::tm parts{};
        const char* end = ::strptime(text->c_str(), form, &parts);
        if (end != nullptr && *end == '\0') return ::timegm(&parts);
    }
    return std::nullopt;
}

} // namespace

Conditions check_conditions(const RequestHead& head, std::time_t modified) {
    // No tag is that of a file without one; only "*" means any.
    if (const std::string* tags = head.find("If-Match")) {
        if (*tags != "*") return Conditions::failed;
    } else if (const auto since = date_of(head.find("If-Unmodified-Since")); since && modified > *since) {
        return Conditions::failed;
    }
    if (const std::string* tags = head.find("If-None-Match")) return *tags == "*" ? Conditions::not_modified : Conditions::met;
    const auto since = date_of(head.find("If-Modified-Since"));
    return since && modified <= *since ? Conditions::not_modified : Conditions::met;
}

} // namespace sandboxkit::guest

// SPDX-License-Identifier: Apache-2.0
// An http(s) URL taken apart, so that two of them can be compared. No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::credentials {

struct HttpUrl {
    bool tls = true;
    std::string host; // lower case; an IPv6 address without brackets
    std::uint16_t port = 443;
    std::vector<std::string> path; // its components, decoded
};

// Nothing for another kind of URL, for one with user information, a query or a fragment, and for one whose path servers may read
// in more than one way: empty, "." and ".." components, encoded slashes, backslashes and control characters. A slash at the end
// is no component.
[[nodiscard]] std::optional<HttpUrl> parse_http_url(std::string_view url);

// By its name alone: what a resolver says is not believed.
[[nodiscard]] bool is_this_machine(const HttpUrl& url);

// "host", and ":port" when it is not the scheme's own.
[[nodiscard]] std::string authority_of(const HttpUrl& url);

} // namespace sandboxkit::credentials

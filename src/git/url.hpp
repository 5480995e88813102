// SPDX-License-Identifier: Apache-2.0
// The kinds of repository URL that can be cloned, taken apart. No I/O.
#pragma once

#include <sandboxkit/error.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxkit::git {

struct RemoteUrl {
    enum class Kind : std::uint8_t { http, ssh, file };
    Kind kind = Kind::http;
    bool tls = false; // https
    std::string user; // of ssh; may be empty
    std::string host; // without the brackets of an IPv6 address; empty for file
    std::optional<std::uint16_t> port;
    std::string path; // of ssh as the server's shell gets it, of file as the file system gets it: decoded, absolute
};

// Accepts http://, https://, ssh://, user@host:path and file:///path. Everything else is ErrorClass::invalid, and so are a
// password, a query, a fragment, control characters, and a host or path that a program could take for an option.
[[nodiscard]] Result<RemoteUrl> parse_url(std::string_view url);

// By its name alone: what the resolver says is not believed. "localhost", 127.0.0.0/8 and ::1.
[[nodiscard]] bool is_this_machine(const std::string& host);

// Whether a connection to it may end on this machine or on its link, as far as its name tells: also as a resolver reads
// "LOCALHOST", "127.1", "0.0.0.0" and an IPv4 address in an IPv6 one, and the link-local addresses, where clouds tell secrets.
[[nodiscard]] bool may_be_near(std::string_view host);

} // namespace sandboxkit::git

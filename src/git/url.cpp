// SPDX-License-Identifier: Apache-2.0
#include "git/url.hpp"

#include <sandboxkit/address_range.hpp>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <memory>

namespace sandboxkit::git {

namespace {

Error bad(std::string code, std::string message, std::string remedy) {
    return Error{ErrorClass::invalid, std::move(code), std::move(message), std::move(remedy), "", {}};
}

Error bad_form(std::string message) {
    return bad("bad_repository_url", std::move(message),
               "use https://host/path, http://host/path, ssh://user@host/path, user@host:path or file:///path");
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (i + 2 >= text.size() || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) return std::nullopt;
        const int value = hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]);
        if (value < 0x20 || value == 0x7f) return std::nullopt; // a newline or NUL in a path is never meant
        out += static_cast<char>(value);
        i += 2;
    }
    return out;
}

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool good_name(std::string_view name) { // of a host or a user: also safe as a word of a command line
    return !name.empty() && name.size() <= 255 && name.front() != '-' && std::ranges::all_of(name, is_word);
}

bool good_address(std::string_view address) {
    return !address.empty() && std::ranges::all_of(address, [](char c) { return hex_digit(c) >= 0 || c == ':' || c == '.'; });
}

// "host", "host:port", "[address]", "[address]:port"
Result<void> read_authority(std::string_view authority, RemoteUrl& out) {
    std::string_view rest;
    if (!authority.empty() && authority.front() == '[') {
        const auto end = authority.find(']');
        if (end == std::string_view::npos || !good_address(authority.substr(1, end - 1)))
            return bad_form("the repository URL has a malformed IPv6 address");
        out.host = authority.substr(1, end - 1);
        rest = authority.substr(end + 1);
    } else {
        const auto colon = authority.find(':');
        const auto host = authority.substr(0, colon);
        if (!good_name(host)) return bad_form("the repository URL has no valid host name");
        out.host = host;
        rest = colon == std::string_view::npos ? std::string_view{} : authority.substr(colon);
    }
    if (rest.empty()) return {};
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), port);
    if (rest.front() != ':' || error != std::errc{} || end != rest.data() + rest.size() || port == 0)
        return bad_form("the repository URL has a malformed port");
    out.port = port;
    return {};
}

} // namespace

Result<RemoteUrl> parse_url(std::string_view url) {
    if (url.empty() || url.size() > 4096) return bad_form("a repository URL has 1 to 4096 bytes");
    if (std::ranges::any_of(url, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '\\'; }))
        return bad_form("the repository URL contains a space, a backslash or a control character");

    RemoteUrl out;
    const auto scheme_end = url.find("://");
    if (scheme_end == std::string_view::npos) { // user@host:path
        const auto at = url.find('@');
        const auto colon = url.find(':');
        if (at == std::string_view::npos || colon == std::string_view::npos || colon < at || url.find('/') < colon)
            return bad_form("the repository URL has no scheme");
        out.kind = RemoteUrl::Kind::ssh;
        if (!good_name(url.substr(0, at))) return bad_form("the repository URL has no valid user name before '@'");
        out.user = url.substr(0, at);
        if (auto r = read_authority(url.substr(at + 1, colon - at - 1), out); !r) return r.error();
        out.path = url.substr(colon + 1);
        if (out.path.empty() || out.path.front() == '-') return bad_form("the repository URL has no valid path");
        return out;
    }

    const auto scheme = url.substr(0, scheme_end);
    auto rest = url.substr(scheme_end + 3);
    if (rest.find_first_of("?#") != std::string_view::npos)
        return bad("bad_repository_url", "a repository URL has no query and no fragment", "remove what follows '?' or '#'");
    const auto slash = rest.find('/');
    auto authority = rest.substr(0, slash);
    const auto path = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash);
    const auto decoded = percent_decode(path);
    if (!decoded) return bad_form("the repository URL has a malformed percent-encoding");

    if (scheme == "file") {
        if (!authority.empty() && authority != "localhost") return bad_form("a file URL names no host");
        if (path.size() < 2) return bad_form("the repository URL has no path");
        out.kind = RemoteUrl::Kind::file;
        out.path = *decoded;
        return out;
    }

    std::string_view user;
    if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
        user = authority.substr(0, at);
        authority = authority.substr(at + 1);
        if (scheme != "ssh" || user.find(':') != std::string_view::npos)
            return bad("url_has_credentials", "a repository URL must not contain credentials",
                       "remove what stands before '@'; credentials are given by a connection");
    }
    if (scheme == "http" || scheme == "https") {
        out.kind = RemoteUrl::Kind::http;
        out.tls = scheme == "https";
        out.path = path;
    } else if (scheme == "ssh") {
        out.kind = RemoteUrl::Kind::ssh;
        if (!user.empty() && !good_name(user)) return bad_form("the repository URL has no valid user name before '@'");
        out.user = user;
        // As git reads it: ssh://host/~user/x is relative to that user's home directory.
        out.path = decoded->starts_with("/~") ? decoded->substr(1) : *decoded;
    } else {
        return bad_form("repositories of the kind '" + std::string(scheme) + "://' cannot be cloned");
    }
    if (auto r = read_authority(authority, out); !r) return r.error();
    if (path.size() < 2) return bad_form("the repository URL has no path");
    return out;
}

bool is_this_machine(const std::string& host) {
    return detail::is_this_machine(host);
}

bool may_be_near(std::string_view host) {
    std::string name(host);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    while (name.ends_with('.')) name.pop_back();
    if (name == "localhost" || name.ends_with(".localhost")) return true;
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICHOST; // no name is looked up
    addrinfo* found = nullptr;
    if (::getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return false;
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, ::freeaddrinfo);
    const auto near_v4 = [](std::uint32_t address) {
        return address >> 24 == 0 || address >> 24 == 127 || address >> 16 == 0xa9fe; // 169.254.0.0/16
    };
    if (found->ai_family == AF_INET) return near_v4(ntohl(reinterpret_cast<const sockaddr_in*>(found->ai_addr)->sin_addr.s_addr));
    const in6_addr& address = reinterpret_cast<const sockaddr_in6*>(found->ai_addr)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&address) || IN6_IS_ADDR_V4COMPAT(&address))
        return near_v4(static_cast<std::uint32_t>(address.s6_addr[12]) << 24 |
                       static_cast<std::uint32_t>(address.s6_addr[13]) << 16 |
                       static_cast<std::uint32_t>(address.s6_addr[14]) << 8 | address.s6_addr[15]);
    return IN6_IS_ADDR_LOOPBACK(&address) || IN6_IS_ADDR_UNSPECIFIED(&address) || IN6_IS_ADDR_LINKLOCAL(&address);
}

} // namespace sandboxkit::git

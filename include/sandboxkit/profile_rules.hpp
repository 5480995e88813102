// SPDX-License-Identifier: Apache-2.0
// The rules of form for the strings of a profile. Each check returns what is wrong, or nothing. No check repeats the
// value: it may hold a secret that does not belong there.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxkit {

struct FormFault {
    std::string code;    // as Problem::code
    std::string message; // one line
    std::string remedy;  // may be empty
};

namespace detail {

[[nodiscard]] constexpr bool is_lower(char c) noexcept {
    return c >= 'a' && c <= 'z';
}
[[nodiscard]] constexpr bool is_letter(char c) noexcept {
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}
[[nodiscard]] constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

// C0 and DEL; and C1 (U+0080..U+009F), which terminals act on too.
[[nodiscard]] constexpr bool has_control_character(std::string_view text) noexcept {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c < 0x20 || c == 0x7F) return true;
        if (c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) return true;
    }
    return false;
}

} // namespace detail

// [a-z][a-z0-9-]{0,63}
[[nodiscard]] constexpr bool is_provider_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= 64 && detail::is_lower(name.front()) &&
           std::all_of(name.begin(), name.end(), [](char c) { return detail::is_lower(c) || detail::is_digit(c) || c == '-'; });
}

// [A-Za-z0-9][A-Za-z0-9._-]{0,99}
[[nodiscard]] constexpr bool is_repository_identifier(std::string_view name) noexcept {
    const auto plain = [](char c) { return detail::is_letter(c) || detail::is_digit(c); };
    return !name.empty() && name.size() <= 100 && plain(name.front()) &&
           std::all_of(name.begin(), name.end(), [&](char c) { return plain(c) || c == '.' || c == '_' || c == '-'; });
}

// [A-Za-z_][A-Za-z0-9_]*
[[nodiscard]] constexpr bool is_environment_name(std::string_view name) noexcept {
    return !name.empty() && !detail::is_digit(name.front()) &&
           std::all_of(name.begin(), name.end(), [](char c) { return detail::is_letter(c) || detail::is_digit(c) || c == '_'; });
}

// A repository's identifier as a part of a variable's name: in capitals, '_' for '-' and '.'.
[[nodiscard]] inline std::string variable_part(std::string_view identifier) {
    std::string part(identifier);
    for (char& c : part) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        if (c == '-' || c == '.') c = '_';
    }
    return part;
}

// The library's own variables; a profile cannot set them.
inline constexpr std::string_view reserved_environment_prefix = "SANDBOXKIT_";

// Whether `inner` is `outer` or lies below it; both normalized.
[[nodiscard]] constexpr bool is_at_or_below(std::string_view inner, std::string_view outer) noexcept {
    return inner.starts_with(outer) && (inner.size() == outer.size() || outer == "/" || inner[outer.size()] == '/');
}

// Absolute and normalized: no empty, "." or ".." component, no slash at the end; not "/"; at most 1024 bytes.
[[nodiscard]] inline std::optional<FormFault> check_absolute_path(std::string_view path) {
    if (path.size() > 1024) return FormFault{"too_long", "a path has at most 1024 bytes", "use a shorter path"};
    if (!path.starts_with('/')) return FormFault{"bad_value", "expected an absolute path", "start it with '/'"};
    if (path == "/") return FormFault{"bad_value", "the root directory itself is not allowed here", "name a directory below it"};
    if (detail::has_control_character(path)) return FormFault{"bad_value", "a path has no control characters", "remove them"};
    for (std::size_t begin = 1; begin <= path.size();) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        const std::string_view component = path.substr(begin, end - begin);
        if (component.empty())
            return FormFault{"bad_value", "the path has an empty component", "write single slashes, and none at the end"};
        if (component == "." || component == "..")
            return FormFault{"bad_value", "the path has a '.' or '..' component", "write the path without it"};
        if (component.size() > 255)
            return FormFault{"too_long", "a component of a path has at most 255 bytes", "use a shorter name"};
        begin = end + 1;
    }
    return {};
}

// Where a checkout may appear: nowhere among the kernel's file systems, the system's programs and its configuration.
// (/bin and the like are links into /usr.)
[[nodiscard]] inline std::optional<FormFault> check_mount_path(std::string_view path) {
    if (auto fault = check_absolute_path(path)) return fault;
    static constexpr std::array<std::string_view, 10> kept = {"/proc", "/sys",  "/dev", "/usr",   "/etc",
                                                              "/bin",  "/sbin", "/lib", "/lib32", "/lib64"};
    for (const std::string_view directory : kept)
        if (is_at_or_below(path, directory))
            return FormFault{"bad_value", "a repository cannot be mounted at or below " + std::string(directory),
                             "use a path below /workspace"};
    return {};
}

// As git check-ref-format has it, for a branch's short name.
[[nodiscard]] inline std::optional<FormFault> check_branch(std::string_view name) {
    const FormFault fault{"bad_value", "this is not a possible branch name",
                          "give the short name, for example main or feature/x"};
    if (name.empty() || name == "@" || name.starts_with('-') || name.ends_with('.') || name.size() > 250) return fault;
    if (detail::has_control_character(name) || name.find_first_of(" ~^:?*[\\") != std::string_view::npos) return fault;
    if (name.find("..") != std::string_view::npos || name.find("@{") != std::string_view::npos) return fault;
    for (std::size_t begin = 0; begin <= name.size();) {
        const std::size_t end = std::min(name.find('/', begin), name.size());
        const std::string_view component = name.substr(begin, end - begin);
        if (component.empty() || component.starts_with('.') || component.ends_with(".lock")) return fault;
        begin = end + 1;
    }
    if (name.starts_with("refs/"))
        return FormFault{"bad_value", "this is the full name of a reference",
                         "give the branch's short name, without refs/heads/"};
    return {};
}

namespace detail {

[[nodiscard]] constexpr bool is_host_name(std::string_view host) noexcept {
    if (host.starts_with('[') && host.ends_with(']')) { // an IPv6 address
        host = host.substr(1, host.size() - 2);
        return host.find(':') != std::string_view::npos &&
               host.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
    }
    return !host.empty() && host.size() <= 253 && host.front() != '-' && host.front() != '.' &&
           std::all_of(host.begin(), host.end(),
                       [](char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '_'; });
}

// host or host:port
[[nodiscard]] constexpr bool is_host_and_port(std::string_view text) noexcept {
    const std::size_t bracket = text.rfind(']');
    const std::size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
    if (colon != std::string_view::npos) {
        const std::string_view port = text.substr(colon + 1);
        if (port.empty() || port.size() > 5 || !std::all_of(port.begin(), port.end(), is_digit)) return false;
        unsigned value = 0;
        for (const char c : port) value = value * 10 + static_cast<unsigned>(c - '0');
        if (value == 0 || value > 65535) return false;
    }
    return is_host_name(text.substr(0, colon));
}

// A login name, and short enough that no access token passes for one.
[[nodiscard]] constexpr bool is_ssh_user(std::string_view user) noexcept {
    return !user.empty() && user.size() <= 32 && user.front() != '-' && user.front() != '.' &&
           std::all_of(user.begin(), user.end(),
                       [](char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '-'; });
}

} // namespace detail

// http://, https://, ssh://, user@host:path or file:///. No password, token, query or fragment: a URL is published
// with the recipe, and credentials are not.
[[nodiscard]] inline std::optional<FormFault> check_repository_url(std::string_view url) {
    static const std::string kinds = "https://host/path, ssh://user@host/path, user@host:path or file:///path";
    const FormFault credentials{"secret_in_url", "the URL carries user information, which may be a secret",
                                "remove everything before and including the '@'; credentials do not belong in a profile"};
    const FormFault no_host{"bad_value", "the URL names no usable host", "write it as " + kinds};
    const FormFault no_path{"bad_value", "the URL names no repository on its host", "write it as " + kinds};
    if (url.empty()) return FormFault{"bad_value", "the URL is empty", "write it as " + kinds};
    if (url.size() > 2048) return FormFault{"too_long", "a URL has at most 2048 bytes", "use a shorter URL"};
    if (detail::has_control_character(url) || url.find(' ') != std::string_view::npos)
        return FormFault{"bad_value", "the URL contains a space or a control character", "write a space as %20"};

    const std::size_t scheme_end = url.find("://");
    if (scheme_end == std::string_view::npos) {
        if (url.starts_with('/') || url.starts_with('.'))
            return FormFault{"bad_value", "this is a path, not a URL", "write a local repository as file:///absolute/path"};
        const std::size_t at = url.find('@');
        const std::size_t host = at == std::string_view::npos ? 0 : at + 1;
        const std::size_t colon =
            url.find(':', url.substr(host).starts_with('[') ? url.find(']', host) : host); // not of an IPv6 address
        if (at == std::string_view::npos || colon == std::string_view::npos)
            return FormFault{"bad_value", "this is not a URL of a known kind", "write it as " + kinds};
        if (url.substr(0, at).find_first_of(":/") != std::string_view::npos) return credentials;
        if (!detail::is_ssh_user(url.substr(0, at)))
            return FormFault{"bad_value", "this is not a plain SSH user name", "most servers expect git@host:path"};
        if (!detail::is_host_name(url.substr(host, colon - host))) return no_host;
        const std::string_view path = url.substr(colon + 1);
        if (path.empty() || path == "/" || path.starts_with('-')) return no_path;
        return {};
    }

    const std::string_view scheme = url.substr(0, scheme_end);
    std::string_view rest = url.substr(scheme_end + 3);
    if (scheme != "https" && scheme != "http" && scheme != "ssh" && scheme != "file")
        return FormFault{"bad_value", "this kind of URL is not supported", "write it as " + kinds};
    const std::size_t slash = std::min(rest.find_first_of("/?#"), rest.size());
    std::string_view authority = rest.substr(0, slash);
    const std::string_view path = rest.substr(slash);
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
        if (scheme != "ssh" || authority.substr(0, at).find_first_of(":@%") != std::string_view::npos) return credentials;
        if (!detail::is_ssh_user(authority.substr(0, at)))
            return FormFault{"bad_value", "this is not a plain SSH user name", "most servers expect ssh://git@host/path"};
        authority.remove_prefix(at + 1);
    }
    if (path.find_first_of("?#") != std::string_view::npos)
        return FormFault{"secret_in_url", "the URL has a query or a fragment, which may carry a secret",
                         "remove everything from the first '?' or '#'"};
    if (scheme == "file") {
        if (!authority.empty())
            return FormFault{"bad_value", "a file URL names no host", "write three slashes: file:///absolute/path"};
        if (auto fault = check_absolute_path(path.ends_with('/') && path.size() > 1 ? path.substr(0, path.size() - 1) : path))
            return fault;
        return {};
    }
    if (!detail::is_host_and_port(authority)) return no_host;
    if (path.size() < 2) return no_path;
    return {};
}

// The last component of the URL's path without ".git"; it may not be a valid identifier.
[[nodiscard]] constexpr std::string_view identifier_from_url(std::string_view url) noexcept {
    while (url.ends_with('/')) url.remove_suffix(1);
    if (const std::size_t cut = url.find_last_of("/:"); cut != std::string_view::npos) url.remove_prefix(cut + 1);
    if (url.ends_with(".git")) url.remove_suffix(4);
    return url;
}

// "host", "directory:<absolute path>" or "archive:<absolute path>".
[[nodiscard]] inline std::optional<FormFault> check_image(std::string_view image) {
    if (image == "host") return {};
    for (const std::string_view kind : {std::string_view("directory:"), std::string_view("archive:")})
        if (image.starts_with(kind)) return check_absolute_path(image.substr(kind.size()));
    return FormFault{"bad_value", "this is not an image of a known kind",
                     "write \"host\", \"directory:/absolute/path\" or \"archive:/absolute/path.tar\""};
}

} // namespace sandboxkit

// SPDX-License-Identifier: Apache-2.0
// The rules of form for the strings of a profile. Each check returns what is wrong, or nothing. No check repeats the
// value: it may hold a secret that does not belong there. Codes: "bad_value" where a regular expression says the same (those of
// namespace patterns, which the schema has), "bad_form" where none does, "secret_in_url".
#pragma once

#include <sandboxkit/address_range.hpp>

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
    if (path.size() > 1024) return FormFault{"bad_form", "a path has at most 1024 bytes", "use a shorter path"};
    if (!path.starts_with('/')) return FormFault{"bad_form", "expected an absolute path", "start it with '/'"};
    if (path == "/") return FormFault{"bad_form", "the root directory itself is not allowed here", "name a directory below it"};
    if (detail::has_control_character(path)) return FormFault{"bad_form", "a path has no control characters", "remove them"};
    for (std::size_t begin = 1; begin <= path.size();) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        const std::string_view component = path.substr(begin, end - begin);
        if (component.empty())
            return FormFault{"bad_form", "the path has an empty component", "write single slashes, and none at the end"};
        if (component == "." || component == "..")
            return FormFault{"bad_form", "the path has a '.' or '..' component", "write the path without it"};
        if (component.size() > 255)
            return FormFault{"bad_form", "a component of a path has at most 255 bytes", "use a shorter name"};
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
            return FormFault{"bad_form", "a repository cannot be mounted at or below " + std::string(directory),
                             "use a path below /workspace"};
    return {};
}

// As git check-ref-format has it, for a branch's short name.
[[nodiscard]] inline std::optional<FormFault> check_branch(std::string_view name) {
    const FormFault fault{"bad_form", "this is not a possible branch name", "give the short name, for example main or feature/x"};
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
        return FormFault{"bad_form", "this is the full name of a reference", "give the branch's short name, without refs/heads/"};
    return {};
}

// A tag's short name, or the whole id of a commit.
[[nodiscard]] inline std::optional<FormFault> check_revision(std::string_view name) {
    if (!check_branch(name)) return {};
    if (name.starts_with("refs/"))
        return FormFault{"bad_form", "this is the full name of a reference", "give the tag's short name, without refs/tags/"};
    return FormFault{"bad_form", "this is not a possible tag or commit",
                     "give a tag's short name, or all 40 hexadecimal digits of a commit"};
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
    const FormFault no_host{"bad_form", "the URL names no usable host", "write it as " + kinds};
    const FormFault no_path{"bad_form", "the URL names no repository on its host", "write it as " + kinds};
    if (url.empty()) return FormFault{"bad_form", "the URL is empty", "write it as " + kinds};
    if (url.size() > 2048) return FormFault{"bad_form", "a URL has at most 2048 bytes", "use a shorter URL"};
    if (detail::has_control_character(url) || url.find(' ') != std::string_view::npos)
        return FormFault{"bad_form", "the URL contains a space or a control character", "write a space as %20"};

    const std::size_t scheme_end = url.find("://");
    if (scheme_end == std::string_view::npos) {
        if (url.starts_with('/') || url.starts_with('.'))
            return FormFault{"bad_form", "this is a path, not a URL", "write a local repository as file:///absolute/path"};
        const std::size_t at = url.find('@');
        const std::size_t host = at == std::string_view::npos ? 0 : at + 1;
        const std::size_t colon =
            url.find(':', url.substr(host).starts_with('[') ? url.find(']', host) : host); // not of an IPv6 address
        if (at == std::string_view::npos || colon == std::string_view::npos)
            return FormFault{"bad_form", "this is not a URL of a known kind", "write it as " + kinds};
        if (url.substr(0, at).find_first_of(":/") != std::string_view::npos) return credentials;
        if (!detail::is_ssh_user(url.substr(0, at)))
            return FormFault{"bad_form", "this is not a plain SSH user name", "most servers expect git@host:path"};
        if (!detail::is_host_name(url.substr(host, colon - host))) return no_host;
        const std::string_view path = url.substr(colon + 1);
        if (path.empty() || path == "/" || path.starts_with('-')) return no_path;
        return {};
    }

    const std::string_view scheme = url.substr(0, scheme_end);
    std::string_view rest = url.substr(scheme_end + 3);
    if (scheme != "https" && scheme != "http" && scheme != "ssh" && scheme != "file")
        return FormFault{"bad_form", "this kind of URL is not supported", "write it as " + kinds};
    const std::size_t slash = std::min(rest.find_first_of("/?#"), rest.size());
    std::string_view authority = rest.substr(0, slash);
    const std::string_view path = rest.substr(slash);
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
        if (scheme != "ssh" || authority.substr(0, at).find_first_of(":@%") != std::string_view::npos) return credentials;
        if (!detail::is_ssh_user(authority.substr(0, at)))
            return FormFault{"bad_form", "this is not a plain SSH user name", "most servers expect ssh://git@host/path"};
        authority.remove_prefix(at + 1);
    }
    if (path.find_first_of("?#") != std::string_view::npos)
        return FormFault{"secret_in_url", "the URL has a query or a fragment, which may carry a secret",
                         "remove everything from the first '?' or '#'"};
    if (scheme == "file") {
        if (!authority.empty())
            return FormFault{"bad_form", "a file URL names no host", "write three slashes: file:///absolute/path"};
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

// Regular expressions of ECMA-262, each accepting what the check of the same name accepts.
namespace patterns {
inline constexpr std::string_view line = R"(^[^\u0000-\u001f\u007f-\u009f]+$)";
inline constexpr std::string_view provider_name = "^[a-z][a-z0-9-]{0,63}$";
inline constexpr std::string_view short_name = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$";
inline constexpr std::string_view environment_name = "^(?!SANDBOXKIT_)[A-Za-z_][A-Za-z0-9_]*$";
inline constexpr std::string_view option_name = "^[A-Za-z_][A-Za-z0-9_-]*$";
inline constexpr std::string_view version = "^[0-9A-Za-z][0-9A-Za-z.+_-]*$";
inline constexpr std::string_view digest = "^sha256:[0-9a-f]{64}$";
inline constexpr std::string_view skill_name = "^[a-z0-9]+(-[a-z0-9]+)*$";
inline constexpr std::string_view tool = R"(^(\*|[A-Za-z0-9_.-]+)$)";
inline constexpr std::string_view flag = "^--?[A-Za-z0-9][A-Za-z0-9-]*$";
inline constexpr std::string_view domain =
    R"(^(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$)";
inline constexpr std::string_view json_pointer = R"(^/([^~\u0000]|~[01])*$)";
} // namespace patterns

namespace detail {

template <class Predicate>
[[nodiscard]] constexpr bool all_of(std::string_view text, Predicate predicate) noexcept {
    return std::all_of(text.begin(), text.end(), predicate);
}
[[nodiscard]] constexpr bool is_alphanumeric(char c) noexcept {
    return is_letter(c) || is_digit(c);
}
[[nodiscard]] inline std::optional<FormFault> unless(bool ok, const char* message, const char* remedy) {
    if (ok) return {};
    return FormFault{"bad_value", message, remedy};
}

} // namespace detail

// One line of text that is not empty.
[[nodiscard]] inline std::optional<FormFault> check_line(std::string_view text) {
    if (text.empty()) return FormFault{"bad_value", "this is empty", "write something, or leave it out"};
    return detail::unless(!detail::has_control_character(text), "this contains a control character", "write one line of text");
}

[[nodiscard]] inline std::optional<FormFault> check_provider_name(std::string_view name) {
    return detail::unless(is_provider_name(name),
                          "expected a lower-case letter, then up to 63 lower-case letters, digits and '-'",
                          "\"local\" is always there");
}

[[nodiscard]] inline std::optional<FormFault> check_short_name(std::string_view name) {
    return detail::unless(is_repository_identifier(name),
                          "expected a letter or digit, then up to 99 letters, digits, '.', '_' and '-'", "choose a short name");
}

[[nodiscard]] inline std::optional<FormFault> check_environment_name(std::string_view name) {
    if (!is_environment_name(name))
        return FormFault{"bad_value", "the name of a variable is letters, digits and '_', and does not begin with a digit",
                         "rename it"};
    return detail::unless(!name.starts_with(reserved_environment_prefix),
                          "names beginning with SANDBOXKIT_ are set by the library", "rename it");
}

[[nodiscard]] inline std::optional<FormFault> check_option_name(std::string_view name) {
    return detail::unless(!name.empty() && (detail::is_letter(name.front()) || name.front() == '_') &&
                              detail::all_of(name, [](char c) { return detail::is_alphanumeric(c) || c == '_' || c == '-'; }),
                          "the name of an option is letters, digits, '_' and '-'", "see the feature's own documentation");
}

// One version, not a range.
[[nodiscard]] inline std::optional<FormFault> check_version(std::string_view version) {
    return detail::unless(
        !version.empty() && detail::is_alphanumeric(version.front()) &&
            detail::all_of(version,
                           [](char c) { return detail::is_alphanumeric(c) || c == '.' || c == '+' || c == '_' || c == '-'; }),
        "this is not a version", "write one version, such as 1.18.33; ranges are not possible");
}

[[nodiscard]] inline std::optional<FormFault> check_digest(std::string_view digest) {
    constexpr std::string_view prefix = "sha256:";
    return detail::unless(
        digest.starts_with(prefix) && digest.size() == prefix.size() + 64 &&
            detail::all_of(digest.substr(prefix.size()), [](char c) { return detail::is_digit(c) || (c >= 'a' && c <= 'f'); }),
        "expected sha256: and 64 lower-case hexadecimal digits", "copy the whole digest");
}

// As the Agent Skills specification has it.
[[nodiscard]] inline std::optional<FormFault> check_skill_name(std::string_view name) {
    return detail::unless(!name.empty() && name.front() != '-' && name.back() != '-' &&
                              name.find("--") == std::string_view::npos &&
                              detail::all_of(name, [](char c) { return detail::is_lower(c) || detail::is_digit(c) || c == '-'; }),
                          "the name of a skill is lower-case letters and digits, in parts joined by single '-'", "rename it");
}

// The name of a tool, or "*" for all of a server.
[[nodiscard]] inline std::optional<FormFault> check_tool(std::string_view name) {
    return detail::unless(
        name == "*" ||
            (!name.empty() &&
             detail::all_of(name, [](char c) { return detail::is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; })),
        "expected the name of a tool, or \"*\" for all", "name the tools one by one");
}

[[nodiscard]] inline std::optional<FormFault> check_flag(std::string_view flag) {
    const std::string_view word = flag.substr(std::min<std::size_t>(flag.size(), flag.starts_with("--") ? 2 : 1));
    return detail::unless(flag.starts_with('-') && !word.empty() && detail::is_alphanumeric(word.front()) &&
                              detail::all_of(word, [](char c) { return detail::is_alphanumeric(c) || c == '-'; }),
                          "expected a flag, such as --filter", "write the flag alone; what follows it is checked by the rule");
}

// A lower-case domain of two labels or more, "*." before it for all below it.
[[nodiscard]] inline std::optional<FormFault> check_domain(std::string_view domain) {
    const FormFault fault{"bad_value", "this is not a domain",
                          "write it in lower case: example.org, or *.example.org for all below"};
    std::string_view rest = domain.starts_with("*.") ? domain.substr(2) : domain;
    if (rest.find('.') == std::string_view::npos) return fault;
    for (std::size_t begin = 0; begin <= rest.size();) {
        const std::size_t end = std::min(rest.find('.', begin), rest.size());
        const std::string_view label = rest.substr(begin, end - begin);
        if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return fault;
        if (!detail::all_of(label, [](char c) { return detail::is_lower(c) || detail::is_digit(c) || c == '-'; })) return fault;
        begin = end + 1;
    }
    return {};
}

// RFC 6901, not the whole document.
[[nodiscard]] inline std::optional<FormFault> check_json_pointer(std::string_view pointer) {
    bool ok = pointer.starts_with('/');
    for (std::size_t i = 0; ok && i < pointer.size(); ++i)
        if (pointer[i] == '~') ok = i + 1 < pointer.size() && (pointer[i + 1] == '0' || pointer[i + 1] == '1');
    return detail::unless(ok, "expected a JSON pointer, such as /environment/NAME", "copy it from the error that it is for");
}

// An IPv4 or IPv6 network, no bit set beyond its prefix.
[[nodiscard]] inline std::optional<FormFault> check_cidr(std::string_view cidr) {
    const auto range = cidr.find('/') == std::string_view::npos ? std::nullopt : parse_address_range(cidr);
    if (!range) return FormFault{"bad_form", "this is not a range of addresses", "write it as 203.0.114.0/24 or 2a00:1450::/32"};
    for (unsigned bit = range->bits; bit < (range->v6 ? 128U : 32U); ++bit)
        if ((range->network[bit / 8] >> (7 - bit % 8) & 1) != 0)
            return FormFault{"bad_form", "the address has bits set beyond its prefix", "write the network's own address"};
    return {};
}

// http:// or https://, without user information, query or fragment.
[[nodiscard]] inline std::optional<FormFault> check_http_url(std::string_view url) {
    if (!url.starts_with("https://") && !url.starts_with("http://"))
        return FormFault{"bad_form", "expected an http or https URL", "write it as https://host/path"};
    const std::size_t host = url.find("://") + 3;
    // A server may answer at "/", which a repository does not.
    return check_repository_url(std::string(url) + (url.find('/', host) == std::string_view::npos ? "/x" : "x"));
}

// Below a directory: no "." or ".." component, no slash at either end.
[[nodiscard]] inline std::optional<FormFault> check_relative_path(std::string_view path) {
    if (path.starts_with('/') || path.empty())
        return FormFault{"bad_form", "expected a path below the repository", "write it without a leading slash"};
    return check_absolute_path("/" + std::string(path));
}

// <registry>/<path>[:tag|@sha256:...], https://.../name.tgz or directory:<absolute path>.
[[nodiscard]] inline std::optional<FormFault> check_feature(std::string_view id) {
    const FormFault fault{"bad_form", "this is not a reference of a feature",
                          "write ghcr.io/devcontainers/features/node:1, https://host/feature.tgz or directory:/absolute/path"};
    if (id.starts_with("directory:")) return check_absolute_path(id.substr(std::string_view("directory:").size()));
    if (id.starts_with("https://")) {
        if (auto url = check_http_url(id)) return url;
        if (!id.ends_with(".tgz")) return fault;
        return {};
    }
    std::string_view name = id;
    if (const std::size_t at = name.find('@'); at != std::string_view::npos) {
        if (check_digest(name.substr(at + 1))) return fault;
        name = name.substr(0, at);
    } else if (const std::size_t colon = name.rfind(':'); colon != std::string_view::npos && colon > name.rfind('/')) {
        const std::string_view tag = name.substr(colon + 1);
        if (tag.size() > 128 || check_version(tag)) return fault;
        name = name.substr(0, colon);
    }
    const std::size_t slash = name.find('/');
    if (slash == std::string_view::npos || !detail::is_host_and_port(name.substr(0, slash))) return fault;
    for (std::size_t begin = slash + 1; begin <= name.size();) {
        const std::size_t end = std::min(name.find('/', begin), name.size());
        const std::string_view component = name.substr(begin, end - begin);
        if (component.empty() || !detail::is_alphanumeric(component.front()) || !detail::is_alphanumeric(component.back()) ||
            !detail::all_of(
                component, [](char c) { return detail::is_lower(c) || detail::is_digit(c) || c == '.' || c == '_' || c == '-'; }))
            return fault;
        begin = end + 1;
    }
    return {};
}

// "host", "directory:<absolute path>", "archive:<absolute path>" or "oci:<registry>/<path>[:tag|@sha256:...]".
[[nodiscard]] inline std::optional<FormFault> check_image(std::string_view image) {
    if (image == "host") return {};
    for (const std::string_view kind : {std::string_view("directory:"), std::string_view("archive:")})
        if (image.starts_with(kind)) return check_absolute_path(image.substr(kind.size()));
    // An image and a feature are named alike in a registry.
    const std::string_view kind = "oci:";
    if (image.starts_with(kind) && !image.substr(kind.size()).starts_with("https:") &&
        !image.substr(kind.size()).starts_with("directory:") && !check_feature(image.substr(kind.size())))
        return {};
    return FormFault{"bad_form", "this is not an image of a known kind",
                     "write \"host\", \"directory:/absolute/path\", \"archive:/absolute/path.tar\" or "
                     "\"oci:registry.example/team/image:tag\""};
}

// The resource id of a user-assigned managed identity.
[[nodiscard]] inline std::optional<FormFault> check_azure_identity(std::string_view id) {
    const FormFault fault{"bad_form", "this is not the resource id of a user-assigned managed identity",
                          "copy it from the portal: /subscriptions/.../resourceGroups/.../providers/Microsoft.ManagedIdentity/"
                          "userAssignedIdentities/..."};
    if (check_absolute_path(id)) return fault;
    static constexpr std::array<std::string_view, 8> parts = {
        "subscriptions", "", "resourcegroups", "", "providers", "microsoft.managedidentity", "userassignedidentities", ""};
    std::size_t begin = 1;
    for (const std::string_view part : parts) {
        if (begin > id.size()) return fault;
        const std::size_t end = std::min(id.find('/', begin), id.size());
        const std::string_view given = id.substr(begin, end - begin);
        if (!part.empty() && !std::equal(given.begin(), given.end(), part.begin(), part.end(), [](char a, char b) {
                return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
            }))
            return fault;
        begin = end + 1;
    }
    if (begin <= id.size()) return fault;
    return {};
}

} // namespace sandboxkit

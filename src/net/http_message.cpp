// SPDX-License-Identifier: Apache-2.0
#include "net/http_message.hpp"

#include <algorithm>

namespace sandboxkit::net {
namespace {

constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equals_without_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

constexpr bool is_alphanumeric(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// RFC 9110, 5.6.2.
bool is_token(std::string_view text) {
    constexpr std::string_view others = "!#$%&'*+-.^_`|~";
    return !text.empty() &&
           std::ranges::all_of(text, [&](char c) { return is_alphanumeric(c) || others.find(c) != std::string_view::npos; });
}

bool is_field_value(std::string_view text) {
    return std::ranges::none_of(text, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && byte != '\t') || byte == 0x7f;
    });
}

bool is_target(std::string_view text) {
    return text.starts_with('/') && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

Error bad_request(std::string message) {
    return Error{ErrorClass::invalid, "http_request", std::move(message), "", "", {}};
}

} // namespace

std::optional<std::string_view> find_header(const HttpHeaders& headers, std::string_view name) {
    for (const auto& [field, value] : headers)
        if (equals_without_case(field, name)) return std::string_view(value);
    return {};
}

bool has_media_type(const HttpHeaders& headers, std::string_view media_type) {
    const auto value = find_header(headers, "Content-Type");
    if (!value) return false;
    std::string_view type = value->substr(0, value->find(';'));
    while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
    return equals_without_case(type, media_type);
}

Result<std::string> encode_request_head(const HttpRequest& request, std::string_view host) {
    if (!is_token(request.method)) return bad_request("an HTTP method contains characters that are not allowed");
    if (!is_target(request.target)) return bad_request("a request target does not start with '/' or is not percent-encoded");
    std::string head;
    head.reserve(512);
    head.append(request.method).append(" ").append(request.target).append(" HTTP/1.1\r\n");
    bool has_host = false;
    for (const auto& [name, value] : request.headers) {
        if (!is_token(name)) return bad_request("a header name contains characters that are not allowed");
        if (!is_field_value(value)) return bad_request("the value of the header '" + name + "' contains control characters");
        for (const std::string_view own : {"Content-Length", "Transfer-Encoding", "Connection", "Expect", "Upgrade"})
            if (equals_without_case(name, own)) return bad_request("the header '" + name + "' belongs to the HTTP client");
        has_host = has_host || equals_without_case(name, "Host");
        head.append(name).append(": ").append(value).append("\r\n");
    }
    if (!has_host) {
        if (!is_field_value(host)) return bad_request("the host name contains control characters");
        head.append("Host: ").append(host).append("\r\n");
    }
    if (request.chunked)
        head.append("Transfer-Encoding: chunked\r\n");
    else if (!request.body.empty() || (request.method != "GET" && request.method != "HEAD"))
        head.append("Content-Length: ").append(std::to_string(request.body.size())).append("\r\n");
    head.append("\r\n");
    return head;
}

std::string percent_encode_path(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    out.reserve(bytes.size());
    for (const char c : bytes) {
        if (is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~' || c == '/') {
            out += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out += '%';
            out += digits[byte >> 4];
            out += digits[byte & 0xf];
        }
    }
    return out;
}

} // namespace sandboxkit::net

// SPDX-License-Identifier: Apache-2.0
#include "credentials/http_url.hpp"

#include <sandboxkit/address_range.hpp>
#include <sandboxkit/profile_rules.hpp>

#include <charconv>

namespace sandboxkit::credentials {

namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<std::string> decode_component(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%') {
            if (i + 2 >= text.size() || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) return {};
            c = static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            // Decoded once more by a careless server, "%252e" would be a dot.
            if (c == '/' || c == '%') return {};
            i += 2;
        }
        if (c == '\\') return {};
        out += c;
    }
    if (out.empty() || out == "." || out == ".." || detail::has_control_character(out)) return {};
    return out;
}

// "host", "host:port", and the same with an IPv6 address in brackets.
bool read_authority(std::string_view authority, HttpUrl& out) {
    std::string_view host = authority, port;
    if (const auto colon = authority.rfind(':'); colon != std::string_view::npos && !authority.ends_with(']')) {
        host = authority.substr(0, colon);
        port = authority.substr(colon + 1);
        const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
        if (error != std::errc{} || end != port.data() + port.size() || out.port == 0) return false;
    }
    if (host.empty() || !detail::is_host_name(host)) return false;
    if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
    for (const char c : host) out.host += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return true;
}

} // namespace

std::optional<HttpUrl> parse_http_url(std::string_view url) {
    HttpUrl out;
    if (url.size() > 4096 || url.find_first_of("?#") != std::string_view::npos) return {};
    if (url.starts_with("http://")) {
        out.tls = false;
        out.port = 80;
        url.remove_prefix(7);
    } else if (url.starts_with("https://")) {
        url.remove_prefix(8);
    } else {
        return {};
    }
    const auto slash = url.find('/');
    if (!read_authority(url.substr(0, slash), out)) return {};
    if (slash == std::string_view::npos) return out;
    std::string_view rest = url.substr(slash + 1);
    while (!rest.empty()) {
        const auto end = rest.find('/');
        auto component = decode_component(rest.substr(0, end));
        if (!component) return {};
        out.path.push_back(std::move(*component));
        if (end == std::string_view::npos) break;
        rest.remove_prefix(end + 1);
    }
    return out;
}

bool is_this_machine(const HttpUrl& url) {
    return detail::is_this_machine(url.host);
}

std::string authority_of(const HttpUrl& url) {
    std::string text = url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]";
    if (url.port != (url.tls ? 443 : 80)) text += ":" + std::to_string(url.port);
    return text;
}

} // namespace sandboxkit::credentials

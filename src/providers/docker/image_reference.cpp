// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/image_reference.hpp"

#include "envd/bounded_text.hpp"

#include <algorithm>

namespace sandboxkit::docker {

namespace {

Error bad_reference(std::string_view text, std::string_view why) {
    return {ErrorClass::invalid,
            "image_reference",
            "'" + envd::bounded_text(text, 256) + "' is not a reference of an image: " + std::string(why),
            "write it as in debian:12 or registry.example.com/team/base@sha256:...",
            "",
            {}};
}

bool word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

} // namespace

bool is_sha256_digest(std::string_view text) noexcept {
    constexpr std::string_view prefix = "sha256:";
    return text.size() == prefix.size() + 64 && text.starts_with(prefix) &&
           text.substr(prefix.size()).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<ImageReference> parse_image_reference(std::string_view text) {
    ImageReference reference;
    std::string_view rest = text;
    if (rest.empty() || rest.size() > 1024) return bad_reference(text, "it is empty or too long");
    if (const auto at = rest.find('@'); at != std::string_view::npos) {
        reference.digest = rest.substr(at + 1);
        if (!is_sha256_digest(reference.digest)) return bad_reference(text, "after the '@' comes something else than a digest");
        rest = rest.substr(0, at);
    }
    const auto slash = rest.rfind('/');
    if (const auto colon = rest.rfind(':');
        colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
        reference.tag = rest.substr(colon + 1);
        rest = rest.substr(0, colon);
        if (reference.tag.empty() || reference.tag.size() > 128 || !word(reference.tag.front()) ||
            !std::ranges::all_of(reference.tag, [](char c) { return word(c) || c == '.' || c == '-'; }))
            return bad_reference(text, "its tag is not one");
    } else if (reference.digest.empty()) {
        reference.tag = "latest";
    }
    reference.repository = rest;
    std::string_view path = rest;
    reference.registry = "docker.io";
    if (const auto first = rest.find('/'); first != std::string_view::npos) {
        const std::string_view host = rest.substr(0, first);
        if (host.find_first_of(".:") != std::string_view::npos || host == "localhost" || host.starts_with('[')) {
            reference.registry = host;
            reference.names_registry = true;
            path = rest.substr(first + 1);
            const auto colon = host.starts_with('[') ? host.find(':', host.find(']')) : host.find(':');
            const std::string_view name = host.substr(0, colon);
            const std::string_view port = colon == std::string_view::npos ? "1" : host.substr(colon + 1);
            const auto plain = [](char c) { return word(c) || c == '.' || c == '-' || c == ':' || c == '[' || c == ']'; };
            if (name.empty() || !std::ranges::all_of(name, plain) || port.empty() || port.size() > 5 ||
                port.find_first_not_of("0123456789") != std::string_view::npos)
                return bad_reference(text, "its registry is not one");
        }
    }
    if (path.empty() || path.front() == '/' || path.back() == '/' || path.find("//") != std::string_view::npos ||
        !std::ranges::all_of(path, [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '/';
        }))
        return bad_reference(text, "its path has other characters than a-z, 0-9 and . _ - /");
    return reference;
}

} // namespace sandboxkit::docker

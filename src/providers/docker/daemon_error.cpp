// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/daemon_error.hpp"

#include "providers/docker/daemon_json.hpp"

#include <algorithm>
#include <cctype>

namespace sandboxkit::docker {

namespace {

constexpr std::size_t words_limit = 4096;

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

bool says(std::string_view words, std::initializer_list<std::string_view> any) {
    const std::string text = lower(words);
    return std::ranges::any_of(any, [&](std::string_view each) { return text.find(each) != std::string::npos; });
}

std::string words_of(std::string_view body) {
    auto message = read_json(body.substr(0, 64 << 10), [](const json::value& v) { return text_of(v.as_object(), "message"); });
    return envd::bounded_text(message && !message->empty() ? *message : body, words_limit);
}

Error disk_full(std::string_view what, std::string words) {
    return {ErrorClass::quota,
            "disk_full",
            std::string(what) + ": the disk of the Docker daemon is full",
            "make room there, with docker system df and docker system prune say",
            std::move(words),
            {}};
}

bool is_disk_full(std::string_view words) {
    return says(words, {"no space left on device", "disk quota exceeded"});
}

} // namespace

Error refusal(unsigned status, std::string_view body, std::string_view what) {
    std::string words = words_of(body);
    if (is_disk_full(words)) return disk_full(what, std::move(words));
    const auto error = [&](ErrorClass kind, const char* code, const char* why, const char* remedy = "") {
        return Error{kind, code, std::string(what) + ": " + why, remedy, std::move(words), {}};
    };
    switch (status) {
    case 400:
    case 406: return error(ErrorClass::invalid, "docker_invalid", "the Docker daemon does not take the request");
    case 401:
    case 403:
        return error(ErrorClass::permission, "docker_permission", "the Docker daemon does not permit it",
                     "see the daemon's authorization plugins");
    case 404: return error(ErrorClass::not_found, "docker_not_found", "the Docker daemon has no such thing");
    case 409: return error(ErrorClass::conflict, "docker_conflict", "its state does not allow it");
    case 501: return error(ErrorClass::unsupported, "docker_unsupported", "this Docker daemon does not do it");
    case 503: return error(ErrorClass::unavailable, "docker_unavailable", "the Docker daemon is not ready", "try again later");
    default:
        if (status >= 500) return error(ErrorClass::internal, "docker_failed", "the Docker daemon failed");
        return error(ErrorClass::internal, "peer_protocol", "the Docker daemon gave an answer that its API does not have");
    }
}

Error failure_in_stream(std::string_view text, std::string_view what) {
    std::string words = envd::bounded_text(text, words_limit);
    if (is_disk_full(words)) return disk_full(what, std::move(words));
    const auto error = [&](ErrorClass kind, const char* code, const char* why, const char* remedy = "") {
        return Error{kind, code, std::string(what) + ": " + why, remedy, std::move(words), {}};
    };
    if (says(words, {"no matching manifest for", "does not match the specified platform"}))
        return error(ErrorClass::unsupported, "image_architecture", "there is none for the architecture of the Docker daemon",
                     "use an image for it");
    if (says(words, {"manifest unknown", "not found", "does not exist", "no such"}) && !says(words, {"no such host"}))
        return error(ErrorClass::not_found, "docker_not_found", "the registry has no such thing", "check the reference");
    if (says(words, {"unauthorized", "authentication required", "access denied", "access forbidden"}))
        return error(ErrorClass::permission, "docker_permission", "the registry does not permit it", "give a credential for it");
    if (says(words, {"connection refused", "no such host", "timeout", "deadline exceeded", "network is unreachable",
                     "i/o timeout", "connection reset", "eof"}))
        return error(ErrorClass::unavailable, "registry_unreachable", "the Docker daemon does not reach the registry",
                     "try again later");
    return error(ErrorClass::internal, "docker_failed", "the Docker daemon failed");
}

bool wants_credential(const Error& error) {
    return says(error.detail, {"unauthorized", "authentication required", "no basic auth credentials", "access denied",
                               "docker login", "denied: "});
}

bool reply_lost(const Error& error) {
    return error.code == "docker_disconnected" || error.code == "docker_timeout" || error.code == "peer_protocol";
}

} // namespace sandboxkit::docker

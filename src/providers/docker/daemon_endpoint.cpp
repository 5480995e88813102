// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/daemon_endpoint.hpp"

#include "providers/docker/daemon_json.hpp"

#include <sandboxkit/digest.hpp>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

namespace sandboxkit::docker {

namespace fs = std::filesystem;

namespace {

constexpr const char* default_endpoint = "unix:///var/run/docker.sock";
constexpr std::size_t file_limit = 1 << 20;

Error bad_endpoint(std::string_view why) {
    return {ErrorClass::invalid,
            "docker_endpoint",
            "the address of the Docker daemon is not valid: " + std::string(why),
            "give unix:///path, tcp://host:port or ssh://[user@]host[:port]",
            "",
            {}};
}

Error bad_context(const std::string& name, std::string_view why) {
    return {ErrorClass::invalid,
            "docker_context",
            "the Docker context '" + name + "' cannot be used: " + std::string(why),
            "see docker context ls",
            "",
            {}};
}

// What ssh or a resolver would take for something else than a name.
bool plain_name(std::string_view name) {
    return !name.empty() && name.front() != '-' && name.size() <= 255 && std::ranges::all_of(name, [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
               c == ':' || c == '%';
    });
}

Result<std::pair<std::string, std::uint16_t>> parse_authority(std::string_view text, std::uint16_t default_port) {
    std::string_view host = text, port;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return bad_endpoint("it has a '[' without a ']'");
        host = text.substr(1, end - 1);
        port = text.substr(end + 1);
        if (!port.empty() && port.front() != ':') return bad_endpoint("after the ']' comes something else than a port");
    } else if (const auto colon = text.find(':'); colon != std::string_view::npos) {
        host = text.substr(0, colon);
        port = text.substr(colon);
        if (text.find(':', colon + 1) != std::string_view::npos) return bad_endpoint("an IPv6 address goes in brackets");
    }
    if (!plain_name(host)) return bad_endpoint("'" + std::string(host.substr(0, 100)) + "' is not the name of a host");
    if (port.empty()) return std::pair(std::string(host), default_port);
    port.remove_prefix(1);
    std::uint16_t number = 0;
    const auto parsed = std::from_chars(port.data(), port.data() + port.size(), number);
    if (parsed.ec != std::errc{} || parsed.ptr != port.data() + port.size() || number == 0)
        return bad_endpoint("the port is not one from 1 to 65535");
    return std::pair(std::string(host), number);
}

// Nothing: there is no such file.
Result<std::optional<std::string>> read_file(const fs::path& path) {
    std::error_code error;
    if (!fs::exists(path, error)) return std::optional<std::string>{};
    std::ifstream file(path, std::ios::binary);
    std::string text(file_limit, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (file.bad() || !file.eof())
        return Error{ErrorClass::invalid, "docker_config", path.string() + " cannot be read", "check the file", "", {}};
    return std::optional(std::move(text));
}

std::string variable(const std::map<std::string, std::string>& environment, const std::string& name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string() : found->second;
}

void take_certificates(DaemonEndpoint& endpoint, const fs::path& directory) {
    const auto take = [&](fs::path& member, const char* name) {
        std::error_code error;
        if (fs::exists(directory / name, error)) member = directory / name;
    };
    take(endpoint.tls_ca, "ca.pem");
    take(endpoint.tls_certificate, "cert.pem");
    take(endpoint.tls_key, "key.pem");
}

Result<std::string> current_context(const fs::path& config) {
    auto text = read_file(config / "config.json");
    if (!text) return text.error();
    if (!*text) return std::string();
    auto name = read_json(**text, [](const json::value& document) { return text_of(document.as_object(), "currentContext"); });
    if (!name)
        return Error{ErrorClass::invalid,
                     "docker_config",
                     (config / "config.json").string() + " is not what the docker command writes",
                     "check the file",
                     name.error().detail,
                     {}};
    return std::move(*name);
}

Result<DaemonEndpoint> endpoint_of_context(const std::string& name, const fs::path& config) {
    const std::string id = sha256_hex(name);
    auto text = read_file(config / "contexts/meta" / id / "meta.json");
    if (!text) return text.error();
    if (!*text) return bad_context(name, "there is none of that name");
    struct Meta {
        std::string host;
        bool unverified = false;
    };
    auto meta = read_json(**text, [](const json::value& document) {
        const auto& docker = document.as_object().at("Endpoints").as_object().at("docker").as_object();
        return Meta{text_of(docker, "Host"), flag_of(docker, "SkipTLSVerify")};
    });
    if (!meta) return bad_context(name, "its file is not what the docker command writes");
    if (meta->unverified) return bad_context(name, "it does not verify the daemon's certificate");
    const fs::path certificates = config / "contexts/tls" / id / "docker";
    std::error_code error;
    auto endpoint = parse_endpoint(meta->host.empty() ? default_endpoint : meta->host, fs::is_directory(certificates, error));
    if (endpoint && endpoint->tls) take_certificates(*endpoint, certificates);
    return endpoint;
}

} // namespace

Result<DaemonEndpoint> parse_endpoint(std::string_view text, bool tls) {
    const auto after = [&](std::string_view scheme) -> std::optional<std::string_view> {
        if (!text.starts_with(scheme)) return {};
        return text.substr(scheme.size());
    };
    DaemonEndpoint endpoint;
    if (text.find('\0') != std::string_view::npos) return bad_endpoint("it contains a NUL byte");
    if (const auto path = after("unix://")) {
        if (!path->starts_with('/'))
            return bad_endpoint("the path of a Unix socket is absolute, as in unix:///var/run/docker.sock");
        endpoint.path = *path;
        return endpoint;
    }
    if (auto rest = after("tcp://")) {
        if (rest->ends_with('/')) rest->remove_suffix(1);
        if (rest->find_first_of("/?#@") != std::string_view::npos) return bad_endpoint("tcp:// takes a host and a port only");
        auto authority = parse_authority(*rest, tls ? 2376 : 2375);
        if (!authority) return authority.error();
        endpoint.kind = DaemonEndpoint::Kind::tcp;
        endpoint.host = authority->first;
        endpoint.port = authority->second;
        endpoint.tls = tls;
        return endpoint;
    }
    if (auto rest = after("ssh://")) {
        if (rest->ends_with('/')) rest->remove_suffix(1);
        if (rest->find_first_of("/?#") != std::string_view::npos)
            return bad_endpoint("ssh:// takes a user, a host and a port only");
        endpoint.kind = DaemonEndpoint::Kind::ssh;
        if (const auto at = rest->rfind('@'); at != std::string_view::npos) {
            const std::string_view user = rest->substr(0, at);
            if (user.find(':') != std::string_view::npos) return bad_endpoint("a password has no place in it");
            if (!plain_name(user)) return bad_endpoint("the user's name is not one");
            endpoint.user = user;
            rest->remove_prefix(at + 1);
        }
        auto authority = parse_authority(*rest, 0);
        if (!authority) return authority.error();
        endpoint.host = authority->first;
        endpoint.port = authority->second;
        return endpoint;
    }
    return bad_endpoint("it begins with none of unix://, tcp:// and ssh://");
}

std::string to_string(const DaemonEndpoint& endpoint) {
    const std::string host = endpoint.host.find(':') == std::string::npos ? endpoint.host : "[" + endpoint.host + "]";
    const std::string port = endpoint.port == 0 ? "" : ":" + std::to_string(endpoint.port);
    switch (endpoint.kind) {
    case DaemonEndpoint::Kind::unix_socket: return "unix://" + endpoint.path.string();
    case DaemonEndpoint::Kind::tcp: return "tcp://" + host + port;
    case DaemonEndpoint::Kind::ssh: return "ssh://" + host + port;
    }
    return {};
}

Result<DaemonEndpoint> endpoint_of(const std::map<std::string, std::string>& environment, const fs::path& home) {
    const std::string given = variable(environment, "DOCKER_CONFIG");
    const fs::path config = given.empty() ? home / ".docker" : fs::path(given);
    if (const std::string host = variable(environment, "DOCKER_HOST"); !host.empty()) {
        const bool verified = !variable(environment, "DOCKER_TLS_VERIFY").empty();
        if (!verified && !variable(environment, "DOCKER_TLS").empty())
            return bad_endpoint("DOCKER_TLS asks for TLS without verification, which is never done; set DOCKER_TLS_VERIFY");
        auto endpoint = parse_endpoint(host, verified);
        if (endpoint && endpoint->tls) {
            const std::string certificates = variable(environment, "DOCKER_CERT_PATH");
            take_certificates(*endpoint, certificates.empty() ? config : fs::path(certificates));
        }
        return endpoint;
    }
    std::string context = variable(environment, "DOCKER_CONTEXT");
    if (context.empty()) {
        auto current = current_context(config);
        if (!current) return current.error();
        context = *current;
    }
    if (context.empty() || context == "default") return parse_endpoint(default_endpoint, false);
    return endpoint_of_context(context, config);
}

} // namespace sandboxkit::docker

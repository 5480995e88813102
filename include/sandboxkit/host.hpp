// SPDX-License-Identifier: Apache-2.0
// Where sandboxes run. Managed hosts come with the engine and are named after their provider; registered ones are added by an
// administrator and kept in the store, without the material that opens them: that is named by path and read at each use.
#pragma once

#include <sandboxkit/clock.hpp>
#include <sandboxkit/error.hpp>
#include <sandboxkit/profile_rules.hpp>
#include <sandboxkit/strict_json.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit {

// All are absolute paths of files on the engine's machine, in PEM. An empty `ca`: the system's authorities. The certificate and
// its key come together, or not at all.
struct HostTls {
    std::string ca, certificate, key;

    friend bool operator==(const HostTls&, const HostTls&) = default;
};

// Absolute paths of files on the engine's machine. Empty: those that OpenSSH would use. An unknown key of the host is refused.
struct HostSsh {
    std::string identity, known_hosts;

    friend bool operator==(const HostSsh&, const HostSsh&) = default;
};

struct HostDefinition {
    std::string name;     // letters, digits, '.', '_' and '-', at most 100; one key space with the managed hosts
    std::string provider; // as Recipe::provider has it: "docker", or one of EngineOptions::host_factories
    // Of "docker": unix:///path, tcp://host:port (with TLS, unless it is this machine) or ssh://[user@]host[:port]. Of others
    // what their factory says. Never a credential.
    std::string endpoint;
    std::map<std::string, std::string> labels{}; // at most 32, each name and value at most 256 bytes
    std::optional<HostTls> tls{};                // present: TLS, with tcp:// only
    std::optional<HostSsh> ssh{};                // with ssh:// only

    friend bool operator==(const HostDefinition&, const HostDefinition&) = default;
};

struct HostInfo {
    HostDefinition definition; // of a managed host: its name and its provider only
    bool registered = false;   // else it is managed
    bool is_default = false;   // where profiles run that name no host
    // Of what stands behind it, as it was when it was first seen; empty: not seen yet, or there is but one.
    std::string identity;
    std::optional<Timestamp> created{}; // absent: managed
    std::string created_by;             // principal id; empty: managed
};

enum class HostState : std::uint8_t {
    usable,
    down,     // it does not answer, or not as it should
    slow,     // usable, but its answer took more than two seconds
    full,     // it answers, and has no room
    replaced, // another one answers than that which was there first (Capabilities::identity)
    refused,  // it does not trust us, or we do not trust it: certificates, keys
};

[[nodiscard]] constexpr std::string_view to_string(HostState state) noexcept {
    constexpr std::string_view names[] = {"usable", "down", "slow", "full", "replaced", "refused"};
    return names[static_cast<std::size_t>(state)];
}

struct HostStatus {
    HostState state = HostState::down;
    std::string message;                      // one line
    std::string remedy;                       // what to do about it; empty when usable
    std::map<std::string, std::string> facts; // Capabilities::facts, when it answered
    std::chrono::milliseconds latency{};      // of the answer, or of waiting for it
};

namespace detail {

// By its name alone: what a resolver says is not believed.
[[nodiscard]] inline bool is_loopback(std::string_view host) noexcept {
    return host == "localhost" || host == "[::1]" ||
           (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

inline void check_host_file(std::vector<Problem>& problems, std::string pointer, std::string_view path) {
    if (path.empty()) return;
    if (auto fault = check_absolute_path(path))
        problems.push_back({std::move(pointer), fault->code, fault->message, "name a file on the engine's machine, from / on"});
}

inline void check_docker_endpoint(const HostDefinition& host, std::vector<Problem>& problems) {
    const auto refuse = [&](std::string code, std::string message, std::string remedy) {
        problems.push_back({"/endpoint", std::move(code), std::move(message), std::move(remedy)});
    };
    const std::string forms = "write it as unix:///path, tcp://host:port or ssh://[user@]host[:port]";
    const std::string_view endpoint = host.endpoint;
    const auto scheme_end = endpoint.find("://");
    const auto scheme = endpoint.substr(0, scheme_end);
    if (scheme_end == std::string_view::npos || (scheme != "unix" && scheme != "tcp" && scheme != "ssh"))
        return refuse("bad_value", "this is no address of a Docker daemon", forms);
    std::string_view rest = endpoint.substr(scheme_end + 3);
    if (host.tls && scheme != "tcp")
        problems.push_back({"/tls", "not_applicable", "TLS goes with tcp:// only", "leave it out, or use tcp://"});
    if (host.ssh && scheme != "ssh")
        problems.push_back({"/ssh", "not_applicable", "an SSH identity goes with ssh:// only", "leave it out, or use ssh://"});
    if (scheme == "unix") {
        if (auto fault = check_absolute_path(rest)) refuse(fault->code, fault->message, forms);
        return;
    }
    if (rest.find_first_of("?#") != std::string_view::npos)
        return refuse("credential_in_endpoint", "the endpoint has a query or a fragment, which may carry a secret",
                      "remove everything from the first '?' or '#'");
    if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
        const auto user = rest.substr(0, at);
        if (scheme != "ssh" || user.find_first_of(":@%") != std::string_view::npos)
            return refuse("credential_in_endpoint", "the endpoint carries user information, which may be a secret",
                          "remove everything before and including the '@'; name files with the credentials instead");
        if (!is_ssh_user(user)) return refuse("bad_value", "this is not a plain SSH user name", forms);
        rest.remove_prefix(at + 1);
    }
    if (rest.ends_with('/')) rest.remove_suffix(1);
    if (!is_host_and_port(rest)) return refuse("bad_value", "the endpoint names no usable host", forms);
    if (scheme != "tcp") return;
    const auto port = rest.rfind(':');
    if (port == std::string_view::npos || rest.ends_with(']'))
        return refuse("bad_value", "the endpoint names no port", "Docker's with TLS is 2376: tcp://host:2376");
    if (!host.tls && !is_loopback(rest.substr(0, port)))
        refuse("tls_required", "without TLS, everybody on the way has root on that host",
               "add the files of \"tls\", or use ssh://");
}

} // namespace detail

// Every fault at once, with a pointer into the JSON form (host_document.hpp). Pure: no file is looked at.
[[nodiscard]] inline std::vector<Problem> check_host_definition(const HostDefinition& host) {
    std::vector<Problem> problems;
    const auto add = [&](std::string pointer, const std::optional<FormFault>& fault) {
        if (fault) problems.push_back({std::move(pointer), fault->code, fault->message, fault->remedy});
    };
    add("/name", check_short_name(host.name));
    add("/provider", check_provider_name(host.provider));
    if (host.endpoint.size() > 1024)
        problems.push_back({"/endpoint", "too_long", "an endpoint has at most 1024 bytes", "use a shorter one"});
    else if (auto fault = check_line(host.endpoint))
        add("/endpoint", fault);
    else if (host.provider == "docker")
        detail::check_docker_endpoint(host, problems);
    else if (const auto scheme = host.endpoint.find("://");
             scheme != std::string::npos &&
             host.endpoint.substr(scheme + 3, host.endpoint.find('/', scheme + 3) - scheme - 3).find('@') != std::string::npos)
        problems.push_back({"/endpoint", "credential_in_endpoint", "the endpoint carries user information, which may be a secret",
                            "remove everything before and including the '@'"});
    if (host.labels.size() > 32) problems.push_back({"/labels", "too_many", "a host has at most 32 labels", "remove some"});
    for (const auto& [name, value] : host.labels)
        if (name.empty() || name.size() > 256 || value.size() > 256 || detail::has_control_character(name) ||
            detail::has_control_character(value))
            problems.push_back({pointer_to("/labels", name), "bad_value",
                                "a label's name has 1 to 256 bytes and its value at most 256, without control characters",
                                "change it"});
    if (host.tls) {
        detail::check_host_file(problems, "/tls/ca", host.tls->ca);
        detail::check_host_file(problems, "/tls/certificate", host.tls->certificate);
        detail::check_host_file(problems, "/tls/key", host.tls->key);
        if (host.tls->certificate.empty() != host.tls->key.empty())
            problems.push_back({host.tls->key.empty() ? "/tls/key" : "/tls/certificate", "missing_field",
                                "a client's certificate and its key come together", "name both files, or neither"});
    }
    if (host.ssh) {
        detail::check_host_file(problems, "/ssh/identity", host.ssh->identity);
        detail::check_host_file(problems, "/ssh/known_hosts", host.ssh->known_hosts);
    }
    return problems;
}

} // namespace sandboxkit

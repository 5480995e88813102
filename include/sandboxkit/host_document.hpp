// SPDX-License-Identifier: Apache-2.0
// A host's definition as JSON:
//   {"name": "...", "provider": "docker", "endpoint": "tcp://build.example:2376", "labels": {"region": "eu"},
//    "tls": {"ca": "/path", "certificate": "/path", "key": "/path"}, "ssh": {"identity": "/path", "known_hosts": "/path"}}
// "labels", "tls" and "ssh" may be left out or null, and so may the members of the last two.
#pragma once

#include <sandboxkit/error.hpp>
#include <sandboxkit/host.hpp>
#include <sandboxkit/object_reader.hpp>
#include <sandboxkit/strict_json.hpp>

#include <boost/json/object.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit {

// invalid "host_invalid" with every problem at once, also those of check_host_definition.
[[nodiscard]] inline Result<HostDefinition> read_host_definition(std::string_view document) {
    auto value = parse_strict(document);
    if (!value) return document_error("host_invalid", "the host", value.error().problems);
    ProblemList problems;
    ObjectReader reader(*value, "", problems);
    HostDefinition host;
    constexpr std::size_t longest = 4096;
    const auto text = [](ObjectReader& from, std::string_view name) {
        const auto* given = from.member(name);
        if (!given || given->is_null()) return std::string();
        return from.string(name, longest).value_or("");
    };
    const auto present = [&reader](std::string_view name) {
        const auto* given = reader.member(name);
        return given && !given->is_null();
    };
    for (const std::string_view name : {"name", "provider", "endpoint"}) reader.require(name);
    host.name = text(reader, "name");
    host.provider = text(reader, "provider");
    host.endpoint = text(reader, "endpoint");
    if (present("labels"))
        if (auto labels = reader.object("labels"); labels && labels->is_object())
            for (const auto& [name, label] : reader.member("labels")->get_object())
                host.labels[std::string(name)] =
                    ObjectReader::string_of(label, pointer_to("/labels", std::string(name)), longest, problems).value_or("");
    if (present("tls"))
        if (auto tls = reader.object("tls")) {
            host.tls = HostTls{text(*tls, "ca"), text(*tls, "certificate"), text(*tls, "key")};
            tls->finish();
        }
    if (present("ssh"))
        if (auto ssh = reader.object("ssh")) {
            host.ssh = HostSsh{text(*ssh, "identity"), text(*ssh, "known_hosts")};
            ssh->finish();
        }
    reader.finish();
    auto found = problems.take();
    if (found.empty()) found = check_host_definition(host);
    if (!found.empty()) return document_error("host_invalid", "the host", std::move(found));
    return host;
}

[[nodiscard]] inline boost::json::object host_definition_to_json(const HostDefinition& host) {
    const auto path = [](const std::string& text) {
        return text.empty() ? boost::json::value(nullptr) : boost::json::value(text);
    };
    boost::json::object labels;
    for (const auto& [name, label] : host.labels) labels[name] = label;
    boost::json::object out{{"name", host.name},
                            {"provider", host.provider},
                            {"endpoint", path(host.endpoint)},
                            {"labels", std::move(labels)},
                            {"tls", nullptr},
                            {"ssh", nullptr}};
    if (host.tls)
        out["tls"] = {{"ca", path(host.tls->ca)}, {"certificate", path(host.tls->certificate)}, {"key", path(host.tls->key)}};
    if (host.ssh) out["ssh"] = {{"identity", path(host.ssh->identity)}, {"known_hosts", path(host.ssh->known_hosts)}};
    return out;
}

} // namespace sandboxkit

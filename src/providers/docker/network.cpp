// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/network.hpp"

#include "providers/docker/daemon_error.hpp"
#include "providers/docker/operation.hpp"

#include <sandboxkit/address_range.hpp>

#include <boost/json/array.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>

#include <ifaddrs.h>
#include <netinet/in.h>

namespace sandboxkit::docker {

namespace {

constexpr const char* network_name = "sandboxkit";
constexpr std::size_t most_name_servers = 3; // as a resolver reads

struct Network {
    std::string id, name, created;
    Labels labels;
};

std::vector<Network> read_networks(const json::value& document) {
    std::vector<Network> list;
    for (const auto& each : document.as_array()) {
        const auto& object = each.as_object();
        list.push_back({text_of(object, "Id"), text_of(object, "Name"), text_of(object, "Created"), labels_of(object, "Labels")});
    }
    return list;
}

std::string read_id(const json::value& document) {
    return text_of(document.as_object(), "Id");
}

// The filter matches parts of names.
Task<std::vector<Network>> find_networks(DaemonPtr daemon) {
    EngineRequest request;
    request.what = "cannot list the networks";
    request.path = "/networks";
    auto all = co_await daemon->client.get(std::move(request), read_networks);
    if (!all) co_return all.error();
    std::erase_if(*all, [](const Network& each) { return each.name != network_name; });
    std::ranges::sort(*all,
                      [](const Network& a, const Network& b) { return std::tie(a.created, a.id) < std::tie(b.created, b.id); });
    co_return all;
}

Task<std::string> make_network(DaemonPtr daemon) {
    json::object labels;
    for (const auto& [name, value] : own_labels("network")) labels[name] = value;
    EngineRequest create;
    create.what = "cannot make the network of the sandboxes";
    create.method = "POST";
    create.path = "/networks/create";
    json::object options{{"com.docker.network.bridge.enable_icc", "false"}};
    create.body = json::object{{"Name", network_name}, {"CheckDuplicate", true},        {"Driver", "bridge"},
                               {"EnableIPv6", false},  {"Options", std::move(options)}, {"Labels", std::move(labels)}};
    auto id = co_await daemon->client.get(std::move(create), read_id);
    co_return id;
}

Task<void> remove_network(DaemonPtr daemon, std::string id) {
    EngineRequest remove;
    remove.what = "cannot remove a network";
    remove.method = "DELETE";
    remove.path = "/networks/" + net::percent_encode_path(id);
    remove.idempotent = true;
    auto removed = co_await daemon->client.call(std::move(remove));
    if (!removed) co_return removed.error();
    co_return Result<void>{};
}

// Two processes may have made one each: names of networks are not unique. The older one is the network.
Task<std::string> ensure_network(DaemonPtr daemon) {
    for (bool again = true;; again = false) {
        auto found = co_await find_networks(daemon);
        if (!found) co_return found.error();
        if (!found->empty()) {
            if (!is_ours(found->front().labels, "network"))
                co_return Error{ErrorClass::conflict,
                                "docker_network_foreign",
                                "the Docker daemon has a network of the name sandboxkit that is not ours",
                                "rename it, or use egress \"none\"",
                                "",
                                {}};
            co_return found->front().id;
        }
        auto made = co_await make_network(daemon);
        if (!made && !(again && (made.error().code == "docker_conflict" || reply_lost(made.error())))) co_return made.error();
        found = co_await find_networks(daemon);
        if (!found) co_return found.error();
        if (made && !found->empty() && found->front().id != *made && is_ours(found->front().labels, "network"))
            static_cast<void>(co_await run_undisturbed(daemon->executor, remove_network(daemon, *made)));
        else if (made)
            co_return made;
    }
}

std::string file_text(const char* path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

std::vector<std::string> name_servers_in(std::string_view resolv_conf) {
    std::vector<std::string> servers;
    std::istringstream lines{std::string(resolv_conf)};
    const auto loopback = parse_address_range("127.0.0.0/8");
    for (std::string line; std::getline(lines, line) && servers.size() < most_name_servers;) {
        std::istringstream words(line);
        std::string keyword, address;
        words >> keyword >> address;
        if (keyword != "nameserver") continue;
        const auto range = parse_address_range(address);
        if (range && !range->v6 && range->bits == 32 && !loopback->contains(*range)) servers.push_back(address);
    }
    return servers;
}

std::vector<std::string> own_addresses() {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return {};
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
    std::vector<std::string> addresses;
    for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
        if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) continue;
        char text[INET_ADDRSTRLEN] = {};
        const auto* address = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
        if (::inet_ntop(AF_INET, &address->sin_addr, text, sizeof text) != nullptr)
            addresses.push_back(std::string(text) + "/32");
    }
    return addresses;
}

Task<OutboundNetwork> outbound_network(DaemonPtr daemon) {
    OutboundNetwork network;
    if (daemon->network.empty()) {
        auto id = co_await ensure_network(daemon);
        if (!id) co_return id.error();
        daemon->network = *id;
    }
    network.id = daemon->network;
    for (const auto& [range, name] : sandboxkit::detail::special_ranges_v4) network.refused.emplace_back(range);
    auto hosts = own_addresses();
    if (daemon->endpoint.kind == DaemonEndpoint::Kind::unix_socket)
        network.name_servers = name_servers_in(file_text("/etc/resolv.conf"));
    const auto parsed = parse_address_range(daemon->endpoint.host);
    if (parsed && !parsed->v6 && parsed->bits == 32) hosts.push_back(daemon->endpoint.host + "/32");
    for (const auto& each : hosts) {
        const auto range = parse_address_range(each);
        const bool covered = std::ranges::any_of(network.refused, [&](const std::string& outer) {
            const auto wide = parse_address_range(outer);
            return wide && range && wide->contains(*range);
        });
        if (!covered) network.refused.push_back(each);
    }
    co_return network;
}

} // namespace sandboxkit::docker

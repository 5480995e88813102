// SPDX-License-Identifier: Apache-2.0
// The rules between what a sandbox may reach and what it is told to use.
#pragma once

#include <sandboxkit/address_range.hpp>
#include <sandboxkit/check_findings.hpp>
#include <sandboxkit/profile.hpp>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::checking {

// Where an http or https URL leads; an IPv6 address without its brackets.
struct WebAddress {
    std::string host; // in lower case
    std::uint32_t port = 0;
};

[[nodiscard]] inline std::optional<WebAddress> web_address(std::string_view url) {
    const std::size_t scheme = url.find("://");
    if (scheme == std::string_view::npos) return {};
    WebAddress out;
    out.port = url.starts_with("https:") ? 443 : 80;
    std::string_view host = url.substr(scheme + 3);
    host = host.substr(0, host.find_first_of("/?#"));
    const std::size_t bracket = host.find(']');
    if (const std::size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
        colon != std::string_view::npos) {
        std::uint32_t port = 0;
        for (const char c : host.substr(colon + 1)) {
            if (c < '0' || c > '9' || port > 65'535) return {};
            port = port * 10 + static_cast<std::uint32_t>(c - '0');
        }
        out.port = port;
        host = host.substr(0, colon);
    }
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    for (const char c : host) out.host += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (out.host.empty()) return {};
    return out;
}

// Whether everything that `inner` stands for is meant by `outer`, of domains as EgressRule has them.
[[nodiscard]] inline bool domain_covers(std::string_view outer, std::string_view inner) {
    if (outer == inner) return !outer.empty();
    if (!outer.starts_with("*.")) return false;
    const std::string_view suffix = outer.substr(1); // with the dot
    if (inner.starts_with("*.")) inner.remove_prefix(1);
    return inner.size() > suffix.size() && inner.ends_with(suffix);
}

// No top-level domain is a number, so that this can only be an address.
[[nodiscard]] inline bool is_address_like(std::string_view domain) {
    const std::string_view last = domain.substr(domain.rfind('.') + 1);
    return !last.empty() && std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// An allowlist with its ranges read once.
class Allowlist {
public:
    explicit Allowlist(const std::vector<EgressRule>& rules) : rules_(rules) {
        ranges_.reserve(rules.size());
        for (const EgressRule& rule : rules) ranges_.push_back(rule.cidr.empty() ? std::nullopt : parse_address_range(rule.cidr));
    }
    [[nodiscard]] const std::optional<AddressRange>& range(std::size_t rule) const { return ranges_[rule]; }

    [[nodiscard]] bool covers(std::size_t outer, std::size_t inner) const {
        const auto& ports = rules_[outer].ports;
        const auto& wanted = rules_[inner].ports;
        if (!ports.empty() && (wanted.empty() || !std::all_of(wanted.begin(), wanted.end(), [&](std::uint32_t port) {
                                   return std::find(ports.begin(), ports.end(), port) != ports.end();
                               })))
            return false;
        if (ranges_[outer] && ranges_[inner]) return ranges_[outer]->contains(*ranges_[inner]);
        return domain_covers(rules_[outer].domain, rules_[inner].domain);
    }
    [[nodiscard]] bool allows(const WebAddress& address) const {
        const auto numeric = parse_address_range(address.host);
        for (std::size_t i = 0; i < rules_.size(); ++i) {
            const auto& ports = rules_[i].ports;
            if (!ports.empty() && std::find(ports.begin(), ports.end(), address.port) == ports.end()) continue;
            // A name may lead into any range that is listed: that is not known here.
            if (ranges_[i] && (!numeric || ranges_[i]->contains(*numeric))) return true;
            if (!numeric && domain_covers(rules_[i].domain, address.host)) return true;
        }
        return false;
    }

private:
    const std::vector<EgressRule>& rules_;
    std::vector<std::optional<AddressRange>> ranges_;
};

inline void check_network(const Recipe& recipe, Findings& findings) {
    const Network& network = recipe.network;
    const Allowlist allowlist(network.allow);
    if (network.egress == Egress::allowlist && network.allow.empty())
        findings.error("/network/allow", "empty_allowlist", "with \"allowlist\", this says what may be reached, and it is empty",
                       "list something, or set \"egress\" to \"none\"");
    if (network.egress != Egress::allowlist && !network.allow.empty())
        findings.error("/network/allow", "allow_without_allowlist", "this is used with \"allowlist\" only",
                       "set \"egress\" to \"allowlist\", or leave this out");
    for (std::size_t i = 0; i < network.allow.size(); ++i) {
        const EgressRule& rule = network.allow[i];
        if (!rule.domain.empty() && is_address_like(rule.domain)) {
            findings.error(member_of("/network/allow", i, "domain"), "address_as_domain", "this is an address, not a domain",
                           "write it as \"cidr\", with /32 after it");
            continue;
        }
        if (allowlist.range(i)) {
            if (const std::string_view kind = unreachable_kind(*allowlist.range(i)); !kind.empty()) {
                findings.error(member_of("/network/allow", i, "cidr"), "unreachable_range",
                               "these are " + std::string(kind) + ", which no sandbox can reach", "leave the entry out");
                continue;
            }
        }
        for (std::size_t other = 0; other < network.allow.size(); ++other) {
            // Of two that mean the same the first stays.
            if (other == i || !allowlist.covers(other, i) || (other > i && allowlist.covers(i, other))) continue;
            findings.warning(element("/network/allow", i), "covered_rule",
                             element("/network/allow", other) + " allows all of this already", "leave one of them out");
            break;
        }
    }
    if (network.rate_limit_mbit && network.egress == Egress::none)
        findings.no_effect("/network/rate_limit_mbit", "there is no network", "leave it out, or choose another \"egress\"");

    for (std::size_t i = 0; i < recipe.mcp_servers.size(); ++i) {
        const auto address = web_address(recipe.mcp_servers[i].url);
        if (!address) continue;
        const auto out_of_reach = [&](const std::string& why) {
            findings.warning(member_of("/mcp_servers", i, "url"), "not_reachable", "the sandbox cannot reach this: " + why,
                             "change \"network\", or leave the server out");
        };
        const auto numeric = parse_address_range(address->host);
        if (network.egress == Egress::none)
            out_of_reach("it has no network");
        else if (const std::string_view kind = numeric ? unreachable_kind(*numeric) : ""; !kind.empty())
            out_of_reach("these are " + std::string(kind));
        else if (network.egress == Egress::allowlist && !network.allow.empty() && !allowlist.allows(*address))
            out_of_reach("\"allow\" does not list its host and port");
    }
}

} // namespace sandboxkit::checking

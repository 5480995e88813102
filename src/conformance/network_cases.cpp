// SPDX-License-Identifier: Apache-2.0
// What a sandbox reaches, seen from within, and from this host. What is refused is only believed where something would have
// answered: each case first makes sure of that.
#include "conformance/bench.hpp"
#include "conformance/case.hpp"
#include "conformance/listener.hpp"

#include <algorithm>
#include <set>
#include <sstream>

namespace sandboxkit::conformance {
namespace {

constexpr const char* word = "conformance-word";

std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);)
        if (!line.empty()) lines.push_back(line);
    return lines;
}

// The addresses that a sandbox has, without its loopback: local ones of its table of routes.
std::vector<std::string> addresses_of(Sandbox& sandbox) {
    const auto text = sandbox.text(
        R"(awk '/32 host/ { print address } { if ($2 != "") address = $2 }' /proc/net/fib_trie 2>/dev/null | grep -v '^127[.]' | sort -u)");
    return lines_of(text);
}

std::vector<std::string> gateways_of(Sandbox& sandbox) {
    std::vector<std::string> all;
    for (const auto& hex : lines_of(sandbox.text("awk '$3 != \"00000000\" && NR > 1 { print $3 }' /proc/net/route | sort -u"))) {
        const auto value = std::strtoul(hex.c_str(), nullptr, 16); // as it lies in memory
        all.push_back(std::to_string(value & 255U) + "." + std::to_string(value >> 8 & 255U) + "." +
                      std::to_string(value >> 16 & 255U) + "." + std::to_string(value >> 24 & 255U));
    }
    return all;
}

// At once: what is dropped takes its time. Each line is the address and what the probe said.
std::vector<std::string> ask_all(Sandbox& sandbox, const std::vector<std::string>& addresses, std::uint16_t port) {
    std::string script;
    for (const auto& each : addresses)
        script += "(echo \"" + each + " $(" + Sandbox::probe_path + " tcp " + each + " " + std::to_string(port) + ")\") &\n";
    return lines_of(sandbox.text(script + "wait"));
}

Sandbox start_open(Bench& bench) {
    auto sandbox = bench.start(bench.request(Egress::open));
    sandbox.bring_probe();
    return sandbox;
}

void none_is_loopback_only(Bench& bench) {
    auto sandbox = bench.start();
    sandbox.bring_probe();
    bench.equal("the interfaces", sandbox.text("cut -d: -f1 -s /proc/net/dev | tr -d ' \\n'"), "lo");
    for (const char* each : {"192.0.2.1", "8.8.8.8", "169.254.169.254", "10.0.0.1", "2001:db8::1"}) {
        const auto said = sandbox.probe(std::string("tcp ") + each + " 80");
        bench.check(said == "ENETUNREACH" || said == "EHOSTUNREACH" || said == "EADDRNOTAVAIL" || said == "EAFNOSUPPORT",
                    std::string(each) + " has no route", said);
    }
}

void none_keeps_loopback(Bench& bench) {
    auto sandbox = bench.start();
    sandbox.bring_probe();
    (void)sandbox.text(std::string(Sandbox::probe_path) + " serve 7788 " + word +
                       " > /root/ready 2>&1 & until grep -q serving /root/ready; do :; done");
    bench.equal("a server of the sandbox itself", sandbox.probe("tcp 127.0.0.1 7788"), std::string("connected ") + word);
}

void none_does_not_reach_the_host(Bench& bench) {
    auto listener = Listener::tcp(word);
    if (!listener) Bench::skip("this host gives no port to listen on");
    auto sandbox = bench.start();
    sandbox.bring_probe();
    auto addresses = host_addresses();
    bench.require(ask("127.0.0.1", listener->port()) == word, "the server on this host answers here");
    for (const auto& line : ask_all(sandbox, addresses, listener->port()))
        bench.check(line.find(word) == std::string::npos, "this host is not reached from a sandbox without network", line);
    bench.check(listener->accepted() == 1, "nobody but this host came");
}

void open_has_a_route_and_names(Bench& bench) {
    auto sandbox = bench.start(bench.request(Egress::open));
    bench.check(!gateways_of(sandbox).empty(), "there is a default route");
    bench.check(sandbox.works("grep -q '^nameserver ' /etc/resolv.conf"), "there is a server of names");
}

void open_does_not_reach_the_host(Bench& bench) {
    auto listener = Listener::tcp(word);
    if (!listener) Bench::skip("this host gives no port to listen on");
    auto sandbox = start_open(bench);
    auto addresses = host_addresses();
    for (const auto& each : gateways_of(sandbox)) addresses.push_back(each);
    bench.require(addresses.size() > 1, "this host has addresses besides its loopback");
    for (const auto& each : host_addresses())
        bench.require(ask(each, listener->port()) == word, "the server on this host answers here, at " + each);
    const auto before = listener->accepted();
    const auto answers = ask_all(sandbox, addresses, listener->port());
    bench.check(answers.size() == addresses.size(), "each address was asked");
    for (const auto& line : answers)
        bench.check(line.find(word) == std::string::npos, "a service of this host is not reached from a sandbox", line);
    bench.check(listener->accepted() == before, "no connection came to this host");
}

// Refused at once, by somebody who decided so; or here it answers, and there not.
void kept_from(Bench& bench, Sandbox& sandbox, const std::vector<std::string>& addresses, std::uint16_t port) {
    std::string unsure;
    for (const auto& line : ask_all(sandbox, addresses, port)) {
        const auto space = line.find(' ');
        const auto address = line.substr(0, space), said = line.substr(space + 1);
        bench.check(said.find("connected") == std::string::npos, address + " is not reached from a sandbox", line);
        if (said == "ETIMEDOUT" && !reaches(address, port)) unsure += " " + address;
    }
    if (bench.failures().empty() && !unsure.empty())
        Bench::skip("nothing answers on this host either, and nothing refuses:" + unsure);
}

void open_does_not_reach_metadata(Bench& bench) {
    auto sandbox = start_open(bench);
    kept_from(bench, sandbox, {"169.254.169.254", "169.254.170.2", "169.254.0.1"}, 80);
}

void open_does_not_reach_private_networks(Bench& bench) {
    auto sandbox = start_open(bench);
    kept_from(bench, sandbox, {"10.123.45.67", "172.16.3.4", "172.31.255.1", "192.168.1.1", "192.168.255.1", "100.64.1.1"}, 80);
}

void sandboxes_do_not_reach_each_other(Bench& bench) {
    auto first = start_open(bench), second = start_open(bench);
    (void)first.text(std::string(Sandbox::probe_path) + " serve 7788 " + word +
                     " > /root/ready 2>&1 & until grep -q serving /root/ready; do :; done");
    const auto addresses = addresses_of(first);
    bench.require(!addresses.empty(), "a sandbox with a network has an address");
    for (const auto& line : ask_all(first, addresses, 7788))
        bench.require(line.find(word) != std::string::npos, "the server answers in its own sandbox", line);
    for (const auto& line : ask_all(second, addresses, 7788))
        bench.check(line.find(word) == std::string::npos, "a server in a sandbox is not reached from another", line);
}

void no_inbound(Bench& bench) {
    auto sandbox = start_open(bench);
    (void)sandbox.text(std::string(Sandbox::probe_path) + " serve 7789 " + word +
                       " > /root/ready 2>&1 & until grep -q serving /root/ready; do :; done");
    bench.equal("the server, in its own sandbox", sandbox.probe("tcp 127.0.0.1 7789"), std::string("connected ") + word);
    for (const auto& each : host_addresses())
        bench.check(ask(each, 7789) != word, "a server in a sandbox is not to be had at an address of this host", each);
}

void the_network_cannot_be_changed(Bench& bench) {
    auto sandbox = start_open(bench);
    for (const char* attempt : {"ip link set lo down", "ip route add 10.0.0.0/8 dev lo", "ip route flush table main",
                                "ip addr add 10.9.9.9/32 dev lo", "ip route del default"})
        if (sandbox.works("command -v ip")) bench.check(!sandbox.works(attempt), std::string(attempt) + " fails");
    for (const char* call : {"raw", "packet", "vsock"}) {
        const auto said = sandbox.probe(std::string("call ") + call);
        bench.check(said == "EPERM" || said == "EACCES" || said == "EAFNOSUPPORT",
                    std::string("a socket past the policy is refused: ") + call, said);
    }
}

void open_after_a_stop(Bench& bench) {
    auto listener = Listener::tcp(word);
    if (!listener) Bench::skip("this host gives no port to listen on");
    auto sandbox = bench.start(bench.request(Egress::open));
    sandbox.stop();
    sandbox.start();
    sandbox.bring_probe();
    bench.check(!gateways_of(sandbox).empty(), "there is a default route after a stop and a start");
    for (const auto& line : ask_all(sandbox, host_addresses(), listener->port()))
        bench.check(line.find(word) == std::string::npos, "a service of this host is not reached after a stop and a start", line);
}

} // namespace

Group network_cases() {
    return {"network",
            {
                {"none_is_loopback_only", "without network there is loopback and no route", none_is_loopback_only, {egress_none}},
                {"none_keeps_loopback", "without network, loopback works", none_keeps_loopback, {egress_none}},
                {"none_does_not_reach_the_host",
                 "without network no service of this host is reached",
                 none_does_not_reach_the_host,
                 {egress_none}},
                {"open_has_a_route_and_names",
                 "with open egress there is a default route and a server of names",
                 open_has_a_route_and_names,
                 {egress_open}},
                {"open_does_not_reach_the_host",
                 "no service of this host is reached, at any of its addresses or the gateway's",
                 open_does_not_reach_the_host,
                 {egress_open}},
                {"open_does_not_reach_metadata",
                 "link-local addresses, a cloud's metadata among them, are refused",
                 open_does_not_reach_metadata,
                 {egress_open}},
                {"open_does_not_reach_private_networks",
                 "private networks are refused",
                 open_does_not_reach_private_networks,
                 {egress_open}},
                {"sandboxes_do_not_reach_each_other",
                 "a server in a sandbox is not reached from another",
                 sandboxes_do_not_reach_each_other,
                 {egress_open}},
                {"no_inbound", "a server in a sandbox is not to be had at this host's addresses", no_inbound, {egress_open}},
                {"the_network_cannot_be_changed",
                 "root in the sandbox cannot change routes, nor go past them",
                 the_network_cannot_be_changed,
                 {egress_open}},
                {"open_after_a_stop", "the same after a stop and a start", open_after_a_stop, {egress_open, stop_and_resume}},
            }};
}

} // namespace sandboxkit::conformance

// SPDX-License-Identifier: Apache-2.0
#include "providers/local/oci_bundle.hpp"

#include "sandbox/posture.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace sandboxkit::local {
namespace json = boost::json;
namespace {

constexpr std::int64_t cpu_period = 100'000; // microseconds
constexpr std::int64_t least_quota = 1'000;  // the kernel's own minimum

json::array strings(auto&& list) {
    json::array result;
    for (const auto& each : list) result.emplace_back(std::string_view(each));
    return result;
}

json::object mount(std::string_view destination, std::string_view type, std::string_view source,
                   std::initializer_list<std::string_view> options) {
    return {{"destination", destination}, {"type", type}, {"source", source}, {"options", strings(options)}};
}

json::object device_rule(bool allow, json::object rule, std::string_view access) {
    rule["allow"] = allow;
    rule["access"] = access;
    return rule;
}

// Deny all, then what every program may have: null, zero, full, random, urandom, tty, the terminal multiplexer and terminals.
json::array device_rules() {
    json::array rules;
    rules.push_back(device_rule(false, {}, "rwm"));
    const auto allow = [&](std::int64_t major, std::int64_t minor) {
        json::object rule{{"type", "c"}, {"major", major}};
        if (minor >= 0) rule["minor"] = minor;
        rules.push_back(device_rule(true, rule, "rwm"));
    };
    for (const int minor : {3, 5, 7, 8, 9}) allow(1, minor);
    allow(5, 0);
    allow(5, 2);
    allow(136, -1);
    return rules;
}

json::object resources(const BundleDescription& d) {
    json::object result;
    if (d.controls.devices) result["devices"] = device_rules();
    if (d.controls.cpu) {
        const auto quota =
            std::max(static_cast<std::int64_t>(std::llround(d.limits.cpus * static_cast<double>(cpu_period))), least_quota);
        const auto shares = std::clamp<std::int64_t>(std::llround(d.limits.cpus * 1024), 2, 262'144);
        result["cpu"] = json::object{{"shares", shares}, {"quota", quota}, {"period", cpu_period}};
    }
    if (d.controls.memory) {
        const auto bytes = static_cast<std::int64_t>(d.limits.memory_bytes);
        json::object memory{{"limit", bytes}};
        if (d.controls.swap) memory["swap"] = bytes; // memory and swap together: no swap
        result["memory"] = memory;
    }
    if (d.controls.processes) result["pids"] = json::object{{"limit", d.limits.processes}};
    return result;
}

json::array mounts(const BundleDescription& d) {
    json::array list;
    list.push_back(mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
    list.push_back(mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
    list.push_back(
        mount("/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
    list.push_back(mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}));
    list.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
    list.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
    list.push_back(mount(guest_path_inside, "bind", d.guest, {"bind", "ro", "nosuid", "nodev"}));
    return list;
}

} // namespace

std::string oci_config(const BundleDescription& d) {
    json::array arguments{guest_path_inside};
    for (const auto& each : d.arguments) arguments.emplace_back(each);
    const json::array granted = strings(posture::capabilities);
    const auto hard_files = std::min<std::uint64_t>(d.open_files_hard, 1'048'576);
    const auto soft_files = std::min<std::uint64_t>(hard_files, 65'536);

    json::array read_only = strings(posture::read_only_kernel_paths);
    for (const auto& each : d.read_only_paths) read_only.emplace_back(each);

    json::object sysctl{{"net.ipv4.ping_group_range", "0 2147483647"}}; // ping without NET_RAW
    std::error_code ignored;
    if (d.no_ipv6 && std::filesystem::exists("/proc/sys/net/ipv6", ignored)) sysctl["net.ipv6.conf.default.disable_ipv6"] = "1";

    json::array namespaces;
    for (const char* each : {"pid", "mount", "ipc", "uts", "network", "cgroup"})
        namespaces.push_back(json::object{{"type", each}});

    const json::object process{
        {"terminal", false},
        {"user", json::object{{"uid", 0}, {"gid", 0}}},
        {"args", arguments},
        {"env", json::array{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}},
        {"cwd", "/"},
        {"capabilities", json::object{{"bounding", granted}, {"effective", granted}, {"permitted", granted}}},
        {"noNewPrivileges", true},
        {"rlimits", json::array{json::object{{"type", "RLIMIT_NOFILE"}, {"soft", soft_files}, {"hard", hard_files}},
                                json::object{{"type", "RLIMIT_CORE"}, {"soft", 0}, {"hard", 0}}}},
    };
    const json::object linux_part{
        {"namespaces", namespaces},
        {"cgroupsPath", d.cgroup_path},
        {"resources", resources(d)},
        {"sysctl", sysctl},
        {"maskedPaths", strings(posture::masked_paths)},
        {"readonlyPaths", read_only},
        {"rootfsPropagation", "private"},
    };
    const json::object config{
        {"ociVersion", "1.0.2"},  {"process", process},  {"root", json::object{{"path", d.root}, {"readonly", false}}},
        {"hostname", d.hostname}, {"mounts", mounts(d)}, {"linux", linux_part},
    };
    return json::serialize(config);
}

} // namespace sandboxkit::local

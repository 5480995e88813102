// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/container_config.hpp"

#include "providers/docker/seccomp_profile.hpp"
#include "sandbox/posture.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <cmath>

namespace sandboxkit::docker {

namespace {

constexpr std::int64_t cpu_period = 100'000; // microseconds
constexpr std::int64_t least_quota = 1'000;  // the kernel's own minimum

json::array strings(const auto& list) {
    json::array result;
    for (const auto& each : list) result.emplace_back(std::string_view(each));
    return result;
}

json::object object_of_labels(const Labels& labels) {
    json::object result;
    for (const auto& [name, value] : labels) result[name] = value;
    return result;
}

json::object bind(const std::string& source, const char* target, bool read_only) {
    const json::object options{{"Propagation", "rprivate"}};
    return {{"Type", "bind"}, {"Source", source}, {"Target", target}, {"ReadOnly", read_only}, {"BindOptions", options}};
}

json::object volume(const std::string& name, const std::string& path, bool read_only) {
    // What the image has at that path is not copied into it: a volume holds what was put there.
    const json::object options{{"NoCopy", true}};
    return {{"Type", "volume"}, {"Source", name}, {"Target", path}, {"ReadOnly", read_only}, {"VolumeOptions", options}};
}

json::array mounts(const ContainerDescription& d) {
    json::array list;
    if (d.guest_volume.empty()) {
        list.push_back(bind(d.guest, guest_path_inside, true));
        list.push_back(bind(d.socket_directory, socket_directory_inside, false));
    } else {
        list.push_back(volume(d.guest_volume, guest_directory_inside, true));
    }
    for (const auto& each : d.volumes) list.push_back(volume(each.name, each.path, each.read_only));
    return list;
}

json::array arguments(const ContainerDescription& d) {
    json::array list{"--listen-unix", d.guest_volume.empty() ? socket_path_inside : unshared_socket_inside,
                     "--inherit-environment"}; // which is the image's
    for (const auto& each : d.refused) {
        list.emplace_back("--refuse");
        list.emplace_back(each);
    }
    for (const auto& each : d.name_servers) {
        list.emplace_back("--name-server");
        list.emplace_back(each);
    }
    return list;
}

void put_limits(json::object& host, const ContainerDescription& d) {
    if (d.controls.cpu) {
        // Not NanoCpus: with it the daemon refuses more than its host has, where a quota simply never binds.
        host["CpuPeriod"] = cpu_period;
        host["CpuQuota"] =
            std::max(static_cast<std::int64_t>(std::llround(d.limits.cpus * static_cast<double>(cpu_period))), least_quota);
    }
    if (d.controls.memory) {
        const auto bytes = static_cast<std::int64_t>(d.limits.memory_bytes);
        host["Memory"] = bytes;
        if (d.controls.swap) host["MemorySwap"] = bytes; // memory and swap together: no swap
    }
    if (d.controls.processes) host["PidsLimit"] = d.limits.processes;
}

} // namespace

json::object container_config(const ContainerDescription& d) {
    json::array capabilities = strings(posture::capabilities);
    if (!d.refused.empty()) capabilities.emplace_back("CAP_NET_ADMIN"); // the guest gives it up before it listens
    json::array read_only = strings(posture::read_only_kernel_paths);
    for (const auto& each : d.read_only_paths) read_only.emplace_back(each);
    const json::object no_core{{"Name", "core"}, {"Soft", 0}, {"Hard", 0}};

    json::object host{
        {"NetworkMode", d.network},
        {"Mounts", mounts(d)},
        {"CapDrop", json::array{"ALL"}},
        {"CapAdd", std::move(capabilities)},
        {"SecurityOpt", json::array{"no-new-privileges", "seccomp=" + seccomp_profile()}},
        {"MaskedPaths", strings(posture::masked_paths)},
        {"ReadonlyPaths", std::move(read_only)},
        {"Ulimits", json::array{no_core}},
        {"RestartPolicy", json::object{{"Name", "no"}}},
        {"LogConfig", json::object{{"Type", "none"}}},
        {"IpcMode", "private"},
        {"CgroupnsMode", "private"},
        {"Init", false},
        {"AutoRemove", false},
        {"ShmSize", posture::shared_memory_bytes},
    };
    put_limits(host, d);
    return {
        {"Image", d.image},
        {"Hostname", d.hostname},
        {"User", "0:0"},
        {"WorkingDir", "/"},
        {"Entrypoint", json::array{guest_path_inside}},
        {"Cmd", arguments(d)},
        {"Labels", object_of_labels(d.labels)},
        {"Healthcheck", json::object{{"Test", json::array{"NONE"}}}},
        {"Tty", false},
        {"OpenStdin", false},
        {"AttachStdin", false},
        {"AttachStdout", false},
        {"AttachStderr", false},
        {"HostConfig", std::move(host)},
    };
}

json::object helper_config(const std::string& image, const Labels& labels, const std::string& name, const std::string& path) {
    json::object host{{"NetworkMode", "none"}, {"LogConfig", json::object{{"Type", "none"}}}};
    if (!name.empty()) host["Mounts"] = json::array{volume(name, path, false)};
    return {
        {"Image", image},
        {"Entrypoint", json::array{"/never-started"}},
        {"Cmd", json::array{}},
        {"Labels", object_of_labels(labels)},
        {"HostConfig", std::move(host)},
    };
}

} // namespace sandboxkit::docker
